"""What words a text has, for full text and for the judge."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.knowledge.terms import guess_language, question, size, terms

pytestmark = pytest.mark.unit


def test_forms_of_a_word_are_one_term() -> None:
    assert len({*terms("returned"), *terms("Returns"), *terms("RETURNING")}) == 1


def test_accents_and_width_make_no_difference() -> None:
    assert terms("Café ４２") == terms("cafe 42")


def test_chinese_has_its_characters_and_their_pairs() -> None:
    assert terms("退货吗") == ["退", "货", "吗", "退货", "货吗"]


def test_a_question_is_searched_without_the_words_every_question_has() -> None:
    assert question("What is the capital of France?").terms == tuple(terms("capital France"))
    assert question("Don't you have what's needed?").terms == tuple(terms("needed"))
    assert question("怎么退货？").terms == ("么退", "退货")


def test_a_question_of_stop_words_has_no_terms() -> None:
    assert question("What is it?").terms == ()
    assert question("是什么？").units == ()


def test_each_content_character_counts_with_its_neighbours() -> None:
    asked = question("能退货吗")

    assert asked.units == (("能退", "退货"), ("退货", "货吗"))


def test_mixed_text_has_both_kinds_of_terms() -> None:
    assert {"paypal", "退款"} <= set(question("PayPal退款要多久").terms)


def test_a_chinese_word_is_about_as_long_as_an_english_one() -> None:
    assert size("Refunds take three days") == 4
    assert 3 < size("退款需要三天") < 5


@pytest.mark.parametrize(
    ("text", "language"), [("How long?", "en"), ("多长时间", "zh"), ("PayPal 怎么退款", "zh"), ("", "en")]
)
def test_the_language_is_guessed_by_its_writing(text: str, language: str) -> None:
    assert guess_language(text) == language


@given(st.text(max_size=200))
def test_terms_hold_nothing_a_full_text_query_could_stumble_over(text: str) -> None:
    found = terms(text)

    assert all(re.fullmatch(r"[a-z0-9\u0080-\U0010ffff]{1,64}", term) and term.split() == [term] for term in found)
    assert set(question(text).terms) <= set(found)
