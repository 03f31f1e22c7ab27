"""Everything in one process: database brought up to date, worker, clock, encoder and web server; stopped in reverse order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from webapp import wiring
from webapp.accounts.models import ApiToken
from webapp.accounts.operator import operator
from webapp.celery import app
from webapp.explore.vocabularies import load_general
from webapp.explore.warmup import warm_up
from webapp.library import age, leases, originals
from webapp.library.store import StoreAway
from webapp.library.tasks import reconcile
from webapp.running import Running, forget_running, read_running, write_running
from webapp.serving import assets
from webapp.serving.server import Server
from webapp.serving.worker import EmbeddedWorker

WORKER_THREADS = 3
STOPPED_EARLY = 130  # what shells report after Ctrl-C
TOKEN_NAME = "server.json"  # noqa: S105  what it is for
Say = Callable[[str], None]


def prepare(say: Say) -> None:
    """Migrations and static files. Raises CommandError where another process serves this data folder already."""
    if running := read_running():
        raise CommandError(f"This data folder is served already: {running.url} (process {running.pid}).")
    say("database: migrating")
    call_command("migrate", interactive=False, verbosity=0)
    load_general()
    try:
        with suppress(StoreAway):  # it may come back: /readyz tells until then
            originals.check_key()
    except age.KeyUnusable as exc:
        raise CommandError(str(exc)) from exc
    if settings.EMBEDDED:
        leases.end_all()
    if assets.build_if_stale():
        say("static files: built")


def serve(*, host: str, port: int, threads: int, say: Say, ready: Callable[[str], None]) -> None:
    """Until it is told to stop. ``ready`` gets the address when the worker runs; requests are answered when it returns."""
    server = Server(host=host, port=port, threads=threads)
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    try:
        with working():
            ready(url)
            with _written_down(url):
                server.run()
            say("stopping: running work is finished first")
    except KeyboardInterrupt:  # while it was still being filled; the next start goes on where this one ended
        raise SystemExit(STOPPED_EARLY) from None
    finally:
        wiring.forget()


@contextmanager
def working() -> Iterator[None]:
    """The worker with its clock, and the encoder loading, while the block runs; in production they are processes of their own."""
    if not settings.EMBEDDED:
        yield
        return
    worker = EmbeddedWorker(app, threads=WORKER_THREADS)
    worker.start()
    try:
        warm_up()
        reconcile.delay()
        yield
    finally:
        worker.stop()


@contextmanager
def _written_down(url: str) -> Iterator[None]:
    write_running(Running(url=url, pid=os.getpid(), token=_fresh_token()))
    try:
        yield
    finally:
        forget_running()


def _fresh_token() -> str:
    """For commands beside this process; the one of an earlier start stops working."""
    ApiToken.objects.filter(user=operator(), name=TOKEN_NAME).delete()
    return ApiToken.issue(operator(), TOKEN_NAME)[1]
