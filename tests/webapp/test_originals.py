from __future__ import annotations

import io
import os
import zipfile
from datetime import timedelta

import numpy as np
import pyrage
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone
from PIL import Image as Pictures

from embedder import errors
from tests.embedder.test_tiff_pages import BASE, LABEL, MACRO, RED, pages, tiled
from tests.webapp.conftest import added, on_disk, run_tasks, stored
from webapp.library import (
    age,
    bundle,
    checks,
    choosing,
    files,
    jobs,
    originals,
    pipeline,
    pixels,
    reconcile,
    rekeeping,
    removal,
    review,
    trash,
    verify,
)
from webapp.library.leases import retry
from webapp.library.models import Image, ItemState, Job, JobState, Kept, State
from webapp.serving import up

MARK = b"ZZPHI-DOE-JANE-19570312"


def told(seed=0):
    """A JPEG that names a patient in its header; ``seed`` gives it other pixels."""
    drawn = Pictures.fromarray(np.random.default_rng(seed).integers(0, 255, (64, 96, 3), np.uint8))
    packed = io.BytesIO()
    drawn.save(packed, "JPEG", comment=MARK)
    return packed.getvalue()


def lies_somewhere(folder, content):
    return [path for path in folder.rglob("*") if path.is_file() and content in path.read_bytes()]


@pytest.fixture(autouse=True)
def nothing_is_held(settings):
    """These files speak of a patient, to see where that stays; whether they are held is test_identity's subject."""
    settings.IDENTITY_CHECK = "note"


@pytest.fixture
def key(settings, tmp_path):
    """Originals are encrypted with a new key from here on; the key file's path."""
    path = tmp_path / "key.txt"
    age.new_key(path)
    settings.ORIGINALS, settings.ORIGINALS_KEY_FILE = "encrypt", str(path)
    return path


def other_key(settings, tmp_path):
    path = tmp_path / "other.txt"
    age.new_key(path)
    settings.ORIGINALS_KEY_FILE = str(path)


def what_is_kept(image):
    with originals.opened(image)[0] as file:
        return file.read()


def ready(collection, data, **named):
    image = stored(collection, data, **named)
    run_tasks()
    image.refresh_from_db()
    return image


# --- encrypted --------------------------------------------------------------------------------------------------------


def test_an_encrypted_original_never_lies_there_in_the_clear(collection, key, data_folder):
    image = stored(collection, told(), name="a.jpg")
    assert not lies_somewhere(data_folder, MARK)
    run_tasks()
    image.refresh_from_db()
    assert (image.state, image.kept, image.bytes) == (State.READY, Kept.ENCRYPTED, len(told()))
    assert not lies_somewhere(data_folder, MARK)
    assert not on_disk(files.original(image.pk)).exists()


def test_age_itself_reads_what_is_encrypted(collection, key):
    image = ready(collection, told())
    secret = key.read_text().splitlines()[1]
    identity = pyrage.x25519.Identity.from_str(secret)
    assert pyrage.decrypt(on_disk(files.encrypted(image.pk)).read_bytes(), [identity]) == told()
    assert key.stat().st_mode & 0o077 == 0


def test_an_editor_downloads_what_was_sent(collection, key, alice, signed_in):
    image = ready(collection, told(), name="a.jpg")
    response = signed_in(alice).get(reverse("original", args=[image.pk]))
    assert b"".join(response.streaming_content) == told()
    assert response.headers["Content-Length"] == str(len(told()))
    assert "a.jpg" in response.headers["Content-Disposition"]


def test_a_zip_holds_what_was_sent(collection, key, alice):
    image = ready(collection, told(), name="a.jpg")
    chosen = choosing.choose(alice, [image.pk])
    with zipfile.ZipFile(io.BytesIO(b"".join(bundle.stream(chosen, user=alice, originals=True)))) as archive:
        assert archive.read(f"originals/{image.pk}-a.jpg") == told()


def test_verify_compares_what_was_encrypted(collection, key):
    image = ready(collection, told())
    assert verify.verify(deep=True).clean
    path = on_disk(files.encrypted(image.pk))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert verify.verify().counts["originals_changed"] == 1
    path.write_bytes(whole[:-20] + b"\0" + whole[-19:])
    assert (verify.verify().clean, verify.verify(deep=True).counts["originals_changed"]) == (True, 1)
    path.unlink()
    assert verify.verify().counts["originals_missing"] == 1


