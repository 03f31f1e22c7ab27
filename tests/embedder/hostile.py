"""The real decoder process with jobs that do what a decoder taken over by a file would do. Run by test_sandbox.py only."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from PIL import Image

from embedder import errors
from embedder.decoder import serve

PICTURE = Image.new("RGB", (32, 16), (1, 2, 3))


def spin():
    while True:
        pass


def fill_memory():
    hoard = []
    while True:
        hoard.append(bytearray(64 * 2**20))


def ignore_the_alarm():
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    time.sleep(600)


DEEDS = {
    "segfault": lambda path: ctypes.string_at(0),
    "abort": lambda path: os.abort(),
    "exit": lambda path: os._exit(0),
    "raise": lambda path: 1 // 0,
    "hang": lambda path: time.sleep(600),
    "ignore the alarm": lambda path: ignore_the_alarm(),
    "spin": lambda path: spin(),
    "fill memory": lambda path: fill_memory(),
    "one large allocation": lambda path: bytearray(2**40),
    "nothing": lambda path: None,
    # what must be refused
    "fork": lambda path: os.fork(),
    "start a thread": lambda path: threading.Thread(target=print).start(),
    "run a program": lambda path: subprocess.run(["/bin/true"], check=True),
    "become a program": lambda path: os.execv("/bin/true", ["true"]),  # noqa: S606 - refused
    "connect": lambda path: socket.create_connection(("127.0.0.1", int(path)), timeout=2),
    "resolve a name": lambda path: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    "read a file": lambda path: Path(path).read_bytes(),
    "read the parent's environment": lambda path: Path(f"/proc/{os.getppid()}/environ").read_bytes(),
    "write a file": lambda path: Path(path).write_bytes(b"x" * 4096),
    "append to a file": lambda path: open(path, "ab").close(),  # noqa: PTH123
    "make a file": lambda path: Path(path + ".new").touch(),
    "delete a file": lambda path: Path(path).unlink(),
    "rename a file": lambda path: Path(path).rename(path + ".new"),
    "kill the parent": lambda path: os.kill(os.getppid(), signal.SIGTERM),
    "limit the parent": lambda path: __import__("resource").prlimit(os.getppid(), 7, (9, 9)),
}


def do(data, *, limits, page):
    """The order is "deed|argument" instead of a picture; a refused deed is told by its reason code."""
    deed, _, argument = data.decode().partition("|")
    if deed == "tell the environment":
        raise errors.CorruptImage(" ".join(sorted(os.environ)))
    if deed == "tell the pid":
        raise errors.CorruptImage(f"{os.getpid()} {os.getsid(0)}")
    try:
        DEEDS[deed](argument)
    except (OSError, RuntimeError) as exc:
        raise errors.UnsupportedType(f"refused: {exc!r}") from exc
    return PICTURE


if __name__ == "__main__":
    serve(descriptor=int(sys.argv[-2]), memory_bytes=int(sys.argv[-1]), jobs={"open_rgb": do})
