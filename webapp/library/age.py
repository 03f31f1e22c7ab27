"""Files encrypted at rest in the age format (age-encryption.org), which `age -d -i KEYFILE` reads without this program.

The key file is what `age-keygen` writes: secret keys, a line each, comments behind #. The first one encrypts, all of them
decrypt, so that a new key is put above the old one. Nothing is ever decrypted onto the disk.
"""

from __future__ import annotations

import functools
import io
import os
import threading
from collections.abc import Callable
from errno import EACCES
from pathlib import Path
from typing import IO, Any, BinaryIO, Protocol, TypeVar

import pyrage
from django.conf import settings

from embedder import errors
from webapp.library.store import StoreAway
from webapp.outages import Outage

T = TypeVar("T")
SUFFIX = ".age"
CHUNK_BYTES, TAG_BYTES, NONCE_BYTES = 1 << 16, 16, 16  # of the format's payload
HEADER_BYTES = 1 << 16
NO_KEY = "Originals are encrypted, but ORIGINALS_KEY_FILE names no key: `manage.py originals --new-key FILE` makes one."
DAMAGED = "The encrypted original is damaged: only a backup can bring it back."


class KeyUnusable(OSError, Outage):
    """No key can be had, or not the one that a file was encrypted with: no image is at fault, and the right key helps. A page
    that meets it is an outage, and does not say where the key should lie.
    """

    def __init__(self, text: str) -> None:
        OSError.__init__(self, EACCES, text)
        self.what = "Originals are encrypted, and their key cannot be used just now."
        self.detail = "Whoever runs this archive has to see to it. Files that are being sent can go on afterwards."
        self.still_works = "Searching and looking at images still work."

    def __str__(self) -> str:
        return str(self.strerror)


class WrongKey(KeyUnusable):
    """There is a key, but it does not open this file."""


class Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


def check_key() -> None:
    """Raises KeyUnusable."""
    _identities()


def _identities() -> list[Any]:
    if not settings.ORIGINALS_KEY_FILE:
        raise KeyUnusable(NO_KEY)
    path = Path(settings.ORIGINALS_KEY_FILE)
    try:
        return _parsed(path, path.stat().st_mtime_ns)
    except (OSError, ValueError, pyrage.IdentityError) as exc:
        raise KeyUnusable(f"The key file that ORIGINALS_KEY_FILE names cannot be used: {_why(exc)}.") from exc


def _why(exc: Exception) -> str:
    """Without a word of what is in the file."""
    return str(exc.strerror) if isinstance(exc, OSError) and exc.strerror else "it holds no age secret key"


@functools.lru_cache(maxsize=4)
def _parsed(path: Path, _changed: int) -> list[Any]:
    lines = [line.strip() for line in path.read_text(encoding="ascii").splitlines()]
    keys = [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    if not keys:
        raise ValueError("no key")
    return keys


def new_key(path: Path) -> str:
    """A key file that only its owner can read; the public half. Raises FileExistsError: a key is never written over."""
    key = pyrage.x25519.Identity.generate()
    public = str(key.to_public())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w", encoding="ascii") as file:
        file.write(f"# public key: {public}\n{key}\n")
        file.flush()
        os.fsync(file.fileno())
    return public


def encrypt(source: Readable, file: BinaryIO) -> None:
    """All of ``source`` into ``file``. Raises KeyUnusable, and whatever ``source`` and ``file`` raise."""
    public = _identities()[0].to_public()
    read, written = _Watched(source), _Watched(file)
    try:
        pyrage.encrypt_io(read, written, [public])
    except (pyrage.EncryptError, OSError) as exc:
        raise (read.error or written.error or exc) from exc


class _Watched:
    """A file whose own error is remembered: what comes back out of pyrage is only its words."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.error: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        read: bytes = self._tried(self._file.read, size)
        return read

    def write(self, data: bytes) -> int:
        self._tried(self._file.write, data)
        return len(data)

    def flush(self) -> None:
        self._tried(self._file.flush)

    def _tried(self, call: Callable[..., T], *arguments: object) -> T:
        try:
            return call(*arguments)
        except BaseException as exc:
            self.error = exc
            raise


def opened(file: BinaryIO, *, newest_key_only: bool = False) -> BinaryIO:
    """The plaintext of an encrypted file, to be read once; ``file`` is closed with it. Raises KeyUnusable,
    CorruptImage and StoreAway; the last two also while it is read.
    """
    try:
        keys = _identities()
    except KeyUnusable:
        file.close()
        raise
    return io.BufferedReader(_Decrypting(file, keys[:1] if newest_key_only else keys), CHUNK_BYTES)


class _Decrypting(io.RawIOBase):
    """pyrage writes what it decrypts: a thread lets it write into a pipe, whose other end is read here."""

    def __init__(self, encrypted: BinaryIO, keys: list[Any]) -> None:
        super().__init__()
        self._errors: list[BaseException] = []
        self._begun = threading.Event()
        outlet, inlet = os.pipe()
        self._outlet: IO[bytes] = os.fdopen(outlet, "rb", buffering=0)
        self._thread = threading.Thread(target=self._decrypt, args=(encrypted, inlet, keys), name="decrypting", daemon=True)
        self._thread.start()
        self._begun.wait()
        if self._errors:
            self.close()
            raise _translated(self._errors[0])

    def _decrypt(self, encrypted: BinaryIO, inlet: int, keys: list[Any]) -> None:
        read = _Watched(encrypted)
        try:
            with encrypted, os.fdopen(inlet, "wb") as pipe:
                pyrage.decrypt_io(read, _Noticed(pipe, self._begun), keys)
        except BrokenPipeError:
            pass  # whoever read it has enough, perhaps before what is still in the pipe's buffer
        except (pyrage.DecryptError, OSError) as exc:
            self._errors.append(read.error or exc)
        finally:
            self._begun.set()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._outlet.readinto(buffer)  # type: ignore[attr-defined]
        if count == 0:
            self._thread.join()
            if self._errors:
                raise _translated(self._errors[0])
        return int(count)

    def close(self) -> None:
        if not self.closed:
            self._outlet.close()
            self._thread.join()
        super().close()


class _Noticed:
    def __init__(self, pipe: BinaryIO, begun: threading.Event) -> None:
        self._pipe, self._begun = pipe, begun

    def write(self, data: bytes) -> int:
        self._begun.set()
        return self._pipe.write(data)

    def flush(self) -> None:
        self._pipe.flush()


def _translated(exc: BaseException) -> BaseException:
    if isinstance(exc, StoreAway):  # the file may be as good as ever
        return exc
    if isinstance(exc, pyrage.DecryptError) and "matching keys" in str(exc):
        return WrongKey("The key that ORIGINALS_KEY_FILE names is not the one that this original was encrypted with.")
    return errors.CorruptImage(DAMAGED)


def plain_bytes(file: BinaryIO, size: int) -> int:
    """How many bytes will be read from an encrypted file of ``size`` bytes, which is at its beginning and is so again. Raises
    CorruptImage.
    """
    begin = file.read(HEADER_BYTES)
    file.seek(0)
    last = begin.find(b"\n--- ")
    end = begin.find(b"\n", last + 1)
    sealed = size - (end + 1) - NONCE_BYTES
    if last < 0 or end < 0 or sealed < TAG_BYTES:
        raise errors.CorruptImage(DAMAGED)
    return sealed - TAG_BYTES * -(-sealed // (CHUNK_BYTES + TAG_BYTES))
