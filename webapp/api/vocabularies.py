"""Vocabularies: what pictures can be described with."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router, Schema, Status

from webapp.accounts import rights
from webapp.accounts.models import Team, User
from webapp.api.auth import caller
from webapp.explore import vocabularies
from webapp.library.models import TermKind, Vocabulary

router = Router(tags=["vocabularies"])


class VocabularyOut(Schema):
    """``team``: None for the bundled one."""

    id: UUID
    name: str
    team: str | None
    terms: int


class TermOut(Schema):
    id: UUID
    kind: str
    text: str
    synonyms: list[str]


class NewVocabulary(Schema):
    name: str
    team: str


class NewTerms(Schema):
    """``text``: a term a line, synonyms after semicolons; or CSV with the columns term, kind, synonyms."""

    text: str
    kind: TermKind = TermKind.FINDING


class ProblemOut(Schema):
    line: int
    sentence: str


class AddedOut(Schema):
    added: int
    changed: int
    unchanged: int
    problems: list[ProblemOut]


@router.get("/vocabularies", response=list[VocabularyOut])
def list_vocabularies(request: HttpRequest) -> list[dict[str, Any]]:
    visible = Vocabulary.objects.visible_to(caller(request))
    counts = dict(visible.order_by().values_list("pk", Count("terms")))
    return [_shape(vocabulary, terms=counts[vocabulary.pk]) for vocabulary in visible.select_related("team")]


@router.post("/vocabularies", response={201: VocabularyOut})
def create_vocabulary(request: HttpRequest, given: NewVocabulary) -> Status[dict[str, Any]]:
    user = caller(request)
    made = vocabularies.create_vocabulary(user=user, team=_team(user, given.team), name=given.name)
    return Status(201, _shape(made, terms=0))


@router.get("/vocabularies/{vocabulary_id}/terms", response=list[TermOut])
def list_terms(request: HttpRequest, vocabulary_id: UUID) -> list[dict[str, Any]]:
    terms = _visible(request, vocabulary_id).terms.all()
    return [{"id": term.pk, "kind": term.kind, "text": term.text, "synonyms": term.synonyms} for term in terms]


@router.post("/vocabularies/{vocabulary_id}/terms", response=AddedOut)
def add_terms(request: HttpRequest, vocabulary_id: UUID, given: NewTerms) -> vocabularies.Added:
    return vocabularies.add_terms(_visible(request, vocabulary_id), given.text, user=caller(request), kind=given.kind)


@router.delete("/vocabularies/{vocabulary_id}/terms/{term_id}", response={204: None})
def remove_term(request: HttpRequest, vocabulary_id: UUID, term_id: UUID) -> Status[None]:
    vocabularies.remove_term(get_object_or_404(_visible(request, vocabulary_id).terms, pk=term_id), user=caller(request))
    return Status(204, None)


def _visible(request: HttpRequest, vocabulary_id: UUID) -> Vocabulary:
    return get_object_or_404(Vocabulary.objects.visible_to(caller(request)), pk=vocabulary_id)


def _team(user: User, name: str) -> Team:
    """Raises PermissionDenied for a team that is not there and for one that ``user`` is no member of, alike."""
    team = rights.teams_visible_to(user).filter(name=name).first()
    if team is None:
        raise PermissionDenied("Only editors of the team may change its vocabularies.")
    return team


def _shape(vocabulary: Vocabulary, *, terms: int) -> dict[str, Any]:
    team = vocabulary.team.name if vocabulary.team else None
    return {"id": vocabulary.pk, "name": vocabulary.name, "team": team, "terms": terms}
