from __future__ import annotations

import json

import numpy as np
import pytest

from embedder import load_encoder
from embedder.prompts import PromptSet, classifier, ensemble, fill, read_prompt_sets

FAT = PromptSet(synonyms={"ADI": ["fat", "adipose tissue"]}, templates=["CLASSNAME.", "an image of CLASSNAME."])


def test_every_synonym_is_said_in_every_template():
    assert FAT.prompts("ADI") == ["fat.", "an image of fat.", "adipose tissue.", "an image of adipose tissue."]


def test_a_template_without_a_slot_is_refused():
    with pytest.raises(ValueError, match="CLASSNAME"):
        fill("an image", "fat")


def test_an_ensemble_is_the_normalised_mean_of_unit_vectors():
    encoder = load_encoder("fake")
    mean = encoder.encode_texts(FAT.prompts("ADI")).mean(axis=0)
    np.testing.assert_allclose(ensemble(encoder, FAT.prompts("ADI")), mean / np.linalg.norm(mean), rtol=0, atol=1e-6)


def test_an_empty_ensemble_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        ensemble(load_encoder("fake"), [])


def test_a_classifier_has_one_unit_row_a_class():
    names, rows = classifier(load_encoder("fake"), FAT)
    assert names == ["ADI"]
    assert np.linalg.norm(rows[0]) == pytest.approx(1.0, abs=1e-6)


def test_prompt_sets_are_read_from_their_json_format(tmp_path):
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps({"0": {"classnames": {"ADI": ["fat"]}, "templates": ["CLASSNAME."]}}))
    assert read_prompt_sets(path)["0"].prompts("ADI") == ["fat."]
