"""Where in a file something was found. Only these names ever leave the sandbox, never what was read there."""

from __future__ import annotations

from enum import IntEnum


class Place(IntEnum):
    EXIF = 0
    XMP = 1
    IPTC = 2
    JPEG_COMMENT = 3
    PNG_TEXT = 4
    GIF_COMMENT = 5
    DESCRIPTION = 6
    TIFF_TEXT = 7
    OME = 8
    VENDOR = 9
    PATIENT = 10
    DICOM = 11
    BOX = 12
    OTHER = 13
    TRAILER = 14

    @property
    def shown(self) -> str:
        return SHOWN[self]


SHOWN = {
    Place.EXIF: "EXIF",
    Place.XMP: "XMP",
    Place.IPTC: "IPTC",
    Place.JPEG_COMMENT: "JPEG comment",
    Place.PNG_TEXT: "PNG text",
    Place.GIF_COMMENT: "GIF comment",
    Place.DESCRIPTION: "TIFF description",
    Place.TIFF_TEXT: "TIFF text",
    Place.OME: "OME-XML",
    Place.VENDOR: "text of the maker's own",
    Place.PATIENT: "DICOM patient data",
    Place.DICOM: "DICOM text",
    Place.BOX: "JPEG 2000 text",
    Place.OTHER: "other text beside the picture",
    Place.TRAILER: "data after the picture",
}
