"""Versions of an embedded index: one folder each, and a manifest that says which is live, replaced atomically.

<index>/lock              held by the process that has the index open
<index>/manifest.json     {"live": "v0001", "versions": {"v0001": {"fingerprint": …, "dim": 512, …}}, "folders": {}}
<index>/v0001/            a shard
<index>/.new-…            a version whose creation was cut off; removed when the index is opened
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from search.errors import IndexDamaged, IndexLocked
from search.schema import Schema

UNFINISHED = ".new-"
SHARD_FOLDER = re.compile(r"v\d+(\.\d+)?")


@dataclass(frozen=True)
class Manifest:
    live: str | None = None
    versions: dict[str, Schema] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)  # of versions whose folder has another name

    def folder_of(self, name: str) -> str:
        return self.folders.get(name, name)

    def next_folder_of(self, name: str) -> str:
        """The name an optimised copy gets: v0001 → v0001.2 → v0001.3."""
        generation = self.folder_of(name).partition(".")[2]
        return f"{name}.{int(generation or 1) + 1}"

    def moved(self, name: str, folder: str) -> Manifest:
        return replace(self, folders=self.folders | {name: folder})

    def with_version(self, name: str, schema: Schema) -> Manifest:
        return replace(self, versions=self.versions | {name: schema})

    def without(self, name: str) -> Manifest:
        kept = {other: schema for other, schema in self.versions.items() if other != name}
        return replace(self, versions=kept, folders={other: folder for other, folder in self.folders.items() if other != name})

    def next_name(self) -> str:
        numbers = [int(name[1:]) for name in self.versions]
        return f"v{max(numbers, default=0) + 1:04d}"


class Lock:
    """The index folder for one process. The kernel releases it however the process ends."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / "lock").open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            self._file.seek(0)
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise IndexLocked(
                f"process {holder} has the index at {folder} open: stop it, or use a Qdrant server for several processes"
            ) from exc
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        if not self._file.closed:
            fcntl.flock(self._file, fcntl.LOCK_UN)  # closing alone leaves it to a child that was forked a moment ago
        self._file.close()


def read_manifest(folder: Path) -> Manifest:
    """Empty where there is none. Raises IndexDamaged."""
    path = folder / "manifest.json"
    if not path.exists():
        return Manifest()
    try:
        stored = json.loads(path.read_text())
        versions = {name: Schema(**schema) for name, schema in stored["versions"].items()}
        return Manifest(stored["live"], versions, dict(stored["folders"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise IndexDamaged(f"{path} cannot be read: move the index away and rebuild it") from exc


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """On disk on return; a crash leaves the old one or the new one, never a half."""
    text = json.dumps(asdict(manifest), indent=1)
    draft = folder / "manifest.json.new"
    with draft.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / "manifest.json")
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """A rename is durable only when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_leftovers(folder: Path, manifest: Manifest) -> None:
    """Folders that were never finished, or whose deletion was cut off."""
    listed = {manifest.folder_of(name) for name in manifest.versions}
    for path in folder.iterdir():
        unlisted = path.is_dir() and SHARD_FOLDER.fullmatch(path.name) is not None and path.name not in listed
        if path.name.startswith(UNFINISHED) or unlisted:
            # the optimiser of a killed owner may still be dying in it: what is left then goes at the next start
            shutil.rmtree(path, ignore_errors=True)