def test_an_encrypted_original_is_decoded_and_drawn_again(collection, key):
    image = ready(collection, told())
    before = on_disk(files.display(image.pk)).read_bytes()
    pixels.forget_held()
    assert pixels.digest_of(np.asarray(pixels.load(image))) == image.pixels_sha256
    on_disk(files.display(image.pk)).unlink()
    pipeline.draw(image)
    assert on_disk(files.display(image.pk)).read_bytes() == before


def test_a_damaged_one_fails_alone(collection, key):
    image = stored(collection, told(1))
    path = on_disk(files.encrypted(image.pk))
    path.write_bytes(path.read_bytes()[:-20] + bytes(20))
    good = stored(collection, told(2), name="b.jpg")
    run_tasks()
    assert [Image.objects.get(pk=pk).state for pk in (image.pk, good.pk)] == [State.FAILED, State.READY]
    assert "backup" in Image.objects.get(pk=image.pk).reason_text


def test_without_its_key_the_work_waits_and_no_attempt_is_lost(collection, key):
    image = stored(collection, told())
    secret = key.read_text()
    key.unlink()
    with pytest.raises(age.KeyUnusable, match="cannot be used"):
        run_tasks()
    image.refresh_from_db()
    assert (image.state, image.attempts) == (State.STORED, 0)
    key.write_text(secret)
    run_tasks()
    image.refresh_from_db()
    assert image.state == State.READY


def test_a_key_that_is_lost_while_the_site_runs_is_an_outage_to_people(collection, key, signed_in, alice):
    image = stored(collection, told())
    run_tasks()
    key.unlink()
    browser = signed_in(alice)
    sent = {"files": SimpleUploadedFile("b.jpg", told(2))}
    for answer in (
        browser.get(reverse("original", args=[image.pk])),
        browser.post(reverse("upload", args=[collection.pk]), sent),
    ):
        assert answer.status_code == 503
        assert "their key cannot be used just now" in answer.content.decode()
        assert str(key) not in answer.content.decode()


def test_with_another_key_an_image_fails_and_can_be_retried(collection, key, settings, tmp_path):
    image = stored(collection, told())
    other_key(settings, tmp_path)
    good = stored(collection, told(2), name="b.jpg")
    run_tasks()
    image.refresh_from_db()
    assert (image.state, image.reason, image.attempts) == (State.FAILED, "wrong_key", 0)
    assert Image.objects.get(pk=good.pk).state == State.READY
    Image.objects.filter(pk=image.pk).update(failed_at=timezone.now() - timedelta(days=365))
    reconcile.reconcile()
    settings.ORIGINALS_KEY_FILE = str(key)
    retry(Image.objects.filter(pk=image.pk))
    run_tasks()
    image.refresh_from_db()
    assert image.state == State.READY


def test_a_new_key_above_the_old_one_reads_both(collection, key, settings, tmp_path):
    old = ready(collection, told(1))
    newer = tmp_path / "newer.txt"
    age.new_key(newer)
    key.write_text(newer.read_text() + key.read_text())
    new = ready(collection, told(2), name="b.jpg")
    for image, seed in ((old, 1), (new, 2)):
        assert what_is_kept(image) == told(seed)
    age.opened(on_disk(files.encrypted(new.pk)).open("rb"), newest_key_only=True).close()
    with pytest.raises(age.WrongKey):
        age.opened(on_disk(files.encrypted(old.pk)).open("rb"), newest_key_only=True)


@pytest.mark.parametrize("content", ["", "# nothing", "AGE-SECRET-KEY-1NONSENSE", "\xff"])
def test_a_key_file_that_holds_no_key_stops_every_command(settings, tmp_path, content):
    path = tmp_path / "key.txt"
    path.write_text(content, encoding="latin-1")
    settings.ORIGINALS, settings.ORIGINALS_KEY_FILE = "encrypt", str(path)
    (error,) = checks.originals_have_a_key()
    assert (error.id, "cannot be used" in error.msg) == ("library.E001", True)
    settings.ORIGINALS_KEY_FILE = ""
    assert "--new-key" in checks.originals_have_a_key()[0].msg


def test_the_site_does_not_start_with_another_key(collection, key, settings, tmp_path):
    ready(collection, told())
    originals.check_key()
    other_key(settings, tmp_path)
    with pytest.raises(CommandError, match="not the one"):
        up.prepare(lambda _: None)


