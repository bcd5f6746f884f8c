"""What a match of words is worth, and what the judge makes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.knowledge.judge import Judge, Signals
from services.knowledge.ranking import Collection, fused
from services.knowledge.terms import question, terms

pytestmark = pytest.mark.unit

ASKED = question("How long does an express refund take?")
COLLECTION = Collection(passages=100, mean_length=10, frequencies={"long": 60, "refund": 20, "express": 2})
SURE = Signals(similarity=0.9, lead=0.12, contrast=0.1, coverage=1.0, unknown=0.0)


def test_a_rare_word_is_worth_more_than_a_frequent_one() -> None:
    assert COLLECTION.words_score(ASKED, terms("express")) > COLLECTION.words_score(ASKED, terms("refund")) > 0


def test_the_same_words_are_worth_less_in_a_longer_passage() -> None:
    brief = terms("A refund is made.")

    assert COLLECTION.words_score(ASKED, brief) > COLLECTION.words_score(ASKED, brief + terms("and more " * 20))


def test_a_passage_without_any_word_has_no_score_from_words() -> None:
    assert COLLECTION.words_score(ASKED, terms("Something else")) == 0


def test_coverage_is_the_share_of_the_question_that_a_passage_has() -> None:
    everything = COLLECTION.coverage(ASKED, terms("An express refund takes long"))
    part = COLLECTION.coverage(ASKED, terms("A refund"))

    assert everything == 1
    assert 0 < part < 0.5
    assert COLLECTION.coverage(question("what is it"), terms("A refund")) == 0


def test_words_that_stand_nowhere_are_unknown() -> None:
    assert COLLECTION.unknown(ASKED) == 0
    assert COLLECTION.unknown(question("Who painted the fresco?")) == 1
    assert 0 < COLLECTION.unknown(question("express fresco")) < 1
    assert COLLECTION.unknown(question("what is it")) == 0


def test_words_decide_between_passages_that_mean_the_same() -> None:
    assert fused(0.85, 0.5) > fused(0.85, 0.0)
    assert fused(0.85, 1.0) < fused(0.9, 0.0)


@pytest.mark.parametrize(("name", "worse"), [("similarity", 0.75), ("lead", 0.0), ("coverage", 0.0), ("unknown", 1.0)])
def test_each_signal_pulls_the_judge_its_own_way(name: str, worse: float) -> None:
    judge = Judge.load()
    doubtful = Signals(**{**{field: getattr(SURE, field) for field in SURE.__slots__}, name: worse})

    assert judge.certainty(doubtful, other_language=False) < judge.certainty(SURE, other_language=False)


def test_between_languages_shared_words_do_not_count() -> None:
    judge = Judge.load()

    assert judge.certainty(SURE, other_language=True) > 0.9
    assert judge.certainty(replace(SURE, coverage=0, unknown=1), other_language=True) == judge.certainty(
        SURE, other_language=True
    )
