"""The search page and the describing page, in a browser's words."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from tests.webapp.conftest import picture, told
from webapp.explore import addresses, pictures, views
from webapp.explore.models import QueryPicture

pytestmark = pytest.mark.django_db


def hits(answer) -> list[str]:
    """Image ids, best first."""
    return re.findall(r'class="cover" href="/images/([0-9a-f-]{36})', told(answer))


@pytest.fixture
def pink_and_brown(make_image):
    return make_image("pink", caption="Pink muscle", stain="H&E"), make_image("brown", caption="Brown nuclei", stain="DAB")


def test_words_find_images_best_first(signed_in, bob, pink_and_brown):
    answer = signed_in(bob).get("/", {"q": "brown"})
    assert hits(answer) == [str(pink_and_brown[1].pk), str(pink_and_brown[0].pk)]
    assert "Brown nuclei" in told(answer)
    assert "<strong>2</strong> of 2 images searchable" in told(answer)


def test_every_page_of_asking_needs_signing_in(client):
    for address in ("/", "/?q=brown", "/describe", f"/query-pictures/{uuid.uuid4()}", "/encoder-state"):
        assert client.get(address)["Location"].startswith("/sign-in")
    assert client.post("/ask-with-picture")["Location"].startswith("/sign-in")


def test_nothing_of_another_team_is_found_or_counted(signed_in, charlie, pink_and_brown):
    for address in ("/", "/?q=brown"):
        page = told(signed_in(charlie).get(address))
        assert "Brown nuclei" not in page
        assert "DAB" not in page
        assert "images searchable" not in page


def test_asking_with_a_foreign_image_and_with_none_is_answered_alike(signed_in, charlie, pink_and_brown):
    for subject in ("image", "region", "picture"):
        foreign = signed_in(charlie).get("/", {subject: pink_and_brown[0].pk})
        unknown = signed_in(charlie).get("/", {subject: uuid.uuid4()})
        assert (foreign.status_code, unknown.status_code) == (404, 404)


def test_an_image_finds_its_like_and_not_itself(signed_in, bob, pink_and_brown):
    answer = signed_in(bob).get("/", {"image": pink_and_brown[0].pk})
    assert hits(answer) == [str(pink_and_brown[1].pk)]
    assert "Images like this one" in told(answer)


def test_filters_narrow_and_can_be_taken_away(signed_in, bob, pink_and_brown):
    answer = signed_in(bob).get("/", {"q": "brown", "stain": "H&E"})
    assert hits(answer) == [str(pink_and_brown[0].pk)]
    assert re.search(r'href="\?q=brown" data-remove aria-label="Take away Only stain: H&amp;E"', told(answer))


def test_the_search_form_keeps_the_filters(signed_in, bob, pink_and_brown):
    page = told(signed_in(bob).get("/", {"q": "brown", "stain": "DAB", "every_image": "1"}))
    assert '<input type="hidden" name="stain" value="DAB">' in page
    assert '<input type="hidden" name="every_image" value="1">' in page


@pytest.mark.parametrize(
    "question",
    [
        {"q": "!?"},
        {"q": "x" * 513},
        {"image": "nonsense"},
        {"q": "a", "collection": "nonsense"},
        {"q": "a", "cursor": "nonsense"},
    ],
)
def test_a_question_that_cannot_be_asked_is_told_why_on_the_page(signed_in, bob, pink_and_brown, question):
    answer = signed_in(bob).get("/", question)
    assert answer.status_code == 400
    assert 'class="message error"' in told(answer)


def test_a_page_of_results_takes_at_most_twelve_statements(signed_in, bob, make_image, django_assert_max_num_queries):
    for number in range(12):
        make_image((200, 10 * number, 99), caption=f"Tissue {number}", ready=number == 11)
    browser = signed_in(bob)
    browser.get("/", {"q": "tissue"})  # whatever is asked once a process
    with django_assert_max_num_queries(12):
        assert len(hits(browser.get("/", {"q": "tissue"}))) == 12


def test_a_hit_is_liked_disliked_and_left_out_by_links(signed_in, bob, make_image):
    image = make_image("pink", case="S1", stain="H&E")
    make_image("red", case="S1", stain="H&E")
    browser = signed_in(bob)
    (hit,) = browser.get("/", {"q": "pink", "stain": "H&E"}).context["results"].above
    assert (hit.judged, hit.more_in_case) == ("", 1)
    assert hit.like_href == f"?q=pink&stain=H%26E&like={image.pk}"
    assert hit.without_case_href == "?q=pink&stain=H%26E&without_case=S1"
    assert hit.case_href == f"?q=pink&stain=H%26E&collection={image.collection_id}&case=S1&every_image=1"
    assert hit.similar_href == f"?stain=H%26E&image={image.pk}"
    liked = browser.get(f"/{hit.like_href}").context["results"].above[0]
    assert (liked.judged, liked.like_href) == ("like", "?q=pink&stain=H%26E")
    assert browser.get(f"/{hit.without_case_href}").context["results"].above == []
    assert len(browser.get(f"/{hit.case_href}").context["results"].above) == 2


def test_an_address_of_endless_parts_is_refused(signed_in, bob):
    assert signed_in(bob).get("/?" + "&".join(f"plus=fat{number}" for number in range(1001))).status_code == 400


@pytest.mark.parametrize("part", ["plus=" + "x" * 9000, "nobodys=" + "x" * 9000])
def test_an_address_that_a_page_would_repeat_for_megabytes_is_refused(signed_in, bob, part):
    assert signed_in(bob).get(f"/?q=pink&{part}").status_code == 400


def test_a_picked_image_joins_no_endless_question(signed_in, bob, make_image):
    image = make_image()
    page = told(signed_in(bob).get("/pick-image", {"keep": "q=" + "x" * 9000}))
    assert f"/?image={image.pk}" in page
    assert "xxx" not in page


def test_letters_that_a_program_wrote_as_they_are_are_read(signed_in, bob, pink_and_brown):
    answer = signed_in(bob).get("/", QUERY_STRING="q=Drüse".encode().decode("latin-1"))
    assert answer.context["results"].text == "Drüse"


def test_what_a_form_sends_blank_leaves_the_address(signed_in, bob, pink_and_brown):
    answer = signed_in(bob).get("/", {"q": "brown", "organ_is": "", "concept": "fat", "sign": "minus"})
    assert answer["Location"] == "/?q=brown&minus=fat"


def test_a_question_of_what_is_not_wanted_only_says_so_and_keeps_its_chips(signed_in, bob, pink_and_brown):
    answer = signed_in(bob).get("/", {"minus": "fat"})
    assert answer.status_code == 400
    assert "only what is not wanted" in told(answer)
    assert 'aria-label="Take away Less: fat"' in told(answer)


def test_a_denied_word_is_offered_as_a_minus(signed_in, bob, pink_and_brown):
    assert 'href="?q=glands&amp;minus=necrosis"' in told(signed_in(bob).get("/", {"q": "glands without necrosis"}))


def test_a_chip_of_an_image_that_is_not_there_shows_no_picture_of_it(
    signed_in, charlie, make_image, foreign_collection, pink_and_brown
):
    make_image("pink", into=foreign_collection)
    page = told(signed_in(charlie).get("/", {"q": "pink", "like": pink_and_brown[0].pk}))
    assert "image that is gone" in page
    assert reverse("thumbnail", args=[pink_and_brown[0].pk]) not in page
    assert "One judged image is not there any more" in page


def test_the_words_are_shown_as_text(signed_in, bob, pink_and_brown):
    assert "<b>brown" not in told(signed_in(bob).get("/", {"q": "<b>brown"}))


def test_more_images_come_as_a_part_of_the_page(signed_in, bob, make_image, monkeypatch):
    made = {str(make_image(colour).pk) for colour in ("pink", "brown", "blue")}
    _pages_of(monkeypatch, 2)
    first = signed_in(bob).get("/", {"q": "brown"})
    [address] = (found.replace("&amp;", "&") for found in re.findall(r'hx-get="(\?[^"]+)"', told(first)))
    second = signed_in(bob).get(f"/{address}", headers={"HX-Request": "true"})
    assert "<html" not in told(second)
    assert set(hits(first)) | set(hits(second)) == made
    assert not set(hits(first)) & set(hits(second))


def _pages_of(monkeypatch, size: int) -> None:
    asked = addresses.query_of
    monkeypatch.setattr(addresses, "query_of", lambda address: replace(asked(address), size=size))


def test_a_new_picture_finds_its_like(signed_in, bob, pink_and_brown):
    upload = SimpleUploadedFile("mine.png", picture("brown", seed=77), "image/png")
    answer = signed_in(bob).post("/ask-with-picture", {"picture": upload}, follow=True)
    assert answer.redirect_chain[0][0].startswith("/?picture=")
    assert hits(answer)[0] == str(pink_and_brown[1].pk)


def test_a_picture_joins_the_question_that_it_is_dropped_on(signed_in, bob, pink_and_brown):
    browser = signed_in(bob)
    page = told(browser.get("/", {"q": "brown", "image": pink_and_brown[0].pk, "stain": "DAB"}))
    assert '<input type="hidden" name="keep" value="q=brown&amp;stain=DAB">' in page
    sent = {"picture": SimpleUploadedFile("mine.png", picture("brown", seed=77)), "keep": "q=brown&stain=DAB&nonsense=1"}
    answer = browser.post("/ask-with-picture", sent)
    assert answer["Location"] == f"/?q=brown&stain=DAB&picture={QueryPicture.objects.get().pk}"
    sent["picture"] = SimpleUploadedFile("mine.png", picture("brown", seed=78))
    assert browser.post("/ask-with-picture", {**sent, "then": "describe"})["Location"].startswith("/describe?picture=")


def test_a_query_picture_is_shown_to_whoever_brought_it_only(signed_in, alice, bob, pink_and_brown):
    signed_in(bob).post("/ask-with-picture", {"picture": SimpleUploadedFile("mine.png", picture("brown"))})
    address = f"/query-pictures/{QueryPicture.objects.get().pk}"
    assert signed_in(bob).get(address)["Content-Type"] == "image/jpeg"
    assert signed_in(alice).get(address).status_code == 404
    assert signed_in(alice).get(f"/?picture={QueryPicture.objects.get().pk}").status_code == 404


@pytest.mark.parametrize("file", [{}, {"picture": SimpleUploadedFile("mine.png", b"no picture at all")}])
def test_a_picture_that_cannot_be_read_is_refused_on_the_page(signed_in, bob, pink_and_brown, file):
    answer = signed_in(bob).post("/ask-with-picture", file, follow=True)
    assert answer.status_code == 200
    assert "message error" in told(answer)


def test_a_picture_that_is_too_large_is_refused_before_it_is_read(signed_in, bob, pink_and_brown, monkeypatch):
    monkeypatch.setattr(pictures, "LARGEST_BYTES", 10)
    answer = signed_in(bob).post("/ask-with-picture", {"picture": SimpleUploadedFile("mine.png", picture())}, follow=True)
    assert "A query picture has at most" in told(answer)


def test_asking_with_a_picture_takes_a_post(signed_in, bob):
    assert signed_in(bob).get("/ask-with-picture").status_code == 405


def test_an_image_is_described_in_captions_of_others(signed_in, bob, pink_and_brown):
    page = told(signed_in(bob).get("/describe", {"image": pink_and_brown[0].pk}))
    assert "Brown nuclei" in page
    assert "not a diagnosis" in page


def test_describing_hides_what_is_foreign(signed_in, charlie, pink_and_brown):
    assert signed_in(charlie).get("/describe", {"image": pink_and_brown[0].pk}).status_code == 404


def test_words_cannot_be_described(signed_in, bob, pink_and_brown):
    assert signed_in(bob).get("/describe", {"q": "brown"}).status_code == 400


def test_an_index_that_is_away_is_a_503_that_says_so(signed_in, bob, broken_index):
    for address in ("/?q=brown", "/describe?image=" + str(uuid.uuid4())):
        answer = signed_in(bob).get(address)
        assert answer.status_code == 503
        assert answer["Retry-After"]
        assert "out of order" in told(answer)


def test_the_bar_is_there_while_the_index_is_not(signed_in, bob, broken_index):
    assert signed_in(bob).get("/").status_code == 200


def test_an_encoder_that_is_starting_is_said_on_the_page_until_it_is_ready(signed_in, bob, monkeypatch):
    monkeypatch.setattr(views, "encoder_state", lambda: "loading")
    assert "encoder is starting" in told(signed_in(bob).get("/"))
    assert signed_in(bob).get("/encoder-state").status_code == 200
    monkeypatch.setattr(views, "encoder_state", lambda: "ready")
    assert signed_in(bob).get("/encoder-state").status_code == 286


def test_an_encoder_that_cannot_be_loaded_is_said_on_the_page(signed_in, bob, monkeypatch):
    monkeypatch.setattr(views, "encoder_state", lambda: "failed: weights_not_found")
    assert "weights_not_found" in told(signed_in(bob).get("/"))


@pytest.mark.parametrize(
    ("encoder", "words"),
    [
        ("mini", "not for research or diagnosis"),
        ("conch", "10.1038/s41591-024-02856-4"),
        ("fake", "mean nothing"),
        ("clip", "licence"),
    ],
)
def test_every_page_says_which_encoder_it_is(client, settings, encoder, words):
    settings.CONCHIVE_ENCODER = encoder
    assert words in told(client.get("/sign-in"))
