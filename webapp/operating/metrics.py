"""What Prometheus is told: what waits, by SQL, and what this machine's processes have measured (webapp/instruments.py)."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Count, DurationField, ExpressionWrapper, Min, Q
from django.db.models.functions import Now
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from webapp import hints
from webapp.library import files, jobs, versions
from webapp.library.models import Embedding, Image, Job, State
from webapp.operating import readiness

log = logging.getLogger(__name__)
COUNTED_EVERY_S = 10.0  # whoever asks, and however many processes there are
ENTERED = {
    State.STORED: "stored_at",
    State.DECODED: "decoded_at",
    State.EMBEDDED: "embedded_at",
}  # states that wait for the program

Counts = dict[str, Any]


def own() -> bytes:
    """What the processes of this machine, or of this container, have measured."""
    if not settings.PROMETHEUS_MULTIPROC_DIR:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=settings.PROMETHEUS_MULTIPROC_DIR)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def whole_site() -> bytes:
    """As own(), with the site's parts and rows before it: the same from every web process, so take the highest of them."""
    registry = CollectorRegistry()
    for collector in (Parts(), Rows(), Disk()):
        registry.register(collector)
    return generate_latest(registry) + own()


class Parts(Collector):
    def collect(self) -> Iterator[Metric]:
        gauge = GaugeMetricFamily("conchive_part_ok", "1 where this part of the site answers, as /readyz says.", labels=["part"])
        for name, part in readiness.parts().items():
            gauge.add_metric([name], float(part.ok))
        yield gauge


class Disk(Collector):
    def collect(self) -> Iterator[Metric]:
        files.root().mkdir(parents=True, exist_ok=True)
        disk = shutil.disk_usage(files.root())
        yield GaugeMetricFamily("conchive_disk_free_bytes", "Free space of the archive's disk.", value=disk.free)
        yield GaugeMetricFamily("conchive_disk_bytes", "Size of the archive's disk.", value=disk.total)


class Rows(Collector):
    """Nothing while the database is out: Parts tells that."""

    def collect(self) -> Iterator[Metric]:
        try:
            counts = hints.known_or("metrics:rows", counted, kept_s=COUNTED_EVERY_S)
        except DatabaseError as exc:
            log.warning("nothing can be counted: %s", exc)
            return
        yield _by("conchive_images", "Images, by state.", "state", counts["images"])
        yield _by("conchive_oldest_seconds", "For how long the oldest image has waited in this state.", "state", counts["ages"])
        yield _by("conchive_failed_images", "Images that failed and wait for a person, by reason.", "reason", counts["failed"])
        yield GaugeMetricFamily(
            "conchive_index_lag", "Regions that are embedded and that the index has not acknowledged.", value=counts["lag"]
        )
        gauge = GaugeMetricFamily("conchive_jobs", "Work that people asked for and that is not done.", labels=["kind", "state"])
        for kind, state, n in counts["jobs"]:
            gauge.add_metric([kind, state], n)
        yield gauge


def _by(name: str, says: str, label: str, values: dict[str, float]) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, says, labels=[label])
    for key, value in values.items():
        gauge.add_metric([key], value)
    return gauge


def counted() -> Counts:
    """Six statements: plain numbers by state, reason and kind. Raises DatabaseError."""
    found = dict(Image.objects.order_by().values_list("state").annotate(n=Count("pk")))
    target = versions.target()
    unsent = Embedding.objects.filter(indexed_at=None, fingerprint=target.fingerprint) if target else Embedding.objects.none()
    open_jobs = Job.objects.order_by().filter(state__in=jobs.OPEN).values_list("kind", "state").annotate(n=Count("pk"))
    failed = Image.objects.order_by().filter(state=State.FAILED).values_list("reason").annotate(n=Count("pk"))
    return {
        "images": {str(state): found.get(state, 0) for state in State},
        "ages": _ages(),
        "failed": dict(failed),
        "lag": unsent.count(),
        "jobs": list(open_jobs),
    }


def _ages() -> dict[str, float]:
    """Seconds, 0 where nothing waits. All by the database's clock, which has written the times."""
    since = {str(state): Now() - Min(field, filter=Q(state=state)) for state, field in ENTERED.items()}
    waited = {state: ExpressionWrapper(span, output_field=DurationField()) for state, span in since.items()}
    told = Image.objects.order_by().filter(state__in=ENTERED).aggregate(**waited)
    return {state: max(0.0, span.total_seconds()) if span else 0.0 for state, span in told.items()}
