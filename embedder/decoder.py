"""The program that the sandbox's child runs: take an order, decode one file, answer with pixels or a reason, again.

Started by sandbox.py only. It confines itself before the first order, and dies rather than go on after the unexpected.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import BinaryIO

from PIL import AvifImagePlugin, Image

from embedder import errors, wire
from embedder.confinement import confine, limit_cpu
from embedder.header import Header, read_header
from embedder.identity import Findings, search_header
from embedder.images import Limits, open_rgb
from embedder.patterns import Pattern

Job = Callable[..., Image.Image | Header | Findings]
SEARCH = "search_header"
JOBS: Mapping[str, Job] = {"open_rgb": open_rgb, "read_header": read_header, SEARCH: search_header}
SEVERAL = {  # of one file that is sent once
    wire.BOTH: ("read_header", "open_rgb"),
    wire.ALL: ("read_header", SEARCH, "open_rgb"),
}
ALARM_MARGIN_S = 2.0  # the parent's own clock comes first; the alarm is for a child whose parent is gone
CODECS = ("jpeg8", "jpeg2k", "lzw", "zlib", "deflate", "zstd", "packbits", "lzma", "webp", "jpegls", "delta", "floatpred")


def main() -> None:
    """argv: …, the socket's descriptor, bytes of memory."""
    serve(descriptor=int(sys.argv[-2]), memory_bytes=int(sys.argv[-1]), jobs=JOBS)


def serve(*, descriptor: int, memory_bytes: int, jobs: Mapping[str, Job]) -> None:
    """Until the parent hangs up. MemoryError ends the process with EXIT_OUT_OF_MEMORY, anything unexpected with 1."""
    with open(descriptor, "rb") as orders, open(os.dup(descriptor), "wb") as answers:  # noqa: PTH123 - no path but a socket
        try:
            _warm_up()
            silence = os.open(os.devnull, os.O_WRONLY)
            held = confine(memory_bytes=memory_bytes)
            os.dup2(silence, 2)  # decoders print, and what they say about a file may name a patient
            _tell(answers, wire.answer(wire.READY, {"held": sorted(held)}))
            while _one_order(orders, answers, jobs):
                pass
        except MemoryError:
            os._exit(wire.EXIT_OUT_OF_MEMORY)  # nothing may run that could need memory again
        except BrokenPipeError:
            os._exit(0)  # the parent is gone; closing would try to write once more


def _warm_up() -> None:
    """Imports what decoding needs, so that the first image is not slow; no decoder may start threads."""
    import imagecodecs

    from embedder import dicom, dicom_texts, exif, tiff, tiff_texts  # noqa: F401 - imported to be there

    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    Image.init()
    for codec in CODECS:
        getattr(imagecodecs, f"{codec}_decode", None)


def _one_order(orders: BinaryIO, answers: BinaryIO, jobs: Mapping[str, Job]) -> bool:
    """False when the parent has hung up."""
    opening = orders.read(wire.ORDER.size)
    if len(opening) < wire.ORDER.size:
        return False
    _magic, text_size, file_size = wire.ORDER.unpack(opening)
    what = wire.parse_json(orders.read(text_size))
    data = orders.read(file_size)
    if len(data) < file_size:
        return False
    signal.setitimer(signal.ITIMER_REAL, what["timeout_s"] + ALARM_MARGIN_S)
    limit_cpu(seconds=what["cpu_s"])
    limits, page = Limits(**what["limits"]), what["page"]
    patterns = [Pattern(*pair) for pair in what["patterns"]]
    work = {name: jobs[name] for name in SEVERAL.get(what["job"], (what["job"],))}
    if SEARCH in work:
        work[SEARCH] = partial(work[SEARCH], patterns=patterns)
    all(_answer(answers, job, data, limits, page) for job in work.values())
    signal.setitimer(signal.ITIMER_REAL, 0)
    return True


def _answer(answers: BinaryIO, job: Job, data: bytes, limits: Limits, page: int) -> bool:
    """False where the file was refused: nothing more is said about it."""
    try:
        result = job(data, limits=limits, page=page)
    except errors.ImageError as exc:
        _tell(answers, wire.answer(wire.REFUSAL, {"reason": exc.reason, "sentence": str(exc)}))
        return False
    if isinstance(result, Header):
        _tell(answers, wire.answer(wire.HEADER, asdict(result)))
    elif isinstance(result, Findings):
        _tell(answers, wire.answer(wire.FINDINGS, asdict(result)))
    else:
        _tell(answers, wire.picture(*result.size), result.tobytes())
    return True


def _tell(answers: BinaryIO, *parts: bytes) -> None:
    for part in parts:
        answers.write(part)
    answers.flush()
