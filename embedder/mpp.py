"""How large a pixel is on the slide, in micrometres, out of what files say about themselves; None rather than a guess."""

from __future__ import annotations

import math
import re
from typing import Any

UM_PER_INCH, UM_PER_CM, UM_PER_MM = 25_400.0, 10_000.0, 1_000.0
SAID = (0.01, 1_000.0)  # believable where a field is made for it: from super-resolution to a slide's thumbnail
HINTED = (0.05, 5.0)  # believable as a dot density: 72 to 4800 dpi are what screens, printers and flatbeds write
SQUARE = 0.01  # the sides of a pixel may differ so much, relative
_OME_UNITS = {"m": 1e6, "cm": 1e4, "mm": 1e3, "µm": 1.0, "μm": 1.0, "um": 1.0, "nm": 1e-3, "pm": 1e-6, "Å": 1e-4}
_MICRONS = ("micron", "microns", "um", "µm", "μm", "\\u00b5m")
_OME_PIXELS = re.compile(r"<(?:\w+:)?Pixels\b[^>]*>")
_APERIO = re.compile(r"\bMPP\s*=\s*([0-9.]+)")
_INCH, _CM = 2, 3


def square(x_um: float, y_um: float, *, between: tuple[float, float]) -> float | None:
    """The common side of a pixel, when there is one and it is believable."""
    if not (math.isfinite(x_um) and math.isfinite(y_um)) or abs(x_um - y_um) > SQUARE * max(x_um, y_um):
        return None
    return x_um if between[0] <= x_um <= between[1] else None


def from_dpi(dpi: Any) -> float | None:
    """A picture's dots per inch (x, y), only where no screen or printer would write them."""
    try:
        x, y = (float(value) for value in dpi)
        return square(UM_PER_INCH / x, UM_PER_INCH / y, between=HINTED)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None


def from_ome(xml: str) -> float | None:
    """PhysicalSizeX and Y of the first Pixels element; micrometres where no unit is named."""
    pixels = _OME_PIXELS.search(xml)
    if pixels is None:
        return None
    x, y = _ome_size(pixels.group(), "X"), _ome_size(pixels.group(), "Y")
    return None if x is None else square(x, x if y is None else y, between=SAID)


def _ome_size(element: str, side: str) -> float | None:
    found = dict(re.findall(r'\b(\w+)\s*=\s*["\']([^"\']*)', element))
    unit = found.get(f"PhysicalSize{side}Unit", "µm").replace("&#181;", "µ").replace("&#xB5;", "µ")
    try:
        return float(found[f"PhysicalSize{side}"]) * _OME_UNITS[unit]
    except (KeyError, ValueError):
        return None


def from_aperio(description: str) -> float | None:
    found = _APERIO.search(description)
    try:
        return None if found is None else square(float(found[1]), float(found[1]), between=SAID)
    except ValueError:
        return None


def from_tiff(tif: Any, page: Any) -> float | None:
    """Of an open tifffile.TiffFile and its first page: OME, then Aperio, ImageJ, and the resolution tags last."""
    if tif.is_ome:
        return from_ome(tif.ome_metadata or "")
    if page.is_svs:
        return from_aperio(page.description)
    per_unit = _resolution(page)
    if per_unit is None:
        return None
    x, y = per_unit
    if tif.is_imagej:
        microns = str((tif.imagej_metadata or {}).get("unit", "")).lower() in _MICRONS
        return square(1 / x, 1 / y, between=SAID) if microns else None
    unit = {_INCH: UM_PER_INCH, _CM: UM_PER_CM}.get(_tag(page, "ResolutionUnit", _INCH))
    return None if unit is None else square(unit / x, unit / y, between=HINTED)


def _resolution(page: Any) -> tuple[float, float] | None:
    """Pixels per unit, both above zero."""
    try:
        (x, x_under), (y, y_under) = _tag(page, "XResolution", None), _tag(page, "YResolution", None)
        per_unit = float(x / x_under), float(y / y_under)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return per_unit if min(per_unit) > 0 else None


def _tag(page: Any, name: str, default: Any) -> Any:
    tag = page.tags.get(name)
    return default if tag is None else tag.value


def from_dicom(dataset: Any) -> float | None:
    """Millimetres between pixels: shared functional groups, the plain attributes, or the size of the imaged volume."""
    spacing = _shared_spacing(dataset) or dataset.get("PixelSpacing") or dataset.get("ImagerPixelSpacing")
    try:
        if not spacing:
            spacing = (
                float(dataset.ImagedVolumeHeight) / int(dataset.TotalPixelMatrixRows),
                float(dataset.ImagedVolumeWidth) / int(dataset.TotalPixelMatrixColumns),
            )
        y, x = (float(side) * UM_PER_MM for side in spacing)
    except (AttributeError, TypeError, ValueError, ZeroDivisionError):
        return None
    return square(x, y, between=SAID)


def _shared_spacing(dataset: Any) -> Any:
    try:
        return dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing
    except (AttributeError, IndexError, TypeError):
        return None
