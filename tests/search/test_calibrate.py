from __future__ import annotations

import numpy as np
import pytest

from search import Payload, Point, Scope, errors
from search.calibrate import SAMPLE, Calibrator, calibration_of
from tests.search.samples import DIM, HIDDEN, LUNG, axis, between, point, point_id, unit_rows

ALL = Scope.everything()


def normal_scores(n, *, centre=0.2, spread=0.05, seed=0):
    return np.random.Generator(np.random.PCG64(seed)).normal(centre, spread, n).astype(np.float32)


def test_bands_follow_the_distance_from_the_background():
    calibration = calibration_of(normal_scores(SAMPLE), kind="text")
    assert [calibration.band(score) for score in (0.2, 0.32, 0.37, 0.45)] == ["background", "weak", "likely", "strong"]
    assert calibration.background_line == pytest.approx(0.3, abs=0.01)


def test_image_queries_must_stand_out_more():
    scores = normal_scores(SAMPLE)
    assert calibration_of(scores, kind="text").band(0.31) == "weak"
    assert calibration_of(scores, kind="image").band(0.31) == "background"


def test_the_best_hits_stand_out_of_a_wide_background_too():
    """An encoder that parts tissues far: 0.98 cannot lie five of these spreads above the centre as a cosine."""
    wide = np.tanh(normal_scores(SAMPLE, centre=0.05, spread=0.4))
    calibration = calibration_of(wide, kind="image")
    assert [calibration.band(score) for score in (0.5, 0.85, 0.95, 1.0)] == ["background", "weak", "likely", "strong"]


def test_a_fifth_of_the_archive_that_fits_does_not_hide_itself():
    scores = np.concatenate([normal_scores(1_600), normal_scores(400, centre=0.5)])
    assert calibration_of(scores, kind="text").band(0.5) == "strong"


def test_percentiles_never_claim_more_than_was_looked_at():
    calibration = calibration_of(normal_scores(SAMPLE), kind="text")
    assert calibration.percentile(0.2) == pytest.approx(50, abs=3)
    assert calibration.percentile(0.99) == pytest.approx(100 - 100 / SAMPLE)


def test_a_small_archive_is_called_unreliable():
    calibration = calibration_of(normal_scores(500), kind="text")
    assert not calibration.reliable
    assert calibration.band(0.45) == "strong"


def test_an_archive_too_small_for_a_background_gets_no_band():
    calibration = calibration_of(normal_scores(50), kind="text")
    assert (calibration.band(0.9), calibration.percentile(0.9), calibration.background_line) == ("unknown", None, None)


def test_an_archive_of_copies_divides_by_nothing():
    assert calibration_of(np.full(SAMPLE, 0.3, np.float32), kind="text").band(0.3) == "background"


def test_scores_are_compared_inside_the_scope_only(edge):
    rows = unit_rows(300, seed=30)
    edge.upsert([point(number, row) for number, row in enumerate(rows)])
    before = Calibrator(edge).calibrate(axis(0), scope=Scope.of([LUNG]), kind="text")
    hidden = [Point(point_id(1_000 + k), between(0, 1, 0.9), Payload(collection=HIDDEN)) for k in range(300)]
    edge.upsert(hidden)
    after = Calibrator(edge).calibrate(axis(0), scope=Scope.of([LUNG]), kind="text")
    assert (after.centre, after.spread, after.sample_size) == (before.centre, before.spread, before.sample_size)


def test_an_empty_scope_is_unknown(edge):
    assert Calibrator(edge).calibrate(axis(0), scope=Scope.nothing(), kind="text").band(0.9) == "unknown"


def test_the_sample_is_the_same_at_every_call_and_drawn_again_when_it_is_old(edge):
    edge.upsert([point(number, row) for number, row in enumerate(unit_rows(250, seed=31))])
    now = [0.0]
    calibrator = Calibrator(edge, clock=lambda: now[0])
    first = calibrator.calibrate(axis(0), scope=ALL, kind="text")
    edge.upsert([point(number, row) for number, row in enumerate(unit_rows(400, seed=32))])
    assert calibrator.calibrate(axis(0), scope=ALL, kind="text").sample_size == first.sample_size == 250
    now[0] = 601.0
    assert calibrator.calibrate(axis(0), scope=ALL, kind="text").sample_size == 400


def test_another_version_has_another_sample(edge):
    edge.upsert([point(number, row) for number, row in enumerate(unit_rows(250, seed=33))])
    calibrator = Calibrator(edge)
    calibrator.calibrate(axis(0), scope=ALL, kind="text")
    edge.switch(edge.create_version(edge.describe().schema), expected_points=0)
    assert calibrator.calibrate(axis(0), scope=ALL, kind="text").sample_size == 0


def test_a_bad_vector_is_refused(edge):
    with pytest.raises(errors.BadVector):
        Calibrator(edge).calibrate(np.full(DIM, np.nan, np.float32), scope=ALL, kind="text")
