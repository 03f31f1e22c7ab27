from __future__ import annotations

import numpy as np
import pytest

import search
from embedder import errors
from tests.webapp.conftest import add, on_disk, picture, run_tasks
from webapp import wiring
from webapp.library import index, leases, pipeline, tasks, texts, upkeep, versions
from webapp.library.models import Embedding, Image, KnownEncoder, State
from webapp.library.models.vectors import from_bytes
from webapp.library.receipts import receipt

pytestmark = pytest.mark.django_db
EVERYTHING = search.Scope.everything()


def test_the_first_encoder_answers_at_once(make_image):
    make_image()
    live = index.live(wiring.get_image_index())
    assert live is not None
    assert (live.fingerprint, live.points) == (wiring.get_encoder().spec.fingerprint, 1)


def test_a_first_version_that_was_made_and_never_switched_to_is_taken_up(collection):
    """The process was killed between the two."""
    encoder = wiring.get_encoder().spec
    for each in index.both().values():
        each.create_version(search.Schema(fingerprint=encoder.fingerprint, dim=encoder.dim))
    add(collection, {"one.png": picture("brown")})
    run_tasks()
    assert _live() == (encoder.fingerprint, 1)
    assert [image.state for image in Image.objects.all()] == [State.READY]
    assert len(wiring.get_image_index().versions()) == 1


def test_sending_ends_where_no_version_answers(collection, monkeypatch):
    """Else the one process of embedded mode would ask for ever, and nothing else would get its turn."""
    add(collection, {"one.png": picture("brown")})
    monkeypatch.setattr(index, "ensure_versions", lambda target: None)
    pipeline.prepare()
    pipeline.embed()
    assert pipeline.unpublished(limit=10)
    tasks.publish()


def test_the_old_index_answers_until_the_new_one_is_full(make_image, other_encoder):
    make_image("brown"), make_image("pink")
    old = wiring.get_encoder().spec.fingerprint
    new = other_encoder().spec.fingerprint
    assert pipeline.embed_anew(limit=1) == 1
    assert not versions.switch_if_full(versions.adopt(wiring.get_encoder().spec))
    assert _live() == (old, 2)
    assert [image.state for image in Image.objects.all()] == [State.READY, State.READY]
    run_tasks()
    assert _live() == (new, 2)


def test_one_index_never_holds_two_encoders_vectors(make_image, other_encoder):
    image = make_image("brown", caption="brown nuclei")
    encoder = other_encoder()
    run_tasks()
    (point,) = wiring.get_image_index().scroll(scope=EVERYTHING, vectors=True).points
    stored = Embedding.objects.get(region__image=image, fingerprint=encoder.spec.fingerprint)
    np.testing.assert_allclose(point.vector, from_bytes(stored.search), atol=1e-3)
    assert len(wiring.get_image_index().versions()) == len(wiring.get_text_index().versions()) == 1


def test_an_image_that_comes_in_meanwhile_is_ready_with_the_switch(make_image, other_encoder, collection):
    make_image("brown")
    other_encoder()
    upload = add(collection, {"late.png": picture("pink", seed=99)})
    pipeline.prepare()
    pipeline.embed()
    assert receipt(upload).counts["running"] == 1
    run_tasks()
    assert receipt(upload).counts["ready"] == 1


def test_an_image_that_waited_for_the_old_encoder_is_embedded_by_the_new_one(make_image, other_encoder, monkeypatch):
    make_image("brown")
    image = make_image("pink", ready=False)
    pipeline.prepare()
    with monkeypatch.context() as cut_off:
        cut_off.setattr(pipeline, "publish", lambda ids: None)
        pipeline.embed()
    assert Image.objects.get(pk=image.pk).state == State.EMBEDDED
    other_encoder()
    run_tasks()
    assert _live()[1] == 2
    assert Image.objects.get(pk=image.pk).state == State.READY


def test_going_back_needs_no_encoding(make_image, other_encoder, monkeypatch):
    make_image("brown", caption="brown nuclei")
    old = wiring.get_encoder()
    other_encoder()
    run_tasks()
    monkeypatch.setitem(wiring._MADE, "get_encoder", old)
    monkeypatch.setattr(old, "encode_images", lambda *_, **__: pytest.fail("an image was embedded again"))
    run_tasks()
    assert _live() == (old.spec.fingerprint, 1)


