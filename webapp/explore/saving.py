"""Searches that are kept: what of an address is kept, by whom it is seen, and opening it again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Length
from django.http import QueryDict

from webapp.accounts.audit import Use, record, uses
from webapp.accounts.models import Team, User
from webapp.explore import addresses, archive
from webapp.explore.asking import BadQuery
from webapp.explore.models import KeptPicture, QueryPicture, SavedQuery
from webapp.library.models import Collection, Image, Region
from webapp.outages import Outage
from webapp.requests import uuid_of

LONGEST_ADDRESS = 4000
NOT_KEPT = ("cursor", "below", "link", "csrfmiddlewaretoken")  # a page's place, and by which link one came
LABELS = {
    "image": "like an image",
    "region": "like a part of an image",
    "picture": "like a picture of one's own",
    "plus": "more",
    "minus": "less",
    "like": "liked",
    "dislike": "disliked",
    "stain": "stain",
    "organ": "organ",
    "tags": "tag",
    "case": "case",
    "organ_is": "organ",
    "stain_is": "stain",
    "finding_is": "finding",
    "at": "at",
    "collection": "in one collection",
    "without_case": "without case",
}
BY_ID = frozenset({"image", "region", "picture", "collection", "like", "dislike"})  # an id is no word for people


@dataclass(frozen=True, kw_only=True)
class Saved:
    """``parts``: the question in words. ``outdated``: another encoder answers by now, so that ranks may differ.

    ``last_used_at``: when anybody opened it last, as far back as the audit trail is kept.
    """

    query: SavedQuery
    parts: list[str]
    may_edit: bool
    outdated: bool
    last_used_at: datetime | None


def kept_address(told: str) -> str:
    """A query-string as it is kept. Raises BadQuery for what is no question, or too long a one."""
    address = QueryDict(told.lstrip("?")[: 2 * LONGEST_ADDRESS], mutable=True)
    for name in NOT_KEPT:
        address.pop(name, None)
    if not addresses.asks(address):
        raise BadQuery("no_question", "There is no search in this address.")
    addresses.query_of(address)
    kept = address.urlencode()
    if len(kept) > LONGEST_ADDRESS:
        raise BadQuery("address_too_long", f"This search is too long to be saved: at most {LONGEST_ADDRESS} characters.")
    return kept


def save(*, user: User, name: str, address: str, team: Team | None = None, note: str = "") -> SavedQuery:
    """``team`` is one that the caller has found among the user's. A picture in it is kept as long as it is. Raises BadQuery."""
    kept = kept_address(address)
    with transaction.atomic():
        made = SavedQuery.objects.create(
            owner=user, team=team, name=name, note=note, address=kept, fingerprint=fingerprint_now()
        )  # fmt: skip
        pictures = QueryPicture.objects.visible_to(user).light().filter(pk__in=_ids(QueryDict(kept), "picture"))
        KeptPicture.objects.bulk_create([KeptPicture(query=made, picture=picture) for picture in pictures])
    return made


def fork(query: SavedQuery, user: User) -> SavedQuery:
    """``user``'s own version of one that the caller has found among what they see."""
    return save(user=user, name=query.name, note=query.note, address=query.address)


def same(user: User, address: str, team: Team | None) -> SavedQuery | None:
    """The question as it is saved already for the same people, one's own first."""
    found = [query for query in same_by_anybody(user, address) if query.team_id == (team.pk if team else None)]
    return min(found, key=lambda query: query.owner_id != user.pk, default=None)


def same_by_anybody(user: User, address: str) -> list[SavedQuery]:
    """What ``user`` sees that asks the same, in whatever order its parts stand."""
    as_long = SavedQuery.objects.visible_to(user).annotate(length=Length("address")).filter(length=len(address))
    return [query for query in as_long if same_question(query.address, address)]


def same_question(one: str, other: str) -> bool:
    return _parts(one) == _parts(other)


