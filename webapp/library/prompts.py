"""How a term is said to the text tower: every name in every sentence of its kind, averaged into one vector."""

from __future__ import annotations

from webapp.library.models import Term, TermKind

SENTENCES: dict[str, tuple[str, ...]] = {
    TermKind.ORGAN: ("{}.", "a histology image of {}.", "tissue of the {}.", "a microscopic field from the {}."),
    TermKind.TISSUE: ("{}.", "a histology image of {}.", "a field that shows {}.", "{} under the microscope."),
    TermKind.STAIN: ("{}.", "a section stained with {}.", "tissue in {} stain.", "a {} stained histology image."),
    TermKind.FINDING: ("{}.", "a histology image of {}.", "{} is present.", "tissue showing {}."),
}


def prompts_of(term: Term) -> list[str]:
    return [sentence.format(name) for name in term.names for sentence in SENTENCES[term.kind]]
