"""Faults of the whole site that need no hail of kills."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.faults.site import Site, running_site, settled_receipt
from tests.webapp.conftest import picture

CLIENTS = 8


def _collection(site: Site) -> str:
    site.command("shell", "-c", "from webapp.accounts.models import Team; Team.objects.create(name='Lab')")
    with site.client() as client:
        return str(client.post("/collections", json={"name": "Fields", "team": "Lab"}).json()["id"])


def _upload(site: Site, collection: str, data: bytes) -> dict[str, Any]:
    with site.client() as client:
        answer = client.post("/uploads/files", data={"collection": collection}, files=[("files", ("field.png", data))])
    told: dict[str, Any] = answer.json()
    assert answer.status_code == 201, told
    return told


def test_the_same_bytes_from_many_clients_at_once_make_one_image(quick_folder):
    with running_site(quick_folder / "data") as site, ThreadPoolExecutor(CLIENTS) as clients:
        collection, data = _collection(site), picture("brown")
        receipts = list(clients.map(lambda _: _upload(site, collection, data), range(CLIENTS)))
        settled = [settled_receipt(site, told["id"])["items"][0] for told in receipts]
    assert Counter(item["state"] for item in settled) == {"ready": 1, "duplicate": CLIENTS - 1}
    assert len({item["image"] for item in settled}) == 1


def test_a_deleted_index_folder_is_filled_again_at_the_next_start(quick_folder):
    with running_site(quick_folder / "data") as site:
        collection = _collection(site)
        uploads = [_upload(site, collection, picture("pink", seed=number)) for number in range(10)]
        for told in uploads:
            settled_receipt(site, told["id"])
        site.kill()
        shutil.rmtree(site.folder / "vectors")
        site.start()
        for told in uploads:
            assert settled_receipt(site, told["id"])["counts"]["ready"] == 1
        report = json.loads(site.command("verify", "--json").stdout)
        assert report["counts"] == dict.fromkeys(report["counts"], 0)
        with site.client() as client:
            hits = client.get("/search", params={"text": "pink"}).json()["hits"]
    assert len(hits) == 10
