"""Bytes that may hold words -> those words, whatever they were coded in; noise -> little or nothing."""

from __future__ import annotations

import codecs
import html
import re

MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_LETTER = rb"(?:[\t\n\r\x20-\x7e]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3})"
_RUN = {letters: re.compile(_LETTER + b"{%d,}" % letters) for letters in (8, 16)}
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def words(data: bytes, *, letters: int = 8) -> str:
    """All of ``data`` where it is text; else its runs of at least ``letters`` letters (8 or 16), a line each."""
    for mark, coding in MARKS:
        if data.startswith(mark):
            return data.decode(coding, "replace")
    plain = data.strip(b"\0 \r\n\t")
    if _CONTROL.search(plain) is None:
        return _text(plain)
    found = [run.group().decode("utf-8", "replace") for run in _RUN[letters].finditer(plain)]
    if plain.count(0) * 5 > len(plain):  # letters with a NUL beside each, which says not on which side
        found += [plain.decode(coding, "ignore") for coding in ("utf-16-le", "utf-16-be")]
        found.append(data.decode("utf-16-be", "ignore"))
    return "\n".join(found)


def _text(plain: bytes) -> str:
    try:
        return plain.decode()
    except UnicodeDecodeError:
        return plain.decode("cp1252", "replace")


def marked_up(data: bytes) -> str:
    """XML as people read it: "&#68;oe" is "Doe", and what was between tags stands alone."""
    text = words(data)
    return f"{text}\n{html.unescape(re.sub(r'<[^<>]*>', chr(10), text))}"
