"""Two teams' archives of some hundred images each and a public one, put straight into SQL and the index, with its account."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from uuid import UUID, uuid4

import numpy as np
from django.utils import timezone
from numpy.typing import NDArray

from embedder.fake import COLOURS, FakeEncoder
from webapp import wiring
from webapp.accounts.models import Membership, Role, Team, User
from webapp.explore.vocabularies import add_terms, create_vocabulary
from webapp.library import index, versions
from webapp.library.models import Caption, Collection, Embedding, Image, Region, State, TermKind, TextEmbedding, Visibility
from webapp.library.models.vectors import to_bytes

TINTS = tuple(COLOURS)
STAINS, ORGANS, TAGS = ("H&E", "PAS", "IHC"), ("kidney", "liver", "colon", "skin"), ("checked", "teaching", "odd")
SIDE = 64


@dataclass(kw_only=True)
class Shelf:
    """A collection and what lies in it. ``secret``: a word that stands in each of its texts and nowhere else."""

    collection: Collection
    secret: str
    images: list[Image] = field(default_factory=list)
    regions: dict[UUID, Region] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        return self.collection.visibility == Visibility.EVERYONE


@dataclass(kw_only=True)
class Crowd:
    """``people``: by what they are to team A. ``terms``: team -> the words that only its vocabulary has."""

    people: dict[str, User]
    shelves: dict[str, Shelf]
    terms: dict[str, list[str]]

    def seen_by(self, who: str) -> list[Shelf]:
        own = {"viewer": "A", "outsider": "B"}.get(who)
        return [shelf for name, shelf in self.shelves.items() if name == own or shelf.is_open]

    def hidden_from(self, who: str) -> list[Shelf]:
        seen = self.seen_by(who)
        return [shelf for shelf in self.shelves.values() if shelf not in seen]

    def images(self, who: str) -> list[Image]:
        return [image for shelf in self.seen_by(who) for image in shelf.images]


def gathered(random: Random, *, a_team: int = 300, public: int = 60) -> Crowd:
    team_a, team_b = Team.objects.create(name="Team A"), Team.objects.create(name="Team B")
    people = {name: User.objects.create_user(name) for name in ("viewer", "outsider", "nobody", "maker")}
    Membership.objects.create(team=team_a, user=people["viewer"], role=Role.VIEWER)
    Membership.objects.create(team=team_b, user=people["outsider"], role=Role.OWNER)
    version = _version()
    shelves = {}
    for name, team, visibility, n in (
        ("A", team_a, Visibility.TEAM, a_team),
        ("A's own", team_a, Visibility.PRIVATE, a_team // 10),
        ("B", team_b, Visibility.TEAM, a_team),
        ("public", team_a, Visibility.EVERYONE, public),
    ):
        secret = f"zz{name.replace(' ', '').replace(chr(39), '').lower()}zz"
        made = Collection.objects.create(team=team, name=f"{secret} slides", visibility=visibility, made_by=people["maker"])
        shelves[name] = filled(Shelf(collection=made, secret=secret), n, random, version)
    maker = User.objects.create_superuser("root")
    terms = {}
    for name, team in (("A", team_a), ("B", team_b)):
        terms[name] = [f"pink zz{name.lower()}term{n}" for n in range(3)]
        vocabulary = create_vocabulary(user=maker, team=team, name=f"Words of {name}")
        add_terms(vocabulary, "\n".join(terms[name]), user=maker, kind=TermKind.FINDING)
    return Crowd(people=people, shelves=shelves, terms=terms)


def _version() -> index.Version:
    """The live version of the fake encoder's index."""
    versions.adopt(FakeEncoder.spec)
    found = index.live(wiring.get_image_index())
    assert found is not None
    return found


