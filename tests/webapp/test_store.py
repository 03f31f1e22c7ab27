"""What every store of files does, whether it is a folder or a bucket; and what a bucket does besides."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.webapp.buckets import Breaking, Bucket
from tests.webapp.conftest import on_disk
from webapp.library import files, store
from webapp.library.store import Store, StoreAway, objects

IMAGE = uuid.UUID(int=7)
NAME = files.original(IMAGE)
KINDS = ["folder", "bucket"]
ONES = bytes(range(256)) * 4096  # a megabyte


@pytest.fixture(params=KINDS)
def kept(request, data_folder) -> Store:
    if request.param == "bucket":
        request.getfixturevalue("bucket")
    return store.current()


def draft(content: bytes = ONES) -> Path:
    path = files.root() / files.INCOMING / uuid.uuid4().hex
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def read(kept: Store, name: str = NAME) -> bytes:
    _, file = kept.open(name)
    with file:
        return file.read()


def working_files() -> list[Path]:
    return [path for path in (files.root() / files.INCOMING).glob("*") if path.is_file()]


# --- both -------------------------------------------------------------------------------------------------------------


def test_a_draft_takes_its_place_and_is_gone_from_its_own(kept):
    path = draft()
    kept.put(path, NAME)
    assert (read(kept), path.exists()) == (ONES, False)


def test_what_is_put_again_replaces_what_was_there(kept):
    kept.put(draft(b"old"), NAME)
    kept.write(NAME, memoryview(b"newer"))
    assert (read(kept), kept.stat(NAME).size) == (b"newer", 5)


def test_a_copy_leaves_its_source(kept):
    path = draft(b"here")
    kept.copy_in(path, NAME, changed_ns=10**18)
    assert (read(kept), path.read_bytes()) == (b"here", b"here")


def test_it_tells_size_and_time(kept):
    kept.put(draft(), NAME)
    stored, file = kept.open(NAME)
    file.close()
    assert stored == kept.stat(NAME)
    assert (stored.name, stored.size) == (NAME, len(ONES))
    assert stored.changed_ns > 10**18


def test_a_file_is_read_from_anywhere_in_it(kept):
    kept.put(draft(), NAME)
    _, file = kept.open(NAME)
    with file:
        file.seek(1_000_001)
        assert file.read(10) == ONES[1_000_001:1_000_011]
        file.seek(-3, os.SEEK_END)
        assert (file.read(), file.read(1)) == (ONES[-3:], b"")
        file.seek(5)
        assert (file.read(300_000), file.tell()) == (ONES[5:300_005], 300_005)


def test_an_empty_file_is_one(kept):
    kept.write(NAME, b"")
    assert (read(kept), kept.stat(NAME).size) == (b"", 0)


@pytest.mark.parametrize("ask", ["stat", "open"])
def test_what_is_not_there_is_told_as_a_missing_file(kept, ask):
    with pytest.raises(FileNotFoundError):
        getattr(kept, ask)(NAME)
    with pytest.raises(FileNotFoundError), kept.local(NAME):
        pass
    assert not kept.has(NAME)


def test_a_decoder_gets_a_file_of_this_machine(kept):
    kept.put(draft(), NAME)
    with kept.local(NAME) as path:
        assert path.read_bytes() == ONES
    assert read(kept) == ONES


def test_what_was_lent_is_gone_however_the_block_ends(kept):
    kept.put(draft(), NAME)
    with pytest.raises(ZeroDivisionError), kept.local(NAME):
        raise ZeroDivisionError
    assert working_files() == []


def test_files_are_listed_by_kind_and_name(kept):
    names = sorted(files.original(uuid.uuid4()) for _ in range(5))
    for name in names:
        kept.write(name, name.encode())
    kept.write(files.thumbnail(IMAGE), b"x")
    assert [each.name for each in kept.listed(files.ORIGINALS)] == names
    assert [(each.name, each.size) for each in kept.listed(files.THUMBNAILS)] == [(files.thumbnail(IMAGE), 1)]
    assert list(kept.listed(files.DISPLAY)) == []


def test_many_names_are_looked_up(kept):
    kept.write(NAME, b"1234")
    find = kept.lookup()
    assert find(NAME) == kept.stat(NAME)
    assert find(files.encrypted(IMAGE)) is None
    assert find(files.display(IMAGE)) is None


def test_deleting_what_is_not_there_is_no_error(kept):
    kept.write(NAME, b"x")
    kept.delete(NAME, files.display(IMAGE))
    kept.delete()
    assert not kept.has(NAME)


def test_a_kind_is_set_aside_whole(kept):
    kept.write(NAME, b"x")
    place = kept.set_aside(files.ORIGINALS, "replaced-1")
    assert place.endswith("replaced-1/originals")
    assert (list(kept.listed(files.ORIGINALS)), read(kept, f"replaced-1/{NAME}")) == ([], b"x")
    assert kept.set_aside(files.DISPLAY, "replaced-1") == ""


def test_it_answers(kept):
    kept.check()


# --- a bucket ---------------------------------------------------------------------------------------------------------


def test_nothing_of_a_lasting_file_is_left_in_the_folder(bucket: Bucket):
    store.current().put(draft(), NAME)
    assert bucket.names() == [f"archive/{NAME}"]
    assert (on_disk(NAME).exists(), working_files()) == (False, [])


def test_the_proxy_sends_only_what_lies_in_the_folder(kept, settings):
    assert kept.for_proxy(NAME) == ("" if settings.S3_BUCKET else NAME)


def test_no_object_is_public(bucket: Bucket):
    store.current().write(NAME, b"x")
    grants = bucket.client.get_object_acl(Bucket=bucket.name, Key=f"archive/{NAME}")["Grants"]
    assert all("URI" not in grant["Grantee"] for grant in grants)


def test_encryption_at_rest_is_asked_for(bucket: Bucket, settings):
    settings.S3_ENCRYPTION = "AES256"
    store.current().write(NAME, b"x")
    head = bucket.client.head_object(Bucket=bucket.name, Key=f"archive/{NAME}")
    assert head["ServerSideEncryption"] == "AES256"


def test_a_large_file_goes_in_parts(bucket: Bucket, monkeypatch):
    monkeypatch.setattr(objects, "PART_BYTES", 5 << 20)
    content = os.urandom(1 << 20) * 11
    store.current().put(draft(content), NAME)
    assert bucket.read(f"archive/{NAME}") == content
    assert bucket.client.head_object(Bucket=bucket.name, Key=f"archive/{NAME}")["ETag"].endswith('-3"')


@pytest.mark.parametrize(
    "ask",
    [
        lambda kept: kept.check(),
        lambda kept: kept.stat(NAME),
        lambda kept: kept.has(NAME),
        lambda kept: kept.open(NAME),
        lambda kept: kept.write(NAME, b"x"),
        lambda kept: kept.delete(NAME),
        lambda kept: list(kept.listed(files.ORIGINALS)),
    ],
)
@pytest.mark.parametrize("how", ["away", "gone"])
def test_a_bucket_that_is_away_is_no_missing_file(bucket: Bucket, ask, how):
    if how == "away":
        bucket.away()
    else:
        bucket.client.delete_bucket(Bucket=bucket.name)
    with pytest.raises(StoreAway) as told:
        ask(store.current())
    assert not isinstance(told.value, FileNotFoundError)
    if how == "away":
        bucket.back()


def test_a_draft_stays_where_the_bucket_is_away(bucket: Bucket):
    path = draft(b"all of it")
    bucket.away()
    with pytest.raises(StoreAway):
        store.current().put(path, NAME)
    assert path.read_bytes() == b"all of it"
    bucket.back()
    store.current().put(path, NAME)
    assert read(store.current()) == b"all of it"


def test_a_draft_stays_where_something_else_arrived(bucket: Bucket, monkeypatch):
    path, kept = draft(b"all of it"), store.current()
    monkeypatch.setattr(kept._storage, "save", lambda name, _content: kept._client.put_object(  # type: ignore[attr-defined]
        Bucket=bucket.name, Key=f"archive/{name}", Body=b"half"
    ))  # fmt: skip
    with pytest.raises(StoreAway, match="not arrive whole"):
        kept.put(path, NAME)
    assert (path.exists(), bucket.names()) == (True, [])


@pytest.fixture
def breaking(bucket: Bucket, monkeypatch) -> Callable[..., Breaking]:
    def make(**how: int) -> Breaking:
        kept = store.current()
        made = Breaking(kept.stream, **how)  # type: ignore[attr-defined]
        monkeypatch.setattr(kept, "stream", made)
        return made

    return make


def test_a_connection_that_breaks_off_is_taken_up_where_it_broke(breaking):
    store.current().put(draft(), NAME)
    connections = breaking(good=2, times=1)
    assert read(store.current()) == ONES
    assert len(connections.asked) == 2
    assert 0 < connections.asked[1] < len(ONES)


def test_a_connection_that_breaks_off_and_off_is_an_outage(breaking):
    store.current().put(draft(), NAME)
    breaking(good=0, times=2)
    with pytest.raises(StoreAway):
        read(store.current())
    assert working_files() == []


def test_half_of_one_file_is_never_joined_to_half_of_another(bucket: Bucket):
    store.current().put(draft(), NAME)
    _, file = store.current().open(NAME)
    with file:
        file.read(10)
        store.current().put(draft(ONES[::-1]), NAME)
        file.seek(900_000)
        with pytest.raises(StoreAway):
            file.read()


def test_who_asks_just_after_an_outage_need_not_wait(bucket: Bucket, monkeypatch):
    monkeypatch.setattr(objects, "PAUSE_S", 60.0)
    bucket.away()
    for expected in ("EndpointConnectionError", "a moment ago"):
        with pytest.raises(StoreAway, match=expected):
            store.current().check()
    bucket.back()


def test_keys_are_told_nowhere(bucket: Bucket):
    assert "testing" not in repr(store.bucket())