def test_a_file_that_only_looks_encrypted_is_like_any_other(collection):
    image = ready(collection, b"age-encryption.org/v1\n-> X25519 a\n--- b\n" + bytes(100))
    assert (image.state, image.reason) == (State.FAILED, "unsupported_type")


def test_what_goes_wrong_while_it_is_encrypted_is_told_as_it_is(collection, key, settings, monkeypatch):
    settings.MAX_FILE_BYTES = 1000
    item = added(collection, told())
    assert (item.state, item.reason) == (ItemState.FAILED, "too_many_bytes")
    assert added(collection, b"").reason == "empty"

    class Full(io.BytesIO):
        def write(self, _data):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        age.encrypt(io.BytesIO(b"x" * 100_000), Full())


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 1_000_000])
def test_the_length_of_what_is_encrypted_is_known(key, tmp_path, size):
    with (tmp_path / "x.age").open("wb") as file:
        age.encrypt(io.BytesIO(bytes(size)), file)
    encrypted = (tmp_path / "x.age").open("rb")
    assert age.plain_bytes(encrypted, (tmp_path / "x.age").stat().st_size) == size
    with age.opened(encrypted) as file:
        assert file.read() == bytes(size)


def test_whoever_has_read_enough_may_stop(key, tmp_path):
    with (tmp_path / "x.age").open("wb") as file:
        age.encrypt(io.BytesIO(bytes(5_000_000)), file)
    opened = age.opened((tmp_path / "x.age").open("rb"))
    assert opened.read(10) == bytes(10)
    opened.close()


@pytest.mark.parametrize("content", [b"", b"age-encryption.org/v1\n", b"nothing of the kind" * 100])
def test_what_is_no_encrypted_file_is_told_as_damaged(key, content):
    with pytest.raises(errors.CorruptImage):
        age.plain_bytes(io.BytesIO(content), len(content))
    with pytest.raises(errors.CorruptImage):
        age.opened(io.BytesIO(content)).read()


# --- pixels alone -----------------------------------------------------------------------------------------------------


def test_where_pixels_alone_are_kept_nothing_else_stays(collection, settings, data_folder):
    settings.ORIGINALS = "pixels"
    image = ready(collection, told())
    assert (image.state, image.kept, image.format) == (State.READY, Kept.PIXELS, "JPEG")
    assert not lies_somewhere(data_folder, MARK)
    with Pictures.open(on_disk(files.pixels_alone(image.pk))) as kept:
        assert (kept.format, kept.info) == ("PNG", {})
        assert pixels.digest_of(np.asarray(kept)) == image.pixels_sha256
    assert added(collection, told()).state == ItemState.DUPLICATE


def test_what_is_downloaded_then_is_a_png(collection, settings, alice, signed_in):
    settings.ORIGINALS = "pixels"
    image = ready(collection, told(), name="a.jpg")
    client = signed_in(alice)
    response = client.get(reverse("original", args=[image.pk]))
    assert b"".join(response.streaming_content) == on_disk(files.pixels_alone(image.pk)).read_bytes()
    assert "a.png" in response.headers["Content-Disposition"]
    assert "Pixels (PNG)" in client.get(reverse("image", args=[image.pk])).content.decode()


def test_bytes_that_a_crash_left_go_with_the_next_step(collection, settings, monkeypatch):
    settings.ORIGINALS = "pixels"
    image = stored(collection, told())
    with monkeypatch.context() as patched:
        patched.setattr(originals, "settle", lambda _image: None)
        pipeline.prepare([image.pk])
    assert on_disk(files.original(image.pk)).exists()
    assert pixels.load(Image.objects.get(pk=image.pk)).size == (96, 64)
    run_tasks()
    assert not on_disk(files.original(image.pk)).exists()


def test_a_crash_before_the_row_leaves_the_bytes(collection, settings, monkeypatch):
    settings.ORIGINALS = "pixels"
    image = stored(collection, told())

    def die(*_arguments, **_named):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(pipeline, "finish", die)
        with pytest.raises(KeyboardInterrupt):
            pipeline.prepare([image.pk])
    Image.objects.update(lease_until=None, lease_token=None)
    assert on_disk(files.original(image.pk)).exists()
    run_tasks()
    image.refresh_from_db()
    assert (image.state, image.format, image.kept) == (State.READY, "JPEG", Kept.PIXELS)


