"""A site from a backup. What was there is set aside, and nothing of it is deleted."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from celery import current_app
from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connection, connections
from kombu.exceptions import OperationalError as BrokerAway
from redis.exceptions import RedisError

from search import Snapshot
from webapp import wiring
from webapp.accounts import operator
from webapp.accounts.models import User
from webapp.library import index, upkeep, verify
from webapp.library.models import Collection, Image
from webapp.library.upkeep import Progress, unheard
from webapp.operating.backup import copying, databases, manifest
from webapp.running import read_running

SURPLUS = ("files_without_row", "originals_surplus")  # came in while the backup was made: the database does not know them
PING_S = 2.0


class SiteInUse(Exception):
    """It runs, or it is not empty: one sentence."""


@dataclass(frozen=True, kw_only=True)
class Restored:
    """``index``: "restored" from a snapshot, "made anew" from the database, or "empty". ``secret_key``: "restored", "the same"
    or "another": the environment's is in use, and whoever was signed in signs in again. ``set_aside``: what was there before.
    """

    backup: str
    made_at: str
    files: int
    index: str
    secret_key: str
    set_aside: list[str]
    verify: verify.Report

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"verify": self.verify.as_dict()}


def restore(folder: Path, *, force: bool = False, progress: Progress = unheard) -> Restored:
    """Of the backup ``folder``, or the newest in it. ``force``: also over a site that is not empty.

    Raises manifest.BackupUnusable and SiteInUse before anything is changed; databases.DatabaseFailed, search.errors and OSError
    later, when it is to be done again with ``force``.
    """
    backup = manifest.chosen(folder)
    told = manifest.read(backup)
    manifest.require_usable(told)
    require_stopped()
    if not force and (has := occupied()):
        raise SiteInUse(f"This site is not empty: it has {has}. With --force that is set aside.")
    sums = manifest.read_sums(backup, told.sums)
    manifest.check(backup, sums, progress)
    aside = f"replaced-{datetime.now(UTC).strftime('%Y%m%d-%H%M%S')}"
    kept = _put_back_rows(backup / told.database, aside, progress)
    kept += copying.set_aside(aside)
    n = copying.put_back(backup, sums, progress)
    key = _put_back_key(backup / manifest.SECRET_KEY)
    how = _put_back_index(backup, told, aside, progress)
    return Restored(
        backup=str(backup), made_at=told.made_at, files=n, index=how, secret_key=key, set_aside=kept, verify=_verified(progress)
    )


# --- whether it may -----------------------------------------------------------------------------------------------------


def require_stopped() -> None:
    """Raises SiteInUse while a process of this site works."""
    if running := read_running():
        raise SiteInUse(f"The site is running at {running.url} (process {running.pid}): stop it first.")
    if not settings.EMBEDDED and (workers := _workers()):
        raise SiteInUse(f"Workers are running ({', '.join(workers)}): stop them and the web processes first.")


def _workers() -> list[str]:
    try:
        answers = current_app.control.ping(timeout=PING_S)
    except (BrokerAway, RedisError, OSError):  # no broker, no workers that could do anything
        return []
    return sorted(name for answer in answers or [] for name in answer)


def occupied() -> str:
    """What this site has, in words; "" where it is empty. Migrations that were applied are nothing."""
    try:
        found = _rows()
    except DatabaseError:  # whatever it holds is somebody's
        return "a database that cannot be read"
    found["files"] = int(copying.anything())
    return ", ".join(name if name == "files" else f"{n} {name}" for name, n in found.items() if n)


def _rows() -> dict[str, int]:
    if Image._meta.db_table not in connection.introspection.table_names():
        return {}
    return {
        "users": User.objects.exclude(username=operator.NAME).count(),
        "collections": Collection.objects.count(),
        "images": Image.objects.count(),
    }


# --- the parts --------------------------------------------------------------------------------------------------------


def _put_back_rows(dump: Path, aside: str, progress: Progress) -> list[str]:
    """And brings them up to date, where the backup is older than this program."""
    progress("database", 0, 2)
    kept = databases.load(dump, aside=aside)
    progress("database", 1, 2)
    call_command("migrate", interactive=False, verbosity=0)
    connections.close_all()
    progress("database", 2, 2)
    return kept


def _put_back_key(stored: Path) -> str:
    key, own = stored.read_text(encoding="utf-8").strip(), settings.CONCHIVE_DATA / "secret_key"
    if key == settings.SECRET_KEY:
        return "the same"
    if not own.exists() or own.read_text(encoding="utf-8").strip() != settings.SECRET_KEY:
        return "another"
    draft = own.with_name(".secret_key.restored")
    draft.touch(mode=0o600)
    draft.write_text(key, encoding="utf-8")
    draft.replace(own)
    return "restored"


def _put_back_index(backup: Path, told: manifest.Manifest, aside: str, progress: Progress) -> str:
    if not settings.QDRANT_URL:
        wiring.forget()
        vectors = settings.CONCHIVE_DATA / "vectors"
        if vectors.exists():  # derived from the database: nothing to be kept
            shutil.move(vectors, vectors.with_name(f".vectors.{aside}"))
            shutil.rmtree(vectors.with_name(f".vectors.{aside}"), ignore_errors=True)
    if told.snapshots and not settings.QDRANT_URL:
        for name, fields in told.snapshots.items():
            index.both()[name].restore(Snapshot(**fields | {"location": str(backup / fields["location"])}))
        return "restored"
    try:
        upkeep.reindex(progress=progress)
    except LookupError:  # nothing had been embedded
        return "empty"
    return "made anew"


def _verified(progress: Progress) -> verify.Report:
    progress("verifying", 0, 1)
    for check in verify.checks():
        if check.name in SURPLUS and check.repair is not None:
            check.repair(check.find())
    report = verify.verify()
    progress("verifying", 1, 1)
    return report
