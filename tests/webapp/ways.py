"""The ways by which people bring files in: the site's form, its page with scripts, the admin, a zip."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Callable

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tests.webapp.hostile_zips import packed
from tests.webapp.test_tus import Sender
from webapp.library.kinds import last_part
from webapp.library.models import Collection, Upload

Files = dict[str, bytes]
Way = Callable[[Client, Collection, Files, bytes | None], Upload]  # the last: a table beside the files


def by_form(browser: Client, collection: Collection, files: Files, table: bytes | None) -> Upload:
    """All in one request, as a browser without scripts sends them: their folders are lost."""
    form: dict[str, object] = {"files": [SimpleUploadedFile(last_part(name), content) for name, content in files.items()]}
    answer = browser.post(f"/collections/{collection.pk}/upload", form | beside(table))
    assert answer.status_code == 302
    return collection.uploads.get(pk=answer["Location"].rpartition("/")[2])


def by_page(browser: Client, collection: Collection, files: Files, table: bytes | None) -> Upload:
    return as_the_script_does(browser, f"/collections/{collection.pk}/upload", files, table)


def by_admin(browser: Client, collection: Collection, files: Files, table: bytes | None) -> Upload:
    upload = as_the_script_does(browser, f"/admin/library/upload/add/?collection={collection.pk}", files, table)
    assert upload.source == "admin"
    return upload


def as_the_script_does(browser: Client, page: str, files: Files, table: bytes | None) -> Upload:
    """Announced with their checksums to the address that the page names, then sent one by one."""
    shown = browser.get(page).content.decode()
    [address] = re.findall(r'data-announce="([^"]+)"', shown)
    source = re.findall(r'name="source" value="([^"]+)"', shown)
    listed = json.dumps([[name, len(content), hashlib.sha256(content).hexdigest()] for name, content in files.items()])
    told = {"files": SimpleUploadedFile("files.json", listed.encode()), **dict.fromkeys(["source"] if source else [], "admin")}
    answer = browser.post(address, told | beside(table))
    assert answer.status_code == 201, answer.content
    for item in answer.json()["items"]:
        taken = Sender(browser).patch(item["address"], files[item["name"]])
        assert taken.status_code in (204, 413, 422), taken.content  # refused as soon as it was there, with the reason
    return Upload.objects.get(pk=answer.json()["upload"])


def by_zip(
    browser: Client, collection: Collection, files: Files, table: bytes | None, *, method: int = zipfile.ZIP_DEFLATED
) -> Upload:
    """With the table among the files."""
    inside = files if table is None else files | {"captions.csv": table}
    return by_form(browser, collection, {"slides.zip": packed(inside, method=method)}, None)


def beside(table: bytes | None) -> dict[str, object]:
    return {} if table is None else {"table": SimpleUploadedFile("captions.csv", table)}
