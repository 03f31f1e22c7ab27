"""The collections page: what can be searched, how much of it, what failed and why, what came in, what is asked again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from webapp.accounts.caller import signed_in
from webapp.accounts.models import Role, Team, User
from webapp.explore import saving
from webapp.library import shelves
from webapp.library.coverage import Coverage, coverage, failures
from webapp.library.meters import Segment, segments
from webapp.library.models import Collection, Image
from webapp.library.recent import recent_uploads
from webapp.library.views import COLLECTIONS_A_PAGE

SAVED_SHOWN = 6
REASONS_SHOWN = 6

Standing = Literal["operator", "editor", "viewer", "nobody"]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """``sentence``: the most frequent of the sentences that go with ``reason``."""

    reason: str
    sentence: str
    count: int


@dataclass(frozen=True, kw_only=True)
class FirstSteps:
    """What somebody does who has nothing to search yet. ``owners``: who can help whoever may add nothing themselves."""

    standing: Standing
    collection: Collection | None
    owners: list[str]


@require_safe
def collections(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    counted = coverage(user)
    page = Paginator(shelves.shelved(user), COLLECTIONS_A_PAGE).get_page(request.GET.get("page"))
    standing = standing_of(user)
    told = {
        "coverage": counted,
        "meter": meter(counted),
        "share": share(counted),
        "failures": grouped_failures(user) if counted.failed else [],
        "page": page,
        "shelves": shelves.shelves(list(page), user),
        "standing": standing,
        "may_add": standing in ("operator", "editor"),
        "uploads": recent_uploads(user),
        "saved": saving.told(list(saving.found(user)[:SAVED_SHOWN]), user),
        "steps": None if counted.total else first_steps(user, standing),
    }
    return render(request, "library/collections.html", told)


def meter(counted: Coverage) -> list[Segment]:
    parts = {"ready": counted.ready, "held": counted.held, "running": counted.running, "failed": counted.failed}
    return segments(parts, of=counted.total)


def share(counted: Coverage) -> str:
    """In per cent; «100» only where it is all, since «99.96 %» rounded up would hide what is missing."""
    if not counted.total:
        return ""
    tenths = 1000 * counted.ready // counted.total
    return f"{tenths / 10:g}"


def grouped_failures(user: User) -> list[Failure]:
    """Most frequent first."""
    by_reason: Counter[str] = Counter()
    sentences: dict[str, str] = {}
    for (reason, text), n in failures(Image.objects.visible_to(user)).items():
        by_reason[reason] += n
        sentences.setdefault(reason, text)
    return [
        Failure(reason=reason, sentence=sentences[reason] or reason, count=n)
        for reason, n in by_reason.most_common(REASONS_SHOWN)
    ]  # fmt: skip


def standing_of(user: User) -> Standing:
    """What somebody may do about collections; a superuser may all, once there is a team."""
    if user.is_superuser:
        return "editor" if Team.objects.exists() else "operator"
    highest = max(user.memberships.values_list("role", flat=True), default=0)
    if highest >= Role.EDITOR:
        return "editor"
    return "viewer" if highest else "nobody"


def first_steps(user: User, standing: Standing) -> FirstSteps:
    owners: list[str] = []
    if standing == "viewer":
        mine = user.memberships.values("team")
        owning = User.objects.filter(memberships__team__in=mine, memberships__role=Role.OWNER, is_active=True)
        owners = list(owning.order_by("username").values_list("username", flat=True).distinct()[:5])
    return FirstSteps(standing=standing, collection=Collection.objects.editable_by(user).first(), owners=owners)
