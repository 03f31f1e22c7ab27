"""The Celery worker and its clock as threads of the web process: embedded mode needs no broker and no second process."""

from __future__ import annotations

import threading

import celery.beat
import celery.worker.state
from celery import Celery
from celery.worker import WorkController

STOP_TIMEOUT_S = 60.0
BEAT_WAKES_S = 1  # it notices only then that it should stop


class EmbeddedWorker:
    """Runs the tasks of every queue in ``threads`` threads and the beat schedule in one more. What is started must be stopped."""

    def __init__(self, app: Celery, *, threads: int) -> None:
        self._controller = WorkController(
            app=app,
            hostname="conchive@embedded",
            pool_cls="threads",
            concurrency=threads,
            queues=[queue.name for queue in app.conf.task_queues],
            without_heartbeat=True,
            without_mingle=True,
            without_gossip=True,
        )
        self._thread = threading.Thread(target=self._controller.start, name="worker", daemon=True)
        # the schedule is kept in memory: what matters after a restart is in SQL
        self._beat = celery.beat.Service(app, max_interval=BEAT_WAKES_S, scheduler_cls=celery.beat.Scheduler)
        self._clock = threading.Thread(target=self._beat.start, name="clock", daemon=True)

    def start(self) -> None:
        celery.worker.state.should_stop = None  # left set by an earlier worker of this process
        self._thread.start()
        self._clock.start()

    def stop(self) -> None:
        """Waits for running tasks; queued ones are found again in SQL at the next start."""
        self._beat.stop()
        self._clock.join(STOP_TIMEOUT_S)
        celery.worker.state.should_stop = 0  # type: ignore[assignment]  # the exit code
        self._thread.join(STOP_TIMEOUT_S)
