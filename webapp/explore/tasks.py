"""What the workers of the queue "query" do for a web process without an encoder."""

from __future__ import annotations

import logging

from celery import shared_task

from webapp.explore import crops, encoding, pictures, remote, warmup, watch_mail, watching
from webapp.explore.models import QueryPicture
from webapp.outages import Outage

log = logging.getLogger(__name__)


@shared_task
def encode_texts(missing: dict[str, str], fingerprint: str) -> None:
    """Cache key -> text: puts each vector into the cache, where remote.texts() waits for it."""
    failed = fingerprint
    try:
        encoder = encoding.wanted_encoder(fingerprint)
        failed = next(iter(missing), fingerprint)  # from here on it is this question's own matter
        encoding.encode_and_cache(missing, encoder=encoder)
    except Outage as outage:
        remote.tell_failure(failed, outage.what)


@shared_task
def encode_picture(picture_id: str, fingerprint: str) -> None:
    """Reads a query picture's file and puts its vector, or why there is none, into its row."""
    pictures.fill(picture_id, fingerprint=fingerprint)


@shared_task
def encode_crop(key: str, kind: str, pk: str, edges: list[int], fingerprint: str) -> None:
    """Puts the vector of a part of a stored image or query picture into the cache, where remote.vectors() waits for it."""
    try:
        crops.fill(key, kind, pk, edges, fingerprint=fingerprint)
    except Outage as outage:
        remote.tell_failure(fingerprint, outage.what)


@shared_task
def forget_query_pictures() -> None:
    """By beat: what people searched with goes when its time is over, whether or not anybody searches again."""
    QueryPicture.objects.outdated().delete()


@shared_task
def tell_encoder_state() -> None:
    """By beat: lets the web process say how things stand, for as long as it is told so."""
    remote.tell_state(warmup.state_here())


def begin_answering() -> None:
    """At a query worker's start: warms up, and tells the web process at once that it does and how it ended."""
    loading = warmup.warm_up()
    tell_encoder_state()
    loading.add_done_callback(lambda _: tell_encoder_state())


@shared_task
def match_watches() -> None:
    """By beat: compares what became searchable with watched searches. While the index or the encoder is away, it all waits."""
    try:
        watching.compare_all()
    except Outage as outage:
        log.warning("watched searches have to wait: %s", outage)


@shared_task
def mail_watches() -> None:
    """By beat, where the site sends mail."""
    watch_mail.send_letters()
