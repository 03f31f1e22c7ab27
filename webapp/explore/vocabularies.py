"""Vocabularies: the bundled one, and those that teams write: a term a line, or CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path

from django.core.exceptions import PermissionDenied
from django.db import transaction

from webapp.accounts.models import Role, Team, User
from webapp.explore.asking import BadQuery
from webapp.library import sending, tasks
from webapp.library.models import Term, TermKind, Vocabulary, text_key

GENERAL = Path(__file__).parent / "data" / "general_vocabulary.json"
LONGEST_NAME = 120
LONGEST_TERM = 200
MOST_TERMS = 5_000  # of one vocabulary
MOST_SYNONYMS = 20


@dataclass(frozen=True)
class NewTerm:
    kind: TermKind
    text: str
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Problem:
    """``line``: counted from 1."""

    line: int
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Added:
    """``added`` + ``changed`` + ``unchanged`` + len(``problems``) = lines that were not empty."""

    added: int
    changed: int
    unchanged: int
    problems: list[Problem]


def load_general() -> Vocabulary:
    """The bundled vocabulary as this version of Conchive ships it; loading it again changes nothing."""
    shipped = json.loads(GENERAL.read_text(encoding="utf-8"))
    terms = [
        NewTerm(TermKind(kind), names[0], tuple(names[1:])) for kind, rows in shipped["terms"].items() for names in rows
    ]  # fmt: skip
    with transaction.atomic():
        vocabulary, _ = Vocabulary.objects.get_or_create(team=None, name=shipped["name"])
        kept = {(term.kind, term.text) for term in terms}
        gone = [term.pk for term in vocabulary.terms.all() if (term.kind, term.text) not in kept]
        vocabulary.terms.filter(pk__in=gone).delete()
        _store(vocabulary, terms)
    return vocabulary


def create_vocabulary(*, user: User, team: Team, name: str) -> Vocabulary:
    """Raises PermissionDenied for whoever may not edit in ``team``, BadQuery for a name that is empty or taken."""
    _require_editor(user, team)
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME:
        raise BadQuery("name", f"A vocabulary needs a name of at most {LONGEST_NAME} characters.")
    if Vocabulary.objects.filter(team=team, name=name).exists():
        raise BadQuery("name_taken", "The team has a vocabulary of this name.")
    return Vocabulary.objects.create(team=team, name=name)


def add_terms(vocabulary: Vocabulary, text: str, *, user: User, kind: TermKind = TermKind.FINDING) -> Added:
    """Terms from lines or CSV: see read_terms. What is wrong is told with its line; the rest is stored.

    Raises PermissionDenied, and BadQuery where the vocabulary would grow past 5,000 terms.
    """
    _require_editor(user, vocabulary.team)
    terms, problems = [], []
    for line, read in read_terms(text, kind=kind):
        if isinstance(read, NewTerm):
            terms.append(read)
        else:
            problems.append(Problem(line, read))
    with transaction.atomic():
        if vocabulary.terms.count() + len(terms) > MOST_TERMS:
            raise BadQuery("too_many_terms", f"A vocabulary holds at most {MOST_TERMS:,} terms.")
        added, changed = _store(vocabulary, terms)
    return Added(added=added, changed=changed, unchanged=len(terms) - added - changed, problems=problems)


def read_terms(text: str, *, kind: TermKind = TermKind.FINDING) -> Iterator[tuple[int, NewTerm | str]]:
    """(line number, term or what is wrong with it) of every line that is not empty.

    Lines: ``term; synonym; synonym``, all of ``kind``. CSV: a first line that names the columns ``term`` and, if wanted,
    ``kind`` and ``synonyms`` (separated by semicolons), with commas or tabs between them.
    """
    lines = text.lstrip("\ufeff").splitlines()
    header = lines[0].casefold() if lines else ""
    delimiter = "\t" if "\t" in header else ","
    columns = [column.strip() for column in header.split(delimiter)]
    if "term" in columns:
        yield from _csv_terms(text.lstrip("\ufeff"), columns, delimiter, kind)
        return
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, _term(line.split(";"), kind.value)


def _csv_terms(text: str, columns: Sequence[str], delimiter: str, kind: TermKind) -> Iterator[tuple[int, NewTerm | str]]:
    rows = csv.reader(StringIO(text), delimiter=delimiter)
    next(rows)
    for cells in rows:
        row = dict(zip(columns, cells, strict=False))
        if any(cell.strip() for cell in cells):
            names = [row.get("term", ""), *row.get("synonyms", "").split(";")]
            yield rows.line_num, _term(names, row.get("kind", "").strip() or kind.value)


def _term(names: Iterable[str], kind: str) -> NewTerm | str:
    """The term, or the sentence that says why it is none."""
    text, *synonyms = [" ".join(name.split()) for name in names]
    synonyms = [name for name in dict.fromkeys(synonyms) if name and name != text]
    if kind.casefold() not in TermKind.values:
        return f"The kind is one of {', '.join(TermKind.values)}, not {kind[:40]!r}."
    if not any(letter.isalnum() for letter in text):
        return "There is no word in this term."
    if any(len(name) > LONGEST_TERM for name in (text, *synonyms)):
        return f"A term has at most {LONGEST_TERM} characters."
    if len(synonyms) > MOST_SYNONYMS:
        return f"A term has at most {MOST_SYNONYMS} synonyms."
    if not all(letter.isprintable() for name in (text, *synonyms) for letter in name):
        return "A term holds printable characters only."
    return NewTerm(TermKind(kind.casefold()), text, tuple(synonyms))


def _store(vocabulary: Vocabulary, terms: Iterable[NewTerm]) -> tuple[int, int]:
    """Writes what is new or has other synonyms; how many of each. A repeated term counts once, the last one wins."""
    wanted = {(term.kind.value, term.text): list(term.synonyms) for term in terms}
    known = {(term.kind, term.text): term for term in vocabulary.terms.all()}
    changed = [known[name] for name, synonyms in wanted.items() if name in known and known[name].synonyms != synonyms]
    for term in changed:
        term.synonyms = wanted[term.kind, term.text]
        term.indexed_at = None
    fresh = [
        Term(vocabulary=vocabulary, kind=kind, text=text, synonyms=synonyms)
        for (kind, text), synonyms in wanted.items()
        if (kind, text) not in known
    ]
    for term in (*changed, *fresh):
        term.key = text_key("|".join([term.kind, *term.names]))
    Term.objects.bulk_create(fresh, batch_size=500)
    Term.objects.bulk_update(changed, ["synonyms", "key", "indexed_at"], batch_size=500)
    if fresh or changed:
        transaction.on_commit(partial(sending.hint, tasks.embed_texts))
    return len(fresh), len(changed)


def _require_editor(user: User, team: Team | None) -> None:
    """Nobody edits the bundled vocabulary."""
    role = None if team is None else user.role_in(team)
    if team is None or not (user.is_superuser or (role is not None and role >= Role.EDITOR)):
        raise PermissionDenied("Only editors of the team may change its vocabularies.")


def remove_term(term: Term, *, user: User) -> None:
    """Raises PermissionDenied. Its point leaves the index with the next upkeep; until then SQL hides it."""
    _require_editor(user, term.vocabulary.team)
    term.delete()
