"""Says in words what a picture shows: captions of the archive and terms of the vocabularies, ranked."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandParser

from webapp.accounts.operator import operator
from webapp.client import Client
from webapp.explore import shapes
from webapp.explore.asking import SearchQuery
from webapp.explore.management.answers import answer, print_json, print_table
from webapp.explore.management.commands.search import read_picture
from webapp.explore.queries import describe


class Command(BaseCommand):
    help = "Describe a picture's file or a stored image with captions and terms."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("picture", metavar="FILE", help="a picture's file, or the id of a stored image")
        parser.add_argument("--limit", type=int, default=12, help="captions, and terms")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *, picture: str, limit: int, **given: Any) -> None:
        image = _image_id(picture)

        def there(client: Client) -> Any:
            if image is not None:
                return client.get("/describe", image=str(image), limit=limit)
            return client.post_file("/describe", Path(picture), limit=limit)

        def here() -> Any:
            query = SearchQuery(image_id=image) if image else SearchQuery(image_bytes=read_picture(Path(picture)))
            return shapes.description_shape(describe(query, user=operator(), limit=limit))

        if image is None:
            read_picture(Path(picture))
        told = answer(there=there, here=here)
        if given["json"]:
            print_json(told)
        else:
            print_table(("score", "band", "kind", "text"), [_row(hit) for hit in told["hits"]])


def _image_id(text: str) -> UUID | None:
    """A file that happens to be named like an id is still a file."""
    if Path(text).exists():
        return None
    try:
        return UUID(text)
    except ValueError:
        return None


def _row(hit: dict[str, Any]) -> tuple[str, ...]:
    return f"{hit['score']:.3f}", hit["band"], hit["kind"], hit["text"][:100]
