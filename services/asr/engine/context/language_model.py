"""How likely a text is in a domain: a trigram model whose vocabulary holds classes ("turn on the {device}").

Interpolated Witten-Bell smoothing (Witten and Bell 1991); class n-grams as in Brown et al. 1992, the classes being
the pack's entities. Small by design: a pack's sentences train it in well under a second.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from services.asr.engine.context.wording import is_number

NUMBER = "{number}"
_START, _END = "<s>", "</s>"
_ORDER = 3
_VOCABULARY = 50_000  # words a speaker may use that no sentence of the pack holds
_UNSEEN = 200.0  # weight of those beside what was seen
_NUMBER_WORD = math.log(1 / 20)  # one word of a number, once a number is certain
_BEAM = 12  # readings of a text kept at each place

History = tuple[str, ...]
Phrases = Mapping[tuple[str, ...], tuple[str, ...]]  # words -> the classes they are of


class LanguageModel:
    """Trained on token sequences in which a class stands as "{name}"."""

    def __init__(self, sentences: Iterable[Sequence[str]], phrases: Phrases) -> None:
        """`phrases` says which words are of which class; `sentences` hold words and classes."""
        self._counts: Counter[History] = Counter()
        self._totals: Counter[History] = Counter()
        self._followers: dict[History, set[str]] = defaultdict(set)
        for tokens in sentences:
            padded = (*[_START] * (_ORDER - 1), *tokens, _END)
            for place in range(_ORDER - 1, len(padded)):
                for length in range(_ORDER):
                    history = padded[place - length : place]
                    self._counts[(*history, padded[place])] += 1
                    self._totals[history] += 1
                    self._followers[history].add(padded[place])
        self._phrases = phrases
        self._named = {word for phrase in phrases for word in phrase}
        sizes = Counter(name for names in phrases.values() for name in names)
        self._share = {name: -math.log(size) for name, size in sizes.items()}
        self._longest = max((len(phrase) for phrase in phrases), default=1)

    @property
    def vocabulary(self) -> frozenset[str]:
        """Every word of its sentences and names; numbers are left to whoever asks."""
        seen = {gram[0] for gram in self._counts if len(gram) == 1 and gram[0][0] not in "{<"}
        return frozenset(seen | self._named)

    def log_probability(self, words: Sequence[str], names: Phrases | None = None) -> float:
        """Natural logarithm of the most likely reading of `words`; `names`: more phrases, of this home alone."""
        known = {**self._phrases, **(names or {})}
        longest = max(self._longest, max((len(name) for name in names or ()), default=1))
        readings: list[dict[History, float]] = [{} for _ in range(len(words) + 1)]
        readings[0][(_START,) * (_ORDER - 1)] = 0.0
        for place in range(len(words)):
            likely = sorted(readings[place].items(), key=lambda reading: -reading[1])[:_BEAM]
            for length, token, share in self._readings_at(words, place, known, longest):
                target = readings[place + length]
                for history, score in likely:
                    reached = (*history[1:], token)
                    total = score + share + math.log(self._probability(history, token))
                    target[reached] = max(total, target.get(reached, -math.inf))
        return max(
            score + math.log(self._probability(history, _END)) for history, score in readings[len(words)].items()
        )

    def _readings_at(
        self, words: Sequence[str], place: int, known: Phrases, longest: int
    ) -> list[tuple[int, str, float]]:
        """What may stand at `place`: (words it takes, token, logarithm of its share in the class)."""
        found = [(1, words[place], 0.0)]
        for length in range(1, min(longest, len(words) - place) + 1):
            for name in known.get(tuple(words[place : place + length]), ()):
                found.append((length, name, self._share.get(name, 0.0)))
        end = place
        while end < len(words) and is_number(words[end]):
            end += 1
            found.append((end - place, NUMBER, _NUMBER_WORD * (end - place)))
        return found

    def _probability(self, history: History, token: str) -> float:
        total = self._totals[()]
        probability = (self._counts[(token,)] + _UNSEEN / _VOCABULARY) / (total + _UNSEEN)
        for length in range(1, _ORDER):
            context = history[len(history) - length :]
            if seen := self._totals[context]:
                kinds = len(self._followers[context])
                probability = (self._counts[(*context, token)] + kinds * probability) / (seen + kinds)
        return probability
