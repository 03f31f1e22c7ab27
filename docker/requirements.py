"""Prints what pyproject.toml asks for, so that an image's packages are a layer of their own: `requirements.py base|worker`."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path


def requirements(part: str, pyproject: Path) -> list[str]:
    """``base``: of every process; ``worker``: what an encoder needs beside them. Raises KeyError for another part."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    return list(project["dependencies"] if part == "base" else project["optional-dependencies"][part])


if __name__ == "__main__":
    sys.stdout.write("\n".join(requirements(sys.argv[1], Path("pyproject.toml"))) + "\n")
