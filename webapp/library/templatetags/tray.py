"""What the selection tray needs to know on whatever page it lies."""

from __future__ import annotations

from typing import Any

from django import template
from django.db.models import QuerySet

from webapp.library.choosing import MOST
from webapp.library.models import Collection

register = template.Library()

MOST_TARGETS = 200


@register.simple_tag(takes_context=True)
def collections_to_move_to(context: dict[str, Any]) -> QuerySet[Collection]:
    """Where the visitor may change things: none means that they tag and move nothing."""
    return (
        Collection.objects.editable_by(context["request"].user)
        .select_related("team")
        .order_by("team__name", "name")[:MOST_TARGETS]
    )


@register.simple_tag
def most_chosen() -> int:
    return MOST
