"""fetch against a hub on the loopback: granted, gated, cut, damaged, absent."""

from __future__ import annotations

import hashlib
import importlib
import io
import json

import pytest
import torch

from embedder import errors, hub
from embedder.__main__ import main
from embedder.commands.shared import FAILED, OK, UNREACHABLE
from embedder.hub import Download, Remote
from tests.embedder.fake_hub import TOKEN, serving
from tests.embedder.tiny import TINY, state_dict


@pytest.fixture(scope="module")
def checkpoint() -> bytes:
    buffer = io.BytesIO()
    torch.save(state_dict(), buffer)
    return buffer.getvalue()


@pytest.fixture
def server(checkpoint, monkeypatch, tmp_path):
    importlib.import_module("embedder.conch")  # it keeps the geometry that it first sees, and must not see the small one
    monkeypatch.setattr("embedder.model.CONCH", TINY)
    monkeypatch.setattr(hub, "WAIT_S", 0.0)
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "no stored login"))
    monkeypatch.delenv("CONCH_TOKENIZER", raising=False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    with serving(checkpoint) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        yield running


def fetch(folder, *more: str) -> int:
    return main(["fetch", "--to", str(folder), *more])


def test_a_granted_file_arrives_checked_with_its_sha256_beside_it(server, tmp_path, capsys):
    assert fetch(tmp_path) == OK
    assert (tmp_path / "pytorch_model.bin").read_bytes() == server.content
    assert (tmp_path / "pytorch_model.bin.sha256").read_text() == f"{server.sha256}  pytorch_model.bin\n"
    assert f"export CONCH_WEIGHTS={tmp_path}/pytorch_model.bin\n" in capsys.readouterr().out


def test_without_tokenizer_it_tells_where_one_comes_from(server, tmp_path, capsys):
    fetch(tmp_path)
    told = capsys.readouterr()
    assert "conch_byte_level_bpe_uncased.json" in told.err
    assert "export CONCH_TOKENIZER=" in told.out


def test_machines_get_one_object(server, tmp_path, capsys):
    assert fetch(tmp_path, "--json") == OK
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["sha256"], told["tensors"]) == (True, server.sha256, len(state_dict()))


def test_the_token_never_reaches_the_host_that_sends_the_bytes(server, tmp_path):
    fetch(tmp_path)
    assert server.tokens_seen_by_storage == [None]


def test_the_token_may_lie_in_a_file(server, tmp_path, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    assert fetch(tmp_path, "--token-file", str(tmp_path / "token")) == OK


def test_an_absent_token_file_is_told(server, tmp_path, capsys):
    assert fetch(tmp_path, "--token-file", str(tmp_path / "absent")) == FAILED
    assert "token file" in capsys.readouterr().err


@pytest.mark.parametrize(("code", "told"), [(401, "GatedRepo"), (403, "GatedRepo"), (403, "")])
def test_who_has_no_access_is_told_what_to_do(server, tmp_path, capsys, code, told):
    server.refusal = (code, told)
    assert fetch(tmp_path, "--json") == FAILED
    answer = json.loads(capsys.readouterr().out)
    assert answer["reason"] == "weights_access"
    assert f"{server.endpoint}/MahmoodLab/conch" in answer["message"]
    assert TOKEN not in answer["message"]


def test_who_has_no_token_is_told_how_to_sign_in(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    assert fetch(tmp_path) == FAILED
    assert "hf auth login" in capsys.readouterr().err


def test_another_repository_that_is_absent_is_told(server, tmp_path, capsys):
    assert fetch(tmp_path, "--repo", "MahmoodLab/conk", "--json") == FAILED
    assert json.loads(capsys.readouterr().out)["reason"] == "weights_not_found"


def test_a_cut_connection_is_taken_up_where_it_ended(server, tmp_path):
    server.cuts = [1000, 500]
    assert fetch(tmp_path) == OK
    assert server.ranges == [None, "bytes=1000-", "bytes=1500-"]
    assert (tmp_path / "pytorch_model.bin").read_bytes() == server.content


def test_a_later_run_goes_on_with_what_an_earlier_one_left(server, tmp_path, capsys):
    server.cuts = [1000, *[0] * hub.ATTEMPTS]
    assert fetch(tmp_path) == UNREACHABLE
    assert "1,000 bytes, which are kept" in capsys.readouterr().err
    assert fetch(tmp_path) == OK
    assert server.ranges[-1] == "bytes=1000-"


def test_a_part_that_was_complete_is_not_sent_again(server, tmp_path):
    (tmp_path / "pytorch_model.bin.part").write_bytes(server.content)
    assert fetch(tmp_path) == OK


def test_a_part_of_another_file_is_refused_once_and_then_forgotten(server, tmp_path, capsys):
    (tmp_path / "pytorch_model.bin.part").write_bytes(b"x" * 700)
    assert fetch(tmp_path) == FAILED
    assert "sha256 differs" in capsys.readouterr().err
    assert fetch(tmp_path) == OK


def test_a_part_longer_than_the_file_is_begun_anew(server, tmp_path):
    (tmp_path / "pytorch_model.bin.part").write_bytes(b"x" * (len(server.content) + 1))
    assert fetch(tmp_path) == OK


def test_other_bytes_than_promised_never_get_the_name(server, tmp_path):
    server.lie = True
    assert fetch(tmp_path) == FAILED
    assert not (tmp_path / "pytorch_model.bin").exists()


def test_what_lies_there_whole_is_not_fetched_again(server, tmp_path):
    fetch(tmp_path)
    server.refusal = (500, "")
    assert fetch(tmp_path) == OK


def test_a_file_that_is_no_conch_is_refused_without_a_sha256(server, tmp_path):
    buffer = io.BytesIO()
    torch.save({"other": torch.ones(2)}, buffer)
    server.content = buffer.getvalue()
    assert fetch(tmp_path) == FAILED
    assert not (tmp_path / "pytorch_model.bin.sha256").exists()


@pytest.mark.parametrize("code", [500, 503])
def test_a_hub_in_trouble_is_no_refusal(server, tmp_path, capsys, code):
    server.refusal = (code, "")
    assert fetch(tmp_path) == UNREACHABLE
    assert str(code) in capsys.readouterr().err


def test_a_hub_out_of_reach_has_its_own_sentence(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert fetch(tmp_path, "--json") == UNREACHABLE
    told = json.loads(capsys.readouterr().out)
    assert told["reason"] == "hub_unreachable"
    assert "cannot be reached" in told["message"]


def test_an_endpoint_that_is_no_web_address_is_refused(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HF_ENDPOINT", "file:///etc")
    assert fetch(tmp_path) == UNREACHABLE
    assert "https://" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_told(server, tmp_path, capsys):
    (tmp_path / "taken").write_text("")
    assert fetch(tmp_path / "taken" / "below") == FAILED
    assert "cannot be written" in capsys.readouterr().err


def test_progress_is_told_in_bytes(server, tmp_path):
    told: list[tuple[int, int | None]] = []
    remote = Remote(repository="MahmoodLab/conch", file="pytorch_model.bin", endpoint=server.endpoint)
    digest = Download(remote, tmp_path / "file", TOKEN, lambda there, total: told.append((there, total))).run()
    assert digest == hashlib.sha256(server.content).hexdigest()
    assert told[-1] == (len(server.content), len(server.content))


def test_the_token_is_not_shown_where_a_download_is_printed(tmp_path):
    remote = Remote(repository="a/b", file="c")
    assert TOKEN not in repr(Download(remote, tmp_path / "c", TOKEN, lambda there, total: None))
    assert errors.HubUnreachable.reason == "hub_unreachable"
