"""What becomes of every file of shared/data/odd, inputs and wsi that is added as an image."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.embedder.conftest import SHARED

FOLDERS = ("odd", "inputs", "wsi")
FAILED = {
    "odd/broken.svs": "unsupported_type",
    "odd/empty.tif": "empty",
    "odd/truncated.jpg": "truncated",
    "odd/tiny_8x8.png": "too_small",
    "odd/rgba_10x10_ihc.png": "too_small",
    "odd/strip_2048x40.png": "too_elongated",
    "odd/huge_20000x20000_1bit.png": "too_many_pixels",
    "odd/sm_image_jpegls.dcm": "unsupported_type",
    "inputs/01_modes/five_channel.tif": "unsupported_channels",
    "inputs/01_modes/heic.heic": "unsupported_type",
    "inputs/01_modes/tga.tga": "unsupported_type",
    "inputs/01_modes/ico.ico": "unsupported_type",
    "inputs/06_phi/heic_exif_phi.heic": "unsupported_type",
    "inputs/06_phi/dicom_truncated.dcm": "truncated",
    "wsi/TCGA-CR-7395-01A-01-TS1.svs": "whole_slide",
    "wsi/TCGA-XK-AAJU-01A-01-TS1.dcm": "unsupported_type",
    "wsi/test3-DAPI-2-(387).ndpi": "whole_slide",
    "wsi/test3-TRITC 2 (560).ndpi": "whole_slide",
    "wsi/cmu1_pyramid_generic.tif": "whole_slide",
    "wsi/cmu1_pyramid_subifd.ome.tif": "whole_slide",
}
HELD = {  # something of them looks like a patient's: a header, or the name
    "odd/exif_fictional_phi_gps.jpg",
    "odd/sm_image_grayscale.dcm",
    "inputs/06_phi/exif_gps_phi.jpg",
    "inputs/06_phi/xmp_iptc_com_phi.jpg",
    "inputs/06_phi/png_text_phi.png",
    "inputs/06_phi/webp_exif_phi.webp",
    "inputs/06_phi/dicom_phi.dcm",
    "inputs/06_phi/dicom_html_preamble.dcm",
    "inputs/06_phi/ZZPHI-DOE-JANE-19570312-MRN00417_S24-1234.jpg",
    "wsi/sm_image.dcm",
}
PAGES = {"odd/multipage_3_fields.tif": 3, "inputs/01_modes/multipage3.tif": 3}
NO_IMAGES = {"inputs/00_control/captions.csv": "table", "inputs/00_control/control.zip": "archive"}  # read as what they are
PIXELS_ALONE = {"wsi/CMU-1-Small-Region.svs"}  # slide files, whose label is never kept


@dataclass(frozen=True)
class Expected:
    """``state``: one of receipts.STATES; ``images``: that come of it, ready or held, pages included."""

    state: str
    reason: str
    images: int


def data(name: str) -> Path:
    """The file that ``name`` ("odd/gray.jpg") stands for."""
    return SHARED / "data" / name


def names(folder: str) -> list[str]:
    """Every file of the folder's manifest, as "folder/path"; none where the shared files are not beside this repository."""
    return [f"{folder}/{row['file']}" for row in _rows(folder)]


def outcomes(files: Sequence[str]) -> dict[str, Expected]:
    """Of ``files`` added in this order to one empty collection, without NO_IMAGES."""
    digests = {f"{folder}/{row['file']}": row["sha256"] for folder in FOLDERS for row in _rows(folder)}
    seen: set[str] = set()
    found: dict[str, Expected] = {}
    for name in files:
        found[name] = _one(name, again=digests[name] in seen)
        if name not in FAILED:
            seen.add(digests[name])
    return found


def _one(name: str, *, again: bool) -> Expected:
    if name in FAILED:
        return Expected("failed", FAILED[name], 0)
    if again:
        return Expected("duplicate", "duplicate", 0)
    return Expected("held" if name in HELD else "ready", "", PAGES.get(name, 1))


def _rows(folder: str) -> list[dict[str, str]]:
    manifest = SHARED / "data" / folder / "manifest.csv"
    if not manifest.is_file():
        return []
    with manifest.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
