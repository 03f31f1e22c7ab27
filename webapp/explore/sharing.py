"""Links to saved searches: making one, opening it, and its end.

A link is a way to a question and gives no right to an image. Whoever opens it must see the saved search, as a member of its team
or as its owner, and then sees what they themselves may see. Guests without an account are the one exception, where the site
allows it: of a frozen link they get the small pictures that its maker may still see (guests.py).

Of a token only its hash is kept; expiry is judged by the database's clock.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models.functions import Now
from django.http import Http404, QueryDict

from webapp.accounts.audit import Use, record, uses
from webapp.accounts.models import Team, User
from webapp.accounts.tokens import digest
from webapp.explore import addresses, saving
from webapp.explore.asking import BadQuery
from webapp.explore.models import FrozenHit, LinkMode, SavedQuery, ShareLink
from webapp.explore.queries import search

TOKEN_BYTES = 16  # 128 bits, which nobody guesses
USUAL_DAYS = 30
FROZEN = 100  # hits that a frozen link keeps
State = Literal["open", "expired", "revoked"]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """How a link is to be. ``guests_read``: guests get the search's name, its note and the captions beside the pictures."""

    mode: LinkMode = LinkMode.LIVE
    days: int = USUAL_DAYS
    guests: bool = False
    guests_read: bool = False
    password: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.days <= settings.LINK_MAX_DAYS:
            raise BadQuery("days", f"A link lives for 1 to {settings.LINK_MAX_DAYS} days.")
        if self.guests and not settings.GUEST_LINKS:
            raise BadQuery("no_guests", "This site shares nothing with people who have no account.")
        if self.guests and self.mode != LinkMode.FROZEN:
            raise BadQuery("guests_frozen", "Guests see frozen results only.")
        if self.password and not self.guests:
            raise BadQuery("password", "Only a link for guests has a password: members sign in.")


@dataclass(frozen=True, kw_only=True)
class Told:
    """A link as lists show it. ``use``: how often it was opened, by how many people with an account, and when last."""

    link: ShareLink
    state: State
    use: Use
    may_manage: bool


def query_to_share(user: User, *, name: str, address: str, team: Team | None, note: str = "") -> SavedQuery:
    """The question as it is saved for ``team`` already, or saved anew. Raises BadQuery."""
    kept = saving.kept_address(address)
    if (known := saving.same(user, kept, team)) is not None:
        return known
    made = saving.save(user=user, name=name, note=note, address=kept, team=team)
    record(user, "search-saved", made, team=team)
    return made


def share(user: User, query: SavedQuery, wish: Wish) -> tuple[ShareLink, str]:
    """The link, and its token: the only time that it can be read. A frozen one asks now, with the rights of ``user``.

    Raises Http404 where ``user`` does not see the query, BadQuery where it names what they may not see, Outage, TooMany.
    """
    _check_sight(user, query)
    hits = _hits_now(user, query) if wish.mode == LinkMode.FROZEN else []
    token = new_token()
    with transaction.atomic():
        link = ShareLink.objects.create(
            query=query,
            sha256=digest(token),
            mode=wish.mode,
            guests=wish.guests,
            guests_read=wish.guests and wish.guests_read,
            password=make_password(wish.password) if wish.password else "",
            fingerprint=saving.fingerprint_now(),
            made_by=user,
            expires_at=_in_days(user, wish.days),
        )
        FrozenHit.objects.bulk_create([_of(hit, link) for hit in hits])
        record(user, "link-made", link, team=query.team, query=str(query.pk), mode=link.mode, guests=link.guests, days=wish.days)
    return link, token


