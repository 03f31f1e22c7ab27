"""A bucket that speaks S3, in a thread of the test's own process, which can be taken away and brought back."""

from __future__ import annotations

import logging
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from webapp.library import store

KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}


class Bucket:
    """Of a name of its own. What lies in it stays while it is away."""

    def __init__(self) -> None:
        import boto3  # here: every test of the site imports this module

        self.name = f"files-{uuid.uuid4().hex[:12]}"
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            self._port = free.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self._port}"
        self.back()
        self.client: Any = boto3.client("s3", endpoint_url=self.endpoint, **KEYS)
        self.client.create_bucket(Bucket=self.name)

    def away(self) -> None:
        self._server.stop()

    def back(self) -> None:
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer("127.0.0.1", self._port, verbose=False)
        self._server.start()

    def names(self) -> list[str]:
        """Keys of all that is in it."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return [each["Key"] for page in pages for each in page.get("Contents", ())]

    def read(self, key: str) -> bytes:
        return bytes(self.client.get_object(Bucket=self.name, Key=key)["Body"].read())

    def close(self) -> None:
        self.client.close()
        self.away()


class Breaking:
    """Stands for a store's stream(): a connection breaks off after ``good`` reads, and ``times`` in a row."""

    def __init__(self, stream: Callable[..., Any], *, good: int = 1, times: int = 1) -> None:
        self._stream, self._good, self._times = stream, good, times
        self.asked: list[int] = []  # the first byte of each connection

    def __call__(self, name: str, *, start: int, etag: str) -> Any:
        self.asked.append(start)
        self._body, self._read = self._stream(name, start=start, etag=etag), 0
        return self

    def read(self, size: int) -> bytes:
        from botocore.exceptions import ReadTimeoutError

        self._read += 1
        if self._read > self._good and self._times:
            self._times, self._good = self._times - 1, 0
            raise ReadTimeoutError(endpoint_url="")
        return bytes(self._body.read(size))

    def close(self) -> None:
        self._body.close()


@pytest.fixture
def bucket(settings, monkeypatch) -> Iterator[Bucket]:
    """The archive's files lie in it from here on."""
    from webapp.library.store import objects

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    monkeypatch.setattr(objects, "TRIES", 1)  # a bucket that is away is away at once
    monkeypatch.setattr(objects, "PAUSE_S", 0.0)
    made = Bucket()
    settings.S3_BUCKET, settings.S3_ENDPOINT, settings.S3_REGION = made.name, made.endpoint, "us-east-1"
    settings.S3_ACCESS_KEY = settings.S3_SECRET_KEY = "testing"
    settings.S3_PREFIX = "archive"
    store.forget()
    yield made
    store.forget()
    made.close()
