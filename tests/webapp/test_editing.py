"""What is said about an image changes under its editors' hands: checked, written down, undone, and soon true in the filters."""

from __future__ import annotations

import pytest

from search import Filters, Keyword, Scope
from tests.webapp.conftest import run_tasks
from webapp import wiring
from webapp.accounts.models import AuditEvent
from webapp.library import editing, index, pipeline
from webapp.library.editing import EditedMeanwhile
from webapp.library.metadata import BadMetadata
from webapp.library.models import Caption, Embedding, Image, ImageChange, Source

pytestmark = pytest.mark.django_db


def fresh(image: Image) -> Image:
    return Image.objects.get(pk=image.pk)


def in_the_index(field: str, value: str, kind: str = "region") -> int:
    keywords = (Keyword(field=field, any_of=(value,)), Keyword(field="kind", any_of=(kind,)))
    each = wiring.get_text_index() if kind == "caption" else wiring.get_image_index()
    return each.count(scope=Scope.everything(), filters=Filters(keywords=keywords))


def test_a_change_is_kept_with_who_and_from_what_to_what(make_image, alice):
    image = make_image(stain="H&E")
    editing.edit(image.pk, {"stain": "PAS"}, user=alice)
    change = image.changes.get()
    assert fresh(image).stain == "PAS"
    assert (change.by, change.source) == (alice, Source.EDIT)
    assert [(entry["field"], entry["before"], entry["after"]) for entry in change.entries] == [("stain", "H&E", "PAS")]


def test_the_audit_log_names_fields_and_no_values(make_image, alice):
    image = make_image()
    editing.edit(image.pk, {"case": "K-17", "organ": "colon"}, user=alice)
    event = AuditEvent.objects.get(action="image-changed")
    assert event.details["fields"] == ["case", "organ"]
    assert "K-17" not in str(event.details)


def test_what_stays_the_same_is_no_change(make_image, alice):
    image = make_image(stain="H&E")
    editing.edit(image.pk, {"stain": " H&E "}, user=alice)
    assert not image.changes.exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [("stain", "x" * 81), ("mpp", "wide"), ("mpp", "0"), ("tags", "; ".join(map(str, range(51)))), ("sha256", "0" * 64)],
)
def test_what_cannot_be_kept_is_refused_with_a_sentence_and_nothing_is_written(make_image, alice, name, value):
    image = make_image(organ="colon")
    with pytest.raises(BadMetadata, match=r"\w+ .*\."):
        editing.edit(image.pk, {"organ": "liver", name: value}, user=alice)
    assert fresh(image).organ == "colon"
    assert not image.changes.exists()


def test_viewers_and_outsiders_change_nothing(make_image, bob, charlie):
    image = make_image()
    for user in (bob, charlie):
        with pytest.raises(Image.DoesNotExist):
            editing.edit(image.pk, {"organ": "liver"}, user=user)
    assert fresh(image).organ == ""


def test_filters_know_the_change_when_the_work_is_done(make_image, alice):
    image = make_image(stain="H&E")
    editing.edit(image.pk, {"stain": "PAS", "tags": "teaching"}, user=alice)
    run_tasks()
    assert (in_the_index("stain", "H&E"), in_the_index("stain", "PAS"), in_the_index("tags", "teaching")) == (0, 1, 1)


def test_the_workers_hear_of_it_at_once(make_image, alice, django_capture_on_commit_callbacks, monkeypatch):
    heard: list[str] = []
    monkeypatch.setattr("webapp.library.sending.hint", lambda task, *_: heard.append(task.name.rpartition(".")[2]))
    image = make_image()
    with django_capture_on_commit_callbacks(execute=True):
        editing.edit(image.pk, {"stain": "PAS"}, user=alice)
    assert heard == ["publish", "embed_texts"]


def test_what_changes_while_points_are_sent_is_sent_again(make_image, alice, monkeypatch):
    image = make_image(stain="H&E")
    editing.edit(image.pk, {"stain": "PAS"}, user=alice)
    built = index.region_point

    def slow_point(embedding: Embedding):
        point = built(embedding)
        if fresh(image).stain == "PAS":
            editing.edit(image.pk, {"stain": "Masson"}, user=alice)
        return point

    monkeypatch.setattr(index, "region_point", slow_point)
    pipeline.publish([image.pk])
    assert in_the_index("stain", "PAS") == 1
    pipeline.publish(pipeline.unpublished(limit=10))
    assert in_the_index("stain", "Masson") == 1


def test_what_is_said_while_an_image_is_decoded_stays(make_image, alice, monkeypatch):
    image = make_image(ready=False)
    written = pipeline._write_derivatives

    def slowly(decoded: Image, picture) -> None:
        editing.edit(image.pk, {"mpp": "0.5", "organ": "liver"}, user=alice)
        written(decoded, picture)

    monkeypatch.setattr(pipeline, "_write_derivatives", slowly)
    run_tasks()
    now = fresh(image)
    assert (now.state, now.mpp, now.organ) == ("ready", 0.5, "liver")