def new_token() -> str:
    """22 characters."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def address_of(token: str) -> str:
    return f"/q/{token}"


def _check_sight(user: User, query: SavedQuery) -> None:
    if not SavedQuery.objects.visible_to(user).filter(pk=query.pk).exists():
        raise Http404("There is no such search.")
    if not saving.names_only_what_is_seen(query.address, user):
        raise BadQuery(
            "not_yours", "This search names an image or a collection that is gone or not yours to see: take it out, then share."
        )


def _hits_now(user: User, query: SavedQuery) -> list[FrozenHit]:
    page = search(replace(addresses.query_of(QueryDict(query.address)), size=FROZEN), user=user)
    return [
        FrozenHit(rank=rank, image_id=hit.image.pk, region_id=hit.region.pk, score=hit.score, band=hit.band)
        for rank, hit in enumerate(page.hits, start=1)
    ]


def _of(hit: FrozenHit, link: ShareLink) -> FrozenHit:
    hit.link = link
    return hit


def _in_days(user: User, days: int) -> datetime:
    """By the database's clock, which also judges whether it has come."""
    now: datetime = User.objects.filter(pk=user.pk).values_list(Now(), flat=True).get()
    return now + timedelta(days=days)


# --- opening ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Opened:
    link: ShareLink
    state: State

    @property
    def is_open(self) -> bool:
        return self.state == "open"


def by_digest(sha256: str) -> UUID | None:
    """The link's id."""
    return ShareLink.objects.filter(sha256=sha256).values_list("pk", flat=True).first()


def open_link(pk: UUID | None, user: User) -> Opened:
    """Raises Http404, alike for a link that is unknown and for one to a search that ``user`` does not see."""
    seen = ShareLink.objects.filter(query__in=SavedQuery.objects.visible_to(user)).select_related("query__team", "made_by")
    link = None if pk is None else seen.filter(pk=pk).first()
    if link is None:
        raise Http404("There is no such link.")
    return Opened(link=link, state=states([link])[link.pk])


def is_seen(pk: UUID | None, user: User) -> bool:
    """Whether there is such a link to a search that ``user`` sees, open or ended."""
    return pk is not None and ShareLink.objects.filter(pk=pk, query__in=SavedQuery.objects.visible_to(user)).exists()


def states(links: Iterable[ShareLink]) -> dict[UUID, State]:
    """One statement for all."""
    every = list(links)
    still_open = set(ShareLink.objects.open().filter(pk__in=[link.pk for link in every]).values_list("pk", flat=True))
    return {
        link.pk: "open" if link.pk in still_open else "expired" if link.revoked_at is None else "revoked" for link in every
    }  # fmt: skip


def note_opened(link: ShareLink, user: User | None) -> None:
    """``user`` None: a guest."""
    record(user, "link-opened", link, team=link.query.team, guest=user is None)


# --- keeping an eye on them -------------------------------------------------------------------------------------------


def told(links: Iterable[ShareLink], user: User) -> list[Told]:
    """Ready for a page: three statements however many they are."""
    every = list(links)
    how, opened = states(every), uses("link-opened", every)
    managed = ShareLink.objects.managed_by(user).filter(pk__in=[each.pk for each in every])
    mine = set(managed.values_list("pk", flat=True))
    return [
        Told(link=each, state=how[each.pk], use=opened.get(str(each.pk), Use()), may_manage=each.pk in mine) for each in every
    ]  # fmt: skip


def revoke(user: User, link: ShareLink) -> None:
    """For good. ``link`` is one that the caller has found among those that ``user`` manages."""
    if ShareLink.objects.filter(pk=link.pk, revoked_at=None).update(revoked_at=Now()):
        record(user, "link-revoked", link, team=link.query.team)


def extend(user: User, link: ShareLink, days: int) -> None:
    """From today; one that has expired opens again. Raises BadQuery for a revoked one, Http404 for whoever left the search."""
    Wish(days=days)
    if not SavedQuery.objects.visible_to(user).filter(pk=link.query_id).exists():
        raise Http404("There is no such search.")
    if not ShareLink.objects.filter(pk=link.pk, revoked_at=None).update(expires_at=_in_days(user, days)):
        raise BadQuery("revoked", "This link was revoked: make a new one.")
    record(user, "link-extended", link, team=link.query.team, days=days)
