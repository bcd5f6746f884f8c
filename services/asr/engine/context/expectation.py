"""What is expected of one utterance: what to show the recogniser before it listens, and how well a text fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest

from services.asr.engine.context.domain import Domain
from services.asr.engine.context.language_model import NUMBER, LanguageModel, Phrases
from services.asr.engine.context.wording import DIGIT_WORDS, NUMBER_WORDS, sentence, words
from services.asr.engine.interface import Prompt

# Entities whose values are numbers, or hold one.
NUMERIC = frozenset({"number", "code", "percentage", "temperature", "duration", "time", "money"})
_NAMING = 3  # entities of a pack of which a name that it does not know may be
_MOST_NAMES = 60
_MOST_SENTENCES = 24
_LONGEST_REPLY = 200  # characters of the last reply that are shown
_OTHERWISE = 14.0  # by how much less likely (natural logarithm) anything else is once an answer was asked for ...
_INSTEAD = 3.0  # ... and by how much a request of the packs is: people change their mind
_FAMILIAR = -3.2  # a word, its end counted: from here on a text is such a request
# Digits out of order: with them in order, the recogniser counts on.
_SHUFFLED_DIGITS = tuple(DIGIT_WORDS[digit] for digit in (7, 3, 9, 0, 2, 5, 8, 1, 6, 4))


@dataclass(frozen=True, slots=True)
class Asked:
    """What dialogue asked for, and how the values are called where they are listed."""

    kind: str  # of the entity that the slot holds
    names: tuple[str, ...] = ()

    @property
    def numeric(self) -> bool:
        """Whether a number is the answer, or in it."""
        return self.kind in NUMERIC


@dataclass(frozen=True, slots=True)
class Expectation:
    """What one utterance may be about: packs most likely first, names of this home, the slot asked for, the reply."""

    domains: tuple[Domain, ...]
    names: tuple[str, ...] = ()
    asked: Asked | None = None
    last_reply: str = ""
    revision: int = 0  # of the context it comes from; 0: of none

    @property
    def answer(self) -> bool:
        """Whether a question was asked."""
        return self.asked is not None

    def prompt(self) -> Prompt:
        """An answer's wordings where one was asked for; else the home's names and a sentence of every intent."""
        if self.asked is not None and self.asked.numeric:
            return Prompt((), tuple(sentence(word) for word in _SHUFFLED_DIGITS))
        if self.asked is not None and self.asked.names:
            answers = tuple(sentence(name) for name in self.asked.names[:_MOST_NAMES])
            return Prompt((), (*_replied(self.last_reply), *answers))
        by_pack = [domain.examples for domain in self.domains]
        shown = [text for each in zip_longest(*by_pack, fillvalue="") for text in each if text][:_MOST_SENTENCES]
        asked = (word for domain in self.domains for word in domain.pack.listening(domain.language).words)
        own = (name for domain in self.domains for name in _home_names(domain))
        names = dict.fromkeys((*self.names, *asked, *own))
        return Prompt(tuple(names)[:_MOST_NAMES], (*_replied(self.last_reply), *map(sentence, shown)))

    def fit(self, text: Sequence[str]) -> float:
        """Natural logarithm of how likely these words are here: in the likeliest of the packs, or as an answer."""
        if not text:
            return -100.0
        extra = self._extra_phrases()
        scores = [domain.fit(text, extra.get(domain.pack.name)) for domain in self.domains]
        if self.asked is None:
            return max(scores, default=-100.0)
        familiar = max(scores, default=-100.0) / (len(text) + 1) >= _FAMILIAR
        instead = _INSTEAD if familiar else _OTHERWISE
        return max([_answers(self.asked).log_probability(text), *(score - instead for score in scores)])

    def vocabulary(self) -> frozenset[str]:
        """The words of the packs, of this home's names and of numbers; of numbers alone where one was asked for."""
        if self.asked is not None and self.asked.numeric:
            return NUMBER_WORDS
        named = {word for name in self.names for word in words(name)}
        return frozenset(named | NUMBER_WORDS).union(*(domain.vocabulary for domain in self.domains))

    def _extra_phrases(self) -> Mapping[str, Phrases]:
        """This home's names, as more names of whatever each pack has names for."""
        phrases = {}
        for domain in self.domains:
            if classes := tuple(f"{{{entity}}}" for entity in domain.listed[:_NAMING]):
                phrases[domain.pack.name] = {words(name): classes for name in self.names}
        return phrases


def _replied(reply: str) -> tuple[str, ...]:
    return (reply[:_LONGEST_REPLY],) if reply else ()


def _home_names(domain: Domain) -> tuple[str, ...]:
    return tuple(name for entity in domain.listed for name in domain.names(entity))


@cache
def _answers(asked: Asked) -> LanguageModel:
    """Scores answers to a question for one slot."""
    value = NUMBER if asked.numeric else "{value}"
    around = ("{}", "{}", "{}", "the {}", "in the {}", "{} please", "its {}", "it is {}", "make it {}", "number {}")
    units = {
        "percentage": ("{} percent",),
        "temperature": ("{} degrees",),
        "time": ("at {}", "{} am", "{} pm"),
        "money": ("{} dollars", "{} euros", "{} pounds"),
    }
    durations = tuple("{} " + unit for unit in ("seconds", "minutes", "hours", "minute", "hour", "days"))
    more = durations if asked.kind == "duration" else units.get(asked.kind, ())
    phrases = {words(name): ("{value}",) for name in asked.names}
    return LanguageModel((tuple(form.format(value).split()) for form in (*around, *more * 2)), phrases)
