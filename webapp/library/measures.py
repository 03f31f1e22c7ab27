"""Numbers, lengths, resolutions and dates as people write them. What can be read in two ways is refused with both named."""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import date, datetime

METRES = {"nm": 1e-9, "µm": 1e-6, "mm": 1e-3, "cm": 1e-2, "m": 1.0}
SAME_UNIT = {"um": "µm", "micron": "µm", "microns": "µm", "micrometre": "µm", "micrometer": "µm", "micrometres": "µm"} | {
    "micrometers": "µm", "nanometre": "nm", "nanometer": "nm", "nanometres": "nm", "nanometers": "nm", "millimetre": "mm",
    "millimeter": "mm", "millimetres": "mm", "millimeters": "mm",
}  # fmt: skip
NUMBER = re.compile(r"\s*([+-]?[\d.,'’  ]*\d(?:[.,]\d*)?(?:e[+-]?\d+)?)\s*(.*?)\s*", re.IGNORECASE)
PER_PIXEL = re.compile(r"\s*(?:/|per|pro)\s*(?:px|pixels?|pix)\s*$", re.IGNORECASE)
MAGNIFICATION = re.compile(r"\s*(?:[x×]\s*\d+(?:[.,]\d+)?|\d+(?:[.,]\d+)?\s*[x×])\s*", re.IGNORECASE)
LONGEST = 80  # characters of a number with its unit
FIRST_YEAR, LAST_YEAR = 1800, 2200
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december",
)  # fmt: skip


class Unclear(ValueError):
    """What was written is no such value, or may be two; the sentence says which."""


def unit_called(told: str) -> str:
    """µm however it is spelt; other units as they are written."""
    plain = unicodedata.normalize("NFKC", told).strip().rstrip(".").replace("μ", "µ")
    lower = plain.casefold().replace("μ", "µ")
    return lower if lower in METRES else SAME_UNIT.get(lower, plain)


def number_with_unit(told: str) -> tuple[float, str]:
    """(the number, its unit or "") of «0.25», «0,25», «1 250 µm», «1.234,5 mm». Raises Unclear."""
    found = NUMBER.fullmatch(told) if len(told) <= LONGEST else None
    if not found:
        raise Unclear(f"«{told[:40]}» is not a number")
    return _number(found[1]), unit_called(found[2])


def _number(told: str) -> float:
    digits = re.sub(r"[\s'’]", "", told)
    if re.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}", digits):
        whole, part = digits.split(",")
        raise Unclear(f"«{told[:40]}» may be {whole}{part} or {whole}.{part}: write one of them")
    comma, point = digits.rfind(","), digits.rfind(".")
    if comma > point:
        digits = digits.replace(".", "").replace(",", "." if digits.count(",") == 1 else "")
    else:
        digits = digits.replace(",", "")
        digits = digits.replace(".", "") if digits.count(".") > 1 else digits
    try:
        number = float(digits)
    except ValueError:
        raise Unclear(f"«{told[:40]}» is not a number") from None
    if not math.isfinite(number):
        raise Unclear(f"«{told[:40]}» is too large a number")
    return number


def converted(number: float, unit: str, into: str) -> float:
    """Raises Unclear where one unit is not the other. No unit is ``into``."""
    wanted = unit_called(into)
    if not unit or unit.casefold() == wanted.casefold():
        return number
    if unit in METRES and wanted in METRES:
        return float(f"{number * METRES[unit] / METRES[wanted]:.12g}")  # 250 nm are 0.25 µm, not 0.25000000000000006
    raise Unclear(f"the unit is {unit[:20]!r} where {wanted!r} is wanted" if wanted else f"«{unit[:20]}» is no part of a number")


def microns_per_pixel(told: str, *, unit: str = "") -> float:
    """«0.25», «0,25 µm/px», «250 nm per pixel», «0.5 mpp». ``unit``: of a bare number. Raises Unclear, for «40x» above all."""
    if MAGNIFICATION.fullmatch(told):
        said = told.strip()[:20]
        raise Unclear(f"«{said}» is a magnification, which does not say how large a pixel is: give µm per pixel, e.g. 0.25")
    try:
        number, said = number_with_unit(told)
    except Unclear as exc:
        raise Unclear(f"mpp is a number of micrometres per pixel; {exc}") from exc
    said = said or unit
    if said.casefold() in ("mpp", "µm", "px", "pixel"):
        said = "µm"
    length = unit_called(PER_PIXEL.sub("", said))
    try:
        return converted(number, length, "µm")
    except Unclear as exc:
        raise Unclear(f"mpp is a number of micrometres per pixel; {exc}") from exc


# --- dates ------------------------------------------------------------------------------------------------------------


def day(told: str) -> date:
    """ISO, DD.MM.YYYY, «5 March 2024»; with slashes only where day and month cannot be taken for each other. Raises Unclear."""
    plain = " ".join(unicodedata.normalize("NFKC", told).split())
    for read in (_iso, _points, _slashes, _words):
        if found := read(plain):
            return found
    raise Unclear(f"«{told[:40]}» is not a date: write it as 2024-03-05")


def _iso(told: str) -> date | None:
    if re.fullmatch(r"\d{4}-?\d\d-?\d\d([T ]\d\d:\d\d.*)?", told):
        try:
            found_day = datetime.fromisoformat(told).date()
        except ValueError:
            raise Unclear(f"«{told[:40]}» is not a day of the calendar") from None
        return _within(found_day, told)
    if found := re.fullmatch(r"(\d{4})[/.](\d{1,2})[/.](\d{1,2})", told):
        return _made(told, *map(int, found.groups()))
    return None


def _points(told: str) -> date | None:
    found = re.fullmatch(r"(\d{1,2})\. ?(\d{1,2})\. ?(\d{4})", told)
    return _made(told, int(found[3]), int(found[2]), int(found[1])) if found else None


def _slashes(told: str) -> date | None:
    found = re.fullmatch(r"(\d{1,2})([/-])(\d{1,2})\2(\d{4})", told)
    if not found:
        return None
    first, second, year = int(found[1]), int(found[3]), int(found[4])
    if first <= 12 and second <= 12 and first != second:
        raise Unclear(f"«{told}» may be {year}-{second:02}-{first:02} or {year}-{first:02}-{second:02}: write one of them")
    return _made(told, year, *((second, first) if first > 12 else (first, second)))


def _words(told: str) -> date | None:
    found = re.fullmatch(r"(\d{1,2})\.? ([a-z]+)\.?,? (\d{4})", told, re.IGNORECASE)
    if found:
        number, name, year = found.groups()
    elif found := re.fullmatch(r"([a-z]+)\.? (\d{1,2}),? (\d{4})", told, re.IGNORECASE):
        name, number, year = found.groups()
    else:
        return None
    months = [month for month, each in enumerate(MONTHS, 1) if len(name) >= 3 and each.startswith(name.casefold())]
    return _made(told, int(year), months[0], int(number)) if months else None


def _made(told: str, year: int, month: int, number: int) -> date:
    try:
        found = date(year, month, number)
    except ValueError as exc:
        raise Unclear(f"«{told[:40]}» is not a day of the calendar") from exc
    return _within(found, told)


def _within(found: date, told: str) -> date:
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise Unclear(f"«{told[:40]}» lies outside the years {FIRST_YEAR} to {LAST_YEAR}")
    return found