def test_an_original_that_is_gone_does_not_hold_the_switch_up(make_image, other_encoder):
    from webapp.library import files

    lost = make_image("brown")
    make_image("pink")
    on_disk(files.original(lost.pk)).unlink()
    encoder = other_encoder()
    run_tasks()
    assert Image.objects.get(pk=lost.pk).reason == "original_lost"
    assert _live() == (encoder.spec.fingerprint, 1)


def test_in_production_a_worker_with_another_encoder_writes_nothing(make_image, other_encoder, settings):
    make_image("brown")
    image = make_image("pink", ready=False)
    pipeline.prepare()
    settings.EMBEDDED = False
    other_encoder()
    with pytest.raises(versions.ForeignEncoder):
        pipeline.embed([image.pk])
    image.refresh_from_db()
    assert (image.state, image.attempts) == (State.DECODED, 0)
    assert KnownEncoder.objects.count() == 1


def test_an_encoder_that_cannot_be_loaded_leaves_images_waiting(make_image, monkeypatch):
    image = make_image(ready=False)
    pipeline.prepare()

    def absent():
        raise errors.WeightsNotFound("there are no weights")

    monkeypatch.setattr(wiring, "get_encoder", absent)
    with pytest.raises(errors.WeightsNotFound):
        pipeline.embed([image.pk])
    image.refresh_from_db()
    assert (image.state, image.attempts) == (State.DECODED, 0)


def test_reindexing_needs_no_encoder(make_image, monkeypatch):
    make_image("brown", caption="brown nuclei", size=(1000, 1000))
    before = index.live(wiring.get_image_index())
    monkeypatch.setattr(wiring, "get_encoder", lambda: pytest.fail("the encoder was asked"))
    told = upkeep.reindex()
    after = index.live(wiring.get_image_index())
    assert (told.regions, told.texts, told.encoded) == (5, 1, 0)
    assert before is not None
    assert after is not None
    assert (before.name != after.name, after.points) == (True, 5)


def test_reindexing_with_the_encoder_embeds_everything_again(make_image):
    make_image("brown", caption="brown nuclei")
    Embedding.objects.update(search=np.eye(1, 512, dtype="<f4").tobytes())
    assert upkeep.reindex(encode=True).encoded == 1
    (point,) = wiring.get_image_index().scroll(scope=EVERYTHING, vectors=True).points
    assert point.vector[0] < 0.99


def test_reindexing_with_another_encoder_switches_to_it(make_image, other_encoder):
    make_image("brown", caption="brown nuclei")
    encoder = other_encoder()
    upkeep.reindex(encode=True)
    assert _live() == (encoder.spec.fingerprint, 1)
    assert wiring.get_text_index().count(scope=EVERYTHING) == 1


def test_reindexing_amid_a_change_keeps_the_encoder_that_has_seen_everything(make_image, other_encoder):
    make_image("brown")
    old = wiring.get_encoder().spec.fingerprint
    versions.adopt(other_encoder().spec)
    assert upkeep.reindex().regions == 1
    assert _live() == (old, 1)


def test_nothing_embedded_means_nothing_to_index(db):
    with pytest.raises(LookupError):
        upkeep.reindex()


def test_terms_lie_in_their_vocabulary(team_a):
    from webapp.library.models import Term, TermKind, Vocabulary

    vocabulary = Vocabulary.objects.create(team=team_a, name="Ours")
    term = Term.objects.create(vocabulary=vocabulary, text="kidney", kind=TermKind.ORGAN, synonyms=["renal tissue"])
    assert texts.embed_texts() == 1
    (point,) = wiring.get_text_index().scroll(scope=search.Scope.of([str(vocabulary.pk)]), vectors=True).points
    assert (point.id, point.payload.kind) == (str(term.pk), "term")
    assert np.linalg.norm(point.vector) == pytest.approx(1, abs=1e-3)


def test_leases_hold_while_an_encoder_works(make_image, other_encoder):
    make_image("brown")
    target = versions.adopt(other_encoder().spec)
    (held,) = leases.claim(versions.lacking(target.fingerprint), limit=5)
    assert not versions.switch_if_full(target)
    leases.give_back([held])
    run_tasks()
    assert not versions.changing()


def _live() -> tuple[str, int]:
    live = index.live(wiring.get_image_index())
    assert live is not None
    return live.fingerprint, live.points
