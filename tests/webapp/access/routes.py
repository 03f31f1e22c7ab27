"""Every address of the site, as the resolver has it, under the name that the table gives it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from webapp.api.site import api

PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^)]*\)")


@dataclass(frozen=True, kw_only=True)
class Route:
    """``name``: as reverse() takes it; the pattern where it has none. ``methods``: those of an operation of the API, else None:
    the view decides.
    """

    name: str
    pattern: str
    methods: frozenset[str] | None

    def address(self, values: dict[str, Any]) -> str:
        """With ``values`` in the place of the parameters. Raises KeyError for one that is not among them."""
        filled = PARAMETER.sub(lambda found: str(values[found[1] or found[2]]), self.pattern)
        return "/" + filled.replace("^", "").replace("$", "")

    @property
    def has_parameters(self) -> bool:
        return bool(PARAMETER.search(self.pattern))


def routes() -> dict[str, Route]:
    """By name."""
    walked = list(_walk(get_resolver(), "", ""))
    methods = _operations()
    return {name: Route(name=name, pattern=pattern, methods=methods.get(name)) for name, pattern in walked}


def _walk(resolver: URLResolver, before: str, space: str) -> Iterator[tuple[str, str]]:
    for entry in resolver.url_patterns:
        pattern = before + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _walk(entry, pattern, f"{space}{entry.namespace}:" if entry.namespace else space)
        elif isinstance(entry, URLPattern):
            yield (space + entry.name if entry.name else pattern), pattern


def _operations() -> dict[str, frozenset[str]]:
    """Of the API, once its addresses are there: the name of a route -> its methods."""
    found: dict[str, frozenset[str]] = {}
    for _, router in api._routers:
        for view in router.path_operations.values():
            for operation in view.operations:
                found[f"api:{operation.view_func.__name__}"] = frozenset(operation.methods)
    return found
