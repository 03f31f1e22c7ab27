"""The synthetic sample archive: the same for a seed, different between tissues, complete in its words."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

from embedder.samples import COLUMNS, TISSUES, draw_sample, sample_archive, write_archive

SIDE = 64


def pixels(sample):
    return np.asarray(sample.image, np.int16)


def test_there_are_at_least_twelve_tissues_and_several_stains():
    assert len(TISSUES) >= 12
    assert len({kind.stain for kind in TISSUES.values()}) >= 5
    assert len({kind.label for kind in TISSUES.values()}) == len(TISSUES)


@pytest.mark.parametrize("tissue", TISSUES)
def test_every_tissue_is_drawn_with_all_its_words(tissue):
    sample = draw_sample(tissue, seed=1, side_px=SIDE)
    assert sample.image.size == (SIDE, SIDE)
    assert sample.image.mode == "RGB"
    assert all(sample.row[name] for name in COLUMNS)
    assert "{" not in sample.caption
    assert 0.05 < sample.mpp < 10


@pytest.mark.parametrize("tissue", TISSUES)
def test_the_same_seed_draws_the_same_pixels_and_another_seed_other_ones(tissue):
    first, again, other = (draw_sample(tissue, seed=seed, side_px=SIDE) for seed in (5, 5, 6))
    assert (pixels(first) == pixels(again)).all()
    assert first.row == again.row
    assert (pixels(first) != pixels(other)).any()


@pytest.mark.parametrize("tissue", ["crypts", "ki67_high", "adipose"])
def test_the_same_seed_shows_the_same_tissue_at_every_resolution(tissue):
    small, large = (draw_sample(tissue, seed=2, side_px=side) for side in (SIDE, 4 * SIDE))
    assert small.caption == large.caption
    shrunk = np.asarray(large.image.resize((SIDE, SIDE), Image.Resampling.BOX), np.int16)
    assert np.abs(shrunk - pixels(small)).mean() < 12


def test_tissues_look_different():
    means = {
        tissue: pixels(draw_sample(tissue, seed=3, side_px=SIDE)).mean(axis=(0, 1)) for tissue in ("blank", "ki67_high", "liver")
    }
    assert means["blank"].min() > 225
    assert means["ki67_high"][2] < means["ki67_high"][0]  # brown: less blue than red
    assert means["liver"][1] < means["liver"][0]  # pink: less green than red


def test_a_percentage_in_words_is_counted_in_the_picture():
    low, high = (
        int(draw_sample(name, seed=4, side_px=SIDE).caption.split(" %")[0].split()[-1]) for name in ("ki67_low", "ki67_high")
    )
    assert low < 12 < 60 < high


def test_fields_of_one_slide_share_case_and_colours():
    archive = list(sample_archive(images=3 * len(TISSUES), side_px=SIDE))
    crypts = [sample for sample in archive if sample.tissue == "crypts"]
    assert len({sample.slide for sample in crypts}) < len(crypts)
    assert len({sample.name for sample in archive}) == len(archive)


def test_an_archive_lies_on_disk_with_one_row_an_image(tmp_path):
    written = list(write_archive(tmp_path, images=5, side_px=SIDE, processes=1))
    with (tmp_path / "captions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [path.name for path in written]
    assert all((tmp_path / row["file"]).is_file() for row in rows)


def test_an_unknown_tissue_is_a_key_error():
    with pytest.raises(KeyError, match="unobtainium"):
        draw_sample("unobtainium", seed=0)
