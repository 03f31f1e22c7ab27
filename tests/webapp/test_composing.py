"""Several wishes in one question: they add up to one unit vector, and scores stay cosines."""

from __future__ import annotations

import uuid

import numpy as np
import pytest

from embedder.fake import FakeEncoder
from search import Calibrator
from tests.webapp.conftest import picture
from webapp.explore.asking import BadQuery, Concept, Slots
from webapp.explore.composing import judged_parts, unit_sum
from webapp.explore.queries import SearchFilters, SearchQuery, search
from webapp.explore.subjects import subject_of
from webapp.library.models import Image, Region

PRINT = FakeEncoder.spec.fingerprint
ONE, OTHER = np.eye(2, dtype=np.float32)


def found(user, **asked) -> list[Image]:
    return [hit.image for hit in search(SearchQuery(**asked), user=user).hits]


def vector(user, **asked):
    return subject_of(SearchQuery(**asked), user=user, fingerprint=PRINT).vector


def words(*texts: str):
    return FakeEncoder().encode_texts(texts)


def test_a_weighted_sum_is_a_unit_vector():
    np.testing.assert_allclose(unit_sum([(2.0, ONE), (-1.0, OTHER)]), np.array([2, -1]) / np.sqrt(5), atol=1e-6)


def test_wishes_that_cancel_each_other_out_are_refused():
    with pytest.raises(BadQuery) as refused:
        unit_sum([(1.0, ONE), (-1.0, ONE)])
    assert refused.value.reason == "cancels_out"


def test_disliked_images_push_with_half_the_weight():
    (pull, liked), (push, disliked) = judged_parts([ONE, OTHER], [OTHER])
    assert (pull, push) == (1.0, -0.5)
    np.testing.assert_allclose(liked, [0.5, 0.5])
    np.testing.assert_allclose(disliked, OTHER)


@pytest.mark.django_db
def test_words_concepts_and_a_picture_become_one_direction(make_image, alice):
    red = make_image("red")
    asked = vector(alice, text="brown", image_id=red.pk, plus=(Concept("blue", 0.5),), minus=(Concept("pink", 0.25),))
    image = vector(alice, image_id=red.pk)
    brown, blue, pink = words("brown", "blue", "pink")
    total = brown + image + 0.5 * blue - 0.25 * pink
    np.testing.assert_allclose(asked, total / np.linalg.norm(total), atol=1e-5)


@pytest.mark.django_db
def test_a_score_is_the_cosine_with_the_sum(make_image, alice):
    red = make_image("red")
    query = SearchQuery(text="brown", minus=(Concept("pink"),))
    (hit,) = search(query, user=alice).hits
    asked = subject_of(query, user=alice, fingerprint=PRINT).vector
    assert hit.score == pytest.approx(float(asked @ vector(alice, image_id=red.pk)), abs=2e-3)


@pytest.mark.django_db
def test_a_concept_pulls_its_images_up_and_a_minus_pushes_them_down(make_image, alice):
    red, blue = make_image("red"), make_image("blue")
    assert found(alice, text="tissue", plus=(Concept("blue"),)) == [blue, red]
    assert found(alice, text="tissue", minus=(Concept("blue"),)) == [red, blue]


@pytest.mark.django_db
def test_a_concept_alone_is_a_question(make_image, alice):
    red, blue = make_image("red"), make_image("blue")
    assert found(alice, plus=(Concept("blue"),)) == [blue, red]


@pytest.mark.django_db
def test_liked_images_pull_and_stay_in_sight(make_image, alice):
    red, pink, blue = make_image("red"), make_image("pink"), make_image("blue")
    assert found(alice, likes=(blue.pk,))[0] == blue
    assert found(alice, text="tissue", likes=(red.pk,), dislikes=(blue.pk,)) == [red, pink, blue]


@pytest.mark.django_db
def test_a_region_can_be_liked_as_its_image_can(make_image, alice):
    blue, _ = make_image("blue"), make_image("red")
    region = Region.objects.get(image=blue, standard=True)
    np.testing.assert_array_equal(vector(alice, likes=(region.pk,)), vector(alice, likes=(blue.pk,)))


@pytest.mark.django_db
def test_a_foreign_and_an_unknown_liked_image_are_left_out_alike(make_image, alice, foreign_collection):
    make_image("red")
    foreign = make_image("blue", into=foreign_collection)
    for judged in (foreign.pk, Region.objects.get(image=foreign).pk, uuid.uuid4()):
        page = search(SearchQuery(text="red", likes=(judged,), dislikes=(judged,)), user=alice)
        assert (page.judged.left_out, page.judged.images) == (1, {})
        np.testing.assert_allclose(vector(alice, text="red", likes=(judged,)), words("red")[0], atol=1e-6)
        with pytest.raises(BadQuery) as refused:
            search(SearchQuery(likes=(judged,)), user=alice)
        assert refused.value.reason == "liked_gone"


