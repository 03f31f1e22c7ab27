"""Words beside an image: .txt and .json of its name."""

from __future__ import annotations

import io
import json

import pytest

from tests.webapp.conftest import picture, run_tasks
from webapp.library import editing, ingest, sidecars
from webapp.library.field_rules import Rules
from webapp.library.metadata import Metadata
from webapp.library.models import FieldDefinition, FieldKind, Image, ItemState, Kind, State

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["a.jpg", "a.txt", "a.json"], {"a.txt": "a.jpg", "a.json": "a.jpg"}),
        (["f/a.JPG", "F/A.TXT"], {"F/A.TXT": "f/a.JPG"}),
        (["a.jpg", "a.jpg.txt"], {"a.jpg.txt": "a.jpg"}),
        (["x\u0308.png", "\u1e8d.txt"], {"\u1e8d.txt": "x\u0308.png"}),
        (["IM0001", "IM0001.json"], {"IM0001.json": "IM0001"}),
        (["a.jpg", "a.png", "a.txt"], {}),
        (["a.jpg", "a.png", "a.png.txt"], {"a.png.txt": "a.png"}),
        (["a/x.jpg", "b/x.txt"], {}),
        (["readme.txt", "captions.csv", "captions.txt"], {}),
        ([".txt", "a.jpg"], {}),
    ],
)
def test_a_sidecar_is_called_as_its_image_is(names, pairs):
    assert sidecars.pair(names) == pairs


def upload(collection, *names: str, defaults: Metadata | None = None, link: bool = True):
    files = [ingest.NewFile(name, 10) for name in names]
    made = ingest.start_upload(user=None, collection=collection, source="api", files=files, defaults=defaults)
    items = list(made.items.order_by("pk"))
    for item in items:
        item.kind = Kind.SIDECAR if item.name.endswith((".txt", ".json")) else Kind.FILE
        item.state = ItemState.PENDING  # also where the check would have said no
        item.save()
    if link:
        sidecars.link(items)
    return items


def take_in(image_item, number: int = 0) -> Image:
    image_item.refresh_from_db()
    said = Metadata.from_mapping(image_item.metadata)
    image = ingest.accept(image_item, io.BytesIO(picture(seed=number)), metadata=said).image
    assert image is not None
    return image


@pytest.mark.parametrize("link", [True, False])
@pytest.mark.parametrize("first", ["image", "sidecar"])
def test_words_come_to_their_image_whichever_was_first(collection, first, link):
    image_item, words = upload(collection, "f/a.png", "f/a.json", defaults=Metadata(stain="H&E", organ="colon"), link=link)
    data = json.dumps({"Caption": "Pink", "staining": "PAS", "scanner": {"name": "S1"}, "tags": ["x", "y"]}).encode()
    if first == "sidecar":
        assert sidecars.receive(words, data).state == ItemState.ATTACHED
    image = take_in(image_item)
    if first == "image":
        run_tasks()
        assert sidecars.receive(words, data).state == ItemState.ATTACHED
    image.refresh_from_db()
    assert (image.stain, image.organ, image.tags, image.metadata) == ("PAS", "colon", ["x", "y"], {"scanner.name": "S1"})
    assert image.captions.get().text == "Pink"


@pytest.mark.parametrize("order", ["txt json image", "json txt image", "image txt json", "image json txt", "json image txt"])
def test_a_text_file_says_the_caption_better_than_a_json_whatever_comes_first(collection, order):
    items = dict(zip(["image", "txt", "json"], upload(collection, "a.png", "a.txt", "a.json"), strict=True))
    for kind in order.split():
        if kind == "image":
            take_in(items["image"])
        else:
            items[kind].refresh_from_db()
            sidecars.receive(items[kind], b"By text" if kind == "txt" else b'{"caption": "By json", "case": "C1"}')
    image = Image.objects.get()
    assert ([caption.text for caption in image.captions.all()], image.case) == (["By text"], "C1")


def test_a_tables_row_says_it_better(collection):
    image_item, words = upload(collection, "a.png", "a.txt")
    image_item.metadata = Metadata(caption="By table").as_dict()
    image_item.save()
    image = take_in(image_item)
    sidecars.receive(words, b"By text")
    assert image.captions.get().text == "By table"


def test_what_a_person_has_written_since_stays(collection, alice):
    image_item, words = upload(collection, "a.png", "a.json")
    image = take_in(image_item)
    editing.edit(image.pk, {"stain": "PAS"}, user=alice)
    editing.edit(image.pk, {"stain": ""}, user=alice)
    sidecars.receive(words, b'{"stain": "H&E", "organ": "colon"}')
    image.refresh_from_db()
    assert (image.stain, image.organ) == ("", "colon")


