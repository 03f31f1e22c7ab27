"""Searches the archive from the terminal, as the operator, who sees everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from webapp.accounts.operator import operator
from webapp.client import Client
from webapp.explore import shapes
from webapp.explore.addresses import SLOTS, concept_of, crop_of, id_of, slots_of
from webapp.explore.asking import LARGEST_PAGE, SearchFilters, SearchQuery
from webapp.explore.management.answers import answer, collections_named, one_sentence, print_json, print_table
from webapp.explore.queries import search

WISHES = {
    "plus": "a concept that pulls, like necrosis or necrosis~0.5",
    "minus": "a concept that pushes away, like necrosis or necrosis~0.5",
    "like": "the id of an image that results should be like",
    "dislike": "the id of an image that results should not be like",
}
NARROWING = ("collection", "stain", "organ", "case", "tag")


class Command(BaseCommand):
    help = "Search the archive by words, by a picture's file or by a stored image, or by several of them at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("text", nargs="?", default="", help="what to look for, in words")
        parser.add_argument("--picture", type=Path, metavar="FILE", help="what looks like this picture")
        parser.add_argument("--image", type=UUID, metavar="ID", help="what looks like this stored image")
        for name, help_text in WISHES.items():
            parser.add_argument(f"--{name}", action="append", default=[], help=f"{help_text}; may be repeated")
        parser.add_argument("--crop", default="", metavar="L,T,R,B", help="with --image: this part, in thousandths of its sides")
        for name in SLOTS:
            parser.add_argument(f"--{name.replace('_', '-')}", default="", help="a term: said in many sentences, averaged")
        for name in NARROWING:
            parser.add_argument(f"--{name}", action="append", default=[], help="only these; may be repeated")
        parser.add_argument("--without-case", action="append", default=[], help="nothing of this case; may be repeated")
        parser.add_argument("--every-image", action="store_true", help="every image, not only the best one of each case")
        parser.add_argument("--limit", type=int, default=20, help=f"hits, at most {LARGEST_PAGE}")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, **given: Any) -> None:
        with one_sentence():
            query = _query(given)
        told = answer(
            there=lambda client: _ask(client, given, query),
            here=lambda: shapes.page_shape(search(query, user=operator())),
        )
        if given["json"]:
            print_json(told)
            return
        coverage = told["coverage"]
        print_table(("score", "band", "image", "organ", "stain", "caption"), [_row(hit) for hit in told["hits"]])
        self.stderr.write(f"{coverage['ready']:,} of {coverage['total']:,} images searchable")


def _query(given: dict[str, Any]) -> SearchQuery:
    filters = SearchFilters(
        collections=tuple(collections_named(given["collection"])),
        stains=tuple(given["stain"]),
        organs=tuple(given["organ"]),
        cases=tuple(given["case"]),
        tags=tuple(given["tag"]),
        without_cases=tuple(given["without_case"]),
    )
    return SearchQuery(
        text=given["text"],
        image_id=given["image"],
        crop=crop_of(given["crop"]),
        plus=tuple(map(concept_of, given["plus"])),
        minus=tuple(map(concept_of, given["minus"])),
        likes=tuple(map(id_of, given["like"])),
        dislikes=tuple(map(id_of, given["dislike"])),
        slots=slots_of(given.__getitem__),
        image_bytes=None if given["picture"] is None else read_picture(given["picture"]),
        filters=filters,
        every_image=given["every_image"],
        size=given["limit"],
    )


def _ask(client: Client, given: dict[str, Any], query: SearchQuery) -> Any:
    params = {
        "collection": [str(collection) for collection in query.filters.collections],
        "stain": given["stain"],
        "organ": given["organ"],
        **{name: given[name] for name in ("case", "tag", "without_case", *WISHES)},
        **{name: told for name in SLOTS if (told := given[name])},
        "every_image": "true" if query.every_image else "false",
        "size": query.size,
    }
    if given["picture"] is not None:
        return client.post_file("/search", given["picture"], text=query.text, **params)
    image = query.image_id and str(query.image_id)
    return client.get("/search", text=query.text, image=image, crop=given["crop"], **params)


def _row(hit: dict[str, Any]) -> tuple[str, ...]:
    return f"{hit['score']:.3f}", hit["band"], hit["image"], hit["organ"], hit["stain"], hit["caption"][:80]


def read_picture(path: Path) -> bytes:
    """Raises CommandError."""
    try:
        return path.read_bytes()
    except OSError as exc:
        raise CommandError(f"{path} cannot be read: {exc.strerror}.") from exc
