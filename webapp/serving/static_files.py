"""Static files under hashed names, also where a script of ours imports another: no page runs half of an old one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage

if TYPE_CHECKING:
    Compressed = ManifestStaticFilesStorage
else:
    from whitenoise.storage import CompressedManifestStaticFilesStorage as Compressed

# Django's own switch for this reads every script there is, and stumbles over a comment in one of htmx's
IMPORTS = ("js/*.js", (('(?P<matched>from "(?P<url>\\./[\\w-]+\\.js)")', 'from "%(url)s"'),))


class HashedNames(ManifestStaticFilesStorage):
    patterns = (*ManifestStaticFilesStorage.patterns, IMPORTS)


class HashedAndCompressed(Compressed):
    patterns = (*Compressed.patterns, IMPORTS)
