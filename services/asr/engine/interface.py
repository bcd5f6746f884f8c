"""What every speech recogniser of Parley is, whichever library does the work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
Samples = NDArray[np.float32]  # mono, SAMPLE_RATE, -1 to 1
PLAIN, BIASED = "plain", "biased"
UNSPACED = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km"})  # languages written without blanks between words


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a recogniser is shown as if it had been said before; of what does not fit, the end of each is left out."""

    names: tuple[str, ...] = ()  # most important first
    sentences: tuple[str, ...] = ()  # most relevant first


class Expected(Protocol):
    """What an utterance may be about."""

    @property
    def answer(self) -> bool:
        """Whether a question was asked, so that one word may be all there is."""
        ...

    def prompt(self) -> Prompt: ...

    def vocabulary(self) -> frozenset[str]:
        """The words that belong here, in lower case."""
        ...

    def fit(self, words: Sequence[str]) -> float:
        """Natural logarithm of how likely these words are."""
        ...


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a recogniser is and which languages it hears."""

    name: str  # the library that does the work: "faster-whisper"
    version: str  # of the model, derived from its weights: "whisper-tiny.en-0a1b2c3d"
    languages: frozenset[str]  # BCP 47 primary subtags
    multilingual: bool  # True: decides on the language by itself where none is asked for
    biasing: bool = False  # True: what is expected of a clip changes how it is heard


@dataclass(frozen=True, slots=True)
class Clip:
    """Speech to recognise: `samples`, the language it is in (empty: the recogniser decides), and what is expected."""

    samples: Samples
    language: str = ""
    expected: Expected | None = None


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
class Weighed:
    """One hypothesis with what speaks for it; natural logarithms, sums over the text."""

    text: str
    source: str  # PLAIN: heard without any context, or BIASED: with it
    log_probability: float  # mean over the tokens, as its own search has it
    acoustic: float  # of the text given the sound alone
    fit: float  # of the text given what is expected


@dataclass(frozen=True, slots=True)
class Weighing:
    """Which hypothesis won, and why; the winner is the first of `weighed`, which is empty where nothing was weighed."""

    chosen: str  # PLAIN or BIASED
    reason: str
    plain: str  # what was heard without context
    weighed: tuple[Weighed, ...] = ()
    answers: bool = False  # the winner is an answer to the question that was asked


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a recogniser made of a clip: not yet judged."""

    passages: tuple[Passage, ...]
    language: str
    weighing: Weighing | None = None  # None where nothing was expected


class AsrEngine(Protocol):
    """A speech recogniser. `recognise` may be called from several threads."""

    @property
    def capabilities(self) -> Capabilities: ...

    def recognise(self, clip: Clip) -> Recognition: ...
