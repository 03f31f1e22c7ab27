"""Makes the index anew from the vectors in SQL; the present one answers until the new one is full."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from webapp import wiring
from webapp.client import Client
from webapp.library import upkeep
from webapp.library.management.telling import one_sentence, print_json
from webapp.running import read_running


class Command(BaseCommand):
    help = "Make the index anew from the stored vectors, without the encoder."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--encode", action="store_true", help="embed every image and text again first, with the configured encoder"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *, encode: bool, **given: Any) -> None:
        with one_sentence():
            told = _answer(encode=encode)
        if given["json"]:
            print_json(told)
        else:
            self.stdout.write(
                f"{told['regions']} regions and {told['texts']} texts indexed, {told['encoded']} images embedded anew"
            )


def _answer(*, encode: bool) -> dict[str, Any]:
    if running := read_running():
        told: dict[str, Any] = Client(running).post("/upkeep/reindex", {"encode": encode}, patient=True)
        return told
    try:
        return vars(upkeep.reindex(encode=encode))
    finally:
        wiring.forget()
