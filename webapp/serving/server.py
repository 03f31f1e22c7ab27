"""The web server of embedded mode: waitress, in the main thread, until it is told to stop."""

from __future__ import annotations

import logging
import signal
import socket
import tempfile
from contextlib import suppress
from types import FrameType

from django.conf import settings
from django.core.management.base import CommandError
from django.core.wsgi import get_wsgi_application
from waitress.server import create_server

CHANNEL_TIMEOUT_S = 300  # a slow upload may pause that long
MAX_REQUEST_BYTES = 64 * 2**30  # each file's own limit is MAX_FILE_BYTES; a form may carry many
RECEIVE_BYTES = 256 * 2**10  # at a time: in handfuls of 8 kB a large file costs twice the processor


class Server:
    """Listens from its making on. Raises CommandError where the address is taken."""

    def __init__(self, *, host: str, port: int, threads: int) -> None:
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a short queue is no news
        tempfile.tempdir = str(settings.UPLOADS)  # waitress lays down every larger request before it is answered
        self._server = create_server(
            get_wsgi_application(),
            sockets=[_listening_socket(host, port)],
            threads=threads,
            channel_timeout=CHANNEL_TIMEOUT_S,
            recv_bytes=RECEIVE_BYTES,
            max_request_body_size=MAX_REQUEST_BYTES,
            ident="conchive",
            clear_untrusted_proxy_headers=False,
        )

    def run(self) -> None:
        """Serves until SIGINT or SIGTERM; requests under way are finished."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _stop)
        with suppress(SystemExit):
            self._server.run()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # stopping has begun: a second Ctrl-C must not leave half of it undone


def _listening_socket(host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise CommandError(f"{host}:{port}: {error.strerror}. Name another address with --listen HOST:PORT.") from error
    return listening


def _stop(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise SystemExit(0)
