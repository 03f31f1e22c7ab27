from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
from PIL import Image as Pictures

import search
from embedder import errors, open_rgb
from tests.webapp.conftest import add, on_disk, picture, run_tasks, stored
from webapp import wiring
from webapp.library import files, leases, pipeline, pixels, working
from webapp.library.models import Caption, Embedding, Image, Region, State
from webapp.library.models.vectors import from_bytes
from webapp.library.receipts import receipt

pytestmark = pytest.mark.django_db


def test_a_stored_image_becomes_searchable(make_image):
    image = make_image("brown")
    (hit,) = wiring.get_image_index().query(
        search.Nearest(wiring.get_encoder().encode_texts(["brown"])[0]), scope=search.Scope.of([str(image.collection_id)])
    )
    assert (image.state, hit.id) == (State.READY, str(image.regions.get().pk))


def test_each_step_writes_down_its_time(make_image):
    image = make_image()
    assert image.stored_at <= image.decoded_at <= image.embedded_at <= image.ready_at


def test_the_vector_is_that_of_the_very_pixels(collection):
    data = picture("purple", size=(300, 200))
    image = stored(collection, data)
    run_tasks()
    expected = wiring.get_encoder().encode_images([open_rgb(data)])[0]
    found = from_bytes(Embedding.objects.get(region__image=image, region__standard=True).search)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_a_large_image_gets_tiles_beside_its_standard_view(make_image):
    image = make_image(size=(1000, 1000))
    assert [region.standard for region in image.regions.all()] == [True, False, False, False, False]


def test_pixels_that_were_damaged_on_the_way_are_decoded_again(make_image, monkeypatch):
    monkeypatch.setattr(pixels, "HELD_BYTES", 0)
    image = make_image(ready=False)
    pipeline.prepare([image.pk])
    files.pixels(image.pk).write_bytes(b"\x93NUMPY nonsense")
    run_tasks()
    image.refresh_from_db()
    assert image.state == State.READY


def test_pixels_that_nobody_kept_are_decoded_again(make_image, monkeypatch):
    monkeypatch.setattr(pixels, "HELD_BYTES", 0)
    monkeypatch.setattr(pixels, "SPOOL_BYTES", -1)
    image = make_image()
    assert image.state == State.READY


def test_one_process_that_does_it_all_writes_no_pixels_to_disk(make_image, monkeypatch):
    image = make_image(ready=False)
    pipeline.prepare([image.pk])
    assert not files.pixels(image.pk).exists()
    monkeypatch.setattr(wiring, "get_sandbox", lambda: pytest.fail("decoded twice"))
    run_tasks()
    image.refresh_from_db()
    assert image.state == State.READY


def test_what_memory_has_no_room_for_waits_on_disk(make_image, monkeypatch):
    first, second = make_image(ready=False), make_image("pink", ready=False)
    monkeypatch.setattr(pixels, "HELD_BYTES", 3 * 64 * 64)
    for image in (first, second):
        pipeline.prepare([image.pk])
    assert [files.pixels(image.pk).exists() for image in (first, second)] == [False, True]


def test_pixels_in_memory_that_are_not_the_images_are_not_used(make_image):
    image = make_image(ready=False)
    pipeline.prepare([image.pk])
    Image.objects.filter(pk=image.pk).update(pixels_sha256="0" * 64)
    image.refresh_from_db()
    assert pixels.load(image).size == (image.width, image.height)
    pixels.forget(image.pk)


def test_pixels_are_forgotten_once_they_are_embedded(make_image):
    image = make_image()
    assert not files.pixels(image.pk).exists()
    assert image.pk not in pixels._HELD


def test_derivatives_are_small_and_say_nothing(collection):
    exif = Pictures.Exif()
    exif[0x010E] = "ZZPHI-DOE-JANE"
    packed = io.BytesIO()
    Pictures.new("RGB", (3000, 1500), "pink").save(packed, "JPEG", exif=exif)
    image = stored(collection, packed.getvalue())
    run_tasks()
    with (
        Pictures.open(on_disk(files.display(image.pk))) as display,
        Pictures.open(on_disk(files.thumbnail(image.pk))) as thumbnail,
    ):
        assert (display.size, thumbnail.size) == ((2048, 1024), (400, 200))
        assert not display.getexif()
    assert b"ZZPHI" not in on_disk(files.display(image.pk)).read_bytes() + on_disk(files.thumbnail(image.pk)).read_bytes()


def test_the_original_is_kept_byte_for_byte(collection):
    data = picture()
    image = stored(collection, data)
    assert on_disk(files.original(image.pk)).read_bytes() == data
    assert image.sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"no picture at all", "unsupported_type"),
        (picture(size=(640, 480))[:700], "truncated"),
        (b"\x89PNG\r\n\x1a\n" + b"lies" * 50, "truncated"),
        (picture(size=(640, 480))[:40] + b"lies" * 500, "corrupt"),
        (picture(size=(8, 400)), "too_small"),
        (picture(size=(400, 17)), "too_elongated"),
    ],
)
def test_a_bad_file_fails_with_its_reason(collection, data, reason):
    image = stored(collection, data)
    run_tasks()
    image.refresh_from_db()
    assert (image.state, image.reason) == (State.FAILED, reason)
    assert image.reason_text


