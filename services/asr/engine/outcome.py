"""Why a recording yields no words."""

from __future__ import annotations

from parley.v1.asr_pb2 import TranscriptOutcome


class Unheard(Exception):
    """A recording without a transcript. Not a failure of the service: the caller gets the outcome as an answer.

    `detail` names the field, its value and the remedy; `seconds` is the recording's length where it is known.
    """

    def __init__(self, outcome: TranscriptOutcome.ValueType, detail: str, seconds: float = 0.0) -> None:
        super().__init__(detail)
        self.outcome = outcome
        self.detail = detail
        self.seconds = seconds