def test_verify_finds_files_of_another_form(collection, settings):
    settings.ORIGINALS = "pixels"
    image = ready(collection, told())
    files.write_atomically(on_disk(files.original(image.pk)), told())
    assert verify.verify().clean  # younger than what may be on its way
    os.utime(on_disk(files.original(image.pk)), (0, 0))
    assert verify.verify().counts["originals_surplus"] == 1
    verify.repair()
    assert not on_disk(files.original(image.pk)).exists()
    assert on_disk(files.pixels_alone(image.pk)).exists()


def test_verify_compares_the_pixels(collection, settings):
    settings.ORIGINALS = "pixels"
    image = ready(collection, told(1))
    assert verify.verify(deep=True).clean
    originals.write_pixels(image.pk, np.zeros((64, 96, 3), np.uint8))
    assert verify.verify(deep=True).counts["originals_changed"] == 1
    on_disk(files.pixels_alone(image.pk)).unlink()
    assert verify.verify().counts["originals_missing"] == 1


# --- held for review --------------------------------------------------------------------------------------------------


@pytest.fixture
def held(settings, patterns):
    """From here on a file that names a patient waits for an editor, whatever is kept of it."""
    settings.IDENTITY_CHECK = "hold"


def decided(image):
    image.refresh_from_db()
    return image


@pytest.mark.parametrize(("mode", "form"), [("encrypt", Kept.ENCRYPTED), ("pixels", Kept.PIXELS)])
def test_what_is_held_never_lies_there_in_the_clear_and_is_released_without_its_bytes(
    collection, key, settings, data_folder, held, alice, mode, form
):
    settings.ORIGINALS = mode
    image = ready(collection, told(), name="MRN 4173001.jpg")
    assert (image.state, image.kept) == (State.HELD, form)
    assert not lies_somewhere(data_folder, MARK)
    review.release([image.pk], user=alice)
    run_tasks()
    assert (decided(image).state, image.kept) == (State.READY, form)
    assert not lies_somewhere(data_folder, MARK)
    assert verify.verify(deep=True).clean


@pytest.mark.parametrize("mode", ["encrypt", "pixels"])
def test_a_neutral_name_is_that_of_the_download_and_names_what_is_kept(collection, key, settings, held, alice, signed_in, mode):
    settings.ORIGINALS = mode
    image = ready(collection, told(), name="MRN 4173001.jpg")
    review.release([image.pk], user=alice, rename=True)
    response = signed_in(alice).get(reverse("original", args=[image.pk]))
    assert f"image-{image.pk.hex[:8]}.{'png' if mode == 'pixels' else 'jpg'}" in response.headers["Content-Disposition"]
    assert (b"".join(response.streaming_content) == told()) == (mode == "encrypt")


@pytest.mark.parametrize("mode", ["encrypt", "pixels"])
def test_what_is_thrown_away_from_the_review_comes_back_to_be_held_and_goes_for_good(
    collection, key, settings, data_folder, held, alice, mode, monkeypatch, django_capture_on_commit_callbacks
):
    settings.ORIGINALS = mode
    monkeypatch.setattr(removal, "send_remove", removal.remove_rest)
    image = ready(collection, told(), name="MRN 4173001.jpg")
    trash.throw_away(Image.objects.filter(pk=image.pk), user=alice)
    trash.bring_back(Image.objects.filter(pk=image.pk), user=alice)
    assert decided(image).state == State.HELD
    trash.throw_away(Image.objects.filter(pk=image.pk), user=alice)
    with django_capture_on_commit_callbacks(execute=True):
        trash.delete_for_good(Image.objects.filter(pk=image.pk), user=alice)
    assert not any(place.exists() for place in (on_disk(files.encrypted(image.pk)), on_disk(files.pixels_alone(image.pk))))
    assert not lies_somewhere(data_folder, MARK)


def test_older_originals_of_held_images_are_rekept_as_well(collection, key, settings, data_folder, held):
    settings.ORIGINALS = "keep"
    image = ready(collection, told())
    assert image.state == State.HELD
    assert lies_somewhere(data_folder, MARK)
    settings.ORIGINALS = "pixels"
    rekeeping.rekeep()
    assert (decided(image).state, image.kept) == (State.HELD, Kept.PIXELS)
    assert not lies_somewhere(data_folder, MARK)


