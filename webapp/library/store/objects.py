"""The store in a bucket that speaks S3, by django-storages and boto3.

Nobody but the site's processes reads or writes there: no object is public, and no link to one is ever made. Every upload carries
a checksum that the bucket compares (botocore's default, CRC32), and its size is asked for before a draft goes.
"""

from __future__ import annotations

import io
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import ENOENT
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files.base import ContentFile, File
from storages.backends.s3 import S3Storage

from webapp.library import files
from webapp.library.slicing import slices
from webapp.library.store.interface import Bucket, StoreAway, Stored

log = logging.getLogger(__name__)

CONNECT_S, READ_S, TRIES = 2, 10, 3
PAUSE_S = 3.0  # after a bucket that did not answer: a page of pictures must not wait for each of them
PART_BYTES = 64 << 20  # of 10,000 that an object may have
BUFFER_BYTES, CHUNK_BYTES = 1 << 18, 1 << 20
DELETED_AT_ONCE = 1000  # as many as S3 takes
MISSING = frozenset({"NoSuchKey", "NotFound", "404"})


class Objects:
    """Threads may share it; processes may not."""

    def __init__(self, at: Bucket) -> None:
        self._at = at
        self._prefix = f"{at.prefix.strip('/')}/" if at.prefix.strip("/") else ""
        self._encryption = {"ServerSideEncryption": at.encryption} if at.encryption else {}
        self._storage = S3Storage(
            bucket_name=at.name,
            endpoint_url=at.endpoint or None,
            region_name=at.region or None,
            location=self._prefix,
            default_acl=None,
            file_overwrite=True,
            object_parameters=self._encryption,
            transfer_config=TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=4),
            client_config=Config(
                connect_timeout=CONNECT_S,
                read_timeout=READ_S,
                retries={"mode": "standard", "total_max_attempts": TRIES},
                signature_version="s3v4",
                max_pool_connections=50,
            ),
            **({"access_key": at.access_key, "secret_key": at.secret_key} if at.access_key else {}),
        )
        self._paused_until = 0.0

    # --- in -------------------------------------------------------------------------------------------------------------

    def put(self, draft: Path, name: str) -> None:
        self._upload(draft, name)
        draft.unlink()

    def copy_in(self, source: Path, name: str, *, changed_ns: int, durable: bool = True) -> None:
        del changed_ns, durable  # the bucket writes down its own time
        self._upload(source, name)

    def write(self, name: str, content: bytes | memoryview) -> None:
        self._save(name, ContentFile(bytes(content)), len(content))

    def _upload(self, path: Path, name: str) -> None:
        with path.open("rb") as file:
            self._save(name, File(file), os.fstat(file.fileno()).st_size)

    def _save(self, name: str, content: File[bytes], size: int) -> None:
        """Raises StoreAway also where something else arrived."""
        with self._answers():
            self._storage.save(name, content)
        arrived = self._found(name)
        if arrived is None or arrived.size != size:
            self.delete(name)
            raise StoreAway("an object did not arrive whole")

    # --- out ------------------------------------------------------------------------------------------------------------

    def stat(self, name: str) -> Stored:
        return _of_head(name, self._head(name))

    def has(self, name: str) -> bool:
        return self._found(name) is not None

    def _found(self, name: str) -> Stored | None:
        try:
            return self.stat(name)
        except FileNotFoundError:
            return None

    def lookup(self) -> Callable[[str], Stored | None]:
        """One folder of a kind is listed at a time."""
        shelf: dict[str, Stored] = {}
        listed = ""

        def found(name: str) -> Stored | None:
            nonlocal shelf, listed
            folder = name.rpartition("/")[0]
            if folder != listed:
                shelf, listed = {each.name: each for each in self.listed(folder)}, folder
            return shelf.get(name)

        return found

    def open(self, name: str) -> tuple[Stored, BinaryIO]:
        """In pieces as it is read; what has been replaced meanwhile raises StoreAway rather than half of each."""
        head = self._head(name)
        stored = _of_head(name, head)
        return stored, io.BufferedReader(_Object(self, stored, str(head["ETag"])), BUFFER_BYTES)

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """A copy that goes with the block, whatever ends it."""
        with files.incoming() as (path, file):
            stored, reading = self.open(name)
            with reading:
                shutil.copyfileobj(reading, file, CHUNK_BYTES)
            file.flush()
            if file.tell() != stored.size:
                raise StoreAway("an object ended before its end")
            yield path

    def listed(self, kind: str) -> Iterator[Stored]:
        with self._answers():
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._at.name, Prefix=self._key(f"{kind}/"))
            for page in pages:
                for each in page.get("Contents", ()):
                    yield Stored(
                        name=each["Key"].removeprefix(self._prefix), size=each["Size"], changed_ns=_ns(each["LastModified"])
                    )

    # --- away -----------------------------------------------------------------------------------------------------------

    def delete(self, *names: str) -> None:
        for some in slices(names, DELETED_AT_ONCE):
            wanted = {"Objects": [{"Key": self._key(name)} for name in some], "Quiet": True}
            with self._answers():
                refused = self._client.delete_objects(Bucket=self._at.name, Delete=wanted).get("Errors", [])
            if refused:
                raise StoreAway(f"{len(refused)} objects were not deleted ({refused[0].get('Code')})")

    def set_aside(self, kind: str, under: str) -> str:
        """Copied by the bucket itself, each before it goes."""
        moved = False
        for each in self.listed(kind):
            source = {"Bucket": self._at.name, "Key": self._key(each.name)}
            with self._answers(each.name):
                self._client.copy(source, self._at.name, self._key(f"{under}/{each.name}"), ExtraArgs=self._encryption)
            self.delete(each.name)
            moved = True
        return f"s3://{self._at.name}/{self._key(f'{under}/{kind}')}" if moved else ""

    def for_proxy(self, name: str) -> str:
        del name
        return ""

    def check(self) -> None:
        with self._answers():
            self._client.head_bucket(Bucket=self._at.name)

    # --- asking ---------------------------------------------------------------------------------------------------------

    @cached_property
    def _client(self) -> Any:
        """One for all threads, made when it is first needed: it looks for the machine's own role, where it has no key."""
        return self._storage.connection.meta.client

    def _key(self, name: str) -> str:
        return f"{self._prefix}{name}"

    def _head(self, name: str) -> dict[str, Any]:
        with self._answers(name):
            head: dict[str, Any] = self._client.head_object(Bucket=self._at.name, Key=self._key(name))
            return head

    def stream(self, name: str, *, start: int, etag: str) -> Any:
        """What is still to come of an object, from the byte ``start`` on."""
        with self._answers(name):
            told = self._client.get_object(Bucket=self._at.name, Key=self._key(name), Range=f"bytes={start}-", IfMatch=etag)
            return told["Body"]

    @contextmanager
    def _answers(self, name: str = "") -> Iterator[None]:
        """boto3's errors as ours: FileNotFoundError where it is ``name`` that is not there, StoreAway for all else."""
        if time.monotonic() < self._paused_until:
            raise StoreAway("it did not answer a moment ago")
        try:
            yield
        except ClientError as exc:
            code = str(exc.response.get("Error", {}).get("Code", ""))
            if name and code in MISSING:
                if code != "NoSuchKey":  # an answer without a body does not tell a missing object from a missing bucket
                    self.check()
                raise FileNotFoundError(ENOENT, os.strerror(ENOENT), name) from exc
            raise StoreAway(f"it refuses ({code})") from exc
        except (BotoCoreError, Boto3Error) as exc:
            self._paused_until = time.monotonic() + PAUSE_S
            log.warning("the bucket does not answer: %s", type(exc).__name__)
            raise StoreAway(type(exc).__name__) from exc


