"""Which of the recogniser's texts is understood: the first, unless nothing can be made of it and of another one can.

The sound has spoken first: only texts that it finds nearly as likely are looked at, and clear speech is left alone,
whatever it is about.
"""

from __future__ import annotations

from collections.abc import Sequence

from parley.v1 import asr_pb2, nlu_pb2
from services.nlu.engine import TEMPLATE
from services.nlu.normalisation import normalise

_MOST = 4  # other texts looked at
_MOST_LOSS = 3.0  # of acoustic log-probability against the first text; natural logarithm
_MOST_LOSS_A_TOKEN = 0.3  # the same where only means over tokens are known
_CLEAR = 0.75  # confidence of a transcript that needs no second look
_DOUBTFUL = 0.5  # confidence below which a request in scope is as good as not understood
_SURE = 0.85  # confidence from which another text is


def rivals(transcript: asr_pb2.Transcript) -> list[str]:
    """The texts besides the transcript's own that the sound allows, likeliest first."""
    first = next((each for each in transcript.hypotheses if each.text == transcript.text), None)
    if first is None or transcript.confidence >= _CLEAR:
        return []
    seen = {normalise(transcript.text).text}
    found = []
    for each in transcript.hypotheses:
        weighed = bool(first.acoustic and each.acoustic)
        loss = first.acoustic - each.acoustic if weighed else first.log_probability - each.log_probability
        words = normalise(each.text).text
        if words and words not in seen and loss <= (_MOST_LOSS if weighed else _MOST_LOSS_A_TOKEN):
            seen.add(words)
            found.append(each.text)
    return found[:_MOST]


def is_doubtful(understanding: nlu_pb2.Understanding) -> bool:
    """True where another text is worth a look."""
    return understanding.out_of_scope or understanding.confidence < _DOUBTFUL


def best(first: nlu_pb2.Understanding, others: Sequence[tuple[str, nlu_pb2.Understanding]]) -> nlu_pb2.Understanding:
    """The understanding of the first text, or of the one among `others` that is surely understood."""
    sure = [
        (text, each)
        for text, each in others
        if not each.out_of_scope and (each.decided_by == TEMPLATE or each.confidence >= _SURE)
    ]
    if not sure:
        return first
    text, chosen = max(sure, key=lambda pair: pair[1].confidence)  # the likeliest of equals: `others` are in order
    told = nlu_pb2.Understanding()
    told.CopyFrom(chosen)
    told.text = text
    was = "out of scope" if first.out_of_scope else f"understood with {first.confidence:.2f}"
    told.text_reason = f"the first text was {was}; this one is sure at {chosen.confidence:.2f}"
    return told
