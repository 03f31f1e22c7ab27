"""A question as an address, both ways."""

from __future__ import annotations

import uuid

import pytest
from django.http import QueryDict

from webapp.explore import addresses
from webapp.explore.addresses import Address, query_of, tidied
from webapp.explore.asking import BadQuery, Concept, Crop, Slots
from webapp.explore.refining import Asked

ONE, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)


def test_every_part_of_a_question_is_read():
    query = query_of(
        Address.of(
            f"q=brown&image={ONE}&crop=0,100,500,600&plus=fat~0.5&plus=iron&minus=ink&like={OTHER}&dislike={ONE}"
            "&organ_is=kidney&at=10x&stain=DAB&without_case=S1&every_image=1&other_cases=1"
        )
    )
    assert (query.text, query.image_id, query.crop) == ("brown", ONE, Crop(0, 100, 500, 600))
    assert (query.plus, query.minus) == ((Concept("fat", 0.5), Concept("iron")), (Concept("ink"),))
    assert (query.likes, query.dislikes, query.slots) == ((OTHER,), (ONE,), Slots(organ="kidney", at="10x"))
    assert (query.filters.stains, query.filters.without_cases) == (("DAB",), ("S1",))
    assert query.every_image
    assert query.exclude_case


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("q=a&plus=fat~heavy", "weight"),
        ("q=a&plus=fat~9", "weight"),
        ("q=a&plus=fat~nan", "weight"),
        ("q=a&plus=~1", "no_words"),
        ("q=a&minus=" + "x" * 201, "text_too_long"),
        ("q=a&like=nonsense", "bad_id"),
        (f"image={ONE}&crop=1,2,3", "bad_crop"),
        (f"image={ONE}&crop=a,b,c,d", "bad_crop"),
        (f"image={ONE}&crop={'9' * 5000},0,500,500", "bad_crop"),
        (f"image={ONE}&crop=-1,0,500,500", "bad_crop"),
        (f"image={ONE}&crop=500,0,400,900", "bad_crop"),
        (f"region={ONE}&crop=0,0,500,500", "bad_crop"),
        (f"image={ONE}&picture={OTHER}", "one_picture"),
        ("minus=fat", "nothing_positive"),
        (f"dislike={ONE}", "nothing_positive"),
        ("at=10", "magnification"),
        ("organ_is=!", "no_words"),
    ],
)
def test_a_part_that_cannot_be_read_is_refused_with_its_reason(address, reason):
    with pytest.raises(BadQuery) as refused:
        query_of(Address.of(address))
    assert refused.value.reason == reason


def test_the_whole_picture_is_no_crop():
    assert query_of(Address.of(f"image={ONE}&crop=0,0,1000,1000")).crop is None


@pytest.mark.parametrize("concept", [Concept("fat"), Concept("fat", 0.25), Concept("a~b"), Concept("~5 mm", 2.0)])
def test_a_concept_survives_being_written_and_read(concept):
    assert addresses.concept_of(addresses.told_concept(concept)) == concept


def test_parts_are_chips_in_the_order_they_were_added_each_with_the_question_without_it():
    asked = Asked.of(Address.of("q=brown&plus=fat&stain=DAB&plus=iron~0.5&cursor=x"))
    assert [(step.label, step.value, step.href) for step in asked.steps] == [
        ("Words", "brown", "?plus=fat&stain=DAB&plus=iron~0.5"),
        ("More", "fat", "?q=brown&stain=DAB&plus=iron~0.5"),
        ("Only stain", "DAB", "?q=brown&plus=fat&plus=iron~0.5"),
        ("More", "iron", "?q=brown&plus=fat&stain=DAB"),
    ]


def test_the_last_step_can_be_undone_and_the_first_one_cannot():
    assert Asked.of(Address.of("q=brown&plus=fat&stain=DAB&every_image=1")).undo == "?q=brown&plus=fat&every_image=1"
    assert Asked.of(Address.of("q=brown")).undo == ""


def test_a_chip_changes_its_weight_and_sign_in_its_place():
    step = Asked.of(Address.of("plus=fat~0.5&q=brown")).steps[0]
    assert step.lighter == "?plus=fat~0.25&q=brown"
    assert step.heavier == "?plus=fat~0.75&q=brown"
    assert step.turned == "?minus=fat~0.5&q=brown"
    assert Asked.of(Address.of("q=a&plus=fat~2")).steps[1].heavier == ""


def test_a_crop_goes_with_its_picture():
    assert Asked.of(Address.of(f"image={ONE}&crop=0,0,500,500&q=fat")).steps[0].href == "?q=fat"


def test_an_image_is_liked_or_disliked_and_never_both():
    address = Address.of(f"q=fat&like={ONE}")
    assert addresses.judged(address, "like", str(ONE)) == "?q=fat"
    assert addresses.judged(address, "dislike", str(ONE)) == f"?q=fat&dislike={ONE}"
    assert addresses.judged(address, "like", str(OTHER)) == f"?q=fat&like={ONE}&like={OTHER}"


def test_forms_without_script_end_as_the_same_addresses():
    assert tidied(Address.of("q=fat&concept=iron&sign=minus")).href == "?q=fat&minus=iron"
    assert tidied(Address.of("q=fat&concept=iron&sign=plus&cursor=x")).href == "?q=fat&plus=iron"
    fields = "crop_left=10&crop_top=0&crop_right=60.5&crop_bottom=100"
    assert tidied(Address.of(f"image={ONE}&crop=1,2,3,4&{fields}")).href == f"?image={ONE}&crop=100,0,605,1000"
    assert tidied(Address.of(f"image={ONE}&crop_left=0&crop_right=100")).href == f"?image={ONE}"


@pytest.mark.parametrize("edge", ["far", "1e999", "nan", "-5"])
def test_crop_fields_that_are_no_numbers_are_refused(edge):
    with pytest.raises(BadQuery) as refused:
        tidied(Address.of(f"image={ONE}&crop_left={edge}"))
    assert refused.value.reason == "bad_crop"


def test_djangos_own_reading_of_an_address_is_taken_too():
    assert query_of(QueryDict("q=brown&plus=fat&tags=a&tags=b")).filters.tags == ("a", "b")
    assert addresses.toggled(QueryDict("q=a&every_image=on"), "every_image") == "?q=a"


def test_a_form_keeps_all_but_what_it_asks_for():
    address = Address.of("q=brown&organ_is=kidney&plus=fat&stain=DAB&every_image=1&cursor=x&nonsense=y")
    assert addresses.kept(address) == [("organ_is", "kidney"), ("plus", "fat"), ("stain", "DAB"), ("every_image", "1")]
    assert ("organ_is", "kidney") not in addresses.kept(address, besides=addresses.SLOTS)
