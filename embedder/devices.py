"""Which device and which precision: names as people write them -> what torch takes."""

from __future__ import annotations

import torch

from embedder.errors import DeviceError

# Below this cosine to float32 a reduced precision is refused: neighbours would begin to change places.
MIN_COSINE_TO_FLOAT32 = 0.9995
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def choose_device(name: str) -> torch.device:
    """ "auto" takes the first CUDA device, else the CPU. Raises DeviceError for one that is absent."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as exc:
        raise DeviceError(f"{name!r} is no device: use auto, cpu, cuda or cuda:N.") from exc
    if device.type not in ("cpu", "cuda"):
        raise DeviceError(f"{name!r} is not supported: use auto, cpu, cuda or cuda:N.")
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise DeviceError(f"This machine has no device {name!r}; it has {torch.cuda.device_count()} CUDA devices.")
    return device


def has_fast_bfloat16(device: torch.device) -> bool:
    """True where the hardware multiplies bfloat16 natively, so that it is worth its rounding."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def parse_dtype(name: str) -> torch.dtype | None:
    """None for "auto". Raises ValueError for a name we do not know."""
    if name == "auto":
        return None
    if name not in DTYPES:
        raise ValueError(f"unknown dtype {name!r}: choose auto, float32 or bfloat16")
    return DTYPES[name]


def dtype_name(dtype: torch.dtype) -> str:
    return next(name for name, known in DTYPES.items() if known == dtype)
