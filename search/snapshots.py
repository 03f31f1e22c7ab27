"""Snapshots of an embedded index: one tar file with a description and the shard's files.

The engine can read snapshots of a server but writes none itself. The file is made under another name and renamed when it is
complete and on disk, so that a snapshot that exists is whole.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from search.errors import SnapshotFailed
from search.manifest import sync_folder
from search.schema import Schema
from search.types import Snapshot

DESCRIPTION = "snapshot.json"
SHARD = "shard"


def pack(shard: Path, schema: Schema, *, version: str, points: int, into: Path) -> Snapshot:
    """Raises SnapshotFailed where the folder cannot be written, for example because the disk is full."""
    moment = datetime.now(UTC)
    path = into / f"{version}-{moment:%Y%m%dT%H%M%S%fZ}.tar"
    made = Snapshot(
        location=str(path), version=version, fingerprint=schema.fingerprint, dim=schema.dim, points=points,
        made_at=moment.isoformat(),
    )  # fmt: skip
    draft = path.with_suffix(".part")
    try:
        into.mkdir(parents=True, exist_ok=True)
        _write(draft, shard, {"schema": asdict(schema), "points": points, "version": version, "made_at": made.made_at})
        draft.replace(path)
        sync_folder(into)
    except OSError as exc:
        draft.unlink(missing_ok=True)
        raise SnapshotFailed(f"no snapshot could be written into {into}: {exc.strerror}") from exc
    return made


def schema_in(path: Path) -> Schema:
    try:
        return Schema(**_description(path)["schema"])
    except (KeyError, TypeError) as exc:
        raise SnapshotFailed(f"{path} is no snapshot of an index") from exc


def unpack(path: Path, folder: Path) -> None:
    """The shard's files into the new folder ``folder``. Raises SnapshotFailed."""
    unpacked = folder.with_name(f"{folder.name}-unpacked")
    try:
        with tarfile.open(path) as archive:
            archive.extractall(unpacked, filter="data")  # "data" refuses links and paths that leave the folder
        (unpacked / SHARD).rename(folder)
    except (OSError, tarfile.TarError) as exc:
        raise SnapshotFailed(f"{path} cannot be unpacked: {exc}") from exc
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def _write(draft: Path, shard: Path, description: dict[str, object]) -> None:
    with draft.open("wb") as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            text = json.dumps(description).encode()
            entry = tarfile.TarInfo(DESCRIPTION)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
            archive.add(shard, SHARD)
        file.flush()
        os.fsync(file.fileno())


def _description(path: Path) -> dict[str, Any]:
    try:
        with tarfile.open(path) as archive:
            member = archive.extractfile(DESCRIPTION)
            stored = json.load(member) if member is not None else None
    except (OSError, KeyError, ValueError, tarfile.TarError) as exc:
        raise SnapshotFailed(f"{path} is no snapshot of an index") from exc
    if not isinstance(stored, dict):
        raise SnapshotFailed(f"{path} is no snapshot of an index")
    return stored
