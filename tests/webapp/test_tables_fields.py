"""The fields that a collection defines: their page, and how edits in place are held to them."""

from __future__ import annotations

import pytest

from tests.webapp.conftest import told
from webapp.accounts.models import AuditEvent
from webapp.library import editing
from webapp.library.metadata import BadMetadata
from webapp.library.models import FieldDefinition, FieldKind, Image, Source

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(signed_in, alice):
    return signed_in(alice)


def define(browser, collection, **form: str):
    form = {"name": "depth", "kind": "text", "words": "", "unit": ""} | form
    return browser.post(f"/collections/{collection.pk}/fields/new", form)


def test_fields_are_added_listed_changed_and_deleted(browser, collection):
    assert "Nothing is defined" in told(browser.get(f"/collections/{collection.pk}/fields"))
    define(browser, collection, name=" Stain ", kind="choice", words="H&E\n\n PAS \nh&e\n", required="on")
    field = FieldDefinition.objects.get()
    assert (field.name, field.kind, field.choices) == ("stain", FieldKind.CHOICE, ["H&E", "PAS"])
    assert (field.required, field.unit) == (True, "")
    page = f"/collections/{collection.pk}/fields"
    assert "H&amp;E" in told(browser.get(page))
    assert "H&amp;E\nPAS" in told(browser.get(f"{page}/{field.pk}"))
    browser.post(f"{page}/{field.pk}", {"name": "stain", "kind": "choice", "words": "Masson"})
    field.refresh_from_db()
    assert (field.choices, field.required) == (["Masson"], False)
    browser.post(f"{page}/{field.pk}/delete")
    assert not FieldDefinition.objects.exists()
    assert AuditEvent.objects.filter(action__startswith="field-").count() == 3


def test_a_number_keeps_its_unit_as_it_is_spelt_in_the_field(browser, collection):
    define(browser, collection, kind="number", unit="um")
    assert FieldDefinition.objects.get().unit == "µm"


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ({"name": ""}, "required"),
        ({"name": "mpp"}, "own rule"),
        ({"name": "Caption"}, "own rule"),
        ({"name": "DEPTH there"}, "of that name already"),
        ({"kind": "choice"}, "Write the words"),
        ({"kind": "nonsense"}, "not one of the available"),
        ({"name": "stain", "kind": "number"}, "is text"),
        ({"name": "stain", "kind": "choice", "words": "x" * 100}, "at most 80"),
        ({"kind": "choice", "words": "x" * 121}, "of 120 characters"),
        ({"kind": "choice", "words": "\n".join(map(str, range(600)))}, "at most 500 words"),
    ],
)
def test_a_definition_that_cannot_be_is_refused(browser, collection, form, why):
    FieldDefinition.objects.create(collection=collection, name="Depth there")
    answer = define(browser, collection, **form)
    assert answer.status_code == 422
    assert why in told(answer)
    assert FieldDefinition.objects.count() == 1


def test_defining_needs_an_editor(signed_in, client, bob, charlie, collection):
    field = FieldDefinition.objects.create(collection=collection, name="depth")
    page = f"/collections/{collection.pk}/fields"
    assert client.get(page).status_code == 302
    for person in (bob, charlie):
        assert {signed_in(person).get(each).status_code for each in (page, f"{page}/new", f"{page}/{field.pk}")} == {404}
        assert signed_in(person).post(f"{page}/{field.pk}/delete").status_code == 404
        assert define(signed_in(person), collection, name="x").status_code == 404
    assert FieldDefinition.objects.count() == 1


def test_a_field_is_reached_through_its_own_collection_only(browser, collection, foreign_collection):
    foreign = FieldDefinition.objects.create(collection=foreign_collection, name="depth")
    assert browser.get(f"/collections/{collection.pk}/fields/{foreign.pk}").status_code == 404
    assert browser.post(f"/collections/{collection.pk}/fields/{foreign.pk}/delete").status_code == 404


# --- edits in place ---------------------------------------------------------------------------------------------------


def test_an_edit_is_held_to_a_closed_list(browser, collection, make_image):
    FieldDefinition.objects.create(collection=collection, name="stain", kind=FieldKind.CHOICE, choices=["H&E", "PAS"])
    image = make_image()
    page = f"/images/{image.pk}/fields/stain/edit"
    assert 'value="PAS"' in told(browser.get(page))
    refused = browser.post(page, {"value": "HE"})
    assert refused.status_code == 422
    assert "«H&amp;E»?" in told(refused)
    browser.post(page, {"value": "h&e"})
    assert Image.objects.get().stain == "H&E"


def test_a_defined_field_is_edited_in_place_and_taken_back(browser, collection, make_image, alice):
    field = FieldDefinition.objects.create(collection=collection, name="depth", kind=FieldKind.NUMBER, unit="µm")
    image = make_image(extra={"depth": "3 µm", "other": "x"})
    shown = told(browser.get(f"/images/{image.pk}"))
    assert f"/images/{image.pk}/fields/further-{field.pk}/edit" in shown
    page = f"/images/{image.pk}/fields/further-{field.pk}/edit"
    assert "A number, in µm." in told(browser.get(page))
    assert browser.post(page, {"value": "deep"}).status_code == 422
    browser.post(page, {"value": "2 mm"})
    image.refresh_from_db()
    assert image.metadata == {"depth": "2000 µm", "other": "x"}
    assert "2000 µm" in told(browser.get(f"/images/{image.pk}"))
    editing.undo(image.pk, image.changes.get(source=Source.EDIT).pk, user=alice)
    image.refresh_from_db()
    assert image.metadata == {"depth": "3 µm", "other": "x"}


def test_a_defined_field_is_emptied(browser, collection, make_image):
    field = FieldDefinition.objects.create(collection=collection, name="depth")
    image = make_image(extra={"depth": "3"})
    browser.post(f"/images/{image.pk}/fields/further-{field.pk}/edit", {"value": ""})
    assert Image.objects.get().metadata == {}


def test_a_field_of_another_collection_is_no_field_of_this_image(browser, foreign_collection, make_image):
    foreign = FieldDefinition.objects.create(collection=foreign_collection, name="depth")
    assert browser.get(f"/images/{make_image().pk}/fields/further-{foreign.pk}/edit").status_code == 404


def test_what_is_no_field_cannot_be_set(make_image, alice):
    with pytest.raises(BadMetadata, match="no field"):
        editing.edit(make_image().pk, {"sha256": "x"}, user=alice)
