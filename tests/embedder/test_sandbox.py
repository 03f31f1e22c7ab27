"""The real child with hostile jobs (hostile.py), children that are no decoder at all, and pictures as open_rgb reads them."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from embedder import Limits, Sandbox, errors, open_rgb, read_header, wire
from embedder.child import ENVIRONMENT
from embedder.sandbox import Budget
from tests.embedder.conftest import SHARED
from tests.embedder.test_images import LOSSLESS, PICTURE, coded

HOSTILE = [sys.executable, "-I", "-B", str(Path(__file__).with_name("hostile.py"))]
QUICK = Budget(timeout_s=20.0, cpu_s=1, memory_bytes=512 * 2**20)


@pytest.fixture(scope="module")
def hostile():
    with Sandbox(command=HOSTILE, budget=QUICK) as sandbox:
        yield sandbox


def ends(hostile, deed, error):
    with pytest.raises(error):
        hostile.open_rgb(deed.encode())


def works(hostile):
    return hostile.open_rgb(b"nothing").size == (32, 16)


# --- what a file can cost ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("deed", ["segfault", "abort", "exit", "raise"])
def test_a_crash_costs_one_image(hostile, deed):
    ends(hostile, deed, errors.DecoderCrashed)
    assert works(hostile)


def test_computing_without_end_costs_one_image(hostile):
    ends(hostile, "spin", errors.DecoderTimedOut)
    assert works(hostile)


@pytest.mark.parametrize("deed", ["hang", "ignore the alarm"])
def test_a_hang_costs_one_image_and_the_timeout(deed):
    with Sandbox(command=HOSTILE, budget=Budget(timeout_s=0.3)) as sandbox:
        sandbox.confinement()
        begun = time.monotonic()
        ends(sandbox, deed, errors.DecoderTimedOut)
        assert time.monotonic() - begun < 3


@pytest.mark.parametrize("deed", ["fill memory", "one large allocation"])
@pytest.mark.skipif(sys.platform != "linux", reason="macOS has no limit on addresses")
def test_a_memory_bomb_costs_one_image(hostile, deed):
    ends(hostile, deed, errors.DecoderOutOfMemory)
    assert works(hostile)


def test_a_dead_child_is_replaced_by_another_process(hostile):
    before = pid(hostile)
    ends(hostile, "segfault", errors.DecoderCrashed)
    assert pid(hostile) != before


def test_one_child_reads_many_images(hostile):
    assert pid(hostile) == pid(hostile)


def test_a_child_is_recycled_after_its_share_of_images():
    with Sandbox(command=HOSTILE, images_per_child=2) as sandbox:
        assert [pid(sandbox) == pid(sandbox), pid(sandbox) == pid(sandbox)] == [True, True]
        assert len({pid(sandbox), pid(sandbox), pid(sandbox)}) == 2


def test_a_child_is_replaced_after_a_large_picture():
    with Sandbox() as sandbox:
        sandbox.open_rgb(coded("PNG", Image.new("1", (4100, 4100))))
        assert sandbox.pids() == []


def told(hostile, question):
    with pytest.raises(errors.CorruptImage) as caught:
        hostile.open_rgb(question.encode())
    return str(caught.value)


def pid(hostile):
    return told(hostile, "tell the pid").split()[0]


# --- what a child may not do ---------------------------------------------------------------------------------------


def refused(hostile, needed, deed, argument=""):
    if needed not in hostile.confinement():
        pytest.skip(f"this kernel does not hold {needed!r}")
    with pytest.raises(errors.UnsupportedType, match=r"PermissionError|start new thread"):
        hostile.open_rgb(f"{deed}|{argument}".encode())


@pytest.mark.parametrize(
    "deed", ["fork", "start a thread", "run a program", "become a program", "kill the parent", "limit the parent"]
)
def test_no_process_is_started_or_touched(hostile, deed):
    refused(hostile, "syscalls", deed)


def test_nothing_is_connected_to(hostile):
    with socket.create_server(("127.0.0.1", 0)) as server:
        refused(hostile, "syscalls", "connect", server.getsockname()[1])
    refused(hostile, "syscalls", "resolve a name")


@pytest.mark.parametrize("deed", ["write a file", "append to a file", "make a file", "delete a file", "rename a file"])
def test_no_file_is_changed(hostile, deed, tmp_path):
    (tmp_path / "archive").write_bytes(b"precious")
    refused(hostile, "syscalls", deed, str(tmp_path / "archive"))
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("archive", b"precious")]


@pytest.mark.parametrize("deed", ["read a file", "read the parent's environment"])
def test_no_file_but_pythons_own_is_read(hostile, deed):
    refused(hostile, "files", deed, "/etc/passwd")


def test_the_child_sees_nothing_of_the_parents_environment(hostile, monkeypatch):
    monkeypatch.setenv("DATABASE_PASSWORD", "secret")
    with Sandbox(command=HOSTILE) as sandbox:
        seen = set(told(sandbox, "tell the environment").split())
    assert seen - {"LC_CTYPE", "__CF_USER_TEXT_ENCODING"} == set(ENVIRONMENT)  # Python and macOS add these by themselves


def test_the_child_has_a_session_of_its_own(hostile):
    assert told(hostile, "tell the pid").split()[1] != str(os.getsid(0))


def test_the_child_ends_with_its_sandbox():
    sandbox = Sandbox(command=HOSTILE)
    child = int(pid(sandbox))
    sandbox.close()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    with pytest.raises(errors.SandboxUnavailable):
        sandbox.open_rgb(b"nothing")


# --- children that are no decoder ----------------------------------------------------------------------------------

READY = wire.answer(wire.READY, {"held": []})
HEADER = {"format": "PNG", "width": 32, "height": 16, "mode": "RGB", "depth": 8, "frames": 1, "mpp": None, "whole_slide": False}
HEADER |= {"pages": 1, "has_label": False}
NONSENSE = {
    "noise": b"\xa5" * 4096,
    "half an answer": wire.picture(32, 16)[:7],
    "half a picture": wire.picture(32, 16) + b"\x00" * 100,
    "another size than it says": wire.ANSWER.pack(wire.MAGIC, wire.PICTURE, 32, 16, 10**12),
    "more pixels than allowed": wire.picture(65_535, 65_535),
    "no pixels": wire.picture(0, 0),
    "endless JSON": wire.ANSWER.pack(wire.MAGIC, wire.REFUSAL, 0, 0, 2**40),
    "nested JSON": wire.ANSWER.pack(wire.MAGIC, wire.REFUSAL, 0, 0, 4000) + b"[" * 4000,
    "no JSON": wire.ANSWER.pack(wire.MAGIC, wire.REFUSAL, 0, 0, 2) + b"\xff\xff",
    "an unknown reason": wire.answer(wire.REFUSAL, {"reason": "os._exit", "sentence": ""}),
    "no sentence": wire.answer(wire.REFUSAL, {"reason": "corrupt", "sentence": [1]}),
    "ready twice": READY,
    "an answer to another question": wire.answer(wire.HEADER, HEADER),
}


def fake(after_order: bytes, *, greeting: bytes = READY, read: int = 2**20, then: str = "") -> list[str]:
    """A child that greets, reads at most so much, answers with these bytes and goes."""
    program = (
        "import os, sys, time; s = int(sys.argv[-2]); "
        f"os.write(s, {greeting!r}); n = {read}; n and os.read(s, n); os.write(s, {after_order!r}); {then}"
    )
    return [sys.executable, "-I", "-S", "-c", program]


@pytest.mark.parametrize("what", NONSENSE)
def test_nonsense_is_a_crash_and_never_believed(what):
    with Sandbox(command=fake(NONSENSE[what])) as sandbox, pytest.raises(errors.DecoderCrashed):
        sandbox.open_rgb(LOSSLESS["png"])


@pytest.mark.parametrize("what", ["noise", "half a picture"])
def test_a_child_that_stops_in_the_middle_is_late(what):
    command = fake(wire.picture(32, 16) + b"\x00" * 100 if what == "half a picture" else b"c", then="time.sleep(600)")
    with Sandbox(command=command, budget=Budget(timeout_s=0.3)) as sandbox, pytest.raises(errors.DecoderTimedOut):
        sandbox.open_rgb(LOSSLESS["png"])


def test_a_child_that_does_not_read_is_late():
    command = fake(b"", read=0, then="time.sleep(600)")
    with Sandbox(command=command, budget=Budget(timeout_s=0.3)) as sandbox, pytest.raises(errors.DecoderTimedOut):
        sandbox.open_rgb(LOSSLESS["png"] + b"\x00" * 2**22)


def test_a_child_that_goes_while_it_is_written_to_has_crashed():
    with Sandbox(command=fake(b"", read=10)) as sandbox, pytest.raises(errors.DecoderCrashed):
        sandbox.open_rgb(LOSSLESS["png"] + b"\x00" * 2**22)


@pytest.mark.parametrize("greeting", [b"", b"Traceback (most recent call last)", b"\x00" * 21])
def test_a_child_that_never_gets_ready_is_no_fault_of_the_image(greeting):
    with Sandbox(command=fake(b"", greeting=greeting, read=0)) as sandbox, pytest.raises(errors.SandboxUnavailable):
        sandbox.open_rgb(LOSSLESS["png"])


def test_a_program_that_does_not_exist_is_no_fault_of_the_image():
    with Sandbox(command=["/nonexistent/python"]) as sandbox, pytest.raises(errors.SandboxUnavailable):
        sandbox.open_rgb(LOSSLESS["png"])


BAD_HEADERS = [
    {"format": "ZZPHI-DOE-JANE"},
    {"mode": "ZZPHI-DOE-JANE"},
    {"width": -1},
    {"height": 1.5},
    {"frames": True},
    {"mpp": float("nan")},
    {"mpp": "0.5"},
    {"whole_slide": 1},
    {"pages": 0},
    {"pages": 2.0},
    {"has_label": "ZZPHI-DOE-JANE"},
    {"name": "ZZPHI-DOE-JANE"},
]


@pytest.mark.parametrize("change", BAD_HEADERS, ids=str)
def test_a_header_holds_nothing_but_what_a_header_may_hold(change):
    answer = wire.answer(wire.HEADER, HEADER | change)
    with Sandbox(command=fake(answer)) as sandbox, pytest.raises(errors.DecoderCrashed):
        sandbox.read_header(LOSSLESS["png"])


def test_a_sandbox_without_a_decoder_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        Sandbox(workers=0)


def test_a_sentence_of_the_child_is_short_and_on_one_line():
    answer = wire.answer(wire.REFUSAL, {"reason": "corrupt", "sentence": "a\n\x1b[31m" + "b" * 3000})
    command = fake(answer, then="time.sleep(60)")  # it may answer before the file is sent, but not hang up
    with Sandbox(command=command) as sandbox, pytest.raises(errors.CorruptImage) as caught:
        sandbox.open_rgb(LOSSLESS["png"])
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) <= 300


# --- threads and forks ---------------------------------------------------------------------------------------------


def test_eight_threads_share_two_children():
    codings = list(LOSSLESS.values()) * 4
    with Sandbox(workers=2) as sandbox, ThreadPoolExecutor(8) as threads:
        for image in threads.map(sandbox.open_rgb, codings):
            np.testing.assert_array_equal(np.asarray(image), PICTURE)
        assert len(sandbox.pids()) <= 2


def test_crashes_in_other_threads_do_not_touch_a_good_image(hostile):
    orders = [b"nothing", b"raise", b"nothing", b"exit"] * 2

    def outcome(order):
        try:
            return hostile.open_rgb(order).size
        except errors.DecoderCrashed:
            return "crashed"

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(outcome, orders)) == [(32, 16), "crashed"] * 4


def test_closing_while_an_image_is_in_work_ends_it():
    sandbox = Sandbox(command=HOSTILE)
    sandbox.confinement()
    closing = threading.Timer(0.3, sandbox.close)
    closing.start()
    ends(sandbox, "hang", errors.DecoderCrashed)
    closing.join()
    assert not sandbox.pids()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # Python 3.12 warns of the very case that is tested
def test_a_forked_process_uses_children_of_its_own(hostile):
    ours = pid(hostile)
    reader, writer = os.pipe()
    forked = os.fork()
    if forked == 0:
        os.write(writer, pid(hostile).encode())
        hostile.close()
        os._exit(0)
    os.waitpid(forked, 0)
    theirs = os.read(reader, 20).decode()
    os.close(reader)
    os.close(writer)
    assert theirs not in ("", ours)
    assert pid(hostile) == ours


# --- pictures ------------------------------------------------------------------------------------------------------


def end_of(read, source, limits=None):
    """What became of it, so that two ends can be compared."""
    try:
        image = read(source, limits=limits)
    except errors.ImageError as exc:
        return exc.reason, str(exc)
    return image.mode, image.info, image.size, image.tobytes()


def same_end(sandbox, source, limits=None):
    assert end_of(sandbox.open_rgb, source, limits) == end_of(open_rgb, source, limits)


@pytest.mark.parametrize("coding", LOSSLESS)
def test_the_sandbox_reads_what_open_rgb_reads(sandbox, coding):
    same_end(sandbox, LOSSLESS[coding])
    assert sandbox.read_header(LOSSLESS[coding]) == read_header(LOSSLESS[coding])


@pytest.mark.parametrize("coding", LOSSLESS)
def test_header_and_picture_come_of_one_sending(sandbox, coding):
    header, rows = sandbox.decode(LOSSLESS[coding])
    assert header == read_header(LOSSLESS[coding])
    np.testing.assert_array_equal(rows, np.asarray(open_rgb(LOSSLESS[coding])))


@pytest.mark.parametrize(
    ("source", "limits"), [(b"", None), (LOSSLESS["png"], Limits(max_pixels=1000)), (LOSSLESS["png"][:200], None)]
)
def test_a_file_that_is_refused_on_the_way_leaves_the_child_usable(sandbox, source, limits):
    with pytest.raises(errors.ImageError) as refused:
        sandbox.decode(source, limits=limits)
    assert (refused.value.reason, str(refused.value)) == end_of(open_rgb, source, limits)
    assert sandbox.decode(LOSSLESS["png"])[1].shape == PICTURE.shape


def test_paths_and_open_files_are_read_too(sandbox, tmp_path):
    (tmp_path / "a.png").write_bytes(LOSSLESS["png"])
    for source in (tmp_path / "a.png", str(tmp_path / "a.png"), io.BytesIO(LOSSLESS["png"])):
        np.testing.assert_array_equal(np.asarray(sandbox.open_rgb(source)), PICTURE)


def test_limits_reach_the_child(sandbox):
    same_end(sandbox, LOSSLESS["png"], Limits(max_pixels=1000))
    same_end(sandbox, LOSSLESS["png"], Limits(max_bytes=100))
    same_end(sandbox, b"")


def test_what_is_no_file_is_told_at_once(sandbox, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "absent"):
        with pytest.raises(OSError):
            sandbox.open_rgb(path)


def test_a_picture_may_be_written_to(sandbox):
    sandbox.open_rgb(LOSSLESS["png"]).putpixel((0, 0), (0, 0, 0))


def png_bomb() -> bytes:
    """A small picture with a text chunk that would unpack to 150 MB."""
    content = coded("PNG")
    text = b"zTXt" + b"note\x00\x00" + zlib.compress(bytes(150_000_000), 1)
    chunk = len(text[4:]).to_bytes(4, "big") + text + zlib.crc32(text).to_bytes(4, "big")
    return content[:33] + chunk + content[33:]


def tiff_bomb() -> bytes:
    """32 × 32 pixels whose strip unpacks to 150 MB."""
    file = io.BytesIO()
    tifffile.imwrite(file, iter([zlib.compress(bytes(150_000_000), 1)]), shape=(32, 32), dtype=np.uint8, compression="zlib")
    return file.getvalue()


@pytest.mark.parametrize("bomb", [png_bomb, tiff_bomb])
@pytest.mark.skipif(sys.platform != "linux", reason="macOS has no limit on addresses")
def test_a_deflate_bomb_is_not_unpacked(bomb):
    with Sandbox(budget=Budget(memory_bytes=128 * 2**20)) as sandbox:
        assert end_of(sandbox.open_rgb, bomb())[0] == "corrupt"


def test_a_large_picture_under_a_small_memory_limit_says_memory():
    with Sandbox(budget=Budget(memory_bytes=64 * 2**20)) as sandbox, pytest.raises(errors.DecoderOutOfMemory):
        sandbox.open_rgb(coded("PNG", Image.new("RGB", (6000, 6000))))


def shared_files():
    folders = [SHARED / "data" / name for name in ("odd", "inputs", "wsi")]
    return [path for folder in folders if folder.is_dir() for path in sorted(folder.rglob("*")) if path.is_file()]


@pytest.mark.shared
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_shared_file_ends_in_the_sandbox_as_without(sandbox):
    if not shared_files():
        pytest.skip("the shared images are not beside this repository")
    for path in shared_files():
        same_end(sandbox, path)


ORPHAN = """
import sys
sys.path.insert(0, sys.argv[1])
from embedder import Sandbox, errors
from tests.embedder.test_sandbox import HOSTILE, pid
sandbox = Sandbox(command=HOSTILE)
print(pid(sandbox), flush=True)
sandbox.open_rgb(b"nothing")
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_child_goes_when_its_parent_is_killed():
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", ORPHAN, root]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 5
    while runs(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not runs(child)


def runs(process):
    """Whether it is there and no zombie that nobody reaps."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_order_is_plain_json():
    order = wire.order("open_rgb", size=7, limits={"max_bytes": 1}, page=0, timeout_s=1.0, cpu_s=1)
    assert json.loads(order[wire.ORDER.size :])["limits"] == {"max_bytes": 1}
