"""What is asked of files before torch is loaded."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def chosen_path(path: Path | None, variable: str) -> Path | None:
    """``path``, else what the environment ``variable`` names, if anything."""
    return path or (Path(os.environ[variable]) if os.environ.get(variable) else None)


def sha256_of(path: Path) -> str:
    """Hex digest of the file's bytes, read in pieces. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
