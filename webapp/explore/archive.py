"""The two indexes as questions need them: bound to one live version, so that one search never mixes two encoders."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

from search import Calibrator, Scope, VectorIndex, errors
from webapp import wiring
from webapp.accounts.models import User
from webapp.explore.asking import BadQuery
from webapp.library.models import Collection, Vocabulary
from webapp.outages import Outage

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Archive:
    """One version of an index. ``fingerprint``: the encoder whose vectors it holds."""

    index: VectorIndex
    fingerprint: str
    calibrator: Calibrator


def images() -> Archive:
    """The regions that are searchable now. Raises Outage."""
    return _live(wiring.get_image_index)


def texts() -> Archive:
    """Captions and terms. Raises Outage."""
    return _live(wiring.get_text_index)


def scope_of(user: User) -> Scope:
    """The collections that ``user`` may see."""
    return Scope.of(map(str, Collection.objects.visible_to(user).values_list("pk", flat=True)))


def text_scope_of(user: User) -> Scope:
    """Captions lie in their image's collection, terms in their vocabulary."""
    vocabularies = map(str, Vocabulary.objects.visible_to(user).values_list("pk", flat=True))
    return Scope.of([*scope_of(user).collections, *vocabularies])


@contextmanager
def index_outages() -> Iterator[None]:
    """What an index raises becomes an Outage, or a BadQuery where the question is at fault."""
    try:
        yield
    except errors.BadCursor as exc:
        raise BadQuery("bad_cursor", "This page belongs to an earlier search: start again at the first one.") from exc
    except errors.IndexMissing as exc:
        raise Outage("The search index is being built.", detail="Search works as soon as the first images are in it.") from exc
    except errors.SchemaMismatch as exc:
        raise Outage("The archive is being re-indexed for another encoder.") from exc
    except errors.SearchError as exc:
        log.warning("the index failed: %s (%s)", exc, exc.reason)
        raise Outage("Search is out of order.", detail="The vector index does not answer.") from exc


def _live(get_index: Callable[[], VectorIndex]) -> Archive:
    with index_outages():
        index = get_index()
        return _bound(index, index.version_name())  # type: ignore[arg-type]  # hashed by identity


@lru_cache(maxsize=8)
def _bound(index: VectorIndex, version: str) -> Archive:
    view = index.at_version(version)
    return Archive(view, view.describe().schema.fingerprint, Calibrator(view))