class _Object(io.RawIOBase):
    """An object from any byte on. A connection that breaks off is taken up once where it broke."""

    def __init__(self, store: Objects, stored: Stored, etag: str) -> None:
        super().__init__()
        self._store, self._stored, self._etag = store, stored, etag
        self._at = 0
        self._body: Any = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._stored.size}[whence]
        if start + offset != self._at:
            self._at = max(0, start + offset)
            self._let_go()
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Raises StoreAway."""
        if self._at >= self._stored.size or not len(buffer):
            return 0
        try:
            piece = self._piece(len(buffer))
        except BotoCoreError:
            self._let_go()
            piece = self._last_try(len(buffer))
        if not piece:
            raise StoreAway("an object ended before its end")
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _piece(self, size: int) -> bytes:
        if self._body is None:
            self._body = self._store.stream(self._stored.name, start=self._at, etag=self._etag)
        piece: bytes = self._body.read(size)
        return piece

    def _last_try(self, size: int) -> bytes:
        try:
            return self._piece(size)
        except BotoCoreError as exc:
            raise StoreAway(type(exc).__name__) from exc

    def _let_go(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None

    def close(self) -> None:
        self._let_go()
        super().close()


def _of_head(name: str, head: dict[str, Any]) -> Stored:
    return Stored(name=name, size=head["ContentLength"], changed_ns=_ns(head["LastModified"]))


def _ns(when: Any) -> int:
    return int(when.timestamp()) * 1_000_000_000
