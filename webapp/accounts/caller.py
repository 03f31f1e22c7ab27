"""Who asks for a page."""

from __future__ import annotations

from django.http import Http404, HttpRequest

from webapp.accounts.models import User


def signed_in(request: HttpRequest) -> User:
    """LoginRequiredMiddleware let nobody else through; this says so to the type checker, and fails closed."""
    if not isinstance(request.user, User):
        raise Http404
    return request.user
