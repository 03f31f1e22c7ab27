"""The training of encoders, on towers of a few thousand weights: objective, data, loop, export."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

from embedder import load_encoder
from embedder.model import ModelConfig
from embedder.samples import TISSUES
from embedder.self_test import check_self_test
from embedder.tokenizer import PromptTokenizer
from embedder.training import data, evaluate
from embedder.training.__main__ import main
from embedder.training.captions import phrases
from embedder.training.export import export, stored_self_test
from embedder.training.loop import LOG, Plan, train
from embedder.training.objective import CaptioningModel, contrastive_loss, fresh_towers, shared_targets
from embedder.training.split import difference_hash, held_out, joined
from embedder.training.tokenizer import train_tokenizer
from tests.embedder import tiny

CONFIG = ModelConfig(**tiny.TINY.as_dict() | {"vocabulary": 400, "text_positions": 24})
LABELS = ("red tissue", "blue tissue")


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    path = tmp_path_factory.mktemp("words") / "tokenizer.json"
    train_tokenizer(["red tissue", "blue tissue", "H&E section of red tissue"], path, vocabulary=CONFIG.vocabulary)
    return path


def batches(words, *, size=12):
    colours = np.array([[200, 40, 40], [40, 40, 200]], np.uint8)
    squares = np.stack([np.broadcast_to(colours[i % 2], (40, 40, 3)) for i in range(8)])
    labels = [LABELS[i % 2] for i in range(8)]
    pool = data.Pool(squares, labels, [phrases(label, f"{label}, H&E") for label in labels])
    tokenizer = PromptTokenizer(words, context_length=CONFIG.context_length, vocabulary=CONFIG.vocabulary)
    return data.Batches([pool], tokenizer, side_px=32, size=size, seed=0)


def model():
    torch.manual_seed(0)
    return CaptioningModel(fresh_towers(CONFIG), decoder_depth=1)


def weights(trained):
    return torch.cat([p.detach().flatten() for p in trained.parameters()])


# --- objective -----------------------------------------------------------------------------------------------------------


def test_a_perfect_batch_costs_nothing():
    axes = torch.eye(3)
    loss = contrastive_loss(axes, axes, torch.tensor(100.0).log(), torch.arange(3))
    assert float(loss) == pytest.approx(0, abs=1e-5)


def test_pairs_of_one_label_are_positives_of_each_other():
    assert shared_targets(torch.tensor([7, 7, 9])).tolist() == [[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1]]


def test_two_images_of_one_label_are_not_pushed_apart():
    twins = torch.tensor([[1.0, 0], [1.0, 0], [0, 1.0]])
    loss = contrastive_loss(twins, twins, torch.tensor(100.0).log(), torch.tensor([7, 7, 9]))
    assert float(loss) == pytest.approx(0, abs=1e-5)


def test_the_commonest_label_scores_highest_where_the_image_tells_nothing():
    """Three pairs of one label and one of another: the best scores differ by the logarithm of 3 to 1."""
    scale, keys = torch.tensor(10.0), torch.tensor([7, 7, 7, 9])

    def loss(difference: float) -> float:
        cosines = torch.tensor([0.3, 0.3, 0.3, 0.3 - difference / 10])
        texts = torch.stack([cosines, (1 - cosines**2).sqrt()], dim=1)
        return float(contrastive_loss(torch.tensor([[1.0, 0.0]] * 4), texts, scale.log(), keys))

    assert min((0.0, 0.5, float(np.log(3)), 1.6, 2.2), key=loss) == pytest.approx(np.log(3))


def test_the_captioner_reads_the_image(words):
    trained, batch = model().requires_grad_(requires_grad=False), batches(words)(0)
    pixels = torch.randn(12, 3, 32, 32)
    arguments = torch.from_numpy(batch.tokens), torch.from_numpy(batch.keys)
    assert float(trained(pixels, *arguments).captioning) != float(trained(-pixels, *arguments).captioning)


# --- data ----------------------------------------------------------------------------------------------------------------


def test_the_same_picture_under_two_names_is_one_group():
    assert len(set(joined(4, [(0, "a"), (1, "b"), (2, "a"), (2, "c"), (3, "c")]))) == 2


def test_a_group_falls_on_one_side_of_the_split():
    groups = [index // 2 for index in range(40)]
    chosen = held_out(["x"] * 40, groups)
    assert all(chosen[index] == chosen[index + 1] for index in range(0, 40, 2))
    assert sum(chosen) == 8


def test_recompression_keeps_the_difference_hash(tmp_path):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 8, 3), np.uint8)).resize(
        (128, 128), Image.Resampling.BICUBIC
    )
    image.save(tmp_path / "a.jpg", quality=70)
    with Image.open(tmp_path / "a.jpg") as again:
        assert (difference_hash(image) ^ difference_hash(again)).bit_count() <= 2


def test_a_blood_smear_is_never_called_h_and_e():
    assert not [text for text in phrases("peripheral blood smear, blasts", "Blood smear, Giemsa") if "H&E" in text]


def test_label_conflicts_are_left_out_and_duplicates_share_a_side(tmp_path):
    rows = []
    for index in range(20):
        Image.fromarray(np.random.default_rng(index // 2).integers(0, 256, (20, 20, 3), np.uint8)).save(tmp_path / f"{index}.png")
        subset = "label_conflict" if index == 0 else "core"
        rows.append({"file": f"{index}.png", "label": "x", "caption": "x", "subset": subset, "sha256": str(index), "note": ""})
    with (tmp_path / "manifest.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    tiles = data.read_demo(tmp_path)
    assert len(tiles) == 19
    sides: dict[int, bool] = {}
    for tile in tiles:
        assert sides.setdefault(tile.group, tile.held_out) == tile.held_out


def test_a_batch_follows_from_seed_and_step_alone(words):
    first, again, next_one = batches(words)(3), batches(words)(3), batches(words)(4)
    assert (first.squares == again.squares).all()
    assert (first.tokens == again.tokens).all()
    assert (first.squares != next_one.squares).any()


# --- loop ----------------------------------------------------------------------------------------------------------------


def test_training_learns_two_colours(words, tmp_path):
    outcome = train(model(), batches(words), Plan(steps=40, peak_rate=4e-3), tmp_path)
    losses = [json.loads(line)["contrastive"] for line in (tmp_path / LOG).read_text().splitlines()]
    assert outcome.finished
    assert len(losses) == 40
    assert np.mean(losses[-5:]) < 0.1 * np.mean(losses[:5])


def test_a_resumed_run_ends_where_an_unbroken_one_ends(words, tmp_path):
    whole, first, second = model(), model(), model()
    train(whole, batches(words), Plan(steps=6), tmp_path / "whole")

    class Cut(Exception):
        pass

    def cut(line, _progress):
        if line["step"] == 4:
            raise Cut

    with pytest.raises(Cut):
        train(first, batches(words), Plan(steps=6, save_every=3), tmp_path / "cut", report=cut)
    train(second, batches(words), Plan(steps=6, save_every=3), tmp_path / "cut")
    torch.testing.assert_close(weights(second), weights(whole), rtol=0, atol=0)
    steps = [json.loads(line)["step"] for line in (tmp_path / "cut" / LOG).read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 5, 6]


def test_a_diverged_run_stops_and_says_so(words, tmp_path):
    broken = model()
    broken.towers.visual.proj_contrast.data.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="diverged"):
        train(broken, batches(words), Plan(steps=1), tmp_path)


# --- export and measurement ----------------------------------------------------------------------------------------------


def test_an_export_loads_as_the_mini_encoder_without_its_captioner(words, tmp_path):
    file = export(model().towers, words, tmp_path)
    encoder = load_encoder("mini", weights=file, tokenizer=tmp_path / "mini_tokenizer.json", device="cpu")
    assert encoder.encode_texts(["red tissue"]).shape == (1, CONFIG.embed_dim)
    assert check_self_test(encoder, stored_self_test(tmp_path / "mini_self_test.npz")) < 1e-5


def test_an_export_that_is_too_large_changes_nothing(words, tmp_path):
    with pytest.raises(ValueError, match="more than 10"):
        export(model().towers, words, tmp_path, max_bytes=10)
    assert list(tmp_path.iterdir()) == []


def test_average_precision_of_a_known_ranking():
    assert evaluate.average_precision(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False])) == pytest.approx(
        5 / 6
    )


def test_the_histogram_baseline_tells_colours_apart():
    def pictures(*colours):
        return [Image.new("RGB", (40, 40), colour) for colour in colours]

    training = evaluate.histograms(pictures("red", "blue"), 32)
    scores = evaluate.nearest_scores(evaluate.histograms(pictures("blue"), 32), training, np.array([0, 1]), 2)
    assert scores.argmax(axis=1).tolist() == [1]


# --- the commands --------------------------------------------------------------------------------------------------------


@pytest.fixture
def shared(tmp_path):
    """Two labels of eight tiles each."""
    demo = tmp_path / "shared" / "demo"
    demo.mkdir(parents=True)
    rows = []
    for index in range(16):
        grain = np.random.default_rng(index).integers(0, 60, (60, 60, 3)) + np.array([(150, 60, 60), (60, 60, 150)][index % 2])
        Image.fromarray(grain.astype(np.uint8)).save(demo / f"{index}.png")
        label = LABELS[index % 2]
        rows.append(
            {"file": f"{index}.png", "label": label, "caption": label, "subset": "core", "sha256": str(index), "note": ""}
        )
    with (demo / "manifest.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    return demo.parent


def command(name, shared, folder, *more):
    paths = ("--shared", shared, "--run-folder", folder / "run", "--data", folder / "data", "--result", folder / "result.json")
    sizes = ("--steps", 2, "--batch", 8, "--per-tissue", 1, "--fresh-per-tissue", 1, "--image", folder / "curves.png")
    return main([name, *(str(argument) for argument in (*paths, *sizes, *more))])


def test_one_command_trains_exports_measures_and_plots(shared, tmp_path):
    assert command("all", shared, tmp_path) == 0
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["metrics"]["real"]["images"] == 4
    assert result["metrics"]["synthetic"]["classes"] == len(TISSUES)
    assert result["weights"]["bytes"] < 12_000_000
    assert (tmp_path / "curves.png").is_file()


def exported(folder):
    return {"weights": folder / "data" / "mini.safetensors", "tokenizer": folder / "data" / "mini_tokenizer.json"}


def test_fine_tuning_begins_from_a_checkpoint(shared, tmp_path):
    command("train", shared, tmp_path)
    command("export", shared, tmp_path)
    files, fine = exported(tmp_path), tmp_path / "fine"
    given = ("--init", files["weights"], "--tokenizer", files["tokenizer"], "--rate", 0)
    assert command("train", shared, fine, *given) == 0
    assert command("export", shared, fine, *given) == 0
    start, tuned = load_encoder("mini", **files), load_encoder("mini", **exported(fine))
    np.testing.assert_allclose(tuned.encode_texts(["fat"]), start.encode_texts(["fat"]), rtol=0, atol=1e-3)
