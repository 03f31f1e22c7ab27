"""What the header of a file says about a patient is found wherever it stands, and no word of it comes out."""

from __future__ import annotations

import contextlib
import io
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from embedder import Findings, Pattern, Place, Sandbox, containers, errors, wire
from embedder.identity import MOST_FOUND, search_header
from tests.embedder import named
from tests.embedder.dicoms import dicom
from tests.embedder.test_images import LOSSLESS, PICTURE
from tests.embedder.test_sandbox import HEADER, fake

MRN = [Pattern("no such thing"), Pattern(r"MRN\d+")]
GPS, PATIENT = [Pattern("^GPS position$")], [Pattern("^patient details filled in$")]


def places(data: bytes, patterns=MRN) -> set[str]:
    found = search_header(data, patterns=patterns)
    assert found.whole
    assert {number for _place, number in found.pairs} <= {len(patterns) - 1}
    return {place.shown for place, _number in found.pairs}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("where", named.NAMED)
def test_a_name_is_found_wherever_it_stands(where):
    place, made = named.NAMED[where]
    assert place in places(made())


@pytest.mark.parametrize("coding", LOSSLESS)
def test_a_picture_that_says_nothing_is_left_alone(coding):
    assert search_header(LOSSLESS[coding], patterns=[Pattern(r"\pL{4}"), *MRN]).whole
    assert places(LOSSLESS[coding]) == set()


def test_noise_says_nothing():
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (700, 700, 3), np.uint8))
    file = io.BytesIO()
    noise.save(file, "JPEG", quality=95)
    twice = file.getvalue() * 2  # the second one is data after the picture
    assert places(twice, [Pattern(r"(?-i:\p{Lu}\pL+, ?\p{Lu}\pL+)")]) == set()


def test_a_position_on_the_map_is_told():
    here = named.exif(gps={1: "N", 2: (46.0, 57.0, 3.0), 3: "E", 4: (7.0, 26.0, 0.0)})
    assert places(named.saved("JPEG", exif=here), GPS) == {"EXIF"}
    assert places(named.saved("JPEG", exif=named.exif(gps={0: b"\2\3\0\0"})), GPS) == set()


@pytest.mark.parametrize("name", ["", "Anonymous", "ANONYMIZED^^", "unknown", "XXXX", "De-identified", "N/A", "0000"])
def test_a_patient_whom_nobody_filled_in_is_no_finding(name):
    assert places(dicom(named.PIXELS, PatientName=name, PatientID=""), PATIENT) == set()


@pytest.mark.parametrize("element", [{"PatientID": "4711"}, {"PatientBirthDate": "19570312"}, {"OtherPatientIDs": ["", "12"]}])
def test_a_patient_who_is_filled_in_is_a_finding(element):
    assert places(dicom(named.PIXELS, **element), PATIENT) == {"DICOM patient data"}


def test_a_study_that_says_it_has_taken_the_identity_out_is_searched_for_patterns_alone():
    file = dicom(named.PIXELS, PatientID="STUDY-7", PatientIdentityRemoved="YES", PatientComments=named.SENTINEL)
    assert places(file, PATIENT) == set()
    assert places(file) == {"DICOM patient data"}


def test_a_text_that_unpacks_to_more_than_is_searched_is_searched_so_far():
    bomb = named.png_text("MRN1 " + "x" * 60_000_000, packed=True)
    started = time.perf_counter()
    assert places(bomb) == {"PNG text"}
    assert time.perf_counter() - started < 3


def test_more_text_than_is_searched_is_told():
    found = search_header(named.after(named.saved("BMP") + b"x" * (17 << 20)), patterns=MRN)
    assert (found.pairs, found.whole) == ((), False)


def test_a_header_that_breaks_its_reader_is_told_and_not_taken_for_clean(monkeypatch):
    def broken(_data):
        yield Place.EXIF, ""
        raise RecursionError

    monkeypatch.setitem(containers.WALKS, "PNG", broken)
    assert not search_header(LOSSLESS["png"], patterns=MRN).whole


@pytest.mark.filterwarnings("ignore")
@given(st.sampled_from(sorted(named.NAMED)), st.integers(0, 3000), st.binary(max_size=9), st.booleans())
@settings(max_examples=300, deadline=None)
def test_damaged_headers_come_to_an_end(where, at, noise, cut):
    data = named.NAMED[where][1]()
    damaged = data[:at] if cut else data[:at] + noise + data[at + len(noise) :]
    with contextlib.suppress(errors.UnsupportedType, errors.EmptyFile):
        search_header(damaged, patterns=MRN)


# --- through the sandbox ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["EXIF artist", "PNG zTXt", "TIFF XMP", "DICOM, private", "AVIF EXIF", "JPEG 2000 box"])
def test_header_findings_and_picture_come_of_one_sending(sandbox, where):
    place, made = named.NAMED[where]
    header, found, rows = sandbox.examine(made(), patterns=MRN)
    assert (header.width, header.height) == rows.shape[1::-1] == (64, 64)
    assert (place, 1) in {(each.shown, number) for each, number in found.pairs}


def test_what_is_refused_is_refused_and_the_child_goes_on(sandbox):
    with pytest.raises(errors.TruncatedImage):
        sandbox.examine(LOSSLESS["png"][:200], patterns=MRN)
    assert sandbox.examine(LOSSLESS["png"], patterns=MRN)[2].shape == PICTURE.shape


def test_a_pattern_that_does_not_compile_costs_no_child(sandbox):
    before = sandbox.pids()
    with pytest.raises(errors.BadPattern):
        sandbox.examine(LOSSLESS["png"], patterns=[Pattern("(")])
    assert sandbox.pids() == before


LIES = [
    {"pairs": [["Doe", 1]], "whole": True},
    {"pairs": [[0, "Jane"]], "whole": True},
    {"pairs": [[0, 0, 7]], "whole": True},
    {"pairs": [[len(Place), 0]], "whole": True},
    {"pairs": [[-1, 0]], "whole": True},
    {"pairs": [[0, -1]], "whole": True},
    {"pairs": [[0, 2]], "whole": True},
    {"pairs": [[0, True]], "whole": True},
    {"pairs": [[1, 0], [0, 0]], "whole": True},
    {"pairs": [[0, 0], [0, 0]], "whole": True},
    {"pairs": [[0, 1]] * (MOST_FOUND + 1), "whole": True},
    {"pairs": [], "whole": "Doe, Jane"},
    {"pairs": [], "whole": 1},
    {"pairs": "Doe"},
    {"pairs": [], "whole": True, "text": "Doe, Jane"},
    {},
]


@pytest.mark.parametrize("lie", LIES, ids=str)
def test_a_decoder_that_was_taken_over_cannot_pass_words_on(lie):
    with Sandbox(command=fake(answer_of(lie))) as sandbox, pytest.raises(errors.DecoderCrashed):
        sandbox.examine(LOSSLESS["png"], patterns=MRN)


def test_the_same_decoder_telling_the_truth_is_believed():
    with Sandbox(command=fake(answer_of({"pairs": [[0, 0], [0, 1], [3, 1]], "whole": True}))) as sandbox:
        found = sandbox.examine(LOSSLESS["png"], patterns=MRN)[1]
    assert found == Findings(((Place.EXIF, 0), (Place.EXIF, 1), (Place.JPEG_COMMENT, 1)), whole=True)


def answer_of(findings: dict[str, object]) -> bytes:
    answers = wire.answer(wire.HEADER, HEADER) + wire.answer(wire.FINDINGS, findings)
    return answers + wire.picture(1, 1) + b"abc"