# --- captions -----------------------------------------------------------------------------------------------------------


def test_captions_come_change_and_go(make_image, alice):
    image = make_image(caption="glands")
    with editing.drafted(image.pk, user=alice) as draft:
        added = draft.add_caption("goblet cells")
    with editing.drafted(image.pk, user=alice) as draft:
        draft.change_caption(added.pk, "many goblet cells")
    run_tasks()
    assert sorted(image.captions.values_list("text", flat=True)) == ["glands", "many goblet cells"]
    assert in_the_index("image", str(image.pk), "caption") == 2
    with editing.drafted(image.pk, user=alice) as draft:
        draft.remove_caption(added.pk)
    assert [caption.text for caption in image.captions.all()] == ["glands"]


def test_the_point_of_a_removed_caption_goes_and_has_caption_with_it(make_image, alice, django_capture_on_commit_callbacks):
    image = make_image(caption="glands")
    caption = image.captions.get()
    with editing.drafted(image.pk, user=alice) as draft:
        draft.remove_caption(caption.pk)
    from webapp.library import tasks

    tasks.forget_captions([str(caption.pk)])
    run_tasks()
    assert in_the_index("image", str(image.pk), "caption") == 0
    captioned = wiring.get_image_index().count(scope=Scope.everything(), filters=Filters(has_caption=True))
    assert captioned == 0


def test_a_caption_that_was_brought_back_keeps_its_point(make_image, alice):
    image = make_image(caption="glands")
    from webapp.library import tasks

    tasks.forget_captions([str(image.captions.get().pk)])
    assert in_the_index("image", str(image.pk), "caption") == 1


@pytest.mark.parametrize("text", ["", "  ", "…", "x" * 4001, "GLANDS"])
def test_a_caption_without_words_too_long_or_there_already_is_refused(make_image, alice, text):
    image = make_image(caption="glands")
    with pytest.raises(BadMetadata), editing.drafted(image.pk, user=alice) as draft:
        draft.add_caption(text)


def test_the_whole_list_keeps_those_that_are_named_again(make_image, alice):
    image = make_image(caption="glands")
    kept = image.captions.get().pk
    editing.edit(image.pk, {"captions": ["glands", "mucin"]}, user=alice)
    assert set(image.captions.values_list("text", flat=True)) == {"glands", "mucin"}
    assert Caption.objects.filter(pk=kept).exists()


# --- two at once --------------------------------------------------------------------------------------------------------


def test_whoever_saves_second_is_told_what_the_first_wrote(make_image, alice, carol):
    image = make_image(organ="colon")
    editing.edit(image.pk, {"organ": "liver"}, user=carol, seen=0)
    with pytest.raises(EditedMeanwhile) as refused:
        editing.edit(image.pk, {"organ": "lung"}, user=alice, seen=0)
    assert refused.value.change is not None
    assert refused.value.change.by == carol
    assert fresh(image).organ == "liver"


def test_another_field_is_no_conflict(make_image, alice, carol):
    image = make_image()
    editing.edit(image.pk, {"organ": "liver"}, user=carol, seen=0)
    editing.edit(image.pk, {"stain": "PAS"}, user=alice, seen=0)
    assert (fresh(image).organ, fresh(image).stain) == ("liver", "PAS")


def test_a_caption_that_somebody_removed_cannot_be_changed(make_image, alice, carol):
    image = make_image(caption="glands")
    pk = image.captions.get().pk
    with editing.drafted(image.pk, user=carol) as draft:
        draft.remove_caption(pk)
    with pytest.raises(EditedMeanwhile), editing.drafted(image.pk, user=alice, seen=0) as draft:
        draft.change_caption(pk, "mucin")


# --- taking back --------------------------------------------------------------------------------------------------------


def undo_last(image: Image, user) -> ImageChange | None:
    return editing.undo(image.pk, image.changes.latest("revision").pk, user=user)


def test_undo_brings_back_all_of_one_change_and_is_a_change_itself(make_image, alice):
    image = make_image(organ="colon", tags="a", mpp="0.5")
    editing.edit(image.pk, {"organ": "", "tags": "a; b", "mpp": ""}, user=alice)
    undone = undo_last(image, alice)
    now = fresh(image)
    assert (now.organ, now.tags, now.mpp) == ("colon", ["a"], 0.5)
    assert undone is not None
    assert (undone.source, undone.revision) == (Source.UNDO, 2)