def test_words_without_an_image_are_refused(collection):
    image_item, words = upload(collection, "a.png", "a.txt")
    image_item.delete()
    assert (sidecars.receive(words, b"Pink").state, words.reason) == (ItemState.FAILED, "no_image")


def test_words_about_a_refused_image_are_refused(collection):
    image_item, words = upload(collection, "a.png", "a.txt")
    ingest.refuse(image_item, "empty", "The file is empty (0 bytes).")
    assert sidecars.receive(words, b"Pink").state == ItemState.FAILED


def test_words_about_a_duplicate_change_nothing(collection):
    first, _ = upload(collection, "a.png", "a.txt")
    image = take_in(first)
    again, words = upload(collection, "a.png", "a.txt")
    ingest.accept(again, io.BytesIO(picture()))
    assert sidecars.receive(words, b"Pink").state == ItemState.ATTACHED
    assert "nothing about it was changed" in words.reason_text
    assert not image.captions.exists()


def test_receiving_words_again_changes_nothing(collection):
    image_item, words = upload(collection, "a.png", "a.txt")
    image = take_in(image_item)
    for text in (b"Pink", b"Brown"):
        sidecars.receive(words, text)
    assert image.captions.get().text == "Pink"


@pytest.mark.parametrize("text", ["Färbung blau", "Färbung blau\r\nzwei"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_a_caption_is_read_in_any_usual_encoding(text, encoding):
    assert sidecars.read("a.txt", text.encode(encoding), Rules()).caption == " ".join(text.split())


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.txt", b"", "is empty"),
        ("a.txt", b" \n ", "is empty"),
        ("a.txt", picture(), "is not text"),
        ("a.txt", b"x" * 5000, "at most 4000"),
        ("a.txt", b"...", "needs words"),
        ("a.txt", b"x" * (2 << 20), "larger than"),
        ("a.json", b"[1]", "not an object"),
        ("a.json", b"{", "not JSON"),
        ("a.json", b"[" * 200_000, "nested too deeply"),
        ("a.json", b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
        ("a.json", b'{"a":{"b":{"c":{"d":{"e":1}}}}}', "nested more than"),
        ("a.json", b'{"mpp": 1' + b"0" * 6000 + b"}", "too long"),
        ("a.json", b'{"mpp": NaN}', "NaN"),
        ("a.json", b'{"a": 1, "a": 2}', "twice"),
        ("a.json", b'{"stain": "x", "staining": "y"}', "twice"),
        ("a.json", b'{"a": [{"b": 1}]}', "list of more than"),
        ("a.json", json.dumps({f"f{n}": n for n in range(500)}).encode(), "more than 100 fields"),
        ("a.json", b'{"mpp": "40x"}', "magnification"),
        ("a.json", b'{"mpp": true}', "number of micrometres"),
    ],
)
def test_words_that_cannot_be_kept_are_refused_with_the_reason(name, data, why):
    with pytest.raises(sidecars.BadSidecar, match=why):
        sidecars.read(name, data, Rules())


def test_half_a_character_is_no_trouble(collection):
    image_item, words = upload(collection, "a.png", "a.json")
    image = take_in(image_item)
    sidecars.receive(words, b'{"caption": "Pink \\ud800 \\u0000 muscle", "note": "\\udfff"}')
    assert image.captions.get().text == "Pink muscle"


def test_what_identifies_a_patient_is_left_out():
    said = sidecars.read("a.json", b'{"patient": {"name": "Doe"}, "birthDate": "1950-01-01", "stain": "H&E"}', Rules())
    assert (said.extra, said.stain) == ({}, "H&E")


def test_fields_are_held_to_the_collections_definitions(collection):
    FieldDefinition.objects.create(collection=collection, name="stain", kind=FieldKind.CHOICE, choices=["H&E", "PAS"])
    image_item, words = upload(collection, "a.png", "a.json")
    take_in(image_item)
    assert sidecars.receive(words, b'{"stain": "HE"}').state == ItemState.FAILED
    assert "«H&E»?" in words.reason_text


def test_words_that_look_like_a_patient_hold_an_image_that_is_there_already(collection, patterns):
    image_item, words = upload(collection, "a.png", "a.txt")
    image = take_in(image_item)
    run_tasks()
    assert sidecars.receive(words, b"Seen with jane.doe@example.org").state == ItemState.ATTACHED
    image.refresh_from_db()
    assert (image.state, image.found_identity[0][0]) == (State.HELD, "caption")
