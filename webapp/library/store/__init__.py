"""The archive's lasting files: originals and the pictures that pages show, in the data folder or in a bucket that speaks S3.

settings.S3_BUCKET says which. Whatever the store, files are named as files.py names them: "originals/ab/<image>".
"""

from __future__ import annotations

import os
from functools import lru_cache

from django.conf import settings

from webapp.library import files
from webapp.library.store.folder import Folder
from webapp.library.store.interface import Bucket, Store, StoreAway, Stored

__all__ = ["Bucket", "Store", "StoreAway", "Stored", "bucket", "current", "folder", "forget", "holding", "in_bucket"]


def current() -> Store:
    """The store that the settings name."""
    return in_bucket() if settings.S3_BUCKET else folder()


def holding(name: str) -> Store:
    """Where a file lies, or all of a kind: lasting ones in the current store, what is on its way in the folder."""
    return current() if files.kind_of(name) in files.LASTING else folder()


def folder() -> Store:
    return Folder(files.root())


def in_bucket() -> Store:
    """Raises nothing where the bucket is away: whatever is asked of it then does."""
    return _made(bucket())


def bucket() -> Bucket:
    """As the settings name it."""
    return Bucket(
        name=settings.S3_BUCKET,
        endpoint=settings.S3_ENDPOINT,
        region=settings.S3_REGION,
        prefix=settings.S3_PREFIX,
        access_key=settings.S3_ACCESS_KEY,
        secret_key=settings.S3_SECRET_KEY,
        encryption=settings.S3_ENCRYPTION,
    )


@lru_cache(maxsize=4)
def _made(at: Bucket) -> Store:
    from webapp.library.store.objects import Objects  # boto3: half a second and 30 MB that a folder does without

    return Objects(at)


def forget() -> None:
    """Connections are made anew: in a child of this process, and between tests."""
    _made.cache_clear()


os.register_at_fork(after_in_child=forget)  # two processes must not speak through one
