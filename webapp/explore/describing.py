"""Image -> text: which captions of the archive and which terms of the vocabularies say what a picture shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from search import Ask, Band, Calibration, Filters, Hit, Keyword, Nearest
from webapp.accounts import limits
from webapp.accounts.models import User
from webapp.explore import archive
from webapp.explore.archive import index_outages
from webapp.explore.asking import BadQuery, SearchQuery
from webapp.explore.auditing import searched
from webapp.explore.models import QueryPicture
from webapp.explore.subjects import Subject, subject_of
from webapp.library.models import Caption, Image, Term, Vocabulary

SHOWN = 12  # captions, and terms
CANDIDATES = 200  # captions looked at: a lab writes the same sentence under many images


@dataclass(frozen=True, kw_only=True)
class TextHit:
    """``kind``: "caption", or a term's kind. ``image``: an image that carries the caption; ``times``: how many close ones do.

    ``score``: the raw cosine of text and picture; ``band``: what it means among the texts that the user may see.
    """

    kind: str
    text: str
    score: float
    band: Band
    percentile: float | None
    image: Image | None = None
    times: int = 1


@dataclass(frozen=True, kw_only=True)
class Description:
    captions: list[TextHit]
    terms: list[TextHit]
    image: Image | None = None
    picture: QueryPicture | None = None

    @property
    def hits(self) -> list[TextHit]:
        """Both, best first."""
        return sorted([*self.captions, *self.terms], key=lambda hit: -hit.score)


def describe(query: SearchQuery, *, user: User, limit: int = SHOWN) -> Description:
    """At most ``limit`` captions and as many terms for the query's picture. Raises BadQuery, Http404, Outage, TooMany."""
    if not query.has_picture or query.says_something or query.likes or query.dislikes:
        raise BadQuery("needs_a_picture", "Only a picture can be described, and nothing besides it.")
    limits.count("search", user)
    searched(user, query)
    with limits.at_once(user):
        return _describe(query, user, limit)


def _describe(query: SearchQuery, user: User, limit: int) -> Description:
    live, scope = archive.texts(), archive.text_scope_of(user)
    subject = subject_of(query, user=user, fingerprint=live.fingerprint)
    with index_outages():
        captions, terms = live.index.query_batch(_asks(subject, limit), scope=scope)
        calibration = live.calibrator.calibrate(subject.vector, scope=scope, kind="text")
    return Description(
        captions=_caption_hits(captions, calibration, user)[:limit],
        terms=_term_hits(terms, calibration, user),
        image=subject.image,
        picture=subject.picture,
    )


def _asks(subject: Subject, limit: int) -> list[Ask]:
    """Captions of other images, and terms."""
    nearest, others = Nearest(subject.vector), subject.excluded(Filters(), case_too=False)
    captions = replace(others, keywords=(Keyword(field="kind", any_of=("caption",)),))
    terms = Filters(keywords=(Keyword(field="kind", any_of=("term",)),))
    return [Ask(query=nearest, filters=captions, limit=CANDIDATES), Ask(query=nearest, filters=terms, limit=limit)]


def _caption_hits(hits: Sequence[Hit], calibration: Calibration, user: User) -> list[TextHit]:
    """Each sentence once, with the best of the images that carry it. SQL decides again what the user may see."""
    visible = Image.objects.visible_to(user)
    found = Caption.objects.filter(pk__in=[hit.id for hit in hits], image__in=visible).select_related("image")
    captions = {str(caption.pk): caption for caption in found}
    by_key: dict[str, TextHit] = {}
    for hit in hits:
        if (caption := captions.get(hit.id)) is None:
            continue
        if (first := by_key.get(caption.key)) is not None:
            by_key[caption.key] = replace(first, times=first.times + 1)
        else:
            by_key[caption.key] = _text_hit(hit, "caption", caption.text, calibration, image=caption.image)
    return list(by_key.values())


def _term_hits(hits: Sequence[Hit], calibration: Calibration, user: User) -> list[TextHit]:
    visible = Vocabulary.objects.visible_to(user)
    terms = {str(term.pk): term for term in Term.objects.filter(pk__in=[hit.id for hit in hits], vocabulary__in=visible)}
    shown = [(hit, terms[hit.id]) for hit in hits if hit.id in terms]
    return [_text_hit(hit, term.kind, term.text, calibration) for hit, term in shown]


def _text_hit(hit: Hit, kind: str, text: str, calibration: Calibration, *, image: Image | None = None) -> TextHit:
    return TextHit(
        kind=kind,
        text=text,
        score=hit.score,
        band=calibration.band(hit.score),
        percentile=calibration.percentile(hit.score),
        image=image,
    )
