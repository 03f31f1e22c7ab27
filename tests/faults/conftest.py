from __future__ import annotations

from tests.webapp.conftest import quick_folder

__all__ = ["quick_folder"]
