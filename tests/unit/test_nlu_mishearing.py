"""Sentences as a speech model mishears them: what is changed, and what never is."""

from __future__ import annotations

import random

import pytest

from services.nlu.corpus import Example, SlotSpan
from services.nlu.corpus.mishearing import Mishearing

pytestmark = pytest.mark.unit

EN = Mishearing("en", ["turn the light on", "train four two too to for", "write right", "done not dont"])
ZH = Mishearing("zh", ["打开灯", "大卡", "知道之道", "不布"])


def heard(mishearing: Mishearing, text: str, slots: tuple[SlotSpan, ...] = ()) -> set[str]:
    """All that is heard for a text in 200 hearings where every word is in danger."""
    example = Example(text, "en", "turn_on", slots, "")
    return {mishearing.of(example, 1.0, random.Random(seed)).text for seed in range(200)}


def test_words_are_taken_for_others_that_sound_alike_and_small_ones_are_lost() -> None:
    assert "write" in heard(EN, "right")
    assert heard(EN, "turn the light") == {"train light", "turn light"}
    assert heard(ZH, "知道") >= {"之道"}


def test_what_turns_a_request_into_another_is_never_misheard() -> None:
    assert heard(EN, "dont") == {"dont"}
    assert all(text.split()[-1] == "on" for text in heard(EN, "turn the light on"))
    assert heard(ZH, "不") == {"不"}


def test_slots_stand_where_their_words_stand_afterwards() -> None:
    text = "turn the light on for two"
    example = Example(text, "en", "turn_on", (SlotSpan("device", 9, 14), SlotSpan("count", 22, 25)), "")

    for seed in range(100):
        misheard = EN.of(example, 1.0, random.Random(seed))
        assert [misheard.text[slot.start : slot.end] for slot in misheard.slots] == ["light", "two"]


def test_the_same_draw_gives_the_same_hearing() -> None:
    example = Example("turn the light on", "en", "turn_on", (), "")

    assert EN.of(example, 0.5, random.Random(3)) == EN.of(example, 0.5, random.Random(3))
    assert EN.of(example, 0.0, random.Random(3)) is example
