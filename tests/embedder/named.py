"""Pictures that say SENTINEL in one place beside their pixels."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import tifffile
from PIL import Image, PngImagePlugin

from tests.embedder.dicoms import dicom

SENTINEL = "ZZPHI-DOE-JANE-19570312-MRN00417"
PIXELS = np.random.default_rng(7).integers(0, 255, (64, 64, 3), np.uint8)
PICTURE = Image.fromarray(PIXELS)
XMP = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><dc:title>{SENTINEL}</dc:title></x:xmpmeta>'.encode()


def saved(kind: str, **options) -> bytes:
    file = io.BytesIO()
    PICTURE.save(file, kind, **options)
    return file.getvalue()


def exif(**directories) -> bytes:
    """exif(base={tag: value}, details={tag: value}, gps={tag: value}) -> the block as Pillow writes it."""
    block = Image.Exif()
    block.update(directories.get("base", {}))
    if details := directories.get("details"):
        block.get_ifd(0x8769).update(details)
    if gps := directories.get("gps"):
        block.get_ifd(0x8825).update(gps)
    return block.tobytes()


def segment(marker: int, content: bytes, jpeg: bytes | None = None) -> bytes:
    """A JPEG with one more segment."""
    data = jpeg or saved("JPEG")
    return data[:2] + bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content + data[2:]


def iptc(text: str = SENTINEL) -> bytes:
    sets = b"".join(b"\x1c\x02" + bytes([number]) + len(text).to_bytes(2, "big") + text.encode() for number in (80, 120))
    resource = b"8BIM\x04\x04\0\0" + len(sets).to_bytes(4, "big") + sets
    return segment(0xED, b"Photoshop 3.0\0" + resource)


def chunk(kind: bytes, content: bytes) -> bytes:
    """A PNG with one more chunk."""
    data = saved("PNG")
    whole = struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return data[:33] + whole + data[33:]


def png_text(text: str = SENTINEL, *, key: str = "Comment", packed: bool = False, international: bool = False) -> bytes:
    info = PngImagePlugin.PngInfo()
    (info.add_itxt if international else info.add_text)(key, text, zip=packed)
    return saved("PNG", pnginfo=info)


def tiff(**options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, PIXELS, photometric="rgb", metadata=None, **options)
    return file.getvalue()


def second_page() -> bytes:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(PIXELS, photometric="rgb", metadata=None, description="a field")
        writer.write(PIXELS, photometric="rgb", metadata=None, description=SENTINEL)
    return file.getvalue()


def sub_directory() -> bytes:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(PIXELS, photometric="rgb", metadata=None, subifds=1)
        writer.write(PIXELS[:32, :32], photometric="rgb", metadata=None, description=SENTINEL)
    return file.getvalue()


def jp2_comment() -> bytes:
    data = saved("JPEG2000", no_jp2=True)
    comment = b"\xff\x64" + (4 + len(SENTINEL)).to_bytes(2, "big") + b"\0\1" + SENTINEL.encode()
    at = 4 + int.from_bytes(data[4:6], "big")  # after SIZ, which comes first
    return data[:at] + comment + data[at:]


def jp2_box() -> bytes:
    return saved("JPEG2000") + struct.pack(">I4s", 8 + len(XMP), b"xml ") + XMP


def nested_dicom() -> bytes:
    from pydicom.dataset import Dataset

    item = Dataset()
    item.SpecimenIdentifier = SENTINEL
    return dicom(PIXELS, SpecimenDescriptionSequence=[item])


def private_dicom() -> bytes:
    import pydicom

    dataset = pydicom.dcmread(io.BytesIO(dicom(PIXELS)))
    dataset.private_block(0x0011, "H6", create=True).add_new(1, "LO", SENTINEL)
    file = io.BytesIO()
    dataset.save_as(file)
    return file.getvalue()


def after(data: bytes) -> bytes:
    return data + b"\n" + SENTINEL.encode()


ARTIST, COMMENT, WINDOWS_AUTHOR, MAKER = 0x013B, 0x9286, 0x9C9D, 0x927C
NAMED = {  # where -> (the place that is told, the file)
    "EXIF artist": ("EXIF", lambda: saved("JPEG", exif=exif(base={ARTIST: SENTINEL}))),
    "EXIF comment": ("EXIF", lambda: saved("JPEG", exif=exif(details={COMMENT: b"ASCII\0\0\0" + SENTINEL.encode()}))),
    "EXIF comment in UTF-16": (
        "EXIF",
        lambda: saved("JPEG", exif=exif(details={COMMENT: b"UNICODE\0" + SENTINEL.encode("utf-16-be")})),
    ),
    "EXIF author as Windows writes it": (
        "EXIF",
        lambda: saved("JPEG", exif=exif(base={WINDOWS_AUTHOR: SENTINEL.encode("utf-16-le")})),
    ),
    "EXIF maker note": (
        "text of the maker's own",
        lambda: saved("JPEG", exif=exif(details={MAKER: bytes(range(40)) + SENTINEL.encode() + bytes(9)})),
    ),
    "EXIF processing method": ("EXIF", lambda: saved("JPEG", exif=exif(gps={27: b"ASCII\0\0\0" + SENTINEL.encode()}))),
    "EXIF with a broken directory": (
        "EXIF",
        lambda: segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\0" + SENTINEL.encode()),
    ),
    "XMP": ("XMP", lambda: saved("JPEG", xmp=XMP)),
    "XMP with its letters as numbers": (
        "XMP",
        lambda: saved("JPEG", xmp=XMP.replace(SENTINEL.encode(), "".join(f"&#{ord(one)};" for one in SENTINEL).encode())),
    ),
    "IPTC": ("IPTC", iptc),
    "JPEG comment": ("JPEG comment", lambda: saved("JPEG", comment=SENTINEL)),
    "another JPEG segment": ("other text beside the picture", lambda: segment(0xEA, b"Lab\0" + SENTINEL.encode())),
    "PNG tEXt": ("PNG text", png_text),
    "PNG zTXt": ("PNG text", lambda: png_text(packed=True)),
    "PNG iTXt": ("PNG text", lambda: png_text(international=True)),
    "PNG iTXt, packed": ("PNG text", lambda: png_text(packed=True, international=True)),
    "PNG eXIf": ("EXIF", lambda: saved("PNG", exif=exif(base={ARTIST: SENTINEL}))),
    "PNG raw profile": (
        "PNG text",
        lambda: png_text(f"\nexif\n{len(SENTINEL)}\n{SENTINEL.encode().hex()}\n", key="Raw profile type exif"),
    ),
    "PNG chunk of somebody's own": ("other text beside the picture", lambda: chunk(b"laBz", SENTINEL.encode())),
    "GIF comment": ("GIF comment", lambda: saved("GIF", comment=SENTINEL)),
    "WebP EXIF": ("EXIF", lambda: saved("WEBP", exif=exif(base={ARTIST: SENTINEL}))),
    "WebP XMP": ("XMP", lambda: saved("WEBP", xmp=XMP)),
    "AVIF EXIF": ("EXIF", lambda: saved("AVIF", exif=exif(base={ARTIST: SENTINEL}))),
    "AVIF XMP": ("XMP", lambda: saved("AVIF", xmp=XMP)),
    "JPEG 2000 comment": ("JPEG 2000 text", jp2_comment),
    "JPEG 2000 box": ("JPEG 2000 text", jp2_box),
    "TIFF description": ("TIFF description", lambda: tiff(description=SENTINEL)),
    "TIFF description of the second page": ("TIFF description", second_page),
    "TIFF description of a sub-directory": ("TIFF description", sub_directory),
    "TIFF artist": ("TIFF text", lambda: tiff(extratags=[(315, "s", 0, SENTINEL, True)])),
    "TIFF tag of the maker's own": ("text of the maker's own", lambda: tiff(extratags=[(65000, "s", 0, SENTINEL, True)])),
    "TIFF XMP": ("XMP", lambda: tiff(extratags=[(700, "B", len(XMP), XMP, True)])),
    "TIFF IPTC": ("IPTC", lambda: tiff(extratags=[(33723, "B", len(SENTINEL), SENTINEL.encode(), True)])),
    "OME-XML": ("OME-XML", lambda: tiff(description=f'<OME xmlns="http://x"><Image Name="{SENTINEL}"/></OME>')),
    "DICOM patient": ("DICOM patient data", lambda: dicom(PIXELS, PatientName="ZZPHI^DOE", PatientID=SENTINEL)),
    "DICOM institution": ("DICOM text", lambda: dicom(PIXELS, InstitutionName=SENTINEL)),
    "DICOM, nested": ("DICOM text", nested_dicom),
    "DICOM, private": ("text of the maker's own", private_dicom),
    "DICOM preamble": ("DICOM text", lambda: SENTINEL.encode().ljust(128, b"\0") + dicom(PIXELS)[128:]),
    "after a JPEG": ("data after the picture", lambda: after(saved("JPEG"))),
    "after a progressive JPEG": ("data after the picture", lambda: after(saved("JPEG", progressive=True))),
    "after a PNG": ("data after the picture", lambda: after(saved("PNG"))),
    "after a GIF": ("data after the picture", lambda: after(saved("GIF"))),
    "after a WebP": ("data after the picture", lambda: after(saved("WEBP"))),
    "after a BMP": ("data after the picture", lambda: after(saved("BMP"))),
}  # fmt: skip