def _parts(address: str) -> list[tuple[str, str]]:
    return sorted(parse_qsl(address, keep_blank_values=True))


def _ids(address: QueryDict, *names: str) -> list[UUID]:
    told = [value for name in names for value in address.getlist(name)]
    return [found for value in told if (found := uuid_of(value)) is not None]


def fingerprint_now() -> str:
    """ "" while the index does not answer: a search can be saved all the same."""
    try:
        return archive.images().fingerprint
    except Outage:
        return ""


def found(user: User, words: str = "") -> QuerySet[SavedQuery]:
    """What ``user`` sees whose name, note or question has all of ``words``, last used first."""
    queries = SavedQuery.objects.visible_to(user).last_used_first().select_related("owner", "team")
    for word in words.split()[:10]:
        queries = queries.filter(Q(name__icontains=word) | Q(note__icontains=word) | Q(address__icontains=word))
    return queries


def told(queries: list[SavedQuery], user: User) -> list[Saved]:
    """Ready for a page; one statement for the rights of all, one for when they were used."""
    mine = set(SavedQuery.objects.editable_by(user).filter(pk__in=[query.pk for query in queries]).values_list("pk", flat=True))
    now, used = fingerprint_now() if queries else "", uses("search-opened", queries)
    return [
        Saved(
            query=query,
            parts=in_words(query.address),
            may_edit=query.pk in mine,
            outdated=bool(now and query.fingerprint and query.fingerprint != now),
            last_used_at=used.get(str(query.pk), Use()).last,
        )
        for query in queries
    ]


def in_words(address: str) -> list[str]:
    """«brown nuclei», «organ: breast»: what is asked, in the order of the address."""
    asked = QueryDict(address)
    parts = [f"“{words}”" for words in asked.getlist("q") if words]
    for name, values in asked.lists():
        if label := LABELS.get(name):
            parts += [label if len(values) == 1 else f"{label} ({len(values)})"] if name in BY_ID else [
                f"{label}: {value.partition('~')[0]}" for value in values
            ]  # fmt: skip
    return parts


def suggested_name(address: str) -> str:
    return ", ".join(part.strip("“”") for part in in_words(address))[:120]


def opened(query: SavedQuery, user: User) -> tuple[str, bool]:
    """The address to go to, "" where nothing is left to ask; and whether a picture of it is gone or not this user's to see."""
    address = QueryDict(query.address, mutable=True)
    lost = lost_pictures(address, user)
    for name in (*lost, "crop") if lost else ():
        address.pop(name, None)
    record(user, "search-opened", query, team=query.team)
    return (f"/?{address.urlencode()}" if addresses.asks(address) else ""), bool(lost)


def lost_pictures(address: QueryDict, user: User) -> list[str]:
    """Which of "image", "region" and "picture" name what is not there, or not there for ``user``."""
    visible = Image.objects.visible_to(user)
    there: dict[str, QuerySet[Any]] = {
        "image": visible,
        "region": Region.objects.filter(image__in=visible),
        "picture": QueryPicture.objects.visible_to(user),
    }
    return [
        name
        for name, rows in there.items()
        if name in address and not rows.filter(pk__in=_ids(address, name)).exists()
    ]  # fmt: skip


def names_only_what_is_seen(address: str, user: User) -> bool:
    """Whether every image, picture and collection in a question is there for ``user``."""
    asked = QueryDict(address)
    if lost_pictures(asked, user):
        return False
    judged = {*_ids(asked, "like", "dislike")}
    visible = Image.objects.visible_to(user)
    regions = Region.objects.filter(pk__in=judged, image__in=visible)
    seen = {*visible.filter(pk__in=judged).values_list("pk", flat=True), *regions.values_list("pk", flat=True)}
    collections = {*_ids(asked, "collection")}
    return judged <= seen and Collection.objects.visible_to(user).filter(pk__in=collections).count() == len(collections)
