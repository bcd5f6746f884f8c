"""Which of the recogniser's texts is understood."""

from __future__ import annotations

import pytest

from parley.v1 import asr_pb2, nlu_pb2
from services.nlu.hypotheses import best, is_doubtful, rivals

pytestmark = pytest.mark.unit


def heard(*texts: tuple[str, float], confidence: float = 0.5) -> asr_pb2.Transcript:
    """A transcript of the first text, with the acoustic log-probabilities of all."""
    return asr_pb2.Transcript(
        text=texts[0][0],
        confidence=confidence,
        hypotheses=[asr_pb2.Hypothesis(text=text, acoustic=acoustic) for text, acoustic in texts],
    )


def meant(intent: str, confidence: float, decided_by: str = "model", *, outside: bool = False) -> nlu_pb2.Understanding:
    return nlu_pb2.Understanding(intent=intent, confidence=confidence, decided_by=decided_by, out_of_scope=outside)


def test_texts_that_the_sound_allows_are_looked_at_once_each() -> None:
    transcript = heard(
        ("Turn on the kitchen right.", -2.0),
        ("turn on the kitchen, right", -2.1),
        ("Turn on the kitchen light.", -4.0),
        ("Burn the chicken bright.", -9.0),
        ("...", -2.5),
    )

    assert rivals(transcript) == ["Turn on the kitchen light."]


def test_where_nothing_was_weighed_the_mean_over_tokens_decides() -> None:
    transcript = asr_pb2.Transcript(
        text="one",
        confidence=0.5,
        hypotheses=[
            asr_pb2.Hypothesis(text="one", log_probability=-0.5),
            asr_pb2.Hypothesis(text="won", log_probability=-0.7),
            asr_pb2.Hypothesis(text="fun", log_probability=-1.2),
        ],
    )

    assert rivals(transcript) == ["won"]


@pytest.mark.parametrize(
    "transcript",
    [
        heard(("It was a dark night.", -1.0), ("Turn on the light.", -1.5), confidence=0.9),  # clear speech
        asr_pb2.Transcript(text="typed", confidence=0.2),
        heard(("alone", -1.0)),
    ],
)
def test_clear_speech_and_typed_words_have_no_rivals(transcript: asr_pb2.Transcript) -> None:
    assert rivals(transcript) == []


def test_another_text_is_taken_only_where_it_is_sure_and_the_first_is_doubtful() -> None:
    lost, found = meant("greet", 0.2, outside=True), meant("turn_on", 1.0, "template")

    chosen = best(lost, [("guess", meant("turn_off", 0.6)), ("Turn on the light.", found)])

    assert (chosen.intent, chosen.text) == ("turn_on", "Turn on the light.")
    assert "out of scope" in chosen.text_reason
    assert "light" not in chosen.text_reason
    assert best(lost, [("guess", meant("turn_off", 0.84)), ("other", meant("lock_door", 0.95, outside=True))]) == lost
    assert (is_doubtful(lost), is_doubtful(meant("turn_on", 0.9)), is_doubtful(meant("turn_on", 0.3))) == (
        True,
        False,
        True,
    )
