from __future__ import annotations

import uuid

import pytest

from tests.webapp.conftest import on_disk
from webapp.accounts.models import AuditEvent
from webapp.library import files
from webapp.library.models import Visibility

pytestmark = pytest.mark.django_db
KINDS = ("thumbnail", "display", "original")


def _address(image, kind: str) -> str:
    return f"/images/{getattr(image, 'pk', image)}/{kind}"


def _get(client, address: str, **headers):
    """The answer, read to its end, which closes it; its bytes in ``body``."""
    response = client.get(address, headers=headers)
    response.body = b"".join(response.streaming_content) if response.streaming else response.content
    return response


@pytest.mark.parametrize(("kind", "name_of"), [("thumbnail", files.thumbnail), ("display", files.display)])
def test_members_see_the_pictures(make_image, signed_in, bob, kind, name_of):
    image = make_image()
    response = _get(signed_in(bob), _address(image, kind))
    assert (response.status_code, response.headers["Content-Type"]) == (200, "image/jpeg")
    assert response.body == on_disk(name_of(image.pk)).read_bytes()


def test_pictures_are_for_the_browser_alone_and_asked_for_again(make_image, signed_in, bob):
    headers = _get(signed_in(bob), _address(make_image(), "display")).headers
    assert headers["Cache-Control"] == "private, no-cache"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_need_sign_in(make_image, client, kind):
    response = _get(client, _address(make_image(), kind))
    assert response.status_code == 302


@pytest.mark.parametrize("kind", KINDS)
def test_foreign_and_unknown_pictures_answer_alike(make_image, signed_in, charlie, kind):
    client = signed_in(charlie)
    foreign, unknown = _get(client, _address(make_image(), kind)), _get(client, _address(uuid.uuid4(), kind))
    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert len(foreign.content) == len(unknown.content)


@pytest.mark.parametrize("kind", KINDS)
def test_a_known_tag_opens_nothing_to_a_stranger(make_image, signed_in, carol, charlie, kind):
    image = make_image()
    tag = _get(signed_in(carol), _address(image, kind)).headers["ETag"]
    assert _get(signed_in(charlie), _address(image, kind), **{"If-None-Match": tag}).status_code == 404


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_browser_has_is_not_sent_again(make_image, signed_in, carol, kind):
    image, client = make_image(), signed_in(carol)
    tag = _get(client, _address(image, kind)).headers["ETag"]
    again = _get(client, _address(image, kind), **{"If-None-Match": tag})
    assert (again.status_code, again.headers["ETag"], again.headers["Cache-Control"]) == (304, tag, "private, no-cache")


def test_a_right_that_was_taken_away_ends_at_once(make_image, signed_in, bob):
    image, client = make_image(), signed_in(bob)
    tag = _get(client, _address(image, "thumbnail")).headers["ETag"]
    bob.memberships.all().delete()
    assert _get(client, _address(image, "thumbnail"), **{"If-None-Match": tag}).status_code == 404


def test_originals_are_for_editors_only(make_image, signed_in, alice, bob):
    image = make_image(name="field.png")
    assert _get(signed_in(bob), _address(image, "original")).status_code == 404
    response = _get(signed_in(alice), _address(image, "original"))
    assert response.body == on_disk(files.original(image.pk)).read_bytes()
    assert response.headers["Content-Disposition"] == 'attachment; filename="field.png"'
    assert response.headers["Content-Type"] == "application/octet-stream"


def test_viewers_of_an_open_collection_get_no_originals(make_image, signed_in, collection, charlie):
    image = make_image()
    collection.visibility = Visibility.EVERYONE
    collection.save()
    client = signed_in(charlie)
    assert _get(client, _address(image, "display")).status_code == 200
    assert _get(client, _address(image, "original")).status_code == 404


def test_a_download_is_written_down_without_the_files_name(make_image, signed_in, alice):
    image = make_image(name="ZZPHI-DOE-JANE.png")
    _get(signed_in(alice), _address(image, "original"))
    event = AuditEvent.objects.get(action="download")
    assert (event.actor, event.target_id) == (alice, str(image.pk))
    assert "ZZPHI" not in str(vars(event))


