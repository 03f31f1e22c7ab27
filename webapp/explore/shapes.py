"""Answers as plain values: what the API sends and what commands print with --json, the same names in both."""

from __future__ import annotations

from typing import Any

from webapp.explore.describing import Description, TextHit
from webapp.explore.queries import HitView, ResultPage
from webapp.library.models import Image, Region


def image_shape(image: Image) -> dict[str, Any]:
    """What everyone who may see an image may know. Its file's name is for editors and not here."""
    return {
        "image": str(image.pk),
        "collection": str(image.collection_id),
        "state": image.state,
        "width": image.width,
        "height": image.height,
        "mpp": image.mpp,
        "stain": image.stain,
        "organ": image.organ,
        "finding": image.finding,
        "case": image.case,
        "slide": image.slide,
        "tags": image.tags,
    }


def region_shape(region: Region) -> dict[str, Any]:
    """``box``: left, top, right, bottom in the upright image's pixels."""
    return {"region": str(region.pk), "box": list(region.box), "standard": region.standard}


def hit_shape(hit: HitView) -> dict[str, Any]:
    """``more_in_case``: further images of its case that match, where a case is one hit."""
    judged = {"score": hit.score, "band": hit.band, "percentile": hit.percentile, "caption": hit.caption}
    named = {"collection_name": hit.image.collection.name, "more_in_case": hit.more_in_case}
    return image_shape(hit.image) | region_shape(hit.region) | judged | named


def page_shape(page: ResultPage) -> dict[str, Any]:
    """``seen``: the box of the picture that was encoded. ``prompts``: of the builder. ``left_out``: judged images now gone."""
    return {
        "hits": [hit_shape(hit) for hit in page.hits],
        "next_cursor": page.next_cursor,
        "truncated": page.truncated,
        "cut_text": page.cut_text,
        "picture": str(page.picture.pk) if page.picture else None,
        "seen": list(page.shown.view.box) if page.shown and page.shown.view else None,
        "prompts": list(page.built.prompts) if page.built else [],
        "left_out": page.judged.left_out,
        "background": vars(page.background),
        "coverage": {name: getattr(page.coverage, name) for name in ("total", "ready", "running", "held", "failed")},
        "facets": {field: [vars(value) for value in values] for field, values in page.facets.items()},
    }


def text_hit_shape(hit: TextHit) -> dict[str, Any]:
    """``image``: one that carries the caption."""
    return {
        "kind": hit.kind,
        "text": hit.text,
        "score": hit.score,
        "band": hit.band,
        "percentile": hit.percentile,
        "image": str(hit.image.pk) if hit.image else None,
        "times": hit.times,
    }


def description_shape(description: Description) -> dict[str, Any]:
    """``hits``: captions and terms together, best first."""
    return {
        "hits": [text_hit_shape(hit) for hit in description.hits],
        "picture": str(description.picture.pk) if description.picture else None,
    }
