"""The page behind an invitation's link: whoever is signed in joins the team; a new person makes an account and joins it."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from webapp.accounts import invitations, limits, providers
from webapp.accounts.audit import record
from webapp.accounts.entering import enter
from webapp.accounts.forms import ROLES, NewAccount
from webapp.accounts.models import Invitation, Role, User


@sensitive_post_parameters()
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def join(request: HttpRequest, token: str) -> HttpResponse:
    limits.count("link", limits.address_of(request))
    invitation = invitations.open_by(token)
    if invitation is None:
        return _secret(render(request, "accounts/not_invited.html", status=404))
    if isinstance(request.user, User):
        return _as_oneself(request, invitation, request.user)
    return _as_somebody_new(request, invitation)


def _as_oneself(request: HttpRequest, invitation: Invitation, user: User) -> HttpResponse:
    if request.method != "POST":
        return _shown(request, invitation)
    try:
        invitations.accept(invitation, user)
    except invitations.Refused as refused:
        return _shown(request, invitation, refused=str(refused), status=409)
    messages.success(request, f"You are in {invitation.team.name} now.")
    return redirect("team", invitation.team_id)


def _as_somebody_new(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    form = NewAccount(request.POST or None, bound_to=invitation.email)
    if not form.is_valid():
        return _shown(request, invitation, form=form, status=422 if form.is_bound else 200)
    try:
        with transaction.atomic():  # no account without the team that it was made for
            user = form.save()
            record(user, "account-made", user, team=invitation.team)
            invitations.accept(invitation, user)
    except invitations.Refused as refused:
        return _shown(request, invitation, form=form, refused=str(refused), status=409)
    enter(request, user, by="invitation")
    messages.success(request, f"Welcome. You are in {invitation.team.name} now.")
    return redirect("team", invitation.team_id)


def _shown(
    request: HttpRequest, invitation: Invitation, *, form: NewAccount | None = None, refused: str = "", status: int = 200
) -> HttpResponse:
    told = {
        "invitation": invitation,
        "role": ROLES[Role(invitation.role)],
        "form": form,
        "refused": refused,
        "providers": providers.offered(request),
    }
    return _secret(render(request, "accounts/join.html", told, status=status))


def _secret(response: HttpResponse) -> HttpResponse:
    """The page's address must not travel on; the origin may, which Django asks of a form."""
    response.headers["Referrer-Policy"] = "strict-origin"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


@sensitive_post_parameters()
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    """An account that is in no team; only where SIGN_UP allows it."""
    if not settings.SIGN_UP:
        raise Http404
    if isinstance(request.user, User):
        return redirect("search")
    if request.method == "POST":
        limits.count("sign-in", limits.address_of(request))
    form = NewAccount(request.POST or None)
    if not form.is_valid():
        return render(request, "accounts/sign_up.html", {"form": form}, status=422 if form.is_bound else 200)
    user = form.save()
    record(user, "account-made", user)
    enter(request, user, by="sign-up")
    return redirect("search")
