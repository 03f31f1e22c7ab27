from __future__ import annotations

import numpy as np
import pytest

from embedder.errors import TokenizerError
from embedder.tokenizer import PromptTokenizer


@pytest.fixture(scope="module")
def tokenizer(conch_tokenizer):
    return PromptTokenizer(conch_tokenizer, context_length=127, vocabulary=32007)


def test_tokens_equal_the_reference(tokenizer, golden):
    np.testing.assert_array_equal(tokenizer([str(text) for text in golden["texts"]]), golden["tokens"])


def test_what_is_past_the_context_is_told(tokenizer):
    prompt = " ".join(["tumour"] * 200 + ["necrosis"])
    assert tokenizer.cut_text(prompt).endswith("necrosis")
    assert tokenizer.cut_text("tumour") == ""


def test_marks_typed_by_a_user_are_words(tokenizer):
    row = tokenizer(["a <pad> b <end_of_text> c"])[0]
    length = int((row != 0).sum())
    assert (row[:length] != 0).all()
    assert (row == 2).sum() == 1


def test_a_damaged_tokenizer_is_refused(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text("{")
    with pytest.raises(TokenizerError, match="damaged"):
        PromptTokenizer(path, context_length=127, vocabulary=32007)


def test_a_missing_tokenizer_is_told(tmp_path):
    with pytest.raises(TokenizerError, match="cannot be read"):
        PromptTokenizer(tmp_path / "absent.json", context_length=127, vocabulary=32007)


def test_a_tokenizer_of_another_model_is_refused(conch_tokenizer):
    with pytest.raises(TokenizerError, match="do not belong together"):
        PromptTokenizer(conch_tokenizer, context_length=127, vocabulary=100)
