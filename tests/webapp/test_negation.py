"""Which words deny something, and what is left of the text."""

from __future__ import annotations

import time

import pytest

from webapp.explore import negation
from webapp.explore.addresses import Address
from webapp.explore.negation import Negation
from webapp.explore.refining import notices


def test_endless_blanks_take_no_time():
    began = time.process_time()
    assert negation.find("glands, no fat" + " " * 8_000 + "x") == Negation(("fat",), "glands")
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("text", "concepts", "rest"),
    [
        ("glands without necrosis", ("necrosis",), "glands"),
        ("Carcinoma, no mitoses", ("mitoses",), "Carcinoma"),
        ("lymph node negative for metastasis", ("metastasis",), "lymph node"),
        ("not keratinising squamous epithelium", ("keratinising squamous epithelium",), ""),
        ("renal cortex with absence of fibrosis", ("fibrosis",), "renal cortex"),
        ("renal cortex without any evidence of fibrosis", ("fibrosis",), "renal cortex"),
        ("liver without fat or fibrosis", ("fat", "fibrosis"), "liver"),
        ("skin without keratin and with lymphocytes", ("keratin",), "skin and with lymphocytes"),
        ("tumour without necrosis, no mitoses, pink stroma", ("necrosis", "mitoses"), "tumour, pink stroma"),
        ("without necrosis", ("necrosis",), ""),
        ("necrosis without fibrosis in the kidney", ("fibrosis",), "necrosis in the kidney"),
    ],
)
def test_a_negation_is_found_and_cut_out(text, concepts, rest):
    assert negation.find(text) == Negation(concepts, rest)


@pytest.mark.parametrize(
    "text",
    [
        "brown stained nuclei",
        "non-small cell carcinoma",
        "carcinoma, not otherwise specified",
        "invasive carcinoma of no special type",
        "nodular lymphoma",
        "case no. 5",
        "notochord",
        "",
        "no",
        "not",
    ],
)
def test_words_that_deny_nothing_are_left_alone(text):
    assert negation.find(text) is None


def test_the_page_offers_to_push_away_what_is_denied():
    (told,) = notices(Address.of("q=glands+without+necrosis&stain=DAB"))
    assert (told.kind, told.href) == ("negation", "?q=glands&stain=DAB&minus=necrosis")
    assert "does not understand negations" in told.sentence


def test_what_is_only_denied_gets_no_link_that_would_be_refused():
    (told,) = notices(Address.of("q=without+necrosis"))
    assert (told.kind, told.href) == ("negation", "")


def test_beside_a_picture_the_denied_words_may_go_altogether():
    (told,) = notices(Address.of("image=5&q=without+necrosis"))
    assert told.href == "?image=5&minus=necrosis"