@pytest.mark.django_db
def test_a_stored_image_beside_words_is_still_not_among_the_hits(make_image, alice):
    red, pink = make_image("red"), make_image("pink")
    assert found(alice, text="red", image_id=red.pk) == [pink]


@pytest.mark.django_db
def test_a_new_picture_stands_beside_words(make_image, alice):
    red, blue = make_image("red"), make_image("blue")
    assert found(alice, image_bytes=picture("blue"), text="blue") == [blue, red]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ({}, "image"),
        ({"likes": True}, "image"),
        ({"text": "red"}, "text"),
        ({"minus": (Concept("red"),)}, "text"),
        ({"slots": Slots(organ="kidney")}, "text"),
    ],
)
def test_a_question_with_words_is_calibrated_as_words_are(make_image, alice, monkeypatch, asked, kind):
    image = make_image("red")
    kinds: list[str] = []
    calibrate = Calibrator.calibrate

    def noted(self, vector, *, scope, kind):
        kinds.append(kind)
        return calibrate(self, vector, scope=scope, kind=kind)

    monkeypatch.setattr(Calibrator, "calibrate", noted)
    if asked.pop("likes", None):
        asked["likes"] = (image.pk,)
    search(SearchQuery(image_id=image.pk, **asked), user=alice)
    assert kinds == [kind]


# --- one hit per case -------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_case_says_how_many_more_of_its_images_match(make_image, alice):
    for colour in ("brown", "pink", "blue"):
        make_image(colour, case="S1", stain="H&E", size=(64, 64))
    make_image("brown", case="S1", stain="DAB")
    make_image("brown", size=(1000, 950), case="S2", stain="H&E")  # its tiles are no further images
    alone = [make_image("brown", stain="H&E") for _ in range(2)]
    page = search(SearchQuery(text="brown", filters=SearchFilters(stains=("H&E",))), user=alice)
    assert {hit.image.case: hit.more_in_case for hit in page.hits} == {"S1": 2, "S2": 0, "": 0}
    assert {hit.image for hit in page.hits if not hit.image.case} == set(alone)
    every = search(SearchQuery(text="brown", every_image=True), user=alice)
    assert [hit.more_in_case for hit in every.hits] == [0] * 7


@pytest.mark.django_db
def test_the_searched_image_is_not_counted_as_one_more(make_image, alice):
    red, _ = make_image("red", case="S1"), make_image("pink", case="S1")
    (hit,) = search(SearchQuery(image_id=red.pk), user=alice).hits
    assert hit.more_in_case == 0


@pytest.mark.django_db
def test_images_of_a_case_that_one_may_not_see_are_not_counted(make_image, alice, charlie, foreign_collection):
    make_image("brown", case="S1")
    make_image("pink", case="S1", into=foreign_collection)
    for user in (alice, charlie):
        (hit,) = search(SearchQuery(text="brown"), user=user).hits
        assert hit.more_in_case == 0


@pytest.mark.django_db
def test_an_image_that_was_hidden_a_moment_ago_is_counted_no_more(make_image, alice, foreign_collection):
    shown, hidden = make_image("brown", case="S1"), make_image("pink", case="S1")
    assert search(SearchQuery(text="brown"), user=alice).hits[0].more_in_case == 1
    Image.objects.filter(pk=hidden.pk).update(collection=foreign_collection)  # the index does not know it yet
    (hit,) = search(SearchQuery(text="brown"), user=alice).hits
    assert (hit.image, hit.more_in_case) == (shown, 0)


@pytest.mark.django_db
def test_a_question_of_many_parts_takes_at_most_sixteen_statements(make_image, alice, signed_in, django_assert_max_num_queries):
    made = [make_image(colour, case=f"S{number}", ready=number == 2) for number, colour in enumerate(("red", "pink", "blue"))]
    judged = [("like", str(made[1].pk)), ("dislike", str(made[2].pk)), ("like", str(uuid.uuid4()))]
    asked = {"q": "red", "image": str(made[0].pk), "plus": ["fat", "iron~0.5"], "minus": "ink", "organ_is": "kidney", "at": "10x"}
    asked |= {"like": [judged[0][1], judged[2][1]], "dislike": judged[1][1], "without_case": "S9", "stain_is": "PAS"}
    browser = signed_in(alice)
    # twelve for the answer; whose held images are counted; the audit trail's line; whether it is saved, and whether it is watched
    with django_assert_max_num_queries(16):
        answer = browser.get("/", asked)
    assert (answer.status_code, len(answer.context["results"].page.hits)) == (200, 2)