def test_a_change_is_taken_back_once(make_image, alice):
    image = make_image()
    editing.edit(image.pk, {"organ": "liver"}, user=alice)
    first = image.changes.get()
    editing.undo(image.pk, first.pk, user=alice)
    assert editing.undo(image.pk, first.pk, user=alice) is None
    assert image.changes.count() == 2


def test_a_removed_caption_comes_back_as_it_was(make_image, alice, carol):
    image = make_image()
    with editing.drafted(image.pk, user=carol) as draft:
        was = draft.add_caption("goblet cells")
    with editing.drafted(image.pk, user=alice) as draft:
        draft.remove_caption(was.pk)
    undo_last(image, alice)
    now = image.captions.get()
    assert (now.pk, now.text, now.made_by, now.made_at) == (was.pk, was.text, carol, was.made_at)


def test_added_and_changed_captions_go_back(make_image, alice):
    image = make_image(caption="glands")
    pk = image.captions.get().pk
    with editing.drafted(image.pk, user=alice) as draft:
        draft.change_caption(pk, "mucin")
        draft.add_caption("cells")
    undo_last(image, alice)
    assert list(image.captions.values_list("text", flat=True)) == ["glands"]


def test_what_was_written_over_since_is_not_taken_back(make_image, alice, carol):
    image = make_image()
    editing.edit(image.pk, {"organ": "liver"}, user=alice)
    first = image.changes.get()
    editing.edit(image.pk, {"organ": "lung"}, user=carol)
    with pytest.raises(EditedMeanwhile):
        editing.undo(image.pk, first.pk, user=alice)
    assert fresh(image).organ == "lung"


def test_a_tag_is_taken_back_from_among_later_ones(make_image, alice):
    image = make_image()
    editing.edit(image.pk, {"tags": "a"}, user=alice)
    first = image.changes.get()
    editing.edit(image.pk, {"tags": "a; b"}, user=alice)
    editing.undo(image.pk, first.pk, user=alice)
    assert fresh(image).tags == ["b"]


def test_a_change_of_another_image_is_not_undone_from_here(make_image, alice):
    image, other = make_image(), make_image("brown")
    editing.edit(other.pk, {"organ": "liver"}, user=alice)
    with pytest.raises(ImageChange.DoesNotExist):
        editing.undo(image.pk, other.changes.get().pk, user=alice)


# --- reviewed -----------------------------------------------------------------------------------------------------------


def accept(image: Image, user, name="organ", term="liver", **more) -> ImageChange | None:
    return editing.accept(image.pk, name, term, user=user, evidence={"score": 0.4, "margin": 0.1}, **more)


def test_an_accepted_term_is_reviewed_by_whom_and_when(make_image, alice):
    image = make_image()
    accept(image, alice)
    now = fresh(image)
    mark = editing.reviewed(now)["organ", "liver"]
    assert now.organ == "liver"
    assert (mark.by, mark.evidence["score"]) == (alice, 0.4)


def test_it_is_reviewed_no_more_once_taken_back_or_written_over(make_image, alice):
    image = make_image(organ="colon")
    accept(image, alice)
    undo_last(image, alice)
    assert fresh(image).organ == "colon"
    assert editing.reviewed(fresh(image)) == {}
    accept(image, alice)
    editing.edit(image.pk, {"organ": "lung"}, user=alice)
    assert editing.reviewed(fresh(image)) == {}


def test_what_somebody_had_written_the_same_is_reviewed_and_stays_when_that_is_taken_back(make_image, alice):
    image = make_image(organ="liver")
    accept(image, alice)
    assert ("organ", "liver") in editing.reviewed(fresh(image))
    undo_last(image, alice)
    assert fresh(image).organ == "liver"
    assert editing.reviewed(fresh(image)) == {}


def test_accepting_twice_is_accepting_once(make_image, alice):
    image = make_image()
    accept(image, alice)
    assert accept(image, alice) is None
    assert image.changes.count() == 1


def test_an_accepted_tag_is_added_to_the_others(make_image, alice):
    image = make_image(tags="teaching")
    accept(image, alice, "tags", "mucosa")
    assert fresh(image).tags == ["teaching", "mucosa"]
    undo_last(image, alice)
    assert fresh(image).tags == ["teaching"]


def test_what_the_admin_changes_is_history_too(client, make_image):
    from webapp.accounts.models import User

    root = User.objects.create_superuser("root", password="a long enough password")
    image = make_image(organ="colon")
    client.force_login(root)
    form = {"collection": image.collection_id, "name": image.name, "organ": "liver", "tags": "[]", "metadata": "{}"}
    form |= {"captions-TOTAL_FORMS": "0", "captions-INITIAL_FORMS": "0"}
    answer = client.post(f"/admin/library/image/{image.pk}/change/", form)
    assert answer.status_code == 302
    assert image.changes.get().by == root
