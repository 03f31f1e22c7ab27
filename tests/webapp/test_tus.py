"""tus 1.0: pieces, offsets, locks, checksums, and everything that may go wrong on the way."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import time
from dataclasses import dataclass
from datetime import timedelta
from errno import ENOSPC
from uuid import UUID

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from tests.webapp.conftest import on_disk, picture
from webapp.library import files, ingest, reconcile, transfer
from webapp.library.models import Image, ItemState, Upload, UploadItem

pytestmark = pytest.mark.django_db

DATA = picture("brown", size=(80, 60))


@dataclass
class Sender:
    """A signed-in tus client."""

    browser: Client

    def announce(self, collection, *names_and_data, **also) -> list[dict[str, str]]:
        listed = [[name, len(data), ""] for name, data in names_and_data]
        part = SimpleUploadedFile("files.json", json.dumps(listed).encode())
        answer = self.browser.post(f"/collections/{collection.pk}/announce", {"files": part, **also})
        assert answer.status_code == 201, answer.content
        return list(answer.json()["items"])

    def ask(self, method: str, address: str, data: bytes = b"", **headers: object):
        told = {name.replace("_", "-"): str(value) for name, value in headers.items()}
        told = {"Tus-Resumable": "1.0.0", **told}
        kind = told.pop("type", "application/offset+octet-stream")
        if not data:
            told |= {"Content-Type": kind, "Content-Length": "0"}  # which Django's client leaves out
        return self.browser.generic(method, address, data, content_type=kind, headers=told)

    def patch(self, address: str, data: bytes, at: int = 0, **headers: object):
        return self.ask("PATCH", address, data, Upload_Offset=at, **headers)

    def head(self, address: str):
        return self.ask("HEAD", address)


@pytest.fixture
def sender(signed_in, alice) -> Sender:
    return Sender(signed_in(alice))


@pytest.fixture
def address(sender, collection) -> str:
    """Of one announced file: DATA."""
    [item] = sender.announce(collection, ("field.png", DATA))
    return str(item["address"])


def the_item() -> UploadItem:
    return UploadItem.objects.get()


def piece_of(address: str):
    return files.transfer(UUID(address.rpartition("/")[2]))


# --- sending ----------------------------------------------------------------------------------------------------------


def test_a_small_file_comes_in_one_request(sender, address):
    answer = sender.patch(address, DATA)
    assert (answer.status_code, answer["Upload-Offset"], answer["Upload-State"]) == (204, str(len(DATA)), "accepted")
    image = Image.objects.get()
    assert (image.sha256, on_disk(files.original(image.pk)).read_bytes()) == (hashlib.sha256(DATA).hexdigest(), DATA)
    assert not piece_of(address).exists()


def test_a_file_in_pieces_is_whole_at_the_end(sender, address):
    for start in range(0, len(DATA), 50):
        answer = sender.patch(address, DATA[start : start + 50], at=start)
        assert answer.status_code == 204
    assert Image.objects.get().sha256 == hashlib.sha256(DATA).hexdigest()
    assert the_item().received_at is not None


def test_a_file_that_is_cut_off_is_resumed_where_it_stopped(sender, address):
    sender.patch(address, DATA[:100])
    told = sender.head(address)
    assert (told["Upload-Offset"], told["Upload-Length"], told["Cache-Control"]) == ("100", str(len(DATA)), "no-store")
    assert sender.patch(address, DATA[100:], at=100)["Upload-State"] == "accepted"


def test_what_arrived_of_a_request_that_broke_off_is_kept(address):
    class Cut:
        left = 2

        def read(self, size: int) -> bytes:
            self.left -= 1
            if self.left < 0:
                raise ConnectionResetError
            return DATA[:60] if self.left else DATA[60:90]

    with pytest.raises(ConnectionResetError):
        transfer.append(the_item(), Cut(), at=0, size=len(DATA))
    assert transfer.offset(the_item()) == 90


def test_a_piece_at_the_wrong_place_is_told_the_right_one(sender, address):
    sender.patch(address, DATA[:100])
    answer = sender.patch(address, DATA, at=0)
    assert (answer.status_code, answer["Upload-Offset"], answer.json()["offset"]) == (409, "100", 100)


def test_a_file_that_is_sent_again_is_told_that_it_is_there(sender, address):
    sender.patch(address, DATA)
    answer = sender.patch(address, DATA)
    assert (answer.status_code, answer["Upload-Offset"]) == (409, str(len(DATA)))
    assert sender.head(address)["Upload-Offset"] == str(len(DATA))
    assert Image.objects.count() == 1


def test_more_bytes_than_announced_are_refused(sender, address):
    assert sender.patch(address, DATA + b"x").status_code == 413
    assert sender.head(address)["Upload-Offset"] == "0"


def test_two_writers_of_one_file_wait_for_each_other(sender, address):
    sender.patch(address, DATA[:10])
    with piece_of(address).open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        answer = sender.patch(address, DATA[10:], at=10)
    assert (answer.status_code, answer.json()["reason"]) == (423, "locked")
    assert sender.patch(address, DATA[10:], at=10).status_code == 204


def test_who_opened_a_piece_before_it_was_taken_in_does_not_write_into_the_original(sender, address, monkeypatch):
    real = fcntl.flock

    def too_late(file, how):
        """Between opening and locking, another request brings the last byte."""
        monkeypatch.setattr(fcntl, "flock", real)
        ingest.accept_draft(the_item(), piece_of(address), sha256="0" * 64, bytes=len(DATA))
        real(file, how)

    piece_of(address).parent.mkdir(parents=True, exist_ok=True)
    piece_of(address).write_bytes(DATA)
    monkeypatch.setattr(fcntl, "flock", too_late)
    assert sender.patch(address, b"", at=len(DATA)).status_code == 423
    assert on_disk(files.original(Image.objects.get().pk)).read_bytes() == DATA


def test_a_file_of_an_unknown_length_is_told_it_later(sender, collection):
    upload = ingest.start_upload(user=None, collection=collection, source="api", files=[ingest.NewFile("a.png")])
    address = f"/uploads/tus/{upload.items.get().key}"
    assert sender.head(address)["Upload-Defer-Length"] == "1"
    assert sender.patch(address, DATA).json()["reason"] == "length"
    assert sender.patch(address, DATA, Upload_Length=len(DATA))["Upload-State"] == "accepted"


def test_a_late_length_has_the_same_limits(sender, collection, team_a, settings):
    upload = ingest.start_upload(user=None, collection=collection, source="api", files=[ingest.NewFile("a.png")])
    address = f"/uploads/tus/{upload.items.get().key}"
    settings.MAX_FILE_BYTES = 100
    assert sender.patch(address, DATA, Upload_Length=101).status_code == 413
    team_a.max_bytes = 99
    team_a.save()
    assert sender.patch(address, DATA, Upload_Length=100).status_code == 429


# --- checksums --------------------------------------------------------------------------------------------------------


def checksum(data: bytes) -> str:
    return "sha256 " + base64.b64encode(hashlib.sha256(data).digest()).decode()


def test_a_piece_that_was_damaged_on_its_way_is_thrown_away(sender, address):
    sender.patch(address, DATA[:10])
    answer = sender.patch(address, DATA[10:], at=10, Upload_Checksum=checksum(b"other"))
    assert (answer.status_code, answer.reason_phrase) == (460, "Checksum Mismatch")
    assert sender.head(address)["Upload-Offset"] == "10"
    assert sender.patch(address, DATA[10:], at=10, Upload_Checksum=checksum(DATA[10:])).status_code == 204


@pytest.mark.parametrize("told", ["md5 AAAA", "sha256", "sha256 ***", "sha256 QQ"])
def test_a_checksum_that_cannot_be_read_is_refused(sender, address, told):
    assert sender.patch(address, DATA, Upload_Checksum=told).status_code == 400


def test_a_file_that_is_not_the_announced_one_is_refused(sender, collection):
    listed = json.dumps([["a.png", len(DATA), "0" * 64]])
    answer = sender.browser.post(f"/collections/{collection.pk}/announce", {"files": listed}).json()
    refused = sender.patch(answer["items"][0]["address"], DATA)
    assert (refused.status_code, refused.json()["reason"]) == (422, "checksum")
    assert (the_item().state, the_item().reason) == (ItemState.FAILED, "checksum")
    assert not list(files.listed(files.TRANSFERS))


# --- the protocol -----------------------------------------------------------------------------------------------------


def test_the_server_says_what_it_can_do(sender, address):
    told = sender.browser.options(address)
    assert told.status_code == 204
    assert told["Tus-Version"] == "1.0.0"
    assert {"creation", "termination", "checksum", "expiration"} <= set(told["Tus-Extension"].split(","))


def test_another_version_of_the_protocol_is_refused(sender, address):
    answer = sender.ask("HEAD", address, Tus_Resumable="0.2.1")
    assert (answer.status_code, answer["Tus-Version"]) == (412, "1.0.0")


@pytest.mark.parametrize("offset", ["", "-1", "1.5", "٣", "9" * 40])
def test_an_offset_that_is_no_number_is_refused(sender, address, offset):
    header = offset.encode().decode("latin-1")
    assert sender.patch(address, DATA, at=header).status_code == 400


def test_a_piece_of_another_type_is_refused(sender, address):
    assert sender.patch(address, DATA, type="image/png").status_code == 415


def test_other_methods_are_refused(sender, address):
    assert sender.ask("PUT", address, DATA).status_code == 405
    assert sender.ask("GET", "/uploads/tus/").status_code == 405


def test_a_method_may_be_named_in_a_header(sender, address):
    assert sender.ask("POST", address, DATA, Upload_Offset=0, X_HTTP_Method_Override="PATCH").status_code == 204


def metadata(**told: str) -> str:
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in told.items())


def test_any_tus_client_may_create_an_upload(sender, collection):
    told = metadata(collection=str(collection.pk), filename="müller/a.png", organ="kidney")
    made = sender.ask("POST", "/uploads/tus/", Upload_Length=len(DATA), Upload_Metadata=told, type="")
    assert (made.status_code, made["Upload-Offset"]) == (201, "0")
    sender.patch(made["Location"], DATA)
    assert (Image.objects.get().name, Image.objects.get().organ) == ("a.png", "kidney")


def test_an_upload_may_be_created_with_its_bytes(sender, collection):
    told = metadata(collection=str(collection.pk), filename="a.png")
    made = sender.ask("POST", "/uploads/tus/", DATA, Upload_Length=len(DATA), Upload_Metadata=told)
    assert (made.status_code, made["Upload-Offset"], made["Upload-State"]) == (201, str(len(DATA)), "accepted")


@pytest.mark.parametrize("told", ["", "collection ***", "collection YWJj", "collection", "collection /////w=="])
def test_a_creation_without_a_collection_is_refused(sender, told):
    answer = sender.ask("POST", "/uploads/tus/", Upload_Length=5, Upload_Metadata=told, type="")
    assert answer.status_code in (400, 404)
    assert not Upload.objects.exists()


@pytest.mark.parametrize(("name", "size", "status"), [("a.exe", 5, 415), ("a.png", 2**40, 413), ("a.png", 0, 415)])
def test_a_creation_of_what_is_not_taken_is_refused_before_its_bytes(sender, collection, name, size, status):
    told = metadata(collection=str(collection.pk), filename=name)
    answer = sender.ask("POST", "/uploads/tus/", Upload_Length=size, Upload_Metadata=told, type="")
    assert answer.status_code == status
    assert answer.json()["detail"]


def test_a_transfer_that_is_given_up_leaves_nothing(sender, address):
    sender.patch(address, DATA[:10])
    assert sender.ask("DELETE", address).status_code == 204
    assert (the_item().state, piece_of(address).exists()) == (ItemState.CANCELLED, False)
    assert sender.head(address).status_code == 410
    assert sender.patch(address, DATA).status_code == 410


def test_deleting_what_has_arrived_leaves_its_image(sender, address):
    sender.patch(address, DATA)
    sender.ask("DELETE", address)
    assert the_item().state == ItemState.ACCEPTED
    assert Image.objects.exists()


# --- whoever may not --------------------------------------------------------------------------------------------------


def test_a_session_that_is_over_is_told_in_json_and_the_piece_stays(sender, address, signed_in, alice):
    sender.patch(address, DATA[:10])
    sender.browser.logout()
    answer = sender.patch(address, DATA[10:], at=10)
    assert (answer.status_code, answer.json()["reason"], answer.json()["sign_in"]) == (401, "signed_out", "/sign-in")
    signed_in(alice)
    assert sender.patch(address, DATA[10:], at=10).status_code == 204


def test_another_sites_request_is_refused_in_json(alice, address):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    for method in ("PATCH", "DELETE"):
        answer = Sender(browser).ask(method, address, DATA, Upload_Offset=0)
        assert (answer.status_code, answer.json()["reason"]) == (403, "csrf")
    assert Sender(browser).ask("POST", "/uploads/tus/", Upload_Length=3).status_code == 403


def test_with_its_token_a_page_may_send(alice, address):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    browser.get("/collections")
    token = browser.cookies["csrftoken"].value
    assert Sender(browser).patch(address, DATA, X_CSRFToken=token).status_code == 204


def test_a_right_that_was_taken_away_ends_the_transfer(sender, address, alice):
    sender.patch(address, DATA[:10])
    alice.memberships.all().delete()
    assert sender.patch(address, DATA[10:], at=10).status_code == 404
    assert sender.head(address).status_code == 404


def test_foreign_and_unknown_addresses_answer_alike(sender, address, signed_in, charlie, bob):
    unknown = "/uploads/tus/00000000-0000-4000-8000-000000000000"
    for person in (charlie, bob):
        other = Sender(signed_in(person))
        assert other.patch(address, DATA).content == other.patch(unknown, DATA).content
        assert other.ask("DELETE", address).status_code == 404
    assert the_item().state == ItemState.PENDING


def test_a_cancelled_upload_takes_no_more(sender, address):
    sender.patch(address, DATA[:10])
    Upload.objects.update(cancelled_at=timezone.now())
    answer = sender.patch(address, DATA[10:], at=10)
    assert (answer.status_code, answer.json()["reason"]) == (410, "cancelled")


# --- the machine ------------------------------------------------------------------------------------------------------


def test_a_nearly_full_disk_is_told_and_the_transfer_goes_on_later(sender, address, settings):
    sender.patch(address, DATA[:10])
    settings.FREE_SPACE_BYTES, settings.FREE_SPACE_SHARE = 10**18, 1.0
    answer = sender.patch(address, DATA[10:], at=10)
    assert (answer.status_code, answer.json()["reason"]) == (507, "no_space")
    settings.FREE_SPACE_BYTES = 0
    assert sender.patch(address, DATA[10:], at=10).status_code == 204


def test_a_disk_that_fills_up_while_a_piece_is_written_keeps_what_came_before(sender, address, monkeypatch):
    sender.patch(address, DATA[:10])

    def full(file):
        raise OSError(ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(files, "force", full)
        assert sender.patch(address, DATA[10:], at=10).status_code == 507
    assert sender.head(address)["Upload-Offset"] == "10"
    assert sender.patch(address, DATA[10:], at=10).status_code == 204


def test_a_process_that_died_after_the_last_byte_is_made_up_for(address):
    path = piece_of(address)
    path.parent.mkdir(parents=True)
    path.write_bytes(DATA)
    reconcile.reconcile()
    assert the_item().state == ItemState.ACCEPTED
    assert Image.objects.get().sha256 == hashlib.sha256(DATA).hexdigest()


def made_ago(hours: float) -> None:
    UploadItem.objects.update(made_at=timezone.now() - timedelta(hours=hours))
    Upload.objects.update(made_at=timezone.now() - timedelta(hours=hours))


def test_a_transfer_that_rests_for_a_day_may_be_resumed(sender, address):
    sender.patch(address, DATA[:10])
    made_ago(24)
    os.utime(piece_of(address), (0, time.time() - 24 * 3600))
    reconcile.reconcile()
    assert sender.patch(address, DATA[10:], at=10).status_code == 204


def test_a_transfer_that_nobody_resumes_ends(sender, address, settings):
    assert "Upload-Expires" in sender.patch(address, DATA[:10])
    made_ago(settings.TUS_EXPIRES_H + 1)
    os.utime(piece_of(address), (0, time.time() - settings.TUS_EXPIRES_H * 3600 - 60))
    reconcile.reconcile()
    assert (the_item().state, the_item().reason, piece_of(address).exists()) == (ItemState.FAILED, "not_received", False)
    assert sender.patch(address, DATA[10:], at=10).json()["reason"] == "not_received"


def test_files_that_wait_their_turn_in_a_long_upload_go_on_waiting(sender, collection, settings):
    first, second = sender.announce(collection, ("a.png", DATA), ("b.png", picture()))
    made_ago(settings.TUS_EXPIRES_H + 1)
    sender.patch(first["address"], DATA)
    reconcile.reconcile()
    assert sender.patch(second["address"], picture()).status_code == 204


# --- going on after a reload ------------------------------------------------------------------------------------------


def test_what_is_still_to_be_sent_is_listed_with_how_far_it_is(sender, collection):
    first, second, third = sender.announce(collection, ("a.png", DATA), ("b.png", picture()), ("c.png", picture(seed=3)))
    sender.patch(first["address"], DATA)
    sender.patch(second["address"], picture()[:7])
    told = sender.browser.get(f"/uploads/{Upload.objects.get().pk}/pending").json()["items"]
    assert [(item["name"], item["offset"], item["address"]) for item in told] == [
        ("b.png", 7, second["address"]), ("c.png", 0, third["address"]),
    ]  # fmt: skip


def test_what_is_still_to_be_sent_is_told_to_editors_only(address, signed_in, bob, charlie):
    for person in (bob, charlie):
        assert signed_in(person).get(f"/uploads/{Upload.objects.get().pk}/pending").status_code == 404
