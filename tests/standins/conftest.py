from __future__ import annotations

from tests.search.conftest import standin

__all__ = ["standin"]
