"""The page that says who sees which of a team's collections; the team's own page shows the same as a part."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from webapp.accounts import rights
from webapp.accounts.caller import signed_in
from webapp.library import who_sees


@require_safe
def who_sees_what(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    user = signed_in(request)
    team = get_object_or_404(rights.teams_visible_to(user), pk=pk)
    part = getattr(request, "htmx", False)
    told = {"team": team, "lines": who_sees.lines(team, user)}
    response = render(request, "library/_who_sees_what.html" if part else "library/who_sees_what.html", told)
    response.headers["Vary"] = "HX-Request"
    return response
