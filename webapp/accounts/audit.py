"""Writes down who did what to which thing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Max, Model, QuerySet
from django.utils import timezone

from webapp.accounts.models import AuditEvent, Team, User
from webapp.spreadsheets import csv_lines

COLUMNS = ("at", "who", "action", "target_type", "target_id", "team", "details")

ACTIONS = {
    "sign-in": "signed in",
    "sign-out": "signed out",
    "sign-in-refused": "was refused at sign-in",
    "locked-out": "was locked out after too many failures",
    "unlocked": "unlocked an account",
    "second-factor-added": "added a second factor",
    "second-factor-removed": "removed a second factor",
    "recovery-codes-made": "made new recovery codes",
    "password-changed": "changed a password",
    "password-forgotten": "asked for a new password by mail",
    "email-changed": "changed an e-mail address",
    "name-changed": "changed a name",
    "provider-linked": "linked a sign-in by another site",
    "provider-unlinked": "unlinked a sign-in by another site",
    "sessions-ended": "signed other browsers out",
    "token-made": "made an API token",
    "token-revoked": "revoked an API token",
    "search": "searched",
    "view": "looked at an image",
    "download": "downloaded an original",
    "export-csv": "exported a table",
    "export-zip": "exported pictures",
    "collection-made": "made a collection",
    "collection-changed": "changed a collection",
    "upload": "began an upload",
    "upload-cancelled": "cancelled an upload",
    "import": "began to import a folder",
    "job-cancelled": "cancelled long work",
    "job-taken-back": "took long work back",
    "job-retry": "had failed images tried again",
    "job-move": "had images moved",
    "job-reembed": "had images embedded again",
    "job-throw-away": "had images thrown away",
    "job-bring-back": "had images brought back",
    "job-delete": "had images deleted",
    "image-changed": "changed an image",
    "tags-added": "added tags",
    "tags-removed": "removed tags",
    "images-moved": "moved images",
    "images-changed": "changed images",
    "images-held": "held images for review",
    "images-released": "released held images",
    "images-thrown-away": "threw images away",
    "images-brought-back": "brought images back",
    "trash-emptied": "deleted images from the trash",
    "change-taken-back": "took a change back",
    "duplicates-decided": "decided on duplicates",
    "duplicates-taken-back": "took a decision on duplicates back",
    "table-import": "imported a table",
    "table-taken-back": "took a table back",
    "field-defined": "defined a field",
    "field-forgotten": "removed a field's definition",
    "identity-pattern-changed": "changed a pattern of patients' identity",
    "identity-pattern-deleted": "deleted a pattern of patients' identity",
    "retry": "had failed images tried again",
    "delete": "deleted images",
    "search-saved": "saved a search",
    "search-renamed": "renamed a saved search",
    "search-deleted": "deleted a saved search",
    "search-opened": "opened a saved search",
    "account-made": "made an account",
    "team-made": "made a team",
    "member-added": "added a member",
    "member-removed": "removed a member",
    "member-left": "left a team",
    "role-changed": "changed a member's role",
    "ownership-transferred": "handed a team on",
    "invitation-made": "invited somebody into a team",
    "invitation-revoked": "withdrew an invitation",
    "invitation-accepted": "accepted an invitation",
    "admin-added": "added something in the admin",
    "admin-changed": "changed something in the admin",
    "admin-deleted": "deleted something in the admin",
    "watch-begun": "began to watch a search",
    "watch-ended": "ended watching a search",
    "search-forked": "made a saved search of their own from another",
    "link-made": "shared a search by a link",
    "link-opened": "opened a shared link",
    "link-revoked": "revoked a shared link",
    "link-extended": "extended a shared link",
    "terms-accepted": "accepted the terms of the encoder",
    "audit-exported": "exported the audit trail",
}


def record(
    actor: User | None, action: str, target: Model | None = None, *, team: Team | None = None, **details: object
) -> AuditEvent:
    """One event. ``action``: one of ACTIONS. ``details`` are ids and counts, never names of patients or files."""
    if action not in ACTIONS:
        raise KeyError(action)
    return AuditEvent.objects.create(
        actor=actor,
        action=action,
        target_type="" if target is None else target._meta.model_name or "",
        target_id="" if target is None else str(target.pk),
        team=team,
        details=details,
    )


@dataclass(frozen=True, kw_only=True)
class Use:
    """``people``: with an account, each counted once. ``last`` None: never, or longer ago than events are kept."""

    times: int = 0
    people: int = 0
    last: datetime | None = None


def uses(action: str, targets: Iterable[Model]) -> dict[str, Use]:
    """How often ``action`` was done to each, by id; one statement for all, and the only place where that is kept: reading a page
    writes nothing else down. Those to which it never was are left out.
    """
    done = AuditEvent.objects.filter(action=action, target_id__in=[str(target.pk) for target in targets]).order_by()
    counted = done.values_list("target_id").annotate(Count("pk"), Count("actor", distinct=True), Max("at"))
    return {target: Use(times=times, people=people, last=last) for target, times, people, last in counted}


def forget_old() -> int:
    """Deletes events that are older than the site keeps them; how many."""
    if not settings.AUDIT_DAYS:
        return 0
    oldest = timezone.now() - timedelta(days=settings.AUDIT_DAYS)
    return AuditEvent.objects.filter(at__lt=oldest).delete()[0]


def lines_of(events: QuerySet[AuditEvent]) -> Iterator[str]:
    """CSV: a heading and a line an event, read in parts."""
    return csv_lines(COLUMNS, map(_cells, events.select_related("actor", "team").iterator(1000)))


def _cells(event: AuditEvent) -> tuple[str, ...]:
    return (
        event.at.isoformat(timespec="seconds"),
        event.actor.username if event.actor else "",
        event.action,
        event.target_type,
        event.target_id,
        event.team.name if event.team else "",
        json.dumps(event.details, ensure_ascii=False) if event.details else "",
    )
