"""The query builder: organ, stain, finding and magnification become sentences as captions are written, averaged into one vector.

Published comparisons find that the wording alone moves a result by tens of per cent; a mean over sentences and synonyms moves
less. The sentences are our own, and every one that was used is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from django.db.models import Q, QuerySet

from webapp.accounts.models import User
from webapp.explore.asking import Slots
from webapp.library.models import Term, TermKind, Vocabulary

MAGNIFICATIONS = ("2.5x", "5x", "10x", "20x", "40x")
MOST_PROMPTS = 48  # of one question; what goes beyond is thinned out evenly
MOST_NAMES = 4  # of one term: itself and its first synonyms
SUGGESTED = 40

SENTENCES = ("{}.", "a histology image of {}.", "a field that shows {}.", "{} under the microscope.")
FINDING_IN_ORGAN = ("{finding} in the {organ}", "{organ} with {finding}")
FINDING_ALONE = ("{finding}", "tissue with {finding}")
ORGAN_ALONE = ("{organ}", "tissue of the {organ}")
NEITHER = ("tissue",)
STAINED = (", {stain} stain", " stained with {stain}")


@dataclass(frozen=True, kw_only=True)
class Built:
    """``prompts``: the sentences that were averaged. ``unknown``: slots whose words are no term that the user can see."""

    prompts: tuple[str, ...]
    unknown: tuple[str, ...] = ()


def build(slots: Slots, *, user: User) -> Built:
    """At least one prompt for slots that say something. At most two statements."""
    told = {TermKind.ORGAN: slots.organ, TermKind.STAIN: slots.stain, TermKind.FINDING: slots.finding}
    asked = {kind: text for kind, text in told.items() if text}
    known = _known(asked, user) if asked else {}
    names = {kind: known.get(kind, [text]) for kind, text in asked.items()}
    organs, stains, findings = (names.get(kind, [""]) for kind in told)
    prompts = [
        sentence.format(what)
        for organ, finding, stain in product(organs, findings, stains)
        for what in _phrases(organ, finding, stain, slots.at)
        for sentence in SENTENCES
    ]
    return Built(prompts=tuple(_thinned(prompts)), unknown=tuple(text for kind, text in asked.items() if kind not in known))


def suggestions(kind: TermKind, told: str, *, user: User) -> list[str]:
    """Terms of this kind that ``user`` may see and that hold ``told``, those that start with it first. One statement."""
    found = _visible(user).filter(kind__in=_kinds(kind), text__icontains=told.strip())
    texts = {text.casefold(): text for text in found.values_list("text", flat=True)}
    return sorted(texts.values(), key=lambda text: (not text.casefold().startswith(told.strip().casefold()), text.casefold()))[
        :SUGGESTED
    ]


def _phrases(organ: str, finding: str, stain: str, at: str) -> Iterator[str]:
    forms = FINDING_IN_ORGAN if organ and finding else FINDING_ALONE if finding else ORGAN_ALONE if organ else NEITHER
    tails = [tail.format(stain=stain) for tail in STAINED] if stain else [""]
    enlarged = f" at {at} magnification" if at else ""
    for form, tail in product(forms, tails):
        if form.startswith("tissue") and "tissue" in organ + finding:  # "tissue of the renal tissue" is nobody's caption
            continue
        yield form.format(organ=organ, finding=finding) + tail + enlarged


def _thinned(prompts: Sequence[str]) -> list[str]:
    """All of them, or MOST_PROMPTS that lie evenly among them, the first one always."""
    distinct = list(dict.fromkeys(prompts))
    if len(distinct) <= MOST_PROMPTS:
        return distinct
    return [distinct[number * len(distinct) // MOST_PROMPTS] for number in range(MOST_PROMPTS)]


def _known(asked: dict[TermKind, str], user: User) -> dict[TermKind, list[str]]:
    """Kind -> the names of the term whose text or synonym was written, as far as there is one."""
    written = Q()
    for kind, told in asked.items():
        written |= Q(kind__in=_kinds(kind), text__iexact=told)
    found = _named(asked, _visible(user).filter(written))
    if missing := {kind: told for kind, told in asked.items() if kind not in found}:
        kinds = {part for kind in missing for part in _kinds(kind)}
        found |= _named(missing, _visible(user).filter(kind__in=kinds).exclude(synonyms=[]))
    return found


def _named(asked: dict[TermKind, str], terms: QuerySet[Term]) -> dict[TermKind, list[str]]:
    found: dict[TermKind, list[str]] = {}
    for kind, text, synonyms in terms.values_list("kind", "text", "synonyms"):
        for wanted, told in asked.items():
            if kind in _kinds(wanted) and told.casefold() in {name.casefold() for name in (text, *synonyms)}:
                others = [name for name in (text, *synonyms) if name.casefold() != told.casefold()]
                found.setdefault(wanted, [told, *others][:MOST_NAMES])
    return found


def _kinds(kind: TermKind) -> tuple[TermKind, ...]:
    """A kind of tissue is asked for where a finding is."""
    return (TermKind.FINDING, TermKind.TISSUE) if kind == TermKind.FINDING else (kind,)


def _visible(user: User) -> QuerySet[Term]:
    return Term.objects.filter(vocabulary__in=Vocabulary.objects.visible_to(user)).order_by("kind", "text", "pk")
