"""One decoder process and the socket to it. Whatever it does or leaves undone, every call here ends in time."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from embedder import errors, wire

START_TIMEOUT_S = 60.0
GRACE_S = 2.0  # how long a child that hung up may take to die by itself, and a killed one to be gone
# the whole environment. Single-threaded, because a confined process can start no thread; glibc keeps up to 128 MiB instead of
# handing them back after every image, because getting them again takes longer than decoding
ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "TIFFFILE_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(128 * 2**20),
}


class Answer(NamedTuple):
    """``body`` is pixels, row by row, when ``kind`` is wire.PICTURE, and the bytes of a JSON object otherwise."""

    kind: bytes
    width: int
    height: int
    body: bytearray


class Child:
    """Belongs to one thread at a time. After any error it must be closed: nobody knows what it would answer next."""

    def __init__(self, command: Sequence[str], *, memory_bytes: int) -> None:
        """Raises SandboxUnavailable when it does not get as far as confining itself."""
        self.orders_served, self.largest_pixels, self._until = 0, 0, 0.0
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = self._start([*command, str(theirs.fileno()), str(memory_bytes)], theirs.fileno())
        try:
            with self._faults_told():
                self.held = self._await_ready()
        except errors.ImageError as exc:
            raise errors.SandboxUnavailable(f"No decoder process can be started (it ended with {self.exit_code}).") from exc

    def _start(self, command: list[str], descriptor: int) -> subprocess.Popen[bytes]:
        """Its standard error is ours until it is ready, so that a broken installation can be read in the log."""
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=ENVIRONMENT,
                cwd="/",
                pass_fds=(descriptor,),
                start_new_session=True,
            )
        except OSError as exc:
            self._socket.close()
            raise errors.SandboxUnavailable("No decoder process can be started.") from exc

    def _await_ready(self) -> frozenset[str]:
        ready = self._receive_answer(time.monotonic() + START_TIMEOUT_S, max_pixels=0)
        held = wire.parse_json(ready.body).get("held")
        if ready.kind != wire.READY or not isinstance(held, list):
            raise wire.BadAnswer("not ready")
        return frozenset(map(str, held))

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        return self._process.returncode

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, order: bytes, content: Iterable[bytes], *, timeout_s: float, max_pixels: int) -> Answer:
        """Raises DecoderTimedOut, DecoderOutOfMemory, DecoderCrashed; whatever ``content`` raises goes through."""
        self._until = time.monotonic() + timeout_s
        self.orders_served += 1
        for chunk in chain((order,), content):
            with self._faults_told():
                self._send(chunk, self._until)
        return self.hear(max_pixels=max_pixels)

    def hear(self, *, max_pixels: int) -> Answer:
        """A further answer to the order that ask() gave, in the time that it has left. Raises as ask()."""
        with self._faults_told():
            answer = self._receive_answer(self._until, max_pixels=max_pixels)
        self.largest_pixels = max(self.largest_pixels, answer.width * answer.height)
        return answer

    def kill(self) -> None:
        """With all it may have started; its socket stays open for whoever is waiting for an answer."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        self.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_S)
        self._socket.close()

    def abandon(self) -> None:
        """In a forked process: the child is the other process's; only our copy of the socket is closed."""
        self._process.returncode = 0  # or Popen would miss a process that was never this one's
        self._socket.close()

    @contextlib.contextmanager
    def _faults_told(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError as exc:
            self.close()
            raise errors.DecoderTimedOut("The image could not be decoded in the time that one image may take.") from exc
        except wire.BadAnswer as exc:
            self.close()
            raise errors.DecoderCrashed("The decoder gave no sensible answer for this image.") from exc
        except (ConnectionError, EOFError) as exc:
            raise self._obituary() from exc

    def _obituary(self) -> errors.ImageError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_S)
        self.close()
        if self.exit_code == wire.EXIT_OUT_OF_MEMORY:
            return errors.DecoderOutOfMemory("The image needs more memory than decoding may use.")
        if self.exit_code in (-signal.SIGXCPU, -signal.SIGALRM):
            return errors.DecoderTimedOut("The image could not be decoded in the time that one image may take.")
        return errors.DecoderCrashed("The decoder stopped working on this image.")

    def _send(self, chunk: bytes, until: float) -> None:
        self._socket.settimeout(_left(until))
        self._socket.sendall(chunk)  # the timeout is for all of it

    def _receive_answer(self, until: float, *, max_pixels: int) -> Answer:
        opening = bytes(self._receive(wire.ANSWER.size, until))
        kind, width, height, size = wire.parse_answer(opening, max_pixels=max_pixels)
        return Answer(kind, width, height, self._receive(size, until))

    def _receive(self, size: int, until: float) -> bytearray:
        received = bytearray(size)
        rest = memoryview(received)
        while rest:
            self._socket.settimeout(_left(until))
            count = self._socket.recv_into(rest)
            if count == 0:
                raise EOFError
            rest = rest[count:]
        return received


def _left(until: float) -> float:
    """Seconds. Raises TimeoutError: a timeout of 0 would mean something else to a socket."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
