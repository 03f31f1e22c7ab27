"""Pages of teams: one's own, a team with its members and invitations, and what is done there."""

from __future__ import annotations

import uuid
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from webapp.accounts import invitations, limits, rights, teams
from webapp.accounts.caller import signed_in
from webapp.accounts.forms import ROLES, ChangeRole, Invite, NewTeam
from webapp.accounts.models import Invitation, Membership, Role, Team, User


@require_safe
def my_teams(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    mine = user.memberships.select_related("team").prefetch_related("team__memberships").order_by("team__name")
    others = rights.teams_visible_to(user).exclude(memberships__user=user).prefetch_related("memberships")
    told = {"memberships": mine, "others": others, "may_make": rights.may_make_teams(user)}
    return render(request, "accounts/teams.html", told)


@require_http_methods(["GET", "HEAD", "POST"])
def new_team(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    if not rights.may_make_teams(user):
        raise Http404
    form = NewTeam(request.POST or None)
    if not form.is_valid():
        return render(request, "accounts/new_team.html", {"form": form}, status=422 if form.is_bound else 200)
    made = teams.make(user, form.cleaned_data["name"])
    messages.success(request, "The team is there. Invite the others.")
    return redirect("team", made.pk)


@require_safe
def team(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    shown = get_object_or_404(rights.teams_visible_to(signed_in(request)), pk=pk)
    return _page(request, shown, undo=request.GET.get("undo", ""))


def _page(
    request: HttpRequest, shown: Team, *, form: Invite | None = None, link: str = "", undo: str = "", status: int = 200
) -> HttpResponse:
    """``link``: of an invitation that was just made. ``undo``: the word that takes a removal back."""
    user = signed_in(request)
    manages = rights.may_manage(user, shown)
    members = list(shown.memberships.select_related("user").order_by("-role", "user__username"))
    told = {
        "team": shown,
        "manages": manages,
        "members": members,
        "mine": next((each for each in members if each.user_id == user.pk), None),
        "owners": sum(each.role == Role.OWNER for each in members),
        "roles": ROLES,
        "form": form or Invite(),
        "invitations": shown.invitations.open().select_related("made_by") if manages else (),
        "link": link,
        "mails": settings.MAILS,
        "undo": undo if manages else "",
        "removed": _removed(undo, shown) if manages and undo else None,
    }
    return render(request, "accounts/team.html", told, status=status)


def _removed(word: str, shown: Team) -> User | None:
    try:
        return teams.removed(word, shown)[0]
    except teams.NotUndone:
        return None


# --- members ----------------------------------------------------------------------------------------------------------


@require_POST
def change_role(request: HttpRequest, pk: uuid.UUID, user: int) -> HttpResponse:
    managed, member = _managed(request, pk, user)
    form = ChangeRole(request.POST)
    if not form.is_valid():
        messages.error(request, "There is no such role.")
        return redirect("team", managed.pk)
    try:
        teams.change_role(member, form.cleaned_data["role"], by=signed_in(request))
    except teams.LastOwner as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, f"{member.user} is {_a(form.cleaned_data['role'])} now.")
    return redirect("team", managed.pk)


def _a(role: Role) -> str:
    return f"a {role.label}" if role == Role.VIEWER else f"an {role.label}"


@require_POST
def remove(request: HttpRequest, pk: uuid.UUID, user: int) -> HttpResponse:
    """The page's sheet has asked before; the page that follows offers to take it back."""
    managed, member = _managed(request, pk, user)
    try:
        word = teams.remove(member, by=signed_in(request))
    except teams.LastOwner as refused:
        messages.error(request, str(refused))
        return redirect("team", managed.pk)
    if not rights.teams_visible_to(signed_in(request)).filter(pk=managed.pk).exists():
        return redirect("teams")  # it was oneself
    return redirect(f"{reverse('team', args=[managed.pk])}?{urlencode({'undo': word})}")


@require_POST
def put_back(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    managed = _managed_team(request, pk)
    try:
        person = teams.put_back(request.POST.get("undo", ""), managed, by=signed_in(request))
    except teams.NotUndone as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, f"{person} is back in the team.")
    return redirect("team", managed.pk)


@require_POST
def leave(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    user = signed_in(request)
    member = get_object_or_404(user.memberships.select_related("team", "user"), team=pk)
    try:
        teams.leave(member)
    except teams.LastOwner as refused:
        messages.error(request, str(refused))
        return redirect("team", pk)
    messages.success(request, f"You left {member.team.name}.")
    return redirect("teams")


@require_POST
def hand_over(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    told = request.POST.get("to", "")
    managed, member = _managed(request, pk, int(told) if told.isdecimal() and len(told) < 18 else 0)
    try:
        teams.hand_over(managed, member, by=signed_in(request))
    except teams.LastOwner as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, f"{member.user} owns {managed.name} now.")
    return redirect("team", managed.pk)


# --- invitations ------------------------------------------------------------------------------------------------------


@require_POST
def invite(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Answers with the page itself, as the only one that ever shows the link."""
    managed, user = _managed_team(request, pk), signed_in(request)
    limits.count("link", user)
    form = Invite(request.POST)
    if not form.is_valid():
        return _page(request, managed, form=form, status=422)
    made, link = invitations.invite(managed, by=user, **form.cleaned_data)
    if made.email and settings.MAILS:
        try:
            invitations.mail(made, link)
            messages.success(request, f"The invitation is on its way to {made.email}.")
        except invitations.NotMailed:
            messages.warning(request, "The mail server did not take the invitation: send the link yourself.")
    return _page(request, managed, link=request.build_absolute_uri(urlsplit(link).path))  # as whoever asks reaches the site


@require_POST
def revoke(request: HttpRequest, pk: uuid.UUID, invitation: int) -> HttpResponse:
    managed = _managed_team(request, pk)
    found = get_object_or_404(Invitation.objects.filter(team=managed).select_related("team"), pk=invitation)
    if invitations.revoke(found, by=signed_in(request)):
        messages.success(request, "The invitation is withdrawn: its link opens nothing any more.")
    else:
        messages.info(request, "It was used, withdrawn or out of date already.")
    return redirect("team", managed.pk)


# --- finding ----------------------------------------------------------------------------------------------------------


def _managed_team(request: HttpRequest, pk: uuid.UUID) -> Team:
    """404 for a foreign team and an unknown one, 403 for a member who is no owner: they see the team."""
    user = signed_in(request)
    seen = get_object_or_404(rights.teams_visible_to(user), pk=pk)
    if not rights.may_manage(user, seen):
        raise PermissionDenied
    return seen


def _managed(request: HttpRequest, pk: uuid.UUID, user: int) -> tuple[Team, Membership]:
    managed = _managed_team(request, pk)
    return managed, get_object_or_404(managed.memberships.select_related("team", "user"), user=user)
