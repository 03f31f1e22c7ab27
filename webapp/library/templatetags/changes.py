"""What a change did, said in templates."""

from __future__ import annotations

from django import template

from webapp.library.history import EntryView, entry_view
from webapp.library.models import ImageChange

register = template.Library()


@register.filter
def entry_of(change: ImageChange, name: str) -> EntryView | None:
    """What ``change`` did to a field."""
    return next((entry_view(entry) for entry in change.entries if entry["field"] == name), None)
