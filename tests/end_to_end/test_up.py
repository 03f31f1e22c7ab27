"""`up` and `demo` as processes: what they serve, and how they stop."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest

from embedder.samples import draw_sample
from tests.end_to_end.site import command, started

pytestmark = pytest.mark.xdist_group("site")  # they share the built static files


def test_up_serves_and_stops_cleanly_at_ctrl_c(tmp_path):
    with started(tmp_path, "up") as site:
        told = json.loads((tmp_path / "server.json").read_text())
        assert (told["url"], told["pid"]) == (site.url, site.process.pid)
        status, printed = site.stop(signal.SIGINT)
    assert status == 0
    assert "Traceback" not in printed
    assert "createsuperuser" in printed
    assert not (tmp_path / "server.json").exists()


def test_a_second_up_on_the_same_data_folder_says_where_the_first_is(tmp_path):
    with started(tmp_path, "up") as site:
        second = command(tmp_path, "up", "--listen", "127.0.0.1:1")
        printed, _ = second.communicate(timeout=60)
    assert second.returncode != 0
    assert site.url in printed


def test_up_starts_again_after_it_was_killed(tmp_path):
    with started(tmp_path, "up") as site:
        site.stop(signal.SIGKILL)
    with started(tmp_path, "up") as again:
        assert again.stop(signal.SIGTERM)[0] == 0


def test_a_demo_holds_searchable_images_and_its_visitor_is_signed_in(demo):
    status = demo.api("/status")
    assert status["coverage"]["ready"] >= 10  # a browser test may have added some
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with browser.open(f"{demo.url}/collections", timeout=30) as answer:
        assert answer.geturl() == f"{demo.url}/collections"


def test_files_are_added_by_command_beside_the_running_site(demo, tmp_path):
    for seed in (7, 8):
        draw_sample("bone", seed=seed, side_px=96).image.save(tmp_path / f"{seed}.png")
    (tmp_path / "broken.jpg").write_bytes(b"no picture at all")
    adding = command(demo.folder, "add", str(tmp_path), "--collection", "By command", "--json", stderr=subprocess.DEVNULL)
    told = json.loads(adding.communicate(timeout=120)[0])
    assert {Path(item["path"]).name: item["state"] for item in told["items"]} == {
        "7.png": "ready",
        "8.png": "ready",
        "broken.jpg": "failed",
    }


def test_a_real_archive_is_never_made_a_demo(tmp_path):
    with command(tmp_path, "migrate") as process:
        process.communicate()
    with command(
        tmp_path, "shell", "-c", "from webapp.accounts.models import User; User.objects.create_user('alice')"
    ) as process:
        process.communicate()
    refused = command(tmp_path, "demo", "--listen", "127.0.0.1:1")
    printed, _ = refused.communicate(timeout=60)
    assert refused.returncode != 0
    assert "real archive" in printed
