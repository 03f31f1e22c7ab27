"""Loads the bundled vocabulary, or a team's own from a file. Loading again changes only what differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from webapp.accounts.models import Team
from webapp.accounts.operator import operator
from webapp.explore import vocabularies
from webapp.explore.management.answers import one_sentence
from webapp.library.models import TermKind, Vocabulary


class Command(BaseCommand):
    help = "Load the bundled vocabulary (without FILE), or a team's: a term a line, or CSV with term, kind, synonyms."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, metavar="FILE")
        parser.add_argument("--team", help="whose vocabulary it is")
        parser.add_argument("--name", help="the vocabulary's name; the file's own by default")
        parser.add_argument("--kind", choices=TermKind.values, default=TermKind.FINDING.value, help="of terms that say none")

    def handle(self, *, file: Path | None, team: str | None, name: str | None, kind: str, **_: Any) -> None:
        if file is None:
            loaded = vocabularies.load_general()
            self.stderr.write(f"{loaded}: {loaded.terms.count()} terms")
            return
        with one_sentence():
            added = vocabularies.add_terms(
                _vocabulary(team, name or file.stem), _text(file), user=operator(), kind=TermKind(kind)
            )
        for problem in added.problems:
            self.stderr.write(f"line {problem.line}: {problem.sentence}")
        self.stderr.write(f"{added.added} added, {added.changed} changed, {added.unchanged} unchanged")
        if added.problems:
            raise CommandError(f"{len(added.problems)} lines were left out.")


def _vocabulary(team_name: str | None, name: str) -> Vocabulary:
    team = Team.objects.filter(name=team_name).first()
    if team is None:
        raise CommandError("Name the team with --team." if team_name is None else f"There is no team {team_name!r}.")
    known = Vocabulary.objects.filter(team=team, name=name).first()
    return known or vocabularies.create_vocabulary(user=operator(), team=team, name=name)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise CommandError(f"{file} cannot be read as UTF-8 text.") from exc
