"""What all commands share: help without torch, exit codes, bench."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from embedder.__main__ import main
from embedder.commands import bench
from embedder.commands.shared import FAILED, OK, USAGE


@pytest.mark.parametrize("command", [[], ["verify"], ["fetch"], ["embed"], ["bench"]], ids=str)
def test_help_tells_the_exit_codes(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])
    assert caught.value.code == OK
    assert "130  interrupted" in capsys.readouterr().out


def test_help_imports_nothing_that_is_slow():
    code = (
        "import sys\nfrom embedder.__main__ import main\ntry: main(['--help'])\n"
        "except SystemExit: sys.exit(bool({'torch', 'rich', 'numpy', 'PIL'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0


def test_no_command_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == USAGE


def test_a_refusal_is_one_sentence_and_one_object(tmp_path, capsys):
    assert main(["bench", "--encoder", "clip", "--weights", str(tmp_path / "absent"), "--json"]) == FAILED
    told = capsys.readouterr()
    assert json.loads(told.out)["reason"] == "weights_not_found"
    assert "not a folder" in told.err
    assert "Traceback" not in told.err


def test_bench_measures_rates_and_latencies(monkeypatch, capsys):
    monkeypatch.setattr(bench, "ROUNDS", 1)
    assert main(["bench", "--encoder", "fake", "--images", "2", "--json"]) == OK
    told = json.loads(capsys.readouterr().out)
    assert all(told[name] > 0 for name in ("start_up_s", "images_per_s", "one_image_ms", "prompts_per_s", "one_prompt_ms"))


def test_bench_shows_people_a_table(monkeypatch, capsys):
    monkeypatch.setattr(bench, "ROUNDS", 1)
    assert main(["bench", "--encoder", "fake", "--images", "1"]) == OK
    assert "images_per_s" in capsys.readouterr().out
