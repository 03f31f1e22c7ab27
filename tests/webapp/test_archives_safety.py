"""The verdict on an archive: what is refused and why, and what is not."""

from __future__ import annotations

import io
import resource
import time
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.webapp import hostile_zips as made
from webapp.library.archives import names
from webapp.library.archives.limits import Limits
from webapp.library.archives.members import stream
from webapp.library.archives.refusal import Refused
from webapp.library.archives.safety import Contents, contents, opened

WIDE = Limits(files=100_000, bytes=50 * 2**30)


@pytest.fixture
def written(tmp_path):
    def write(data: bytes):
        path = tmp_path / "archive"
        path.write_bytes(data)
        return path

    return write


def judged(path, limits: Limits = WIDE) -> Contents:
    with opened(path) as file:
        return contents(file, limits)


def read(path) -> dict[str, bytes]:
    with opened(path) as file:
        return {entry.name: read_all(stream(file, entry.member)) for entry in contents(file, WIDE).files}


def read_all(source) -> bytes:
    return b"".join(iter(lambda: source.read(1 << 20), b""))


def reason(path, limits: Limits = WIDE) -> str:
    with pytest.raises(Refused) as refused:
        judged(path, limits)
    return refused.value.reason


@pytest.mark.parametrize("what", made.REFUSED)
def test_a_hostile_archive_is_refused_with_its_reason(written, what):
    build, expected = made.REFUSED[what]
    assert reason(written(build())) == expected


@pytest.mark.parametrize("what", made.REFUSED)
def test_a_refusal_is_one_short_sentence_without_names(written, what):
    with pytest.raises(Refused) as refused:
        judged(written(made.REFUSED[what][0]()))
    assert len(refused.value.text) < 200
    assert refused.value.text.endswith(".")
    assert not any(name in refused.value.text for name in ("evil", "good", "slides", "passwd"))


def test_a_verdict_on_a_bomb_takes_no_time_and_no_memory(written):
    path = written(made.overlapping())
    assert path.stat().st_size < 120_000
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    reason(path)
    assert time.monotonic() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_limits_are_named(written):
    path = written(made.packed())
    with pytest.raises(Refused, match="limit of 1 files"):
        judged(path, Limits(files=1, bytes=2**30))
    with pytest.raises(Refused, match="limit of 100 bytes \\(MAX_UNPACKED_BYTES\\)"):
        judged(path, Limits(files=10, bytes=100))


def test_more_members_than_16_bits_count_are_read(written):
    told = judged(written(made.many(65_700)))
    assert len(told.files) == 65_700
    assert told.files[-1].name == "d/065699.png"


@pytest.mark.parametrize("build", [made.packed, made.described_after, lambda: made.packed(method=zipfile.ZIP_STORED)])
def test_members_come_out_as_they_went_in(written, build):
    assert read(written(build())) == made.GOOD


def test_a_comment_is_neither_kept_nor_in_the_way(written):
    assert read(written(made.packed(comment=b"Doe, Jane 1970-01-01"))) == made.GOOD


def test_what_systems_add_is_left_out_and_counted(written):
    extra = {"sub/": b"", "__MACOSX/._a.png": b"x", "sub/._b.png": b"x", ".DS_Store": b"x", "sub/Thumbs.db": b"x"}
    told = judged(written(made.packed(made.GOOD | extra)))
    assert [entry.name for entry in told.files] == list(made.GOOD)
    assert told.left_out == 5


def test_what_is_left_out_is_judged_all_the_same(written):
    assert reason(written(made.named("__MACOSX/../../x"))) == "climbing_name"


def test_names_that_only_look_odd_are_taken(written):
    odd = "Größe 5 µm \u202egnp.exe\r\nSet-Cookie: x.png"
    assert [entry.name for entry in judged(written(made.packed({odd: b"x", "./b//c.png": b"x"}))).files] == [odd, "b/c.png"]


def test_a_small_flat_picture_is_no_bomb(written):
    assert len(judged(written(made.packed({"background.bmp": bytes(512 * 512 * 3)}))).files) == 1


def test_wide_sizes_are_read(written, tmp_path):
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive, archive.open(zipfile.ZipInfo("a.png"), "w", force_zip64=True) as entry:
        entry.write(made.GOOD["a.png"])
    assert read(written(raw.getvalue())) == {"a.png": made.GOOD["a.png"]}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (made.lying(10), "lying_size"),
        (made.lying(10_000), "lying_size"),
        (made.lying(len(made.GOOD["a.png"]), crc=7), "checksum"),
        (made.packed({"a.png": made.packed()}), "nested"),
        (made.packed({"a.png": b"Rar!\x1a\x07" + bytes(600)}), "nested"),
        (made.packed({"a.png": bytes(257) + b"ustar" + bytes(300)}), "nested"),
    ],
)
def test_a_member_that_is_not_what_it_declares_is_found_while_it_is_read(written, data, expected):
    with pytest.raises(Refused) as refused:
        read(written(data))
    assert refused.value.reason == expected


def test_a_member_that_unpacks_to_more_than_declared_is_given_up_at_once(written):
    path = written(made.lying(1000, real=bytes(50_000_000)))
    with opened(path) as file:
        source = stream(file, contents(file, WIDE).files[0].member)
        with pytest.raises(Refused):
            source.read(1 << 16)


@settings(max_examples=60, deadline=None)
@given(
    files=st.dictionaries(st.from_regex(r"\A[a-z]{1,9}\.png\Z"), st.binary(max_size=5000), min_size=1, max_size=8),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    one_way=st.booleans(),
)
def test_whatever_zipfile_writes_is_read_as_it_reads_it(tmp_path_factory, files, method, one_way):
    files = {name: data for name, data in files.items() if not names.begins_as_archive(data)}
    files = {name: data for name, data in files.items() if name.split(".")[0] not in ("con", "prn", "aux", "nul")} or made.GOOD
    path = tmp_path_factory.mktemp("zip") / "archive"
    path.write_bytes(made.described_after(files) if one_way else made.packed(files, method=method))
    assert read(path) == files


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, 10_000), value=st.integers(0, 255), more=st.integers(0, 40))
def test_no_damage_makes_more_than_a_refusal(tmp_path_factory, at, value, more):
    raw = bytearray(made.described_after())
    for n in range(more + 1):
        raw[(at + n) % len(raw)] = (value + n) % 256
    path = tmp_path_factory.mktemp("zip") / "archive"
    path.write_bytes(raw)
    try:
        assert all(len(data) < 10_000 for data in read(path).values())
    except Refused as refused:
        assert refused.text  # noqa: PT017
