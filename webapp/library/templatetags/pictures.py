"""How an image is named on pages: by what is known about it, never by its file."""

from __future__ import annotations

from django import template

from webapp.library.models import Image

register = template.Library()


@register.filter
def title_of(image: Image) -> str:
    """Its first caption; else its finding, organ and stain; else the start of its id."""
    for caption in image.captions.all():
        return caption.text
    known = " · ".join(filter(None, (image.finding, image.organ, image.stain)))
    return known or f"Image {str(image.pk)[:8]}"


@register.filter
def alt_of(image: Image) -> str:
    """What a screen reader says for the picture."""
    return f"Histology: {title_of(image)}"
