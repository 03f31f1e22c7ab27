from __future__ import annotations

import json

import pytest
from django.core.exceptions import PermissionDenied

from webapp.explore import vocabularies
from webapp.explore.asking import BadQuery
from webapp.explore.vocabularies import NewTerm, add_terms, create_vocabulary, load_general, read_terms
from webapp.library.models import Term, TermKind, Vocabulary


@pytest.fixture
def vocabulary(alice, team_a):
    return create_vocabulary(user=alice, team=team_a, name="Ours")


def test_the_bundled_vocabulary_has_hundreds_of_terms_of_every_kind():
    terms = json.loads(vocabularies.GENERAL.read_text(encoding="utf-8"))["terms"]
    assert set(terms) == set(TermKind.values)
    assert sum(map(len, terms.values())) >= 300


def test_no_term_of_the_bundled_vocabulary_is_there_twice():
    terms = json.loads(vocabularies.GENERAL.read_text(encoding="utf-8"))["terms"]
    for rows in terms.values():
        names = [names[0].casefold() for names in rows]
        assert len(names) == len(set(names))
        assert all(1 <= len(name) <= vocabularies.LONGEST_TERM for row in rows for name in row)


@pytest.mark.django_db
def test_loading_the_bundled_vocabulary_again_changes_nothing(alice):
    first = load_general()
    Term.objects.update(indexed_at="2026-01-01T00:00Z")
    again = load_general()
    assert (first, Vocabulary.objects.count()) == (again, 1)
    assert not Term.objects.filter(indexed_at=None).exists()
    assert Vocabulary.objects.visible_to(alice).get() == first


@pytest.mark.django_db
def test_terms_that_are_no_longer_shipped_go():
    vocabulary = load_general()
    Term.objects.create(vocabulary=vocabulary, text="phlogiston")
    load_general()
    assert not Term.objects.filter(text="phlogiston").exists()


def test_lines_are_terms_with_synonyms():
    text = "colitis; inflamed colon\n\n  steatosis  \n"
    assert list(read_terms(text)) == [
        (1, NewTerm(TermKind.FINDING, "colitis", ("inflamed colon",))),
        (3, NewTerm(TermKind.FINDING, "steatosis")),
    ]


def test_csv_names_its_columns_in_any_order():
    text = '\ufeffKind,Term,Synonyms\norgan,colon,"large bowel; colonic wall"\n,colitis,\n'
    assert list(read_terms(text)) == [
        (2, NewTerm(TermKind.ORGAN, "colon", ("large bowel", "colonic wall"))),
        (3, NewTerm(TermKind.FINDING, "colitis")),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("term,kind\ncolon,planet", "kind"),
        ("---", "no word"),
        ("x" * 201, "200 characters"),
        ("a\x00b", "printable"),
        ("term;" + ";".join(map(str, range(21))), "synonyms"),
    ],
)
def test_what_is_no_term_is_told_with_a_sentence(text, words):
    (_, problem), *_ = read_terms(text)
    assert isinstance(problem, str)
    assert words in problem


@pytest.mark.django_db
def test_a_list_with_one_bad_line_keeps_the_good_ones(vocabulary, alice):
    told = add_terms(vocabulary, "colitis\n---\ncolitis\nsteatosis", user=alice)
    assert (told.added, told.unchanged, [problem.line for problem in told.problems]) == (2, 1, [2])


@pytest.mark.django_db
def test_new_synonyms_send_a_term_to_the_index_again(vocabulary, alice):
    add_terms(vocabulary, "colitis", user=alice)
    Term.objects.update(indexed_at="2026-01-01T00:00Z")
    before = Term.objects.get().key
    assert add_terms(vocabulary, "colitis; inflamed colon", user=alice).changed == 1
    term = Term.objects.get()
    assert term.indexed_at is None
    assert term.key != before


@pytest.mark.django_db
def test_terms_stored_in_bulk_have_the_key_that_saving_gives(vocabulary, alice):
    add_terms(vocabulary, "colitis; inflamed colon", user=alice)
    term = Term.objects.get()
    key = term.key
    term.save()
    assert term.key == key


@pytest.mark.django_db
@pytest.mark.parametrize("who", ["bob", "charlie"])
def test_only_editors_of_the_team_write(vocabulary, who, request):
    with pytest.raises(PermissionDenied):
        add_terms(vocabulary, "colitis", user=request.getfixturevalue(who))


@pytest.mark.django_db
def test_nobody_writes_into_the_bundled_vocabulary(alice):
    with pytest.raises(PermissionDenied):
        add_terms(load_general(), "colitis", user=alice)


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["", " ", "x" * 121, "Ours"])
def test_a_name_that_is_empty_or_taken_is_refused(vocabulary, alice, team_a, name):
    with pytest.raises(BadQuery):
        create_vocabulary(user=alice, team=team_a, name=name)


@pytest.mark.django_db
def test_a_vocabulary_does_not_grow_for_ever(vocabulary, alice, monkeypatch):
    monkeypatch.setattr(vocabularies, "MOST_TERMS", 2)
    with pytest.raises(BadQuery):
        add_terms(vocabulary, "a\nb\nc", user=alice)
