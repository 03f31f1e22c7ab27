"""Decoding in child processes: a crash, a hang or a memory bomb costs one image and a reason, never this process.

One order at a time goes to one child (child.py, which runs decoder.py). A child that dies, lies or is late is killed and
replaced; its image ends as one of the errors of open_rgb. What a child may not do: confinement.py.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embedder import errors, mpp, wire
from embedder.child import Answer, Child
from embedder.header import MODES, Header
from embedder.identity import MOST_FOUND, Findings
from embedder.images import DICOM, PILLOW_FORMATS, TIFF, Limits, Source, Streamed, check_bytes, open_regular, read_source
from embedder.patterns import Pattern, Searcher
from embedder.places import Place

Rows = NDArray[np.uint8]
_ROWS = (np.ndarray,)
CHUNK_BYTES = 1 << 20
SENTENCE_CHARACTERS = 300
LARGE_PIXELS = 16_000_000
_REFUSALS: list[type[errors.ImageError]] = [errors.ImageError, *errors.ImageError.__subclasses__()]
REASONS = {error.reason: error for error in _REFUSALS}


def decoder_command() -> list[str]:
    """Isolated Python (no user site, no PYTHON* variables, no bytecode written) that finds this very package first."""
    root = str(Path(__file__).resolve().parents[1])
    program = f"import sys; sys.path.insert(0, {root!r}); from embedder.decoder import main; main()"
    return [sys.executable, "-I", "-B", "-c", program]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What one image may cost. ``memory_bytes`` come on top of what a fresh decoder occupies."""

    timeout_s: float = 30.0
    cpu_s: int = 30
    memory_bytes: int = 3 * 2**30


