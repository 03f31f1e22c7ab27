"""The gallery, the bar's third way in, the stages of a search, and the pages for when something is missing."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.template.loader import render_to_string

from search import Calibration
from tests.webapp.conftest import told
from tests.webapp.test_pages_search import _pages_of, hits
from webapp.explore import pictures, stages, views
from webapp.explore.encoding import encode_query
from webapp.explore.queries import HitView
from webapp.library.models import Image, Region
from webapp.library.templatetags.gallery import SHAPES, shape_of
from webapp.outages import Outage

STYLES = Path(__file__).resolve().parents[2] / "webapp" / "static" / "css" / "gallery.css"

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("size", [(64, 64), (640, 480), (480, 640), (1000, 430), (1024, 1023)])
def test_a_picture_loses_at_most_a_fiftieth_of_its_width_or_height_to_its_row(size):
    [shape] = shape_of(Image(width=size[0], height=size[1])).split()
    assert int(shape.removeprefix("shape-")) / 100 == pytest.approx(size[0] / size[1], rel=0.03)


@pytest.mark.parametrize("size", [(2000, 100), (100, 2000)])
def test_a_picture_too_long_for_a_row_is_shown_whole(size):
    assert shape_of(Image(width=size[0], height=size[1])).endswith(" whole")


def test_a_picture_of_unknown_size_stands_as_a_square():
    assert shape_of(Image()) == "shape-100"


def test_the_style_sheet_knows_every_shape():
    rules = dict(re.findall(r"\.shape-(\d+) \{ --shape: ([\d.]+); \}", STYLES.read_text()))
    assert {int(name): float(ratio) for name, ratio in rules.items()} == {shape: shape / 100 for shape in SHAPES}


def test_a_card_holds_the_pictures_size_its_labels_and_a_box_to_select_it(signed_in, bob, make_image):
    image = make_image("brown", size=(128, 64), stain="DAB", organ="breast", case="C-7", caption="Brown nuclei")
    page = told(signed_in(bob).get("/", {"q": "brown"}))
    assert re.search(r'<img src="/images/[^"]+/thumbnail"[^>]* width="128" height="64">', page)
    assert f'data-pick="{image.pk}"' in page
    for label in ("shape-202", "breast", "DAB", "C-7", "Kidneys"):
        assert label in page


@pytest.mark.parametrize(("size", "how"), [((800, 500), "slice"), ((3000, 500), "meet")])
def test_a_part_that_matched_is_outlined_as_its_picture_is_fitted(make_image, size, how):
    image = make_image("brown", size=(64, 64))
    image.width, image.height = size
    part = Region(id=uuid.uuid4(), image=image, left=10, top=0, width=448, height=448)
    hit = HitView(image=image, region=part, score=0.5, band="likely", percentile=None)
    card = render_to_string("explore/_hit.html", {"hit": hit})
    assert f'viewBox="0 0 {size[0]} {size[1]}" preserveAspectRatio="xMidYMid {how}"' in card
    assert '<rect x="10" y="0" width="448" height="448"/>' in card
    assert f"?region={part.pk}" in card


def test_the_line_of_chance_is_drawn_once_also_where_a_page_ends_at_it(signed_in, bob, make_image, monkeypatch):
    for colour in ("brown", "pink", "blue"):
        make_image(colour)
    _pages_of(monkeypatch, 1)
    _bands(monkeypatch, ["strong", "background", "background"])
    browser, address = signed_in(bob), "?q=brown"
    pages: list[str] = []
    while address:
        pages.append(told(browser.get(f"/{address}", headers={"HX-Request": "true"} if pages else {})))
        address = next(iter(re.findall(r'hx-get="(\?[^"]+)"', pages[-1])), "").replace("&amp;", "&")
    assert [page.count("no better than chance</span>") for page in pages] == [0, 1, 0]


def _bands(monkeypatch, bands: list[str]) -> None:
    """Bands of the hits in the order in which they are found."""
    left = iter(bands)
    monkeypatch.setattr(Calibration, "band", lambda self, score: next(left))


def test_where_nothing_stands_out_the_page_says_so_and_what_may_help(signed_in, bob, make_image, monkeypatch):
    for number in range(7):
        make_image((10 * number, 90, 90), ready=number == 6)
    _bands(monkeypatch, ["background"] * 21)
    browser = signed_in(bob)
    page = browser.get("/", {"q": "steam engine"})
    assert "Nothing close in this archive" in told(page)
    assert len(hits(page)) == 6
    assert "Start from an image of the archive" in told(page)
    [all_of_them] = re.findall(r'href="(\?[^"]+below=1)"', told(page))
    assert len(hits(browser.get("/" + all_of_them.replace("&amp;", "&")))) == 7


def test_further_images_come_by_themselves_and_by_a_button(signed_in, bob, make_image, monkeypatch):
    make_image("pink")
    make_image("brown")
    _pages_of(monkeypatch, 1)
    assert re.search(
        r'<a class="button" href="(\?[^"]+)" hx-get="\1" hx-trigger="revealed, click"', told(signed_in(bob).get("/?q=brown"))
    )


def test_filters_that_let_nothing_through_can_be_taken_away(signed_in, bob, make_image):
    make_image("pink", stain="H&E")
    page = told(signed_in(bob).get("/", {"q": "pink", "stain": "PAS"}))
    assert "No image passes these filters" in page
    assert 'href="?q=pink">Search without filters' in page


# --- picking from the archive -------------------------------------------------------------------------------------------


def test_an_image_of_the_archive_is_picked_by_a_word_of_its_labels(signed_in, bob, make_image):
    make_image("pink", caption="Pink muscle")
    brown = make_image("brown", caption="Brown nuclei", organ="breast", case="C-7")
    for word in ("nuclei", "BREAST", "c-7"):
        assert re.findall(r'href="/\?image=([0-9a-f-]{36})', told(signed_in(bob).get("/pick-image", {"word": word}))) == [
            str(brown.pk)
        ]


def test_an_image_that_is_picked_joins_the_rest_of_the_search(signed_in, bob, make_image):
    image = make_image("brown")
    page = told(signed_in(bob).get("/pick-image", {"keep": "q=nuclei&stain=H%26E&image=another&cursor=x"}))
    assert f'href="/?q=nuclei&amp;stain=H%26E&amp;image={image.pk}"' in page


def test_nothing_of_another_team_can_be_picked(signed_in, charlie, make_image):
    make_image("brown", caption="Brown nuclei")
    for address in ("/pick-image", "/pick-image?word=nuclei"):
        assert "Brown nuclei" not in told(signed_in(charlie).get(address))


def test_picking_needs_signing_in(client):
    for address in ("/pick-image", "/search-stage"):
        assert client.get(address)["Location"].startswith("/sign-in")


def test_picking_works_while_the_index_is_away(signed_in, bob, make_image, broken_index):
    assert signed_in(bob).get("/pick-image").status_code == 200


def test_a_dialog_gets_the_list_alone(signed_in, bob):
    assert "<html" not in told(signed_in(bob).get("/pick-image", headers={"HX-Request": "true"}))


# --- stages ---------------------------------------------------------------------------------------------------------------


def test_an_answer_tells_how_long_each_stage_took(signed_in, bob, make_image):
    make_image("brown")
    timing = signed_in(bob).get("/", {"q": "brown"})["Server-Timing"]
    assert re.fullmatch(r"encode;dur=[\d.]+, search;dur=[\d.]+, fetch;dur=[\d.]+", timing)


def test_whoever_waits_is_told_the_stage_and_nobody_else(signed_in, alice, bob, make_image, monkeypatch):
    make_image("brown")
    seen: list[str] = []

    def slow(texts, *, fingerprint):
        seen.extend(signed_in(user).get("/search-stage").json()["stage"] for user in (bob, alice))
        return encode_query(texts, fingerprint=fingerprint)

    browser = signed_in(bob)
    browser.cookies[stages.COOKIE] = "0123456789abcdef"
    monkeypatch.setattr("webapp.explore.wording.encode_query", slow)
    browser.get("/", {"q": "brown"})
    assert seen == ["encode", ""]


def test_a_word_of_another_form_is_no_key(signed_in, bob, make_image):
    make_image("brown")
    browser = signed_in(bob)
    browser.cookies[stages.COOKIE] = "no such word!"
    browser.get("/", {"q": "brown"})
    assert browser.get("/search-stage").json() == {"stage": ""}


# --- what is missing ------------------------------------------------------------------------------------------------------


def test_an_outage_can_be_tried_again_by_its_own_address(signed_in, bob, broken_index):
    page = told(signed_in(bob).get("/?q=brown"))
    assert 'href="/?q=brown">Try again' in page
    assert "stays in the address" in page


def test_a_picture_that_met_an_outage_leads_back_to_the_bar(signed_in, bob, monkeypatch):
    def away(data, *, user, fingerprint):
        raise Outage("Pictures cannot be read just now.")

    monkeypatch.setattr(views, "archive", type("", (), {"images": staticmethod(lambda: type("", (), {"fingerprint": ""}))}))
    monkeypatch.setattr(pictures, "remember", away)
    answer = signed_in(bob).post("/ask-with-picture", {"picture": SimpleUploadedFile("mine.png", b"x")})
    assert answer.status_code == 503
    assert 'href="/">Try again' in told(answer)


def test_an_archive_whose_images_are_on_their_way_says_so(signed_in, bob, make_image):
    make_image("brown", ready=False)
    assert "Nothing can be found just yet" in told(signed_in(bob).get("/"))
