"""Is the encoder ready? Loading takes seconds, so a thread does it at start; whoever asks meanwhile is told.

After another encoder was configured, the former one is loaded beside it for as long as its index answers.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillRunning

from django.conf import settings

from embedder import Encoder, errors
from webapp import wiring
from webapp.outages import Outage

log = logging.getLogger(__name__)
STILL_WORKS = "Collections, images and uploads still work, and so does «more like this» of a stored image."

_LOCK = threading.Lock()
_LOADING: dict[str, Future[Encoder]] = {}


def warm_up(name: str = "") -> Future[Encoder]:
    """Starts loading the encoder called ``name``, the configured one by default, unless that was done; returns at once."""
    name = name or settings.CONCHIVE_ENCODER
    with _LOCK:
        if name not in _LOADING:
            _LOADING[name] = Future()
            threading.Thread(target=_load, args=(name, _LOADING[name]), name="warm-up", daemon=True).start()
        return _LOADING[name]


def ready_encoder(name: str = "", *, timeout_s: float | None) -> Encoder:
    """That encoder, waited for at most ``timeout_s`` (None: as long as it takes). Raises Outage."""
    loading = warm_up(name)
    try:
        failure = loading.exception(timeout_s)
    except StillRunning:
        raise Outage("The encoder is still starting.", detail="Try again in some seconds.", still_works=STILL_WORKS) from None
    if failure is not None:
        detail = str(failure) if isinstance(failure, errors.EmbedderError) else "The server's log says why."
        raise Outage("The encoder cannot be loaded.", detail=detail, still_works=STILL_WORKS) from failure
    return loading.result()


def drop_former() -> None:
    """Frees encoders that are no longer configured: their indexes have been switched away from."""
    with _LOCK:
        for name in [name for name in _LOADING if name != settings.CONCHIVE_ENCODER]:
            del _LOADING[name]


def state_here() -> str:
    """Of this process: "loading", "ready" or "failed: reason"."""
    loading = warm_up()
    if not loading.done():
        return "loading"
    failure = loading.exception()
    return "ready" if failure is None else f"failed: {getattr(failure, 'reason', type(failure).__name__)}"


def forget() -> None:
    """The next warm_up() starts anew: after a change of settings, and between tests."""
    with _LOCK:
        _LOADING.clear()


def _load(name: str, loading: Future[Encoder]) -> None:
    try:
        encoder = wiring.get_encoder() if name == settings.CONCHIVE_ENCODER else wiring.load_named(name)
        encoder.encode_texts(["warming up"])  # the first call of a fresh model is slow: nobody should wait for it
    except Exception as exc:  # the outermost frame of a thread: whoever waits gets it
        log.exception("the encoder cannot be loaded")
        loading.set_exception(exc)
    else:
        loading.set_result(encoder)
