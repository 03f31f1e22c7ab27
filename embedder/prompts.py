"""Prompt templates as data: how a term becomes prompts, and how their vectors become one.

A zero-shot classifier averages synonym × template prompts: each vector is normalised, their mean is normalised again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from embedder.encoders import Encoder

SLOT = "CLASSNAME"  # where a synonym goes in a template


@dataclass(frozen=True, kw_only=True)
class PromptSet:
    """``synonyms``: class name -> ways to say it; ``templates``: sentences with the word CLASSNAME in them."""

    synonyms: Mapping[str, Sequence[str]]
    templates: Sequence[str]

    def prompts(self, class_name: str) -> list[str]:
        """Every synonym in every template."""
        return [fill(template, synonym) for synonym in self.synonyms[class_name] for template in self.templates]


def fill(template: str, synonym: str) -> str:
    """Raises ValueError where the template has no slot."""
    if SLOT not in template:
        raise ValueError(f"a prompt template needs the word {SLOT}: {template!r}")
    return template.replace(SLOT, synonym)


def read_prompt_sets(path: Path) -> dict[str, PromptSet]:
    """A JSON file of numbered sets, each with "classnames" and "templates"."""
    return {
        number: PromptSet(synonyms=entry["classnames"], templates=entry["templates"])
        for number, entry in json.loads(path.read_text()).items()
    }


def ensemble(encoder: Encoder, prompts: Sequence[str]) -> NDArray[np.float32]:
    """Prompts that mean the same -> one unit vector float32 [dim]. Raises ValueError for no prompts."""
    if not prompts:
        raise ValueError("an ensemble needs at least one prompt")
    mean = encoder.encode_texts(prompts).mean(axis=0)
    unit: NDArray[np.float32] = mean / np.linalg.norm(mean)
    return unit


def classifier(encoder: Encoder, prompts: PromptSet) -> tuple[list[str], NDArray[np.float32]]:
    """Class names and their unit vectors float32 [classes, dim]; image vectors @ these are the zero-shot scores."""
    names = list(prompts.synonyms)
    return names, np.stack([ensemble(encoder, prompts.prompts(name)) for name in names])
