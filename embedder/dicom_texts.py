"""The words of a DICOM file's elements, private ones and nested ones too, and whether the patient's own are filled in."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import pydicom

from embedder.places import Place
from embedder.readable import words

PATIENT = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientBirthName", "PatientMotherBirthName", "OtherPatientIDs",
    "OtherPatientNames", "OtherPatientIDsSequence", "PatientAddress", "PatientTelephoneNumbers", "PatientComments",
    "MedicalRecordLocator", "ResponsiblePerson", "AccessionNumber", "AdmissionID", "PatientInsurancePlanCodeSequence",
)  # fmt: skip
INNOCUOUS = re.compile(
    r"\s*(anonym\w*|anon|de-?identified|redacted|removed|unknown|none|null|n/?a|no ?name|not (given|available)|x+|0+|-+|patient|"
    r"pseudonym\w*)?[\s^=.]*\Z",
    re.IGNORECASE,
)
# units, dates, codes and numbers: no words, or none of a person
_WORDLESS = frozenset({"UI", "DA", "TM", "DT", "AT", "CS", "DS", "IS", "FL", "FD", "SL", "SS", "UL", "US", "SV", "UV", "AS"})
_WORDLESS_BYTES = frozenset({"OB", "OW", "OF", "OD", "OL", "OV"})
MOST_NESTED = 30  # levels; a standard file has five


def dicom_texts(data: bytes) -> Iterator[tuple[Place, str]]:
    yield Place.DICOM, words(data[:128], letters=16)  # the preamble, which anything may be written into
    dataset = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
    if not _says_removed(dataset) and any(_is_filled(dataset.get(name)) for name in PATIENT):
        yield Place.PATIENT, "patient details filled in"
    yield from _texts(dataset, levels=MOST_NESTED)


def _says_removed(dataset: Any) -> bool:
    """Whoever took the patient's data out and put a study's numbers in says so here; patterns are searched all the same."""
    return str(dataset.get("PatientIdentityRemoved", "")).strip().upper() == "YES"


def _is_filled(value: Any) -> bool:
    if isinstance(value, pydicom.Sequence):
        return any(_is_filled(element.value) for item in value for element in item)
    if isinstance(value, pydicom.multival.MultiValue):
        return any(map(_is_filled, value))
    return value is not None and INNOCUOUS.match(str(value)) is None


def _texts(dataset: Any, *, levels: int) -> Iterator[tuple[Place, str]]:
    for element in dataset:
        place = Place.PATIENT if element.tag.group == 0x0010 else Place.VENDOR if element.tag.is_private else Place.DICOM
        if element.VR == "SQ":
            if levels:
                for item in element.value:
                    yield from _texts(item, levels=levels - 1)
        elif isinstance(element.value, bytes):
            if element.VR not in _WORDLESS_BYTES or place is Place.VENDOR:
                yield place, words(element.value)
        elif element.VR not in _WORDLESS:
            yield place, "\n".join(map(str, element.value)) if element.VM > 1 else str(element.value)