def test_a_bad_file_costs_its_neighbours_nothing(collection):
    upload = add(collection, {"a.png": picture(seed=1), "b.png": b"broken", "c.png": picture(seed=2)})
    run_tasks()
    assert [item.state for item in receipt(upload).items] == ["ready", "failed", "ready"]


def test_too_many_pixels_are_refused_before_they_are_decoded(collection, settings):
    settings.MAX_PIXELS = 1000
    image = stored(collection, picture(size=(64, 64)))
    run_tasks()
    image.refresh_from_db()
    assert image.reason == "too_many_pixels"


def test_an_image_that_the_encoder_cannot_take_fails_alone(collection, monkeypatch):
    encoder = wiring.get_encoder()
    encode = encoder.encode_images

    def picky(images, *, space="search"):
        if any(image.size == (77, 48) for image in images):
            raise errors.DeviceError("The device has too little memory for even one input.")
        return encode(images, space=space)

    monkeypatch.setattr(encoder, "encode_images", picky)
    upload = add(collection, {"a": picture(seed=1), "b": picture(size=(77, 48)), "c": picture(seed=2)})
    run_tasks()
    assert [(item.state, item.reason) for item in receipt(upload).items] == [
        ("ready", ""), ("failed", "device"), ("ready", "")
    ]  # fmt: skip


def test_an_index_that_is_away_fails_no_image_and_counts_no_attempt(make_image, monkeypatch):
    make_image()
    image = make_image(ready=False)
    index = wiring.get_image_index()

    def away():
        raise search.errors.IndexUnavailable("the engine does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(index, "versions", away)
        pipeline.prepare()
        with pytest.raises(search.errors.IndexUnavailable):
            pipeline.embed()
    image.refresh_from_db()
    assert (image.state, image.attempts) == (State.DECODED, 0)
    working.work(threads=0)
    image.refresh_from_db()
    assert image.state == State.READY


def test_a_decoder_that_cannot_start_fails_no_image(make_image, monkeypatch, sandbox):
    image = make_image(ready=False)

    def unavailable(*_arguments, **_options):
        raise errors.SandboxUnavailable("no child can be started")

    monkeypatch.setattr(sandbox, "examine", unavailable)
    with pytest.raises(errors.SandboxUnavailable):
        pipeline.prepare()
    image.refresh_from_db()
    assert (image.state, image.attempts, image.lease_token) == (State.STORED, 0, None)


def test_an_original_that_is_gone_is_a_reason(make_image):
    image = make_image(ready=False)
    on_disk(files.original(image.pk)).unlink()
    run_tasks()
    image.refresh_from_db()
    assert image.reason == "original_lost"


def test_an_image_has_one_holder_at_a_time(make_image):
    make_image(ready=False)
    assert len(leases.claim(leases.waiting(State.STORED), limit=5)) == 1
    assert leases.claim(leases.waiting(State.STORED), limit=5) == []


def test_a_holder_whose_lease_ran_out_changes_nothing_more(make_image, settings):
    settings.LEASE_S = -1
    make_image(ready=False)
    (late,) = leases.claim(leases.waiting(State.STORED), limit=1)
    (holder,) = leases.claim(leases.waiting(State.STORED), limit=1)
    assert not leases.fail(late, reason="late", text="")
    assert leases.finish(holder, state=State.DECODED)


def test_the_same_messages_again_change_nothing(make_image):
    image = make_image()
    before = (Region.objects.count(), Embedding.objects.count(), image.ready_at)
    pipeline.prepare([image.pk])
    pipeline.embed([image.pk])
    pipeline.publish([image.pk])
    image.refresh_from_db()
    assert (Region.objects.count(), Embedding.objects.count(), image.ready_at) == before


def test_the_caption_of_a_searchable_image_is_searchable(make_image):
    image = make_image(caption="brown nuclei")
    caption = Caption.objects.get()
    (point,) = wiring.get_text_index().scroll(scope=search.Scope.of([str(image.collection_id)])).points
    assert (point.id, point.payload.kind, point.payload.image) == (str(caption.pk), "caption", str(image.pk))


def test_a_caption_that_was_changed_is_sent_again(make_image):
    make_image(caption="brown nuclei")
    caption = Caption.objects.get()
    caption.text = "pink stroma"
    caption.save()
    assert caption.indexed_at is None
    run_tasks()
    caption.refresh_from_db()
    assert caption.indexed_at is not None


def test_the_index_holds_ids_and_filter_fields_only(make_image):
    image = make_image(stain="H&E", organ="kidney", case="C1", mpp="0.5", tags="a;b", name="ZZPHI-DOE-JANE.png")
    (point,) = wiring.get_image_index().scroll(scope=search.Scope.everything()).points
    payload = point.payload
    assert (payload.stain, payload.organ, payload.case, payload.mpp_nm, payload.tags) == ("H&E", "kidney", "C1", 500, ("a", "b"))
    assert image.name == "ZZPHI-DOE-JANE.png"
    assert "ZZPHI" not in repr(payload)
