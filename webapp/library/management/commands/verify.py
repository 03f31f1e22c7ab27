"""Tells whether rows, files, vectors and indexes agree, and puts right what can be."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from webapp import wiring
from webapp.client import Client
from webapp.library import upkeep, verify
from webapp.library.management.telling import one_sentence, print_json
from webapp.running import read_running


class Command(BaseCommand):
    help = "Verify that rows, files, vectors and indexes agree; exit status 0 only where they do."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--repair", action="store_true", help="put right what can be, then look again")
        parser.add_argument("--deep", action="store_true", help="read every original and compare its checksum")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *, repair: bool, deep: bool, **given: Any) -> None:
        with one_sentence():
            told = _answer(repair=repair, deep=deep)
        if given["json"]:
            print_json(told)
        else:
            self._tell(told)
        if not told["clean"]:
            sys.exit(1)

    def _tell(self, told: dict[str, Any]) -> None:
        for name, n in told["counts"].items():
            if n:
                self.stdout.write(f"{n} {name.replace('_', ' ')}: {', '.join(told['examples'][name])}")
        self.stdout.write("all agrees" if told["clean"] else "there are disagreements")
        if told["waiting"]:
            self.stdout.write(f"{told['waiting']} images are still on their way")


def _answer(*, repair: bool, deep: bool) -> dict[str, Any]:
    if running := read_running():
        told: dict[str, Any] = Client(running).post("/upkeep/verify", {"repair": repair, "deep": deep}, patient=True)
        return told
    try:
        return (upkeep.repaired(deep=deep) if repair else verify.verify(deep=deep)).as_dict()
    finally:
        wiring.forget()