# --- failed files -----------------------------------------------------------------------------------------------------


def test_a_failed_file_is_kept_to_be_tried_again_and_then_goes(collection, settings):
    image = ready(collection, told()[:-200] + b"", name="cut.jpg")
    assert image.state == State.FAILED
    reconcile.reconcile()
    assert on_disk(files.original(image.pk)).exists()
    late = timezone.now() - timedelta(hours=settings.FAILED_ORIGINAL_HOURS + 1)
    Image.objects.update(failed_at=late)
    settings.FAILED_ORIGINAL_HOURS = 0
    reconcile.reconcile()
    assert on_disk(files.original(image.pk)).exists()
    settings.FAILED_ORIGINAL_HOURS = 168
    reconcile.reconcile()
    assert not on_disk(files.original(image.pk)).exists()
    assert verify.verify().clean
    retry(Image.objects.all())
    run_tasks()
    assert "send it again" in Image.objects.get().reason_text


# --- slides -----------------------------------------------------------------------------------------------------------

NOISE = np.random.default_rng(5).integers(0, 255, (48, 64, 3), np.uint8)  # its bytes lie in an uncompressed TIFF as they are
SLIDE = pages(tiled(RED, BASE), (NOISE, {"description": LABEL}), (NOISE, {"description": MACRO, "subfiletype": 9}))
PYRAMID = pages(tiled(RED, BASE), tiled(RED[::2, ::2].copy(), BASE), (NOISE, {"description": LABEL}))
LABEL_ONLY = pages((NOISE, {"description": LABEL}))
LABEL_BYTES = NOISE.tobytes()[:500]


@pytest.mark.parametrize("mode", ["keep", "encrypt", "pixels"])
def test_of_a_slide_file_only_the_tissue_is_kept(collection, key, settings, data_folder, mode):
    settings.ORIGINALS = mode
    image = ready(collection, SLIDE, name="slide.svs")
    assert (image.state, image.kept, image.mpp) == (State.READY, Kept.PIXELS, 0.5)
    assert pixels.load(image).getpixel((5, 5)) == (200, 0, 0)
    assert LABEL_BYTES in SLIDE
    assert not lies_somewhere(data_folder, LABEL_BYTES)
    assert not on_disk(files.encrypted(image.pk)).exists()


@pytest.mark.parametrize(("content", "reason"), [(PYRAMID, "whole_slide"), (LABEL_ONLY, "label_only")])
def test_a_slide_file_that_is_refused_is_not_kept(collection, data_folder, content, reason):
    image = ready(collection, content, name="slide.svs")
    assert (image.state, image.reason) == (State.FAILED, reason)
    assert not lies_somewhere(data_folder, LABEL_BYTES)
    assert verify.verify().clean


def test_a_crash_before_a_refused_slide_is_gone_is_made_good(collection, data_folder, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(originals, "drop", lambda _image: True)
        ready(collection, PYRAMID)
    assert lies_somewhere(data_folder, LABEL_BYTES)
    reconcile.reconcile()
    assert not lies_somewhere(data_folder, LABEL_BYTES)


# --- changing what is kept --------------------------------------------------------------------------------------------


def kept():
    return sorted(Image.objects.values_list("kept", flat=True))


def test_older_originals_are_encrypted_and_back_again(collection, settings, tmp_path, data_folder):
    image = ready(collection, told())
    age.new_key(tmp_path / "key.txt")
    settings.ORIGINALS_KEY_FILE = str(tmp_path / "key.txt")
    for mode, form in (("encrypt", Kept.ENCRYPTED), ("keep", Kept.ORIGINAL)):
        settings.ORIGINALS = mode
        call_command("originals", apply=True)
        image.refresh_from_db()
        assert image.kept == form
        assert bool(lies_somewhere(data_folder, MARK)) == (mode == "keep")
        assert what_is_kept(image) == told()
        assert verify.verify(deep=True).clean
        assert len(list(on_disk(files.original(image.pk)).parent.iterdir())) == 1


def test_older_originals_become_pixels(collection, settings, data_folder):
    image = ready(collection, told())
    settings.ORIGINALS = "pixels"
    call_command("originals", apply=True)
    image.refresh_from_db()
    assert (image.kept, lies_somewhere(data_folder, MARK)) == (Kept.PIXELS, [])
    assert verify.verify(deep=True).clean


def test_a_change_that_is_cut_off_goes_on_where_it_ended(collection, key, settings):
    settings.ORIGINALS = "keep"
    for seed in range(3):
        ready(collection, told(seed), name=f"{seed}.jpg")
    settings.ORIGINALS = "encrypt"
    seen = []

    def stop(done, total):
        seen.append((done, total))
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rekeeping.rekeep(progress=stop)
    assert kept() == ["encrypted", "original", "original"]
    assert rekeeping.rekeep(progress=lambda *told: seen.append(told)).changed == 2
    assert seen == [(1, 3), (1, 2), (2, 2)]
    assert verify.verify(deep=True).clean


def test_a_worker_changes_what_is_kept(collection, key, settings, capsys):
    settings.ORIGINALS = "keep"
    good, bad = (ready(collection, told(seed), name=f"{seed}.jpg") for seed in range(2))
    on_disk(files.original(bad.pk)).write_bytes(b"damaged")
    settings.ORIGINALS = "encrypt"
    call_command("originals", apply=True, background=True)
    job = Job.objects.get()
    assert str(job.pk) in capsys.readouterr().out
    assert jobs.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.total, job.done) == (JobState.DONE, 2, 2)
    assert job.message == "Originals: 1 changed, 1 left as they were."
    assert [row["image"] for row in job.report] == [str(bad.pk)]
    assert Image.objects.get(pk=good.pk).kept == Kept.ENCRYPTED


