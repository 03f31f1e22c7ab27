"""Is a text English? Noticed where it clearly is not, and never where a term of the field only looks foreign."""

from __future__ import annotations

import pytest

from webapp.explore.addresses import Address
from webapp.explore.language import noticed
from webapp.explore.refining import notices


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Drüsen ohne Nekrose", "German"),
        ("Entzündung der Niere", "German"),
        ("tissu avec nécrose", "French"),
        ("células con necrosis en el hígado", "Spanish"),
        ("tessuto senza necrosi", "Italian"),
        ("weefsel zonder necrose", "Dutch"),
        ("komórki bez martwicy", "Polish"),
        ("坏死的肾组织", "another script"),
        ("некроз почки", "another script"),
        ("壊死 kidney", "another script"),
    ],
)
def test_other_languages_are_noticed(text, language):
    assert noticed(text) == language


@pytest.mark.parametrize(
    "text",
    [
        "brown stained nuclei",
        "adenocarcinoma in situ",
        "carcinoma de novo",
        "PAS stain",
        "van Gieson",
        "von Willebrand factor",
        "MET amplification, MiT family translocation",
        "α-SMA, β-catenin",
        "Sjögren syndrome, Müllerian duct",
        "lymphocytes",
        "para-aortic lymph node",
        "Y chromosome",
        "SEM of glomeruli",
        "10 µm",
        "!?",
        "",
    ],
)
def test_english_and_the_names_of_the_field_are_left_alone(text):
    assert noticed(text) == ""


@pytest.mark.parametrize(("encoder", "name"), [("conch", "CONCH reads English"), ("mini", "The encoder reads English")])
def test_the_notice_names_the_encoder(settings, encoder, name):
    settings.CONCHIVE_ENCODER = encoder
    (told,) = notices(Address.of("q=Entz%C3%BCndung+der+Niere"))
    assert told.sentence.startswith(name)


def test_concepts_are_looked_at_too():
    assert [told.kind for told in notices(Address.of("q=glands&minus=nécrose+avec+fibrose"))] == ["language"]
