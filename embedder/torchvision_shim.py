"""Lets timm import beside a CPU-only torch.

timm imports torchvision, and the registry's torchvision wheel is built for CUDA: beside a CPU build of torch its native
library does not load, and its Python part then fails on two operators that nobody declared. We never call either; declaring
their signatures is enough. Where the native library loads, nothing is done.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch

_OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_declared: torch.library.Library | None = None  # the declarations vanish with this object


def ensure_torchvision() -> None:
    """Call before the first import of timm. Safe to call again."""
    global _declared
    if _declared is not None or _native_library_loads():
        return
    _declared = torch.library.Library("torchvision", "DEF")
    for signature in _OPERATORS:
        _declared.define(signature)


def _native_library_loads() -> bool:
    spec = find_spec("torchvision")
    if spec is None or spec.origin is None:
        return True  # absent: timm itself says so, better than we could
    for library in sorted(Path(spec.origin).parent.glob("_C*")):
        try:
            torch.ops.load_library(str(library))
        except OSError:
            continue
        return True
    return False
