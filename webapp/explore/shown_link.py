"""What the page of a shared search says of its link."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.http import Http404

from webapp.accounts.models import User
from webapp.explore import frozen, saving, sharing, watching
from webapp.explore.addresses import Address
from webapp.explore.models import ShareLink


@dataclass(frozen=True, kw_only=True)
class Shared:
    """``is_watched``: by whoever looks at it. ``changed``: the page shows another question by now, which began as this one."""

    link: ShareLink
    reencoded: bool
    is_watched: bool
    changed: bool = False

    @classmethod
    def of(cls, link: ShareLink, user: User, *, changed: bool = False) -> Shared:
        is_watched = bool(watching.watched_ids(user, [link.query]))
        return cls(link=link, reencoded=frozen.reencoded(link), is_watched=is_watched, changed=changed)


def shared_by(address: Address, user: User) -> Shared | None:
    """The link that a search page was reached by, as its address says; None where there is none for ``user`` (any more)."""
    try:
        opened = sharing.open_link(UUID(address.get("link")), user)
    except (ValueError, Http404):
        return None
    if not opened.is_open:
        return None
    asked = address.without("link", "cursor", "below").href.removeprefix("?")
    return Shared.of(opened.link, user, changed=not saving.same_question(asked, opened.link.query.address))