def test_a_hostile_file_name_stays_in_its_header(make_image, signed_in, alice):
    image = make_image(name='a"\r\nSet-Cookie: x=1;.png')
    headers = _get(signed_in(alice), _address(image, "original")).headers
    assert "Set-Cookie" not in headers
    assert "\n" not in headers["Content-Disposition"]


def test_a_picture_that_is_not_drawn_yet_is_not_found(make_image, signed_in, bob):
    assert _get(signed_in(bob), _address(make_image(ready=False), "thumbnail")).status_code == 404


def test_pictures_cannot_be_written_to(make_image, signed_in, alice):
    assert signed_in(alice).post(_address(make_image(), "display")).status_code == 405


@pytest.mark.parametrize(
    ("asked", "span"),
    [
        ("bytes=0-9", slice(0, 10)),
        ("bytes=10-", slice(10, None)),
        ("bytes=-7", slice(-7, None)),
        ("bytes=5-99999999", slice(5, None)),
    ],
)
@pytest.mark.parametrize("kind", ["display", "original"])
def test_a_part_of_a_file_is_sent_alone(make_image, signed_in, alice, kind, asked, span):
    image, browser = make_image(), signed_in(alice)
    whole = _get(browser, _address(image, kind)).body
    answer = _get(browser, _address(image, kind), range=asked)
    assert (answer.status_code, answer.body) == (206, whole[span])
    first = whole.index(answer.body)
    assert answer.headers["Content-Range"] == f"bytes {first}-{first + len(answer.body) - 1}/{len(whole)}"
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert answer.headers["Cache-Control"] == "private, no-cache"


def test_what_lies_beyond_the_end_is_told(make_image, signed_in, alice):
    image, browser = make_image(), signed_in(alice)
    answer = _get(browser, _address(image, "display"), range="bytes=99999999-")
    assert answer.status_code == 416
    assert answer.headers["Content-Range"].startswith("bytes */")


@pytest.mark.parametrize("asked", ["bytes=9-3", "bytes=0-1,5-6", "lines=1-2", "bytes=-", "bytes=a-b", ""])
def test_a_range_that_is_not_understood_gets_all_of_it(make_image, signed_in, alice, asked):
    image, browser = make_image(), signed_in(alice)
    assert _get(browser, _address(image, "display"), range=asked).status_code == 200


def test_the_rest_of_a_file_that_changed_meanwhile_is_not_sent_after_the_old_beginning(make_image, signed_in, alice):
    image, browser = make_image(), signed_in(alice)
    tag = _get(browser, _address(image, "display")).headers["ETag"]
    same, other = ({"range": "bytes=5-", "if-range": known} for known in (tag, '"another"'))
    assert _get(browser, _address(image, "display"), **same).status_code == 206
    assert _get(browser, _address(image, "display"), **other).status_code == 200


@pytest.mark.parametrize("kind", ["thumbnail", "display", "original"])
@pytest.mark.parametrize("header", [{"range": "bytes=0-3"}, {"if-none-match": "*"}, {}])
def test_neither_part_nor_tag_opens_anything_to_a_stranger(make_image, signed_in, charlie, kind, header):
    assert _get(signed_in(charlie), _address(make_image(), kind), **header).status_code == 404


@pytest.mark.parametrize("kind", ["thumbnail", "display", "original"])
def test_behind_nginx_the_proxy_sends_the_file_after_the_right_was_asked(settings, make_image, signed_in, alice, charlie, kind):
    settings.ACCEL_PREFIX = "/protected/"
    image = make_image()
    answer = _get(signed_in(alice), _address(image, kind))
    assert answer.headers["X-Accel-Redirect"].startswith("/protected/")
    assert str(image.pk) in answer.headers["X-Accel-Redirect"]
    assert answer.body == b""
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert "X-Accel-Redirect" not in _get(signed_in(charlie), _address(image, kind)).headers


def test_a_part_of_a_download_is_not_counted_as_another_one(make_image, signed_in, alice):
    image, browser = make_image(), signed_in(alice)
    _get(browser, _address(image, "original"))
    _get(browser, _address(image, "original"), range="bytes=4-")
    assert AuditEvent.objects.filter(action="download").count() == 1