def filled(shelf: Shelf, n: int, random: Random, version: index.Version) -> Shelf:
    """``n`` images with vectors, every second one with a caption, every third one of a case of four."""
    for number in range(n):
        shelf.images.append(_image(shelf, number, random))
    Image.objects.bulk_create(shelf.images)
    regions = [Region(id=uuid4(), image=image, standard=True, left=0, top=0, width=SIDE, height=SIDE) for image in shelf.images]
    Region.objects.bulk_create(regions)
    shelf.regions = {region.image_id: region for region in regions}
    vectors = _vectors([str(image.metadata["tint"]) for image in shelf.images], random)
    Embedding.objects.bulk_create(
        Embedding(region=region, fingerprint=version.fingerprint, search=to_bytes(vector), probe=to_bytes(vector))
        for region, vector in zip(regions, vectors, strict=True)
    )
    _captioned(shelf, version)
    stored = index.with_images(Embedding.objects.filter(region__in=[region.pk for region in regions]))
    index.send_regions(version, list(stored))
    return shelf


def _image(shelf: Shelf, number: int, random: Random) -> Image:
    return Image(
        collection=shelf.collection,
        name=f"{shelf.secret}-{number}.png",
        sha256=f"{random.getrandbits(256):064x}",
        bytes=100,
        width=SIDE,
        height=SIDE,
        state=State.READY,
        stain=random.choice(STAINS),
        organ=random.choice(ORGANS),
        tags=random.sample(TAGS, random.randrange(3)),
        case=f"case-{number // 12}" if number % 3 == 0 else "",
        metadata={"tint": random.choice(TINTS), "secret": shelf.secret},
        ready_at=timezone.now(),
    )


def _vectors(tints: Sequence[str], random: Random) -> NDArray[np.float32]:
    """Near the word's own, none like another."""
    noise = np.random.Generator(np.random.PCG64(random.getrandbits(32))).standard_normal((len(tints), FakeEncoder.spec.dim))
    return FakeEncoder().project((FakeEncoder().encode_texts(tints) + 0.02 * noise).astype(np.float32))


def _captioned(shelf: Shelf, version: index.Version) -> None:
    captions = [Caption(image=image, text=f"{image.metadata['tint']} {shelf.secret} words") for image in shelf.images[::2]]
    for caption in captions:
        caption.save()
    texts = {caption.key: caption.text for caption in captions}
    vectors = FakeEncoder().encode_texts(list(texts.values()))
    stored = {key: to_bytes(vector) for key, vector in zip(texts, vectors, strict=True)}
    TextEmbedding.objects.bulk_create(
        TextEmbedding(key=key, fingerprint=version.fingerprint, search=vector) for key, vector in stored.items()
    )
    live = index.live(wiring.get_text_index())
    assert live is not None
    index.send_captions(live, captions, stored)


# --- what a search must say -------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Narrowed:
    stain: str = ""
    organ: str = ""
    tag: str = ""
    collection: UUID | None = None

    def query(self) -> dict[str, str]:
        told = {"stain": self.stain, "organ": self.organ, "tag": self.tag, "collection": str(self.collection or "")}
        return {name: value for name, value in told.items() if value}

    def passes(self, image: Image, *, without: str = "") -> bool:
        """``without``: a field whose own demand is left out; not that for tags, since an image may have several."""
        asked = {
            "stain": not self.stain or image.stain == self.stain,
            "organ": not self.organ or image.organ == self.organ,
            "tag": not self.tag or self.tag in image.tags,
            "collection": self.collection is None or image.collection_id == self.collection,
        }
        return all(passed for name, passed in asked.items() if name != without)


def counted(images: Sequence[Image], narrowed: Narrowed) -> dict[str, dict[str, int]]:
    """Facets as they must be: field -> value -> images."""
    values = {
        "stain": lambda image: [image.stain],
        "organ": lambda image: [image.organ],
        "tags": lambda image: image.tags,
        "collection": lambda image: [str(image.collection_id)],
    }
    return {
        name: dict(Counter(itertools.chain.from_iterable(of(image) for image in images if narrowed.passes(image, without=name))))
        for name, of in values.items()
    }
