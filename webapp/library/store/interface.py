"""What a store of files can do, and how it says that it cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from errno import EIO
from pathlib import Path
from typing import BinaryIO, Protocol

from webapp.outages import Outage


class StoreAway(OSError, Outage):
    """The store does not answer, or not as it should: no file is at fault, and all may be there. Work waits, pages say so."""

    def __init__(self, why: str) -> None:
        """``why``: for the log, without names of files."""
        OSError.__init__(self, EIO, f"the store of files is out: {why}")
        self.what = "The archive's files cannot be reached just now."
        self.detail = "The storage that they lie in does not answer. Try again in a moment."
        self.still_works = "Searching still works, without pictures; what is being sent can go on afterwards."

    def __str__(self) -> str:
        return str(self.strerror)


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A file as the store knows it. ``changed_ns``: since 1970, when it was put there; a bucket knows full seconds."""

    name: str
    size: int
    changed_ns: int


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """``endpoint``, ``region``: "" as AWS has them. ``access_key``: "" where the machine's own role opens it."""

    name: str
    endpoint: str = ""
    region: str = ""
    prefix: str = ""
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    encryption: str = ""


class Store(Protocol):
    """Every call may raise StoreAway, and OSError where the data folder's disk fails. A file is there whole, or not at all."""

    def put(self, draft: Path, name: str) -> None:
        """A written local file takes its place, over what was there, and is gone from its own; safe on return. ``draft`` has been
        forced onto the disk by whoever wrote it.
        """

    def write(self, name: str, content: bytes | memoryview) -> None:
        """As put(), for what lies in memory."""

    def copy_in(self, source: Path, name: str, *, changed_ns: int, durable: bool = True) -> None:
        """As put(), but ``source`` stays. ``changed_ns`` is kept where the store can. ``durable`` False: whoever copies many
        forces them onto the disk together.
        """

    def stat(self, name: str) -> Stored:
        """Raises FileNotFoundError."""

    def has(self, name: str) -> bool: ...

    def lookup(self) -> Callable[[str], Stored | None]:
        """As stat(), None for what is not there, or has come since; quick for many names of which those of one folder follow each
        other.
        """

    def open(self, name: str) -> tuple[Stored, BinaryIO]:
        """For reading, anywhere in it. Raises FileNotFoundError, and StoreAway also while it is read."""

    def local(self, name: str) -> AbstractContextManager[Path]:
        """The file on this machine's disk, for reading alone, while the block runs. Raises FileNotFoundError."""

    def delete(self, *names: str) -> None:
        """What is not there is no error."""

    def listed(self, kind: str) -> Iterator[Stored]:
        """All of one kind by name; of what comes and goes meanwhile, some."""

    def set_aside(self, kind: str, under: str) -> str:
        """Moves all of one kind below the name ``under``; where it lies then, "" where there was nothing."""

    def for_proxy(self, name: str) -> str:
        """The path below what the proxy in front may send itself; "" where only this process can."""

    def check(self) -> None:
        """Whether it answers at all. Raises StoreAway."""
