"""What this process measures of its own work, for Prometheus: /metrics and the workers' exporters show it (operating/).

Every room of the site may count here. Labels are codes and names of the program, never of files, people or searched words.
Where several processes share PROMETHEUS_MULTIPROC_DIR, any of them tells the sum of all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from prometheus_client import Counter, Histogram

Kind = Literal["images", "texts"]
QUICK_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
SLOW_S = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

IMAGES_DONE = Counter("conchive_images_done", "Images that have come through this step of the pipeline.", ["step"])
FAILURES = Counter("conchive_failures", "Images that failed, by the code of the reason.", ["reason"])
DECODE_SECONDS = Histogram("conchive_decode_seconds", "Decoding one image, the wait for a decoder included.", buckets=SLOW_S)
ENCODE_SECONDS = Histogram("conchive_encode_seconds", "One call of the encoder.", ["kind"], buckets=SLOW_S)
ENCODE_BATCH = Histogram("conchive_encode_batch", "Regions or texts in one call of the encoder.", ["kind"], buckets=SIZES)
STAGE_SECONDS = Histogram("conchive_search_stage_seconds", "One stage of a search.", ["stage"], buckets=QUICK_S)
REQUEST_SECONDS = Histogram(
    "conchive_request_seconds", "A request, by the name of its address.", ["view", "method", "status"], buckets=SLOW_S
)
TASK_SECONDS = Histogram(
    "conchive_task_seconds", "A worker's task, by its name and how it ended.", ["task", "end"], buckets=SLOW_S
)


@contextmanager
def encoding(kind: Kind, n: int) -> Iterator[None]:
    """Around one call of the encoder for ``n`` regions or texts."""
    ENCODE_BATCH.labels(kind).observe(n)
    with ENCODE_SECONDS.labels(kind).time():
        yield
