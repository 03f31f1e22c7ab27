"""server.json: which process serves the data folder."""

from __future__ import annotations

import os
import stat
from dataclasses import replace

import pytest

from webapp.running import Running, forget_running, read_running, server_file, write_running

pytestmark = pytest.mark.django_db


@pytest.fixture
def running(live_server) -> Running:
    return Running(url=live_server.url, pid=os.getpid(), token="cnv_secret")


def test_a_process_that_answers_is_read_back(running):
    write_running(running)
    assert read_running() == running


def test_only_the_owner_of_the_data_folder_reads_the_token(running):
    write_running(running)
    assert stat.S_IMODE(server_file().stat().st_mode) == 0o600
    assert "secret" not in repr(running)


def test_no_file_no_process(data_folder):
    assert read_running() is None


def test_a_process_that_has_ended_is_none(running):
    write_running(replace(running, pid=2**22 + 1))  # past the largest process id of Linux
    assert read_running() is None


def test_a_process_id_that_is_used_again_is_none(running):
    write_running(replace(running, url="http://127.0.0.1:9"))
    assert read_running() is None


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"url": "http://x", "pid": "y", "token": "z"}'])
def test_a_damaged_file_is_none(data_folder, content):
    server_file().write_text(content)
    assert read_running() is None


def test_a_process_removes_its_own_file_only(running):
    write_running(replace(running, pid=os.getpid() + 1))
    forget_running()
    assert server_file().exists()
    write_running(running)
    forget_running()
    assert not server_file().exists()


def test_the_health_page_needs_no_account(client):
    answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"conchive\n")
