"""One file of an archive as a stream that counts: it ends with exactly the bytes that were declared, or as damaged."""

from __future__ import annotations

import os
import zlib
from typing import BinaryIO, cast

from webapp.library.archives import names
from webapp.library.archives.directory import Member, place
from webapp.library.archives.refusal import Damaged
from webapp.library.archives.safety import DEFLATED

PIECE_BYTES = 1 << 18
HEAD_BYTES = 512


class _Stream:
    """What accept() reads from. ``read`` raises Damaged; at its end the checksum has been compared."""

    def __init__(self, file: BinaryIO, member: Member, *, may_be_archive: bool) -> None:
        self._descriptor, self._member = file.fileno(), member
        self._at = place(file, member).data
        self._left = member.packed
        self._crc = self._done = 0
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS) if member.method == DEFLATED else None
        self._waiting = b""
        self._head = bytes(HEAD_BYTES) if may_be_archive else b""

    def read(self, size: int = -1) -> bytes:
        wanted = size if size > 0 else PIECE_BYTES
        piece = self._inflated(self._inflater, wanted) if self._inflater else self._packed(wanted)
        self._done += len(piece)
        if self._done > self._member.size:
            raise self._damaged("lying_size", "unpacks to more bytes than it declares")
        self._crc = zlib.crc32(piece, self._crc)
        self._look_at_head(piece)
        if not piece:
            self._check_end()
        return piece

    def _packed(self, size: int) -> bytes:
        piece = os.pread(self._descriptor, min(size, self._left), self._at)
        if not piece and self._left:
            raise self._damaged("truncated", "is cut off")
        self._at += len(piece)
        self._left -= len(piece)
        return piece

    def _inflated(self, inflater: zlib._Decompress, size: int) -> bytes:
        piece = b""
        try:
            while not piece and not inflater.eof and (self._waiting or self._left):
                piece = inflater.decompress(self._waiting or self._packed(PIECE_BYTES), size)
                self._waiting = inflater.unconsumed_tail
            return piece or inflater.decompress(self._waiting, size)
        except zlib.error:
            raise self._damaged("damaged", "cannot be unpacked: its bytes are damaged") from None

    def _look_at_head(self, piece: bytes) -> None:
        """An archive under another name is an archive."""
        if len(self._head) < HEAD_BYTES and piece:
            self._head = (self._head + piece)[:HEAD_BYTES]
            if names.begins_as_archive(self._head):
                raise self._damaged("nested", "is an archive itself, whatever it is called")

    def _check_end(self) -> None:
        if self._done != self._member.size:
            raise self._damaged("lying_size", "unpacks to fewer bytes than it declares")
        inflater = self._inflater
        if inflater and (not inflater.eof or inflater.unused_data or self._left):
            raise self._damaged("damaged", "has bytes after its end")
        if self._crc != self._member.crc:
            raise self._damaged("checksum", "is damaged: its checksum is another")

    def _damaged(self, reason: str, what: str) -> Damaged:
        return Damaged(reason, f"Entry {self._member.number:,} of the archive {what}.")


def stream(file: BinaryIO, member: Member, *, may_be_archive: bool = False) -> BinaryIO:
    """Several may be open at once; each is read from its start to its end, once.

    ``may_be_archive``: of spreadsheets, which are.
    """
    return cast("BinaryIO", _Stream(file, member, may_be_archive=may_be_archive))
