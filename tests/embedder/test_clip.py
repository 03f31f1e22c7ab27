"""A CLIP folder gives transformers' own numbers, or is refused with one sentence."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from embedder import Encoder, errors, load_encoder
from embedder.preprocess import resized_size
from tests.embedder import tiny_clip
from tests.embedder.tiny import pictures

PROMPTS = ["tumor", "lung tumor, H&E", "", "Ki-67 ½ µm", "tumor " * 30]


def load(folder: Path, **options) -> Encoder:
    return load_encoder("clip", weights=folder, device="cpu", **options)


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    return tiny_clip.save_folder(tmp_path_factory.mktemp("clip") / "original")


@pytest.fixture
def folder(original, tmp_path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(original, tmp_path / "copy"))


@pytest.fixture(scope="module")
def encoder(original) -> Encoder:
    return load(original)


def change(folder: Path, name: str, **values) -> None:
    table = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(table | values))


def save_tensors(folder: Path, state: dict[str, torch.Tensor]) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin")


def refused(kind: type[errors.EmbedderError], folder: Path, expected: str = "") -> str:
    with pytest.raises(errors.EmbedderError) as caught:
        load(folder)
    sentence = str(caught.value)
    assert type(caught.value) is kind, sentence
    assert expected in sentence
    assert str(folder) not in sentence
    assert re.fullmatch(r"[A-Z].*\.", sentence)
    return sentence


def assert_near(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


def unit(rows: torch.Tensor) -> np.ndarray:
    return torch.nn.functional.normalize(rows, dim=-1).numpy()


def image_features(made, images) -> tuple[torch.Tensor, torch.Tensor]:
    """What transformers computes: pooled and projected vectors, pixels by its own image processor."""
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    pixels = CLIPImageProcessorPil(**tiny_clip.PREPROCESSOR)(images, return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        return made.vision_model(pixels).pooler_output, made.get_image_features(pixels).pooler_output


def text_features(made, prompts) -> torch.Tensor:
    rows = tiny_clip.tokenizer()(prompts, padding="longest", truncation=True, max_length=12, return_tensors="pt")
    with torch.inference_mode():
        features: torch.Tensor = made.get_text_features(**rows).pooler_output
    return features


# --- the same numbers ------------------------------------------------------------------------------------------------


def test_it_honours_the_encoder_contract(encoder):
    assert isinstance(encoder, Encoder)
    assert (encoder.spec.dim, encoder.spec.probe_dim, encoder.spec.context_length) == (16, 24, 12)


def test_image_vectors_equal_transformers_in_both_spaces(encoder):
    images = [image for image in pictures(24) if crops_alike(image)]
    assert len(images) > 12
    pooled, projected = image_features(tiny_clip.model(), images)
    search, probe = encoder.encode_images(images, space="both")
    assert_near(probe, pooled.numpy())
    assert_near(search, unit(projected))


def crops_alike(image: Image.Image) -> bool:
    """Of an odd surplus the code that trained CLIP rounds the half to even, as we do; transformers always rounds it down."""
    return max(resized_size(image.size, 32)) % 4 != 3


def test_grey_images_are_read_as_their_rgb(encoder):
    grey = Image.linear_gradient("L")
    assert_near(encoder.encode_images([grey]), encoder.encode_images([grey.convert("RGB")]))


def test_stored_probe_vectors_project_to_the_search_vectors(encoder):
    search, probe = encoder.encode_images(pictures(3), space="both")
    assert_near(encoder.project(probe), search)


def test_text_vectors_equal_transformers(encoder):
    assert_near(encoder.encode_texts(PROMPTS), unit(text_features(tiny_clip.model(), PROMPTS)))


def test_text_vectors_of_an_early_export_equal_transformers(tmp_path):
    made = tiny_clip.model(tiny_clip.config(eos_token_id=2))
    encoder = load(tiny_clip.save_folder(tmp_path, made))
    assert_near(encoder.encode_texts(PROMPTS), unit(text_features(made, PROMPTS)))


def test_each_prompt_alone_equals_the_mixed_batch(encoder):
    assert_near(np.concatenate([encoder.encode_texts([prompt]) for prompt in PROMPTS]), encoder.encode_texts(PROMPTS))


def test_every_row_has_unit_length(encoder):
    rows = np.concatenate([encoder.encode_images(pictures(5)), encoder.encode_texts(PROMPTS)])
    np.testing.assert_allclose(np.linalg.norm(rows.astype(np.float64), axis=1), 1.0, rtol=0, atol=1e-6)


def test_the_temperature_is_that_of_the_model(encoder):
    assert encoder.logit_scale == pytest.approx(float(tiny_clip.model().logit_scale.detach().exp()))


def test_bfloat16_is_computed_only_where_it_is_asked_for(original, encoder):
    reduced = load(original, dtype="bfloat16")
    assert (encoder.spec.precision, reduced.spec.precision) == ("float32", "bfloat16")
    images = pictures(4)
    assert (encoder.encode_images(images) * reduced.encode_images(images)).sum(axis=1).min() > 0.99


def test_no_images_and_no_prompts_give_no_rows(encoder):
    assert encoder.encode_images([]).shape == (0, 16)
    assert encoder.encode_texts([]).shape == (0, 16)


# --- files that older and newer exports hold -------------------------------------------------------------------------


def test_a_torch_file_with_position_numbers_gives_the_same_vectors(folder, encoder):
    numbers = {
        "text_model.embeddings.position_ids": torch.arange(12)[None],
        "vision_model.embeddings.position_ids": torch.arange(5),
    }
    save_tensors(folder, tiny_clip.model().state_dict() | numbers)
    assert_near(load(folder).encode_texts(PROMPTS), encoder.encode_texts(PROMPTS))


def test_vocabulary_and_merges_read_as_tokenizer_json_does(folder, encoder):
    tiny_clip.save_parts(folder)
    assert_near(load(folder).encode_texts(PROMPTS), encoder.encode_texts(PROMPTS))


def test_sides_may_be_plain_numbers(folder, encoder):
    change(folder, "preprocessor_config.json", size=32, crop_size=32)
    assert load(folder).spec == encoder.spec


def test_preprocessing_may_be_a_part_of_processor_config(folder, encoder):
    (folder / "preprocessor_config.json").unlink()
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": tiny_clip.PREPROCESSOR}))
    assert load(folder).spec == encoder.spec


def test_the_folder_may_be_named_in_the_environment(original, encoder, monkeypatch):
    monkeypatch.setenv("CLIP_WEIGHTS", str(original))
    assert load_encoder("clip", device="cpu").spec == encoder.spec


def test_loading_asks_no_other_machine(original, monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    load(original).encode_texts(["tumor"])


# --- the tokenizer ---------------------------------------------------------------------------------------------------


def test_what_is_past_the_context_is_told(encoder):
    assert encoder.cut_text("tumor " * 10) == ""
    assert encoder.cut_text("tumor " * 10 + "lung") == "lung"


def test_marks_typed_by_a_user_are_words(encoder):
    assert np.abs(encoder.encode_texts(["tumor <|endoftext|> lung"]) - encoder.encode_texts(["tumor"])).max() > 1e-3


def test_a_tokenizer_of_another_model_is_refused(folder):
    change(folder, "config.json", text_config=tiny_clip.config(eos_token_id=5).text_config.to_dict())
    refused(errors.TokenizerError, folder, "end marks")


def test_a_folder_without_tokenizer_is_refused(folder):
    (folder / "tokenizer.json").unlink()
    refused(errors.TokenizerError, folder, "cannot be read")


@pytest.mark.parametrize("name", ["vocab.json", "merges.txt"])
def test_a_damaged_half_of_the_tokenizer_is_refused(folder, name):
    tiny_clip.save_parts(folder)
    (folder / name).write_text("x y z\n")
    refused(errors.TokenizerError, folder, "damaged")


# --- refusals --------------------------------------------------------------------------------------------------------


def test_no_folder_is_told_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.delenv("CLIP_WEIGHTS", raising=False)
    with pytest.raises(errors.WeightsNotFound, match="CLIP_WEIGHTS"):
        load_encoder("clip", device="cpu")
    refused(errors.WeightsNotFound, tmp_path / "absent", "not a folder")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "preprocessor_config.json"])
def test_each_single_file_that_is_missing_is_named(folder, name):
    (folder / name).unlink()
    refused(errors.WeightsNotFound, folder, name)


def test_weights_in_several_files_are_refused(folder):
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    (folder / "model.safetensors.index.json").write_text("{}")
    refused(errors.WeightsNotFound, folder, "several weight files")


def test_weights_cut_short_are_refused(folder):
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])
    refused(errors.WeightsTruncated, folder)


def test_another_hash_is_refused(original):
    with pytest.raises(errors.WeightsHashMismatch):
        load(original, weights_sha256="0" * 64)


def test_a_pickle_that_could_run_code_is_refused(folder):
    save_tensors(folder, {"text_model": Path("/")})  # type: ignore[dict-item] # that is the point
    refused(errors.WeightsNotPlain, folder)


@pytest.mark.parametrize("name", ["visual_projection.weight", "text_model.final_layer_norm.bias", "logit_scale"])
def test_a_missing_tensor_is_refused(folder, name):
    state = tiny_clip.model().state_dict()
    del state[name]
    save_tensors(folder, state)
    assert name in refused(errors.WeightsMismatch, folder, "1 missing")


def test_an_unexpected_tensor_is_refused(folder):
    save_tensors(folder, tiny_clip.model().state_dict() | {"adapter.weight": torch.ones(2, 2)})
    refused(errors.WeightsMismatch, folder, "1 unexpected (adapter.weight)")


def test_another_shape_is_refused(folder):
    save_tensors(folder, tiny_clip.model().state_dict() | {"visual_projection.weight": torch.ones(8, 24)})
    refused(errors.WeightsMismatch, folder, "visual_projection.weight is [8, 24] instead of [16, 24]")


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_values_that_no_training_leaves_are_refused(folder, value):
    state = tiny_clip.model().state_dict()
    save_tensors(folder, state | {"text_projection.weight": torch.full_like(state["text_projection.weight"], value)})
    refused(errors.WeightsDegenerate, folder, "text_projection.weight")


def test_another_family_is_refused(folder):
    change(folder, "config.json", model_type="siglip")
    refused(errors.WeightsMismatch, folder, "siglip")


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_damaged_configuration_is_refused(folder, text):
    (folder / "config.json").write_text(text)
    refused(errors.WeightsMismatch, folder, "config.json")


@pytest.mark.parametrize(
    "vision", [{"hidden_size": "wide"}, {"hidden_act": "no such"}, {"num_attention_heads": 7}, {"patch_size": [16, 16]}]
)
def test_a_senseless_configuration_is_refused(folder, vision):
    change(folder, "config.json", vision_config=tiny_clip.config().vision_config.to_dict() | vision)
    refused(errors.WeightsMismatch, folder, "config.json")


@pytest.mark.parametrize(
    "settings",
    [{"resample": 2}, {"do_center_crop": False}, {"do_normalize": False}, {"size": {"height": 32, "width": 32}},
     {"size": {"shortest_edge": 40}}, {"crop_size": {"height": 32, "width": 16}}, {"rescale_factor": 1.0}, {"size": None}],
    ids=str,
)  # fmt: skip
def test_another_preprocessing_is_refused_by_name(folder, settings):
    change(folder, "preprocessor_config.json", **settings)
    refused(errors.WeightsMismatch, folder, next(iter(settings)))


def test_preprocessing_for_another_side_is_refused(folder):
    change(folder, "preprocessor_config.json", size=48, crop_size=48)
    refused(errors.WeightsMismatch, folder, "48 px")


def test_missing_channel_means_are_refused(folder):
    change(folder, "preprocessor_config.json", image_mean=[0.5])
    refused(errors.WeightsMismatch, folder, "image_mean")


# --- the fingerprint -------------------------------------------------------------------------------------------------


def test_the_fingerprint_is_the_same_for_a_copy(folder, encoder):
    assert load(folder).spec.fingerprint == encoder.spec.fingerprint


def other_weights(folder: Path) -> None:
    tiny_clip.model(seed=1).save_pretrained(folder)


def other_tokenizer(folder: Path) -> None:
    change(
        folder,
        "tokenizer.json",
        version="1.0",
        truncation={"max_length": 5, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
    )


def other_pixels(folder: Path) -> None:
    change(folder, "preprocessor_config.json", image_mean=[0.5, 0.5, 0.5])


def other_activation(folder: Path) -> None:
    change(folder, "config.json", vision_config=tiny_clip.config().vision_config.to_dict() | {"hidden_act": "gelu"})


@pytest.mark.parametrize("spoil", [other_weights, other_tokenizer, other_pixels, other_activation])
def test_the_fingerprint_covers_everything_that_makes_the_vector(folder, encoder, spoil):
    spoil(folder)
    assert load(folder).spec.fingerprint != encoder.spec.fingerprint
