"""How a picture lies in a justified row: its shape as a class, since the policy for styles allows none in the markup."""

from __future__ import annotations

from django import template

from webapp.library.models import Image

register = template.Library()

# Width / height in per cent, 4 % apart, so that no picture loses more than 1 % at either edge. gallery.css has a rule for each.
SHAPES = tuple(round(70 * 1.04**step) for step in range(32))
SQUARE = min(SHAPES, key=lambda shape: abs(shape - 100))


@register.filter
def shape_of(image: Image) -> str:
    """ "shape-133", or "shape-70 whole" for a picture that is longer than a row can show without bars beside it."""
    if not (image.width and image.height):
        return f"shape-{SQUARE}"
    ratio = 100 * image.width / image.height
    nearest = min(SHAPES, key=lambda shape: abs(shape - ratio))
    return f"shape-{nearest}" if 0.97 < ratio / nearest < 1.03 else f"shape-{nearest} whole"
