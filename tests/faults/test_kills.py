"""kill -9 of the whole site while images come in: whatever it promised is kept."""

from __future__ import annotations

import json
import os
import random
import threading
from pathlib import Path

import httpx
import pytest

from tests.faults.site import Site, running_site, settled_receipt
from tests.webapp.conftest import picture


def _upload_under_fire(site: Site, *, images: int, kills: int) -> tuple[str, dict[int, str]]:
    """Sends ``images`` files while the site is killed ``kills`` times; returns the upload and the ledger: item -> promised image.

    A send that got no answer is sent again, as a person would.
    """
    with site.client() as client:
        collection = client.post("/collections", json={"name": "Under fire", "team": "Lab"}).json()["id"]
        files = [{"name": f"{number}.png"} for number in range(images)]
        upload = client.post("/uploads", json={"collection": collection, "files": files}).json()
    shooting = threading.Event()
    shooter = threading.Thread(target=_shoot, args=(site, kills, shooting))
    shooter.start()
    ledger: dict[int, str] = {}
    for number, item in enumerate(upload["items"]):
        ledger[item["id"]] = _sent(site, f"/uploads/{upload['id']}/items/{item['id']}", _file(number))
        if number == images // 10:
            shooting.set()
    shooter.join()
    return upload["id"], ledger


def _file(number: int) -> bytes:
    """Every fiftieth file is broken."""
    return picture("brown" if number % 2 else "pink", seed=number) if number % 50 != 7 else b"broken %d" % number


def _sent(site: Site, address: str, data: bytes) -> str:
    for _ in range(2000):
        try:
            with site.client() as client:
                answer = client.post(address, files={"file": ("field.png", data)})
            if answer.status_code == 200:
                return str(answer.json()["image"])
        except httpx.HTTPError:
            pass
        threading.Event().wait(0.2)
    raise AssertionError(f"the file was never taken:\n{site.log.read_text()[-4000:]}")


def _shoot(site: Site, kills: int, shooting: threading.Event) -> None:
    shooting.wait(120)
    dice = random.Random(7)
    for _ in range(kills):
        threading.Event().wait(dice.uniform(0.2, 3.0))
        site.kill()
        site.start()


def _check_promises(site: Site, upload: str, ledger: dict[int, str]) -> None:
    told = settled_receipt(site, upload)
    assert told["total"] == sum(told["counts"].values()) == len(ledger)
    assert {item["id"]: item["image"] for item in told["items"]} == ledger
    for number, item in enumerate(told["items"]):
        assert (item["state"], item["reason"] != "") in {("ready", False), ("failed", True)}
        if number % 50 == 7:
            assert item["reason"] == "unsupported_type"
    with site.client() as client:
        searchable = client.get("/status").json()["coverage"]["ready"]
    assert searchable == told["counts"]["ready"]
    assert told["counts"]["failed"] <= len(ledger) // 50 + 3  # the broken ones, and what three kills in a row may cost
    report = json.loads(site.command("verify", "--json").stdout)
    assert report["clean"], report


def _kill_and_check(folder: Path, *, images: int, kills: int) -> None:
    with running_site(folder) as site:
        made = site.command("shell", "-c", "from webapp.accounts.models import Team; Team.objects.create(name='Lab')")
        assert made.returncode == 0, made.stderr
        _check_promises(site, *_upload_under_fire(site, images=images, kills=kills))


def test_every_accepted_image_survives_kill_9(quick_folder):
    _kill_and_check(quick_folder / "data", images=60, kills=2)


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not os.environ.get("CI"), reason="skipped: CI not set; two kills are tried everywhere")
def test_every_accepted_image_of_500_survives_twenty_kills(quick_folder):
    _kill_and_check(quick_folder / "data", images=500, kills=20)
