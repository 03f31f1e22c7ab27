"""Prompts -> int64 [n, context + 1], as the text tower was trained to read them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from embedder.errors import TokenizerError

SPECIAL_TOKENS = {"<pad>": 0, "<start_of_text>": 1, "<end_of_text>": 2}


class BytePairTokenizer:
    """Any byte-pair reader with one model's conventions around it.

    A prompt becomes start mark … end mark, is cut at ``context_length`` tokens (the end mark is kept) and padded to ``width``.
    Marks typed by a user are read as plain words: a "<pad>" in the middle of a prompt would otherwise blind the model to part
    of it.
    """

    def __init__(self, reader: Tokenizer, *, sha256: str, context_length: int, width: int, end: int, pad: int) -> None:
        self.sha256 = sha256
        self.context_length = context_length
        self._width, self._end, self._pad = width, end, pad
        self._reader = reader  # never cuts: cut_text asks it what a cut loses
        self._reader.no_truncation()
        self._reader.no_padding()
        self._reader.encode_special_tokens = True

    def __call__(self, prompts: Sequence[str]) -> NDArray[np.int64]:
        """n prompts -> int64 [n, width]."""
        tokens = np.full((len(prompts), self._width), self._pad, np.int64)
        for row, encoding in zip(tokens, self._reader.encode_batch(list(prompts)), strict=True):
            ids = encoding.ids
            if len(ids) > self.context_length:
                ids = [*ids[: self.context_length - 1], self._end]
            row[: len(ids)] = ids
        return tokens

    def cut_text(self, prompt: str) -> str:
        """The tail of ``prompt`` that is past the context length; "" where the tower reads all of it."""
        encoding = self._reader.encode(prompt)
        if len(encoding.ids) <= self.context_length:
            return ""
        first_cut = encoding.offsets[self.context_length - 1][0]
        return prompt[first_cut:].strip()


class PromptTokenizer(BytePairTokenizer):
    """A byte-level BPE file with CONCH's conventions: <start_of_text>, <end_of_text>, <pad>.

    One more <pad> is appended, since the tower was trained on that column: rows are ``context_length`` + 1 wide.
    """

    def __init__(self, path: Path, *, context_length: int, vocabulary: int) -> None:
        data = read_file(path)
        reader = parse(data)
        super().__init__(
            reader,
            sha256=hashlib.sha256(data).hexdigest(),
            context_length=context_length,
            width=context_length + 1,
            end=SPECIAL_TOKENS["<end_of_text>"],
            pad=SPECIAL_TOKENS["<pad>"],
        )
        _check_marks(reader)
        check_vocabulary(reader, vocabulary)


def read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise TokenizerError(f"The tokenizer file cannot be read ({exc.strerror}): set its path and try again.") from exc


def parse(data: bytes) -> Tokenizer:
    try:
        return Tokenizer.from_str(data.decode())
    except Exception as exc:  # the library raises bare Exception for a file that is no tokenizer
        raise TokenizerError("The tokenizer file is damaged or is not a tokenizer in JSON format.") from exc


def _check_marks(tokenizer: Tokenizer) -> None:
    wrong = [mark for mark, number in SPECIAL_TOKENS.items() if tokenizer.token_to_id(mark) != number]
    if wrong:
        raise TokenizerError(f"The tokenizer gives {', '.join(wrong)} other numbers than the model was trained with.")


def check_vocabulary(tokenizer: Tokenizer, vocabulary: int) -> None:
    """Raises TokenizerError where it gives numbers that the model has no embedding for."""
    if tokenizer.get_vocab_size(with_added_tokens=True) > vocabulary:
        raise TokenizerError(
            f"The tokenizer knows {tokenizer.get_vocab_size(with_added_tokens=True)} tokens, the model only {vocabulary}: "
            "they do not belong together."
        )
