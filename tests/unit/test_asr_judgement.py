"""What a recogniser wrote is believed only where it may have been said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from parley.v1.asr_pb2 import TranscriptOutcome
from services.asr.engine.interface import PLAIN, Passage, Recognition, Weighing
from services.asr.engine.judgement import Limits, judge
from services.asr.engine.outcome import Unheard

pytestmark = pytest.mark.unit

COMMAND = Passage("Turn on the kitchen light.", log_probability=-0.4, tokens=8, no_speech_probability=0.05)
LIMITS = Limits()


def refusal(*passages: Passage, speech_seconds: float = 1.5) -> Unheard:
    with pytest.raises(Unheard) as caught:
        judge(Recognition(passages, "en"), LIMITS, speech_seconds)
    return caught.value


def test_words_said_with_certainty_are_heard() -> None:
    assert judge(Recognition((COMMAND,), "en"), LIMITS, 1.5) == (COMMAND,)


def test_a_backend_that_does_not_tell_of_speech_is_believed() -> None:
    silent = replace(COMMAND, no_speech_probability=None)

    assert judge(Recognition((silent,), "en"), LIMITS, 1.5) == (silent,)


@pytest.mark.parametrize("text", ["", ".", " . . .", "♪", "-"])
def test_signs_without_words_are_noise(text: str) -> None:
    assert refusal(replace(COMMAND, text=text)).outcome == TranscriptOutcome.TRANSCRIPT_OUTCOME_NOISE


def test_uncertain_words_where_no_speech_was_heard_are_noise() -> None:
    refused = refusal(replace(COMMAND, text="Thank you.", log_probability=-0.94, no_speech_probability=0.86))

    assert refused.outcome == TranscriptOutcome.TRANSCRIPT_OUTCOME_NOISE
    assert "0.86" in refused.detail


def test_certain_words_stand_even_where_no_speech_was_heard() -> None:
    digit = replace(COMMAND, text="7.", log_probability=-0.3, no_speech_probability=0.8)

    assert judge(Recognition((digit,), "en"), LIMITS, 0.4) == (digit,)


def test_words_that_answer_what_was_asked_need_less_of_the_sound() -> None:
    four = replace(COMMAND, text="Four.", log_probability=-1.1)
    asked = Weighing(PLAIN, "no other text is worth more", "Four.", answers=True)

    assert judge(Recognition((four,), "en", asked), LIMITS, 0.5) == (four,)
    assert refusal(four).outcome == TranscriptOutcome.TRANSCRIPT_OUTCOME_UNINTELLIGIBLE
    with pytest.raises(Unheard):
        judge(Recognition((replace(four, log_probability=-1.4),), "en", asked), LIMITS, 0.5)


def test_guesses_are_unintelligible() -> None:
    refused = refusal(replace(COMMAND, text="Hoshweger. Marka Alalishtauz.", log_probability=-1.25))

    assert refused.outcome == TranscriptOutcome.TRANSCRIPT_OUTCOME_UNINTELLIGIBLE
    assert "-1.25, under -1" in refused.detail
    assert "Hoshweger" not in refused.detail


def test_the_same_words_over_and_over_are_unintelligible() -> None:
    refused = refusal(replace(COMMAND, text="beep " * 60, log_probability=-0.04), speech_seconds=30)

    assert refused.outcome == TranscriptOutcome.TRANSCRIPT_OUTCOME_UNINTELLIGIBLE


def test_a_window_that_repeats_itself_is_dropped_and_the_others_stand() -> None:
    loop = replace(COMMAND, text="thank you and " * 30)

    assert judge(Recognition((COMMAND, loop), "en"), LIMITS, 30) == (COMMAND,)


def test_more_letters_than_anyone_speaks_in_the_time_are_unintelligible() -> None:
    sentence = replace(COMMAND, text="I'm going to take a look at the end of the video, and then we will see.")

    assert refusal(sentence, speech_seconds=0.2).outcome == TranscriptOutcome.TRANSCRIPT_OUTCOME_UNINTELLIGIBLE
    assert judge(Recognition((sentence,), "en"), LIMITS, 4.0) == (sentence,)


@pytest.mark.parametrize(
    "text",
    [
        "Thank you for watching!",
        "Thanks so much for watching, bye.",
        "I'll see you in the next video.",
        "Please like and subscribe.",
    ],
)
def test_what_subtitles_say_is_unintelligible(text: str) -> None:
    assert refusal(replace(COMMAND, text=text)).outcome == TranscriptOutcome.TRANSCRIPT_OUTCOME_UNINTELLIGIBLE


@pytest.mark.parametrize("text", ["Thank you.", "Dim the lights for watching a movie", "Pause the video"])
def test_what_people_say_to_an_assistant_is_heard(text: str) -> None:
    said = replace(COMMAND, text=text)

    assert judge(Recognition((said,), "en"), LIMITS, 1.5) == (said,)
