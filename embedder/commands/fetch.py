"""fetch: the gated CONCH checkpoint with the user's own token, checked tensor by tensor before it may be used."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from embedder.commands.shared import OK, Subparsers, answer, command_parser, people, progress, say

if TYPE_CHECKING:
    from rich.console import Console

REPOSITORY, FILE = "MahmoodLab/conch", "pytorch_model.bin"
TOKENIZER = "conch_byte_level_bpe_uncased.json"
NO_TOKENIZER = (
    "The tokenizer is a file of its own: install the package of the model's authors (pip install "
    f"git+https://github.com/mahmoodlab/CONCH.git), where it is found by itself, or name the file {TOKENIZER}:"
)


def add_parser(commands: Subparsers) -> None:
    parser = command_parser(
        commands,
        "fetch",
        summary="get the gated CONCH checkpoint with your own access token",
        about=f"Downloads {FILE} of {REPOSITORY} (CC-BY-NC-ND 4.0), goes on where an earlier download ended, checks the file\n"
        "against the hub's sha256 and every tensor in it, and writes the sha256 beside it. Access must have been granted to\n"
        "your account on the model's page. The hub is $HF_ENDPOINT, else https://huggingface.co.",
    )
    parser.add_argument("--to", type=Path, default=Path("conch"), metavar="DIR", help="default: ./conch")
    parser.add_argument("--repo", default=REPOSITORY, metavar="OWNER/NAME", help=f"default: {REPOSITORY}")
    parser.add_argument("--revision", default="main", help="branch, tag or commit (default: main)")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="default: $HF_TOKEN, or what `hf auth login` stored")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Raises AccessNotGranted, HubUnreachable, WeightsError."""
    console = people()
    file: Path = arguments.to.absolute() / FILE
    digest = recorded(file) or download(arguments, file, console)
    tensors = verify(file, console)
    record_of(file).write_text(f"{digest}  {FILE}\n")
    tokenizer = tokenizer_path()
    say(f"{tensors} tensors are whole. sha256 {digest}. Set:")
    if tokenizer is None:
        say(NO_TOKENIZER)
    lines = {"CONCH_WEIGHTS": str(file), "CONCH_TOKENIZER": tokenizer or f"/path/to/{TOKENIZER}"}
    if arguments.json:
        answer({"ok": True, "file": str(file), "sha256": digest, "tensors": tensors, "tokenizer": tokenizer})
    else:
        sys.stdout.writelines(f"export {name}={quote(value)}\n" for name, value in lines.items())
    return OK


def record_of(file: Path) -> Path:
    """Where the sha256 is kept, as sha256sum writes and reads it."""
    return file.with_name(file.name + ".sha256")


def recorded(file: Path) -> str | None:
    """The sha256 of a file that an earlier run fetched and that is unchanged since; else None."""
    from embedder.files import sha256_of

    if not (file.is_file() and record_of(file).is_file()):
        return None
    digest = sha256_of(file)
    return digest if record_of(file).read_text().split()[:1] == [digest] else None


def download(arguments: argparse.Namespace, file: Path, console: Console) -> str:
    """The sha256 of what now lies at ``file``."""
    from embedder.hub import Download, Remote, endpoint_from_environment, find_token

    remote = Remote(repository=arguments.repo, file=FILE, revision=arguments.revision, endpoint=endpoint_from_environment())
    with progress(console, unit="bytes") as bar:
        task = bar.add_task(FILE, total=None)
        return Download(
            remote,
            file,
            find_token(arguments.token_file),
            lambda there, total: bar.update(task, completed=there, total=total),
        ).run()


def verify(file: Path, console: Console) -> int:
    """How many tensors CONCH uses of the file. Raises WeightsError for one that does not fit."""
    with console.status("checking every tensor"):
        from embedder.model import CONCH
        from embedder.weights import load_towers, read_state_dict

        state = read_state_dict(file)
        load_towers(state, CONCH)
    return len(state)


def tokenizer_path() -> str | None:
    """Where the tokenizer is already, if it is."""
    from embedder.conch import find_tokenizer
    from embedder.errors import TokenizerError

    try:
        return str(find_tokenizer(None).absolute())
    except TokenizerError:
        return None
