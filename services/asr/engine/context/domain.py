"""One pack as something that can be heard: its names, its sentences, and how likely a text is in it."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain, repeat

from services.asr.engine.context.language_model import LanguageModel, Phrases
from services.asr.engine.context.sentences import Tokens, draw, polite, usual
from services.asr.engine.context.wording import words
from services.asr.engine.interface import UNSPACED
from shared.packs import Pack

_PER_INTENT = 500
_USUAL_INTENTS = 16
_NUMBERS = ("two", "ten", "fifteen", "twenty")
_PER_SENTENCE = 50  # a sentence that the pack asks to be expected counts as much as so many drawn ones ...
_PER_WORD = 10  # ... and a word as so many utterances of it alone
_POLITE = "{polite}"
_POLITE_SHARE = 0.12  # of the sentences, with such words before them, and as many with them behind


class Domain:
    """What one pack holds in one language. Made once and used for every conversation; what is costly is made late."""

    def __init__(self, pack: Pack, language: str) -> None:
        self.pack = pack
        self.language = language

    def names(self, entity: str) -> tuple[str, ...]:
        """How the values of an entity are called first."""
        forms = (value.forms.get(self.language, ()) for value in self.pack.entities[entity].values)
        return tuple(each[0] for each in forms if each)

    @cached_property
    def listed(self) -> tuple[str, ...]:
        """The entities with listed values, those of most intents first."""
        uses = Counter(use.entity for intent in self.pack.intents.values() for use in intent.slots.values())
        return tuple(name for name, _ in uses.most_common() if self.pack.entities[name].values)

    @cached_property
    def model(self) -> LanguageModel:
        """Scores texts by the pack's sentences."""
        rng = random.Random(self.pack.name)
        drawn = (self._surrounded(tokens, rng) for drawn in self._drawn.values() for tokens in drawn)
        return LanguageModel(chain(drawn, self._listened_for()), self._phrases)

    def fit(self, text: Sequence[str], names: Phrases | None = None) -> float:
        """Natural logarithm of how likely the words of `text` are in this pack.

        In a pack of many intents each is rarer, and none less expected: what it has more than the usual number is made
        up for, as the weights of rescoring were chosen with that.
        """
        rarer = math.log(max(1.0, len(self.pack.intents) / _USUAL_INTENTS))
        return self.model.log_probability(text, names) + rarer

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """Every word of its sentences and names."""
        return self.model.vocabulary

    @cached_property
    def examples(self) -> tuple[str, ...]:
        """The sentences that the pack asks for, then the usual wording of each intent, at its shortest and whole."""
        turns: Counter[str] = Counter()
        wordings = [usual(self.pack, self.language, whole=whole).values() for whole in (False, True)]
        said = (self._said(tokens, turns) for tokens in (*wordings[0], *wordings[1]))
        asked = self.pack.listening(self.language).sentences
        return tuple(dict.fromkeys(text for text in (*asked, *said) if text))

    def _listened_for(self) -> Iterator[Tokens]:
        """What the pack asks to be expected beside its names and templates."""
        asked = self.pack.listening(self.language)
        for text, times in (*((s, _PER_SENTENCE) for s in asked.sentences), *((w, _PER_WORD) for w in asked.words)):
            yield from repeat(words(text), times)

    @cached_property
    def _drawn(self) -> dict[str, list[Tokens]]:
        return draw(self.pack, self.language, per_intent=_PER_INTENT)

    @cached_property
    def _phrases(self) -> Phrases:
        phrases: dict[tuple[str, ...], tuple[str, ...]] = {}
        for text in polite(self.pack, self.language):
            phrases[words(text)] = (_POLITE,)
        for name, entity in self.pack.entities.items():
            for value in entity.values:
                for form in map(words, value.forms.get(self.language, ())):
                    phrases[form] = tuple(dict.fromkeys((*phrases.get(form, ()), f"{{{name}}}")))
        return phrases

    def _surrounded(self, tokens: Tokens, rng: random.Random) -> Tokens:
        before = (_POLITE,) if rng.random() < _POLITE_SHARE else ()
        behind = (_POLITE,) if rng.random() < _POLITE_SHARE else ()
        return (*before, *tokens, *behind)

    def _said(self, tokens: Iterable[str], turns: Counter[str]) -> str:
        """Tokens as words; of each class one of its first names after the other, as packs name what is usual first."""
        said = []
        for token in tokens:
            name = token.strip("{}")
            if token == name:
                said.append(token)
                continue
            names = self.names(name) if name in self.pack.entities else ()
            names = names or _NUMBERS
            said.append(names[turns[name] % len(names)])
            turns[name] += 1
        return ("" if self.language in UNSPACED else " ").join(said)
