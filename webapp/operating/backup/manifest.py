"""What a backup says of itself, and whether it may be used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

from django.db import connection
from django.db.migrations.loader import MigrationLoader

from webapp.library import versions
from webapp.library.upkeep import Progress

FORMAT = 1
MANIFEST, SUMS, SECRET_KEY, INDEX = "manifest.json", "SHA256SUMS", "secret_key", "index"
DATABASES = {"sqlite": "database.sqlite3", "postgresql": "database.dump"}
NAME = "%Y-%m-%dT%H%M%SZ"  # of a backup's folder: sorts by time


class BackupUnusable(Exception):
    """It is damaged, not of this site's kind, or newer than this program: one sentence."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """``engine``: vendor of the database; ``migrations``: those applied, "app.name". ``sums``: SHA-256 of SHA256SUMS.

    ``encoder``: fingerprint that every image was to be embedded with. ``snapshots``: index name -> search.Snapshot's fields, the
    location relative to the backup.
    """

    made_at: str
    conchive: str
    engine: str
    engine_version: str
    migrations: list[str]
    encoder: str
    files: int
    bytes: int
    sums: str
    snapshots: dict[str, dict[str, Any]] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def database(self) -> str:
        return DATABASES[self.engine]


def describe(*, files: int, size: int, sums: str, snapshots: dict[str, dict[str, Any]]) -> Manifest:
    """Of this site, now."""
    target = versions.target()
    return Manifest(
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        conchive=version("conchive"),
        engine=connection.vendor,
        engine_version=".".join(map(str, connection.get_database_version())),
        migrations=sorted(f"{app}.{name}" for app, name in MigrationLoader(connection).applied_migrations),
        encoder="" if target is None else target.fingerprint,
        files=files,
        bytes=size,
        sums=sums,
        snapshots=snapshots,
    )


def write(folder: Path, manifest: Manifest) -> None:
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2) + "\n", encoding="utf-8")


def read(folder: Path) -> Manifest:
    """Raises BackupUnusable."""
    try:
        manifest = Manifest(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as exc:
        raise BackupUnusable(f"{folder}: its {MANIFEST} is missing or damaged.") from exc
    if manifest.format != FORMAT or manifest.engine not in DATABASES:
        raise BackupUnusable(f"{folder} was made by another version of Conchive ({manifest.conchive}), in a form not known here.")
    return manifest


def newest(folder: Path) -> Path | None:
    """Of the whole backups in ``folder``."""
    return max(made(folder), default=None)


def made(folder: Path) -> list[Path]:
    """The whole backups in ``folder``, the oldest first."""
    return sorted(path.parent for path in folder.glob(f"[0-9]*/{MANIFEST}"))


def chosen(folder: Path) -> Path:
    """``folder`` itself where it is a backup, else the newest in it. Raises BackupUnusable."""
    found = folder if (folder / MANIFEST).is_file() else newest(folder)
    if found is None:
        raise BackupUnusable(f"There is no whole backup in {folder}.")
    return found


def require_usable(manifest: Manifest) -> None:
    """Raises BackupUnusable where this site could not be made of it."""
    if manifest.engine != connection.vendor:
        raise BackupUnusable(f"The backup is of a {manifest.engine} database; this site uses {connection.vendor}.")
    known = {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}
    if unknown := set(manifest.migrations) - known:
        raise BackupUnusable(
            f"The backup was made by a newer Conchive ({manifest.conchive}; {min(unknown)} is not known here): upgrade first."
        )


# --- checksums ----------------------------------------------------------------------------------------------------------


def write_sums(folder: Path, sums: Mapping[str, str]) -> str:
    """``sums``: relative path -> hex SHA-256, in the form that sha256sum reads; returns that of the list itself."""
    text = "".join(f"{digest}  {path}\n" for path, digest in sorted(sums.items())).encode()
    (folder / SUMS).write_bytes(text)
    return hashlib.sha256(text).hexdigest()


def read_sums(folder: Path, expected: str = "") -> dict[str, str]:
    """Relative path -> hex SHA-256. Raises BackupUnusable, also where a path leads out of the backup."""
    try:
        text = (folder / SUMS).read_bytes()
        lines = [line.split("  ", 1) for line in text.decode().splitlines()]
        sums = {path: digest for digest, path in lines}
    except (OSError, ValueError) as exc:
        raise BackupUnusable(f"{folder}: its {SUMS} is missing or damaged.") from exc
    if expected and hashlib.sha256(text).hexdigest() != expected:
        raise BackupUnusable(f"{folder}: its {SUMS} is not the one that it was made with.")
    if strange := [path for path in sums if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts]:
        raise BackupUnusable(f"{folder}: {strange[0]} leads out of it.")
    return sums


def check(folder: Path, sums: Mapping[str, str], progress: Progress) -> None:
    """Reads every file. Raises BackupUnusable for the first that is missing or changed."""
    for number, (path, digest) in enumerate(sums.items()):
        progress("checking", number, len(sums))
        try:
            with (folder / path).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as exc:
            raise BackupUnusable(f"{folder}: {path} cannot be read ({exc.strerror}).") from exc
        if found != digest:
            raise BackupUnusable(f"{folder}: {path} is damaged: it is not what was backed up.")
    progress("checking", len(sums), len(sums))