class Sandbox:
    """At most ``workers`` decoder processes, started when first needed. Threads may share it; it is closed once."""

    def __init__(
        self,
        *,
        workers: int = 1,
        budget: Budget | None = None,
        images_per_child: int = 500,  # decoders leak
        command: Sequence[str] | None = None,
    ) -> None:
        """Raises ValueError for no worker at all: the first image would wait for ever."""
        if workers < 1:
            raise ValueError(f"a sandbox needs at least one worker, not {workers}")
        self._workers, self._images_per_child = workers, images_per_child
        self._budget, self._command = budget or Budget(), list(command or decoder_command())
        self._closed = False
        self._start_over()
        _SANDBOXES.add(self)

    def open_rgb(self, source: Source, *, limits: Limits | None = None, page: int = 0) -> Image.Image:
        """As embedder.open_rgb, and besides DecoderTimedOut, DecoderCrashed, DecoderOutOfMemory.

        Raises SandboxUnavailable where no child can be started: then nothing is said about the image.
        """
        (rows,) = self._ask("open_rgb", source, limits or Limits(), page, _ROWS)
        return Image.fromarray(rows)

    def read_header(self, source: Source, *, limits: Limits | None = None, page: int = 0) -> Header:
        """As embedder.read_header, and besides the errors of open_rgb above."""
        header: Header
        (header,) = self._ask("read_header", source, limits or Limits(), page, (Header,))
        return header

    def decode(self, source: Source, *, limits: Limits | None = None, page: int = 0) -> tuple[Header, Rows]:
        """What read_header() and open_rgb() say of one file, which is sent once; the picture as uint8 [height, width, 3].

        Raises as open_rgb above.
        """
        header, rows = self._ask(wire.BOTH, source, limits or Limits(), page, (Header, *_ROWS))
        return header, rows

    def examine(
        self, source: Source, *, patterns: Sequence[Pattern], limits: Limits | None = None, page: int = 0
    ) -> tuple[Header, Findings, Rows]:  # fmt: skip
        """As decode(), and what of ``patterns`` the header holds; the file is sent once.

        Raises as open_rgb above, and BadPattern.
        """
        Searcher(patterns)  # here: the child would die of it
        header, findings, rows = self._ask(wire.ALL, source, limits or Limits(), page, (Header, Findings, *_ROWS), patterns)
        if any(number >= len(patterns) for _place, number in findings.pairs):
            raise _senseless()
        return header, findings, rows

    def confinement(self) -> frozenset[str]:
        """What holds on this machine, of confinement.NAMES. Raises SandboxUnavailable."""
        with self._seats, self._borrowed() as child:
            return child.held

    def pids(self) -> list[int]:
        """The children that run now; for who watches their memory."""
        return [child.pid for child in list(self._children)]

    def close(self) -> None:
        """Ends the children; an image in work ends as DecoderCrashed."""
        self._closed = True
        for child in list(self._children):
            child.kill()
        while idle := self._next_idle():
            self._dismiss(idle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def _ask(
        self, job: str, source: Source, limits: Limits, page: int, wanted: tuple[type, ...], patterns: Sequence[Pattern] = ()
    ) -> list[Any]:
        """An answer of each of the types ``wanted``."""
        cost = self._budget
        searched = [(each.pattern, each.unless) for each in patterns]
        what: dict[str, Any] = {"limits": asdict(limits), "patterns": searched}
        with _content(source, limits) as (size, chunks), self._seats, self._borrowed() as child:
            order = wire.order(job, size=size, page=page, timeout_s=cost.timeout_s, cpu_s=cost.cpu_s, **what)
            first = child.ask(order, chunks, timeout_s=cost.timeout_s, max_pixels=limits.max_pixels)
            results = [_sensible(first)]
            while len(results) < len(wanted) and not isinstance(results[-1], errors.ImageError):
                results.append(_sensible(child.hear(max_pixels=limits.max_pixels)))
            if isinstance(results[-1], errors.DecoderOutOfMemory):
                raise results[-1]  # from in here: a child that ran out of memory once is not asked again
        if isinstance(results[-1], errors.ImageError):
            raise results[-1]
        if not all(map(isinstance, results, wanted)):
            raise _senseless()
        return results

    @contextlib.contextmanager
    def _borrowed(self) -> Iterator[Child]:
        """A living child; it comes back only from an exchange that ended well."""
        child = self._living_child()
        try:
            yield child
        except BaseException:
            self._dismiss(child)
            raise
        if self._closed or self._is_worn(child):
            self._dismiss(child)
        else:
            self._idle.append(child)

    def _is_worn(self, child: Child) -> bool:
        """After a large picture a heap stays large, and what it keeps would be missing for the next large one."""
        return child.orders_served >= self._images_per_child or child.largest_pixels > LARGE_PIXELS

    def _living_child(self) -> Child:
        if self._closed:
            raise errors.SandboxUnavailable("The sandbox is closed.")
        while child := self._next_idle():
            if child.alive:
                return child
            self._dismiss(child)  # it died between two images, and no image is to blame
        child = Child(self._command, memory_bytes=self._budget.memory_bytes)
        self._children.add(child)
        return child

    def _next_idle(self) -> Child | None:
        with contextlib.suppress(IndexError):  # another thread may take the last one between a look and a grasp
            return self._idle.pop()
        return None

    def _dismiss(self, child: Child) -> None:
        child.close()
        self._children.discard(child)

    def _start_over(self) -> None:
        self._seats = threading.BoundedSemaphore(self._workers)
        self._idle: list[Child] = []
        self._children: set[Child] = set()

    def forget(self) -> None:
        """In a forked process: the children, and a lock that some thread may have held, are the other process's."""
        for child in self._children:
            child.abandon()
        self._start_over()


_SANDBOXES: weakref.WeakSet[Sandbox] = weakref.WeakSet()


def _forget_all() -> None:
    for sandbox in _SANDBOXES:
        sandbox.forget()


os.register_at_fork(after_in_child=_forget_all)  # Celery forks its workers


@contextlib.contextmanager
def _content(source: Source, limits: Limits) -> Iterator[tuple[int, Iterable[bytes]]]:
    """(bytes, chunks of them), so that a large file never lies in this process's memory. Raises as read_source."""
    if isinstance(source, Streamed):
        check_bytes(source.size, limits)
        with source.open() as file:
            yield source.size, _chunks(file, source.size)
        return
    if not isinstance(source, (str, os.PathLike)):
        data = read_source(source, limits)
        yield len(data), (data,)
        return
    with open_regular(source) as file:
        size = os.fstat(file.fileno()).st_size
        check_bytes(size, limits)
        yield size, _chunks(file, size)


def _chunks(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Exactly ``size`` bytes: the child has been told how many come. Raises TruncatedImage if the file shrinks meanwhile."""
    while size > 0:
        chunk = file.read(min(CHUNK_BYTES, size))
        if not chunk:
            raise errors.TruncatedImage("The file became shorter while it was read.")
        size -= len(chunk)
        yield chunk


def _senseless() -> errors.DecoderCrashed:
    return errors.DecoderCrashed("The decoder gave no sensible answer for this image.")


def _sensible(answer: Answer) -> Rows | Header | Findings | errors.ImageError:
    """Raises DecoderCrashed for what is no answer."""
    try:
        return _result(answer)
    except wire.BadAnswer as exc:
        raise _senseless() from exc


def _result(answer: Answer) -> Rows | Header | Findings | errors.ImageError:
    """Raises wire.BadAnswer."""
    if answer.kind == wire.PICTURE:
        return np.frombuffer(answer.body, np.uint8).reshape(answer.height, answer.width, 3)
    payload = wire.parse_json(answer.body)
    if answer.kind == wire.HEADER:
        return _header(payload)
    if answer.kind == wire.FINDINGS:
        return _findings(payload)
    if answer.kind == wire.REFUSAL:
        return _refusal(payload)
    raise wire.BadAnswer("answer to nothing")


def _refusal(payload: dict[str, Any]) -> errors.ImageError:
    reason, sentence = payload.get("reason"), payload.get("sentence")
    if not isinstance(reason, str) or reason not in REASONS or not isinstance(sentence, str):
        raise wire.BadAnswer("unknown reason")
    shown = "".join(letter if letter.isprintable() else " " for letter in sentence[:SENTENCE_CHARACTERS])
    return REASONS[reason](shown)


def _header(payload: dict[str, Any]) -> Header:
    """Only what a Header may hold: a decoder that was taken over must not pass words on."""
    if set(payload) != {field.name for field in fields(Header)}:
        raise wire.BadAnswer("no header")
    header = Header(**payload)
    counts = (header.width, header.height, header.depth, header.frames, header.pages)
    sound = (
        header.format in (*PILLOW_FORMATS, TIFF, DICOM)
        and (header.mode in MODES)
        and all(type(count) is int and 0 <= count < 2**31 for count in counts)
        and (header.mpp is None or (type(header.mpp) is float and 0 < header.mpp <= mpp.SAID[1]))
        and header.pages > 0
        and all(type(flag) is bool for flag in (header.whole_slide, header.has_label))
    )
    if not sound:
        raise wire.BadAnswer("impossible header")
    return header


def _findings(payload: dict[str, Any]) -> Findings:
    """Numbers of places and patterns in ascending order, each pair once: not even their order can say anything."""
    pairs, whole = payload.get("pairs"), payload.get("whole")
    sound = (
        set(payload) == {"pairs", "whole"}
        and type(whole) is bool
        and isinstance(pairs, list)
        and len(pairs) <= MOST_FOUND
        and all(isinstance(pair, list) and [type(number) for number in pair] == [int, int] for pair in pairs)
        and all(0 <= place < len(Place) and number >= 0 for place, number in pairs)
        and all(one < other for one, other in pairwise(pairs))
    )
    if not isinstance(pairs, list) or not isinstance(whole, bool) or not sound:
        raise wire.BadAnswer("impossible findings")
    return Findings(tuple((Place(place), number) for place, number in pairs), whole)
