"""What every speech recogniser of Parley is, whichever library does the work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
Samples = NDArray[np.float32]  # mono, SAMPLE_RATE, -1 to 1
UNSPACED = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km"})  # languages written without blanks between words


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a recogniser is and which languages it hears."""

    name: str  # the library that does the work: "faster-whisper"
    version: str  # of the model, derived from its weights: "whisper-tiny.en-0a1b2c3d"
    languages: frozenset[str]  # BCP 47 primary subtags
    multilingual: bool  # True: decides on the language by itself where none is asked for


@dataclass(frozen=True, slots=True)
class Clip:
    """Speech to recognise: `samples`, and the language it is in (empty: the recogniser decides)."""

    samples: Samples
    language: str = ""


@dataclass(frozen=True, slots=True)
class HeardWord:
    """One word, in seconds from the clip's start; `probability` 0 to 1."""

    text: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """One text the decoder considered, with its mean token log-probability (natural logarithm)."""

    text: str
    log_probability: float


@dataclass(frozen=True, slots=True)
class Passage:
    """What one decoding window (30 s at most) yielded."""

    text: str
    log_probability: float  # mean over the tokens
    tokens: int
    no_speech_probability: float | None = None  # None where the backend does not tell
    words: tuple[HeardWord, ...] = ()
    alternatives: tuple[Candidate, ...] = ()  # best first, the text itself not among them


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a recogniser made of a clip: not yet judged."""

    passages: tuple[Passage, ...]
    language: str


class AsrEngine(Protocol):
    """A speech recogniser. `recognise` may be called from several threads."""

    @property
    def capabilities(self) -> Capabilities: ...

    def recognise(self, clip: Clip) -> Recognition: ...
