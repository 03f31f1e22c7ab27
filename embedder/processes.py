"""Worker processes for drawing: started afresh, never forked, and gone when their parent is."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process


def drawing_pool(processes: int) -> ProcessPoolExecutor:
    """A fork would inherit locks that another thread of a serving process held at that moment, and wait for them for ever."""
    return ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_end_with_parent)


def _end_with_parent() -> None:
    """A parent that was killed can tell nobody to stop."""
    threading.Thread(target=_wait_for_parent, name="parent", daemon=True).start()


def _wait_for_parent() -> None:
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)
