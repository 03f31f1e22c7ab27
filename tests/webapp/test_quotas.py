"""What a team may have, and how its limits are told."""

from __future__ import annotations

import io

import pytest

from tests.webapp.conftest import added, picture, run_tasks
from webapp.accounts.models import Team
from webapp.library import ingest, quotas
from webapp.library.kinds import NewFile
from webapp.library.models import Collection, Image, ItemState, State, UploadItem

pytestmark = pytest.mark.django_db


def start(collection, *sizes: int | None) -> list[UploadItem]:
    files = [NewFile(f"{number}.png", size) for number, size in enumerate(sizes)]
    return list(ingest.start_upload(user=None, collection=collection, source="api", files=files).items.order_by("pk"))


def limit(team: Team, **limits: int | None) -> None:
    Team.objects.filter(pk=team.pk).update(**limits)


@pytest.mark.parametrize(("more", "fits"), [(399, True), (400, True), (401, False)])
def test_a_teams_bytes_end_exactly_at_their_limit(collection, team_a, more, fits):
    limit(team_a, max_bytes=1000)
    start(collection, 600)
    collection.team.refresh_from_db()
    if fits:
        start(collection, more)
    else:
        with pytest.raises(quotas.NoRoom, match="TEAM_MAX_BYTES") as refused:
            start(collection, more)
        assert refused.value.reason == "team_bytes"
        assert UploadItem.objects.count() == 1


@pytest.mark.parametrize(("more", "fits"), [(1, True), (2, True), (3, False)])
def test_a_teams_files_end_exactly_at_their_limit(collection, team_a, more, fits):
    limit(team_a, max_files=5)
    start(collection, 1, 1, 1)
    collection.team.refresh_from_db()
    if fits:
        start(collection, *[1] * more)
    else:
        with pytest.raises(quotas.NoRoom, match="limit of 5 files"):
            start(collection, *[1] * more)


def test_the_sites_limit_holds_where_a_team_has_none_of_its_own(collection, team_a, settings):
    settings.TEAM_MAX_BYTES = 100
    with pytest.raises(quotas.NoRoom, match="100 bytes"):
        start(collection, 101)
    limit(team_a, max_bytes=1000)
    collection.team.refresh_from_db()
    start(collection, 101)


def test_no_limit_is_no_limit(collection, settings):
    settings.TEAM_MAX_BYTES = settings.TEAM_MAX_FILES = 0
    settings.MAX_FILE_BYTES = 2**60
    settings.FREE_SPACE_BYTES = -(2**60)  # of which this test's disk would have too little
    start(collection, 2**50)


def test_what_is_refused_anyway_counts_for_nothing(collection, team_a):
    limit(team_a, max_bytes=100, max_files=1)
    start(collection, 50, 0, 2**40)
    files = [NewFile("a.exe", 500)]
    collection.team.refresh_from_db()
    ingest.start_upload(user=None, collection=collection, source="api", files=files)


def test_the_trash_counts_and_what_ended_otherwise_does_not(collection, team_a):
    item = added(collection, picture())
    Image.objects.update(state=State.TRASHED)
    start(collection, 70)
    UploadItem.objects.exclude(pk=item.pk).update(state=ItemState.CANCELLED)
    assert quotas.use(team_a) == quotas.Use(bytes=len(picture()), files=1)


def test_all_of_a_teams_collections_count_and_no_other_teams(collection, foreign_collection, team_a):
    other = Collection.objects.create(team=team_a, name="Hearts")
    start(collection, 10)
    start(other, 20)
    start(foreign_collection, 40)
    assert quotas.use(team_a) == quotas.Use(bytes=30, files=2)


def test_an_archive_may_be_left_out_while_it_is_unpacked(collection, team_a):
    [archive, _] = start(collection, 500, 7)
    assert quotas.use(team_a, besides=archive) == quotas.Use(bytes=7, files=1)


def test_a_file_that_says_less_than_it_is_finds_the_limit_when_it_comes(collection, team_a):
    data = picture()
    limit(team_a, max_bytes=len(data) - 1)
    collection.team.refresh_from_db()
    for item in start(collection, None, 5):
        item = UploadItem.objects.get(pk=item.pk)
        accepted = ingest.accept(item, io.BytesIO(data))
        assert (accepted.state, accepted.reason) == (ItemState.FAILED, "team_bytes")
    assert not Image.objects.exists()


def test_files_that_say_what_they_are_come_in_uncounted(collection, team_a, django_assert_max_num_queries):
    data = picture()
    limit(team_a, max_bytes=10**6)
    [item] = start(collection, len(data))
    item = UploadItem.objects.select_related("upload__collection__team", "upload__user").get(pk=item.pk)
    with django_assert_max_num_queries(10):
        assert ingest.accept(item, io.BytesIO(data)).state == ItemState.ACCEPTED


def test_an_upload_that_would_fill_the_disk_does_not_start(collection, settings):
    settings.MAX_FILE_BYTES = settings.TEAM_MAX_BYTES = 2**60
    with pytest.raises(quotas.NoRoom, match="FREE_SPACE_BYTES") as refused:
        start(collection, 2**55)
    assert refused.value.reason == "no_space"


def test_a_page_and_a_program_are_told_which_limit_it_is(signed_in, alice, collection, team_a):
    limit(team_a, max_bytes=10)
    answer = signed_in(alice).post(f"/collections/{collection.pk}/announce", {"files": '[["a.png", 11, ""]]'})
    assert (answer.status_code, answer.json()["reason"]) == (429, "team_bytes")
    assert "10 bytes (TEAM_MAX_BYTES)" in answer.json()["detail"]
    form = signed_in(alice).post(f"/collections/{collection.pk}/upload", {"files": [io.BytesIO(picture())]})
    assert form.status_code == 429


def test_a_finished_upload_holds_its_images_only(collection, team_a):
    added(collection, picture())
    run_tasks()
    assert quotas.use(team_a) == quotas.Use(bytes=len(picture()), files=1)


@pytest.mark.parametrize(
    ("n", "told"), [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (999_999, "1 MB"), (5 * 10**9, "5 GB")]
)
def test_sizes_are_told_to_people(n, told):
    assert quotas.size(n) == told
