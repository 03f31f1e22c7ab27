"""Everything that a machine without a network needs, in one folder: `python -m docker.bundle FOLDER` (`make bundle`).

    conchive.tar.gz     this commit's sources
    wheels/             every package of web and workers, of the versions in constraints.txt, for this machine's system and Python
    node_modules.tar.gz what pages take from npm, by the lock file
    weights/            copies of what --weights names; CONCH's are gated and come from nowhere else: WEIGHTS.txt
    SHA256SUMS          of all of it

Made on a machine with a network that is like the one it is for. docs/operations/air-gapped.md tells the other half.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from docker.requirements import requirements

ROOT = Path(__file__).resolve().parents[1]
BUILDING = ("setuptools>=80", "wheel", "pip")  # what `pip install -e` and a new virtual environment want
WEIGHTS = """Weights are not in this bundle unless they were named when it was made. What each encoder needs, and how it is set:

mini   nothing: it is part of the sources (a demonstration)
conch  pytorch_model.bin and conch_byte_level_bpe_uncased.json of MahmoodLab/CONCH at huggingface.co, gated, CC-BY-NC-ND 4.0:
       on a machine with a network, `python -m embedder fetch --to conch` with your own access token, then bring the folder here.
       CONCHIVE_ENCODER=conch CONCH_WEIGHTS=… CONCH_TOKENIZER=… CONCH_SHA256=…
clip   a folder in transformers' layout, of PLIP or QuiltNet for example: docs/encoders.md
       CONCHIVE_ENCODER=clip CLIP_WEIGHTS=…

In the folder weights/:
"""


def make(folder: Path, *, weights: list[Path], parts: list[str]) -> None:
    """Raises subprocess.CalledProcessError where a package cannot be had, FileNotFoundError for weights that are not there."""
    folder.mkdir(parents=True, exist_ok=True)
    _sources(folder / "conchive.tar.gz")
    _wheels(folder / "wheels", parts)
    _pages(folder / "node_modules.tar.gz")
    _weights(folder, weights)
    _sums(folder)


def _sources(target: Path) -> None:
    subprocess.run(["git", "archive", "--prefix=conchive/", f"--output={target}", "HEAD"], cwd=ROOT, check=True)


def _wheels(target: Path, parts: list[str]) -> None:
    wanted = [each for part in parts for each in requirements(part, ROOT / "pyproject.toml")]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
    subprocess.run([*pip, f"--dest={target}", f"--constraint={ROOT / 'constraints.txt'}", *wanted, *BUILDING], check=True)


def _pages(target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(ROOT / name, folder)
        options = ["--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(["npm", "ci", *options], cwd=folder, check=True)
        with tarfile.open(target, "w:gz") as archive:
            archive.add(Path(folder) / "node_modules", "node_modules")


def _weights(folder: Path, weights: list[Path]) -> None:
    place = folder / "weights"
    place.mkdir(exist_ok=True)
    for path in weights:
        if path.is_dir():
            shutil.copytree(path, place / path.name, dirs_exist_ok=True)
        else:
            shutil.copy(path, place)
    names = [f"  {path.relative_to(place)}\n" for path in sorted(place.rglob("*")) if path.is_file()]
    (folder / "WEIGHTS.txt").write_text(WEIGHTS + "".join(names or ["  nothing\n"]), encoding="utf-8")


def _sums(folder: Path) -> None:
    lines = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "SHA256SUMS":
            with path.open("rb") as file:
                lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.relative_to(folder)}\n")
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", type=Path, nargs="*", default=[], metavar="PATH", help="checkpoints to take along")
    parser.add_argument("--without-worker", action="store_true", help="of a web machine only: no torch")
    given = parser.parse_args()
    if missing := [path for path in given.weights if not path.exists()]:
        parser.error(f"{missing[0]} is not there")
    make(given.folder, weights=given.weights, parts=["base"] if given.without_worker else ["base", "worker"])


if __name__ == "__main__":
    main()
