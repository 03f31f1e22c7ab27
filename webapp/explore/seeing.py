"""«What the model sees»: of each kind of term, the ones nearest to an image and by how much the first leads.

A suggestion, not a diagnosis: only a person's acceptance makes it metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from search import Ask, Band, Calibration, Filters, Hit, Keyword, Nearest
from webapp.accounts.models import User
from webapp.explore import archive
from webapp.explore.archive import index_outages
from webapp.explore.pictured import vector_of
from webapp.library.editing import says
from webapp.library.models import Image, Term, TermKind, Vocabulary

SHOWN = 3
CANDIDATES = 24  # several vocabularies may hold the same term
FIELD_OF = {TermKind.ORGAN: "organ", TermKind.STAIN: "stain", TermKind.FINDING: "finding", TermKind.TISSUE: "tags"}
CLOSE_CALL = 0.02  # of cosine: below it the order of the first two says little


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """``score``: the cosine of the image and all ways to say the term. ``said``: the image's field says so already.

    ``share``: of the best score of all, in per cent: the length of a bar, no probability.
    """

    term: Term
    field: str
    score: float
    band: Band
    said: bool
    share: int


@dataclass(frozen=True, kw_only=True)
class Kind:
    """``margin``: by how much the first leads the second; None where it is alone.

    ``replaces``: what accepting would overwrite.
    """

    kind: TermKind
    suggestions: list[Suggestion]
    margin: float | None
    replaces: str

    @property
    def close_call(self) -> bool:
        return self.margin is not None and self.margin < CLOSE_CALL


@dataclass(frozen=True, kw_only=True)
class Seen:
    kinds: list[Kind]
    fingerprint: str

    def find(self, term: UUID) -> tuple[Kind, Suggestion] | None:
        """What was said of a term, if it is among those that are shown."""
        each = ((kind, suggestion) for kind in self.kinds for suggestion in kind.suggestions)
        return next(((kind, suggestion) for kind, suggestion in each if suggestion.term.pk == term), None)


def seen(image: Image, *, user: User) -> Seen | None:
    """Kinds that no vocabulary has terms of are left out; None while the image is not in the index. Raises Outage."""
    live, vocabularies = archive.texts(), Vocabulary.objects.visible_to(user)
    vector = vector_of(image, live.fingerprint)
    if vector is None:
        return None
    scope = archive.text_scope_of(user)
    with index_outages():
        found = live.index.query_batch([_ask(Nearest(vector), kind) for kind in FIELD_OF], scope=scope)
        calibration = live.calibrator.calibrate(vector, scope=scope, kind="text")
    ids = [hit.id for hits in found for hit in hits]
    terms = {str(term.pk): term for term in Term.objects.filter(pk__in=ids, vocabulary__in=vocabularies)}
    best = max((hit.score for hits in found for hit in hits), default=0.0)
    told = _Told(image, terms, calibration, best)
    kinds = [_kind(kind, hits, told) for kind, hits in zip(FIELD_OF, found, strict=True)]
    return Seen(kinds=[kind for kind in kinds if kind.suggestions], fingerprint=live.fingerprint)


def _ask(nearest: Nearest, kind: TermKind) -> Ask:
    terms = (Keyword(field="kind", any_of=("term",)), Keyword(field="tags", all_of=(kind.value,)))
    return Ask(query=nearest, filters=Filters(keywords=terms), limit=CANDIDATES)


@dataclass(frozen=True)
class _Told:
    """What all kinds have in common."""

    image: Image
    terms: Mapping[str, Term]
    calibration: Calibration
    best: float


def _kind(kind: TermKind, hits: list[Hit], told: _Told) -> Kind:
    """Each wording once: the same term of two vocabularies is no runner-up of itself."""
    best: dict[str, Suggestion] = {}
    for hit in hits:
        if (term := told.terms.get(hit.id)) is not None and term.kind == kind:
            best.setdefault(term.text.casefold(), _suggestion(term, hit, told))
    shown, field = list(best.values())[:SHOWN], FIELD_OF[kind]
    margin = shown[0].score - shown[1].score if len(shown) > 1 else None
    return Kind(kind=kind, suggestions=shown, margin=margin, replaces="" if field == "tags" else getattr(told.image, field))


def _suggestion(term: Term, hit: Hit, told: _Told) -> Suggestion:
    field = FIELD_OF[TermKind(term.kind)]
    return Suggestion(
        term=term,
        field=field,
        score=hit.score,
        band=told.calibration.band(hit.score),
        said=says(told.image, field, term.text),
        share=round(100 * max(hit.score, 0.0) / told.best) if told.best > 0 else 0,
    )