def test_a_worker_without_a_key_says_so(collection, key, settings):
    key.unlink()
    job = jobs.start(rekeeping.JOB, user=None)
    jobs.run(job.pk)
    job.refresh_from_db()
    assert (job.state, "cannot be used" in job.message) == (JobState.FAILED, True)


def test_an_original_that_was_damaged_stays_as_it_is_and_is_told(collection, key, settings, capsys):
    settings.ORIGINALS = "keep"
    image = ready(collection, told())
    damaged = told()[:-1] + b"x"
    on_disk(files.original(image.pk)).write_bytes(damaged)
    settings.ORIGINALS = "encrypt"
    with pytest.raises(SystemExit):
        call_command("originals", apply=True)
    assert on_disk(files.original(image.pk)).read_bytes() == damaged
    assert not on_disk(files.encrypted(image.pk)).exists()
    assert "1 left as they were: its bytes are not those" in capsys.readouterr().out


def test_pixels_that_come_out_otherwise_now_keep_the_original(collection, settings):
    image = ready(collection, told())
    Image.objects.update(pixels_sha256="0" * 64)
    settings.ORIGINALS = "pixels"
    report = rekeeping.rekeep()
    assert (report.changed, len(report.left), kept()) == (0, 1, ["original"])
    assert on_disk(files.original(image.pk)).exists()


def test_a_key_is_replaced(collection, key, tmp_path):
    image = ready(collection, told())
    age.new_key(tmp_path / "newer.txt")
    key.write_text((tmp_path / "newer.txt").read_text() + key.read_text())
    call_command("originals", apply=True, rotate=True)
    key.write_text((tmp_path / "newer.txt").read_text())
    assert what_is_kept(image) == told()
    assert rekeeping.rekeep(rotate=True).changed == 0


def test_what_is_kept_is_told(collection, settings, capsys):
    ready(collection, told())
    settings.ORIGINALS = "pixels"
    call_command("originals")
    assert capsys.readouterr().out.splitlines()[0] == "1 original, 0 encrypted, 0 pixels"
    with pytest.raises(CommandError, match="--rotate"):
        call_command("originals", rotate=True)


def test_a_key_is_never_written_over(tmp_path, capsys):
    call_command("originals", new_key=tmp_path / "key.txt")
    assert "age1" in capsys.readouterr().out
    assert "AGE-SECRET" not in capsys.readouterr().out
    with pytest.raises(CommandError, match="exists"):
        call_command("originals", new_key=tmp_path / "key.txt")


def test_an_image_that_somebody_works_on_is_left_for_later(collection, key, settings):
    settings.ORIGINALS = "keep"
    ready(collection, told())
    Image.objects.update(lease_until=timezone.now() + timedelta(minutes=5))
    settings.ORIGINALS = "encrypt"
    assert rekeeping.rekeep().changed == 0
