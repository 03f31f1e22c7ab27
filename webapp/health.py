"""/healthz: this process answers. Asks no database and no index, so that it tells only that."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    del request
    return HttpResponse("conchive\n", content_type="text/plain", headers={"Cache-Control": "no-store"})
