"""Five hundred questions of every kind over two teams' images and public ones: each is answered with exactly what may be seen."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from django.test import Client
from PIL import Image as Pictures

from embedder.fake import COLOURS, FakeEncoder
from search import Payload, Point
from tests.webapp.access.crowd import ORGANS, STAINS, TAGS, TINTS, Crowd, Narrowed, counted, filled, gathered
from tests.webapp.access.crowd import Shelf as ShelfOf
from tests.webapp.access.world import ID
from webapp import wiring
from webapp.accounts.models import ApiToken, Membership, Role, User
from webapp.explore import saving
from webapp.library import index
from webapp.library.models import Collection, Image, State, Visibility

pytestmark = pytest.mark.django_db
WHO = ("outsider", "viewer")
ROUNDS = 9  # of the fourteen kinds below, for each of the two: 28 requests each
LARGEST = 200


@pytest.fixture
def crowd() -> Crowd:
    return gathered(Random(7))


class Asker:
    """One person with a browser and a program, who knows the id of everything there is."""

    def __init__(self, crowd: Crowd, who: str, random: Random) -> None:
        self.crowd, self.who, self.random = crowd, who, random
        self.user = crowd.people[who]
        self.browser = Client()
        self.browser.force_login(self.user)
        self._headers = {"Authorization": f"Bearer {ApiToken.issue(self.user, who)[1]}"}
        self.asked = 0

    # --- asking ---

    def api(self, path: str, **told: Any) -> Any:
        answer = self.browser.get(f"/api/v1{path}", told, headers=self._headers)
        return self._checked(answer.status_code, answer.content.decode()), answer

    def post(self, path: str, told: dict[str, Any]) -> Any:
        answer = self.browser.post(f"/api/v1{path}", told, headers=self._headers)
        return self._checked(answer.status_code, answer.content.decode()), answer

    def page(self, path: str, **told: Any) -> str:
        answer = self.browser.get(path, told)
        return self._checked(answer.status_code, answer.content.decode())

    def _checked(self, status: int, text: str) -> str:
        """Whatever is asked: no id and no word of what this person may not see."""
        self.asked += 1
        assert status < 500, text
        for shelf in self.crowd.hidden_from(self.who):
            assert shelf.secret not in text
            hidden = {str(image.pk) for image in shelf.images} | {str(region.pk) for region in shelf.regions.values()}
            assert not hidden & set(ID.findall(text))
        for team, terms in self.crowd.terms.items():
            if (team == "B") != (self.who == "outsider"):
                assert not any(term in text for term in terms)
        return text

    # --- choosing ---

    @property
    def images(self) -> list[Image]:
        return self.crowd.images(self.who)

    def own(self) -> Image:
        return self.random.choice(self.images)

    def foreign(self) -> Image:
        return self.random.choice([image for shelf in self.crowd.hidden_from(self.who) for image in shelf.images])

    def narrowed(self) -> Narrowed:
        choose = self.random.choice
        return Narrowed(
            stain=choose(("", *STAINS)),
            organ=choose(("", *ORGANS)),
            tag=choose(("", "", *TAGS)),
            collection=choose((None, None, *(shelf.collection.pk for shelf in self.crowd.shelves.values()))),
        )


def picture(random: Random) -> io.BytesIO:
    packed = io.BytesIO()
    Pictures.new("RGB", (32, 32), COLOURS[random.choice(TINTS)]).save(packed, "PNG")
    packed.name = "asked.png"
    packed.seek(0)
    return packed


def exactly(asker: Asker, told: dict[str, Any], narrowed: Narrowed, *, without: set[UUID] = frozenset()) -> None:  # type: ignore[assignment]
    """All that is visible and passes, or as many of those as a page holds; facets and counts as SQL would count them."""
    passing = {image.pk for image in asker.images if narrowed.passes(image)} - without
    hits = [UUID(hit["image"]) for hit in told["hits"]]
    assert len(hits) == len(set(hits)) == min(LARGEST, len(passing))
    assert set(hits) == passing if len(passing) <= LARGEST else set(hits) < passing
    facets = {field: {value["value"]: value["count"] for value in values} for field, values in told["facets"].items()}
    assert facets == counted(asker.images, narrowed)
    everything = len(asker.images)
    assert told["coverage"] == {"total": everything, "ready": everything, "running": 0, "held": 0, "failed": 0}


# --- fourteen kinds of question ---------------------------------------------------------------------------------------


def by_words(asker: Asker) -> None:
    narrowed = asker.narrowed()
    text, _ = asker.api("/search", text=f"{asker.random.choice(TINTS)} cells", size=LARGEST, every_image=True, **narrowed.query())
    exactly(asker, json.loads(text), narrowed)


def by_picture(asker: Asker) -> None:
    narrowed = asker.narrowed()
    told = {"file": picture(asker.random), "size": LARGEST, "every_image": True} | narrowed.query()
    exactly(asker, json.loads(asker.post("/search", told)[0]), narrowed)


def by_stored_image(asker: Asker) -> None:
    own, narrowed = asker.own(), asker.narrowed()
    text, _ = asker.api("/search", image=own.pk, size=LARGEST, every_image=True, **narrowed.query())
    exactly(asker, json.loads(text), narrowed, without={own.pk})
    alike(asker, "/search", image=asker.foreign().pk)


def by_region(asker: Asker) -> None:
    own, narrowed = asker.own(), asker.narrowed()
    regions = {pk: region for shelf in asker.crowd.shelves.values() for pk, region in shelf.regions.items()}
    text, _ = asker.api("/search", region=regions[own.pk].pk, size=LARGEST, every_image=True, **narrowed.query())
    exactly(asker, json.loads(text), narrowed, without={own.pk})
    alike(asker, "/search", region=regions[asker.foreign().pk].pk)


def by_concepts(asker: Asker) -> None:
    narrowed, (more, less) = asker.narrowed(), asker.random.sample(TINTS, 2)
    text, _ = asker.api("/search", plus=more, minus=less, size=LARGEST, every_image=True, **narrowed.query())
    exactly(asker, json.loads(text), narrowed)


def by_builder(asker: Asker) -> None:
    narrowed = asker.narrowed()
    slots = {"organ_is": asker.random.choice(ORGANS), "finding_is": asker.random.choice(asker.crowd.terms["A"])}
    wanted: dict[str, Any] = {**slots, "size": LARGEST, "every_image": True, **narrowed.query()}
    answer = asker.browser.get("/api/v1/search", wanted, headers=asker._headers)
    asker.asked += 1
    exactly(asker, answer.json(), narrowed)


def by_judgement(asker: Asker) -> None:
    narrowed = asker.narrowed()
    liked, disliked, foreign = asker.own(), asker.own(), asker.foreign()
    wished = {"text": "cells", "like": [liked.pk, foreign.pk], "dislike": disliked.pk, "size": LARGEST, "every_image": True}
    told = json.loads(asker.api("/search", **wished, **narrowed.query())[0])
    exactly(asker, told, narrowed)
    never = json.loads(asker.api("/search", **wished | {"like": [liked.pk, uuid4()]}, **narrowed.query())[0])
    assert told == never


def by_foreign_filters(asker: Asker) -> None:
    foreign = asker.foreign()
    for told in ({"collection": foreign.collection_id}, {"collection": foreign.collection_id, "stain": foreign.stain}):
        hits = json.loads(asker.api("/search", text="cells", **told)[0])
        assert (hits["hits"], hits["next_cursor"]) == ([], None)


def by_description(asker: Asker) -> None:
    hits = json.loads(asker.api("/describe", image=asker.own().pk, limit=LARGEST)[0])["hits"]
    assert hits
    assert {hit["image"] for hit in hits if hit["image"]} <= {str(image.pk) for image in asker.images}
    asker.post("/describe", {"file": picture(asker.random), "limit": LARGEST})
    alike(asker, "/describe", image=asker.foreign().pk)


def by_neighbours(asker: Asker) -> None:
    own = asker.own()
    shown = set(ID.findall(asker.page(f"/images/{own.pk}/neighbours")))
    assert shown & {str(image.pk) for image in asker.images}
    asker.page(f"/images/{own.pk}/seen")


def by_suggestion(asker: Asker) -> None:
    team = "B" if asker.who == "outsider" else "A"
    shown = asker.page("/suggest-terms", kind="finding", told="pink")
    assert all(term in shown for term in asker.crowd.terms[team])


def by_choosing(asker: Asker) -> None:
    foreign = asker.foreign()
    asker.page("/pick-image", word=str(foreign.metadata["secret"])[:2])
    asker.page("/")
    counts = asker.page("/collections")
    assert f"{len(asker.images):,}" in counts


def by_page(asker: Asker) -> None:
    narrowed = asker.narrowed()
    asker.page(
        "/",
        q=f"{asker.random.choice(TINTS)} cells",
        **{"tags" if name == "tag" else name: told for name, told in narrowed.query().items()},
    )
    asker.page("/", q="cells", like=str(asker.own().pk), plus="pink")


def by_saved_search(asker: Asker) -> None:
    maker = asker.crowd.people["maker"]
    made = saving.save(user=maker, name="private", address="q=pink")
    alike_page = asker.browser.get(f"/saved/{made.pk}").status_code
    assert alike_page == asker.browser.get(f"/saved/{uuid4()}").status_code == 404
    mine = saving.save(user=asker.user, name="mine", address=f"q=pink&image={asker.own().pk}")
    told = json.loads(asker.api("/queries")[0])
    assert all(query["owner"] == asker.who for query in told["queries"])
    assert asker.browser.get(f"/saved/{mine.pk}").status_code == 302
    asker.page("/saved")


KINDS: tuple[Callable[[Asker], None], ...] = (
    by_words, by_picture, by_stored_image, by_region, by_concepts, by_builder, by_judgement, by_foreign_filters, by_description,
    by_neighbours, by_suggestion, by_choosing, by_page, by_saved_search,
)  # fmt: skip


def alike(asker: Asker, path: str, **told: Any) -> None:
    """What is foreign is answered as what never was."""
    foreign, never = (asker.api(path, **dict.fromkeys(told, pk))[1] for pk in (next(iter(told.values())), uuid4()))
    assert (foreign.status_code, foreign.content) == (never.status_code, never.content) == (404, never.content)


# --- the test ---------------------------------------------------------------------------------------------------------


def test_five_hundred_questions_are_answered_with_exactly_what_may_be_seen(crowd):
    askers = [Asker(crowd, who, Random(number)) for number, who in enumerate(WHO)]
    for number in range(ROUNDS):
        for kind in KINDS:
            kind(askers[number % 2])
            kind(askers[(number + 1) % 2])
    assert sum(asker.asked for asker in askers) >= 500


def test_whoever_is_not_signed_in_is_answered_nothing(crowd):
    image = crowd.shelves["public"].images[0]
    for path in (
        "/?q=pink",
        f"/describe?image={image.pk}",
        "/suggest-terms?kind=stain",
        "/pick-image",
        f"/images/{image.pk}/neighbours",
    ):
        assert Client().get(path)["Location"].startswith("/sign-in")
    for path in ("/search?text=pink", f"/describe?image={image.pk}", "/queries", "/images"):
        assert Client().get(f"/api/v1{path}").status_code == 401


def test_a_member_of_no_team_finds_what_is_open_to_everyone(crowd):
    asker = Asker(crowd, "nobody", Random(3))
    text, _ = asker.api("/search", text="pink", size=LARGEST, every_image=True)
    exactly(asker, json.loads(text), Narrowed())


def test_a_page_of_somebody_else_goes_on_with_ones_own_rights(crowd):
    first, second = (Asker(crowd, who, Random(1)) for who in WHO)
    cursor = json.loads(first.api("/search", text="pink", size=50, every_image=True)[0])["next_cursor"]
    assert cursor
    _, answer = second.api("/search", text="pink", size=50, every_image=True, cursor=cursor)
    assert answer.status_code in (200, 400)


def test_what_is_held_is_counted_for_its_reviewers_alone(crowd):
    editor, viewer = User.objects.create_user("editor"), Asker(crowd, "viewer", Random(1))
    team = crowd.shelves["A"].collection.team
    Membership.objects.create(team=team, user=editor, role=Role.EDITOR)
    crowd.people["editor"] = editor
    Image.objects.filter(pk=crowd.shelves["A"].images[0].pk).update(state=State.HELD)
    reviewer = Client()
    _, token = ApiToken.issue(editor, "editor")
    told = reviewer.get("/api/v1/search?text=pink", headers={"Authorization": f"Bearer {token}"}).json()
    assert told["coverage"]["held"] == 1
    coverage = json.loads(viewer.api("/search", text="pink")[0])["coverage"]
    assert (coverage["held"], coverage["total"]) == (0, len(viewer.images) - 1)


def test_twenty_visible_among_five_thousand_private_twins_still_fill_a_page(crowd):
    """The rights are inside the question to the index: what is private takes nobody's place."""
    asker = Asker(crowd, "nobody", Random(1))
    shelf = _twins(crowd)
    asked: dict[str, Any] = {"text": "violet", "size": 10, "every_image": True, "collection": shelf.collection.pk}
    seen: list[str] = []
    while True:
        told = json.loads(asker.api("/search", **asked)[0])
        assert len(told["hits"]) == 10
        seen += [hit["image"] for hit in told["hits"]]
        if told["next_cursor"] is None:
            break
        asked["cursor"] = told["next_cursor"]
    assert set(seen) == {str(image.pk) for image in shelf.images}
    nearest = json.loads(asker.api("/search", text="violet", size=10, every_image=True)[0])
    assert len(nearest["hits"]) == 10


def _twins(crowd: Crowd) -> ShelfOf:
    """Twenty public images that are a little like violet, and five thousand private ones that are it."""
    team, maker = crowd.shelves["A"].collection.team, crowd.people["maker"]
    public = Collection.objects.create(team=team, name="twins", visibility=Visibility.EVERYONE, made_by=maker)
    version = index.live(wiring.get_image_index())
    assert version is not None
    shelf = filled(ShelfOf(collection=public, secret="twins"), 20, Random(5), version)
    crowd.shelves["twins"] = shelf
    encoder = FakeEncoder()
    [violet] = encoder.encode_texts(["violet"])
    private = str(crowd.shelves["A's own"].collection.pk)
    noise = np.random.Generator(np.random.PCG64(9)).standard_normal((5000, violet.size)).astype(np.float32)
    rows = encoder.project(violet + 1e-4 * noise)
    points = [Point(str(uuid4()), row, Payload(collection=private, image=str(uuid4()))) for row in rows]
    for some in _handfuls(points):
        version.index.upsert(some)
    return shelf


def _handfuls(points: list[Point]) -> Iterator[list[Point]]:
    for start in range(0, len(points), index.POINTS_A_CALL):
        yield points[start : start + index.POINTS_A_CALL]
