"""Requests drawn from the API's own description: none breaks it, and none tells an outsider an id of a foreign team."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.webapp.access.world import ID, Actor, World, actor, named
from webapp.accounts.models import Team
from webapp.library.models import Caption, Collection, Image, Region, Upload

EXAMPLES = 4  # of each operation, each asked four times
BY_NAME = {"image": "image_id", "collection": "collection_id", "upload": "upload_id", "query": "query_id", "first": "image_id"}
calm = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def schema(world) -> Any:
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", closing(get_wsgi_application()))


def closing(application: Callable[..., Any]) -> Callable[..., list[bytes]]:
    """As a server does, and the schema's own client does not: once an answer is sent, the files of its request are closed."""

    def served(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        with contextlib.closing(application(environ, start_response)) as answer:
            return [b"".join(answer)]

    return served


def operations(schema: Any) -> Iterator[Any]:
    for found in schema.get_all_operations():
        yield found.ok()


def of_the_team(world: World) -> set[str]:
    """Every id that says something to whoever is not in it; what is everyone's to see is not among them."""
    hidden = Collection.objects.filter(team=world.team).exclude(pk=world.everyones.pk)
    images = Image.objects.filter(collection__in=hidden)
    rows = (hidden, images, Region.objects.filter(image__in=images), Caption.objects.filter(image__in=images),
            Upload.objects.filter(collection__in=hidden), Team.objects.filter(pk=world.team.pk))  # fmt: skip
    ids = {str(pk) for some in rows for pk in some.values_list("pk", flat=True)}
    return ids | {str(world.saved.pk), str(world.link.row.pk), str(world.job.pk), str(world.vocabulary.pk)}


def with_ids_that_are_there(case: Any, values: dict[str, Any]) -> set[str]:
    """Puts the team's own ids into the request, wherever it names such a thing; those that it names."""
    put = {name: str(values[name]) for name in case.path_parameters or {} if name in values and name != "kind"}
    if put:
        case.path_parameters = {**case.path_parameters, **put}
    for part in (case.query, case.body):
        if isinstance(part, dict):
            for name in BY_NAME.keys() & part.keys():
                put[name] = part[name] = str(values[BY_NAME[name]])
    return set(put.values())


def asked(case: Any, who: Actor) -> Any:
    with transaction.atomic():
        answer = case.call(headers=who.headers | {"Accept-Encoding": "identity"})
        transaction.set_rollback(True)
    return answer


def test_no_request_that_the_description_allows_breaks_the_api_or_tells_a_foreign_id(world, schema):
    owner, outsider = actor(world, "owner"), actor(world, "outsider")
    hidden, values = of_the_team(world), named(world, owner, "")
    done: set[str] = set()

    def check(operation: Any) -> None:
        @calm
        @seed(1)
        @given(case=operation.as_strategy())
        def each(case: Any) -> None:
            said: set[str] = set()
            for _ in range(2):
                for who in (owner, outsider):
                    answer = asked(case, who)
                    text = answer.content.decode(errors="ignore")
                    assert answer.status_code < 500, (operation.label, who.name, text[:300])
                    assert who is owner or not (set(ID.findall(text)) & hidden) - said, operation.label
                    if who is owner and answer.status_code < 300:
                        done.add(operation.label)
                said = with_ids_that_are_there(case, values)

        each()

    for operation in operations(schema):
        check(operation)
    assert len(done) > 40, "most of it has to be asked so that it works, or nothing is shown"
