"""Is a text English? A small guess from its script and its most frequent words, for a notice and never for a refusal.

Only words that are neither English nor a name of the field count: not «pas» and «van», which stains are called, nor «mit» and
«met», which genes are. One English function word outweighs one foreign one.
"""

from __future__ import annotations

import re
import unicodedata


def _words(told: str) -> frozenset[str]:
    return frozenset(told.split())


FOREIGN: dict[str, frozenset[str]] = {
    "German": _words(
        "und ohne der eine einer eines einem einen nicht keine kein vom zur zum bei für auf ist sind zellen zelle gewebe niere "
        "leber lunge haut brust drüse drüsen schnitt färbung entzündung krebs schilddrüse darm magen gefäß gefäße"
    ),
    "French": _words(
        "avec sans les une dans sur aux est sont cellules cellule tissu tissus foie poumon peau sein prostatique "
        "coloration coupe côlon estomac cancéreuses tumeur rénal rénale hépatique"
    ),
    "Spanish": _words("sin los las una por células célula tejido hígado riñón pulmón piel mama tinción corte estómago"),
    "Italian": _words(
        "senza della delle dei degli nel nella cellule cellula tessuto fegato polmone pelle mammella colorazione stomaco rene"
    ),
    "Portuguese": _words("uma dos com não células tecido fígado pulmão pele coloração estômago"),
    "Dutch": _words("zonder een het voor weefsel cellen nier huid borst kleuring maag"),
    "Polish": _words("bez oraz jest komórki komórka tkanka wątroba nerka płuco skóra barwienie żołądek"),
    "Turkish": _words("ve ile olmayan hücre hücreler doku karaciğer böbrek akciğer boyama mide"),
}
ENGLISH = _words("the a an of with without and or in on at from by for to is are no not showing near within between under")
FROM_SHARE = 0.2  # of the letters: Greek ones are common in English terms, so they do not count as another script


def noticed(text: str) -> str:
    """Which language a text seems to be in: "another script", a language's name, or "" for English and for no idea."""
    letters = [letter for letter in text if letter.isalpha()]
    if letters and sum(not _is_latin(letter) for letter in letters) > FROM_SHARE * len(letters):
        return "another script"
    words = set(re.findall(r"[^\W\d_]+", unicodedata.normalize("NFC", text).casefold()))
    counts = {language: len(words & known) for language, known in FOREIGN.items()}
    likely = max(counts, key=lambda language: counts[language])
    return likely if counts[likely] > len(words & ENGLISH) else ""


def _is_latin(letter: str) -> bool:
    name = unicodedata.name(letter, "")
    return name.startswith(("LATIN", "GREEK", "MICRO", "FEMININE", "MASCULINE", "FULLWIDTH LATIN"))


def sentence(told: str, *, encoder: str) -> str:
    """What a page says about noticed()'s answer; ``encoder``: how the encoder is called at the start of a sentence."""
    if told == "another script":
        return f"{encoder} reads English. These words are in another script, and what it finds for them means little."
    return f"{encoder} reads English. This looks like {told}: say it in English, or what is found will mean little."
