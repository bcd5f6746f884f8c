"""The closed entities of the packs: which words name which value."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from services.nlu.normalisation import normalise
from services.nlu.values import Mention
from shared.packs import EntityType, Pack

_CLOSE = 0.75  # least similarity (difflib ratio) at which misheard words still name a value


@dataclass(frozen=True)
class Names:
    """Every form of one entity's values in one language, normalised."""

    values: dict[str, str]  # form -> value

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        forms = sorted(self.values, key=len, reverse=True)
        latin = "|".join(re.escape(form) for form in forms if form.isascii())
        other = "|".join(re.escape(form) for form in forms if not form.isascii())
        # Latin words stand alone; Han words stand in one another, so the longest wins.
        return re.compile("|".join(part for part in (rf"(?<!\w)(?:{latin})(?!\w)" if latin else "", other) if part))

    def find(self, text: str) -> list[Mention]:
        """Every form in `text` (normalised), longest first where they overlap."""
        if not self.values:
            return []
        return [Mention(m.start(), m.end(), self.values[m.group()]) for m in self._pattern.finditer(text)]

    def closest(self, words: str, least: float = _CLOSE) -> str | None:
        """The value whose form `words` resembles by `least`, for words that were misheard or mistyped."""
        close = difflib.get_close_matches(words, list(self.values), n=1, cutoff=least)
        return self.values[close[0]] if close else None


class Lexicon:
    """The names of all closed entities, by entity and language."""

    def __init__(self, packs: Iterable[Pack]) -> None:
        self._names: dict[tuple[str, str], dict[str, str]] = {}
        for pack in packs:
            for entity in pack.entities.values():
                self._add(entity)
        self._tables = {key: Names(values) for key, values in self._names.items()}

    def _add(self, entity: EntityType) -> None:
        for value in entity.values:
            for language, forms in value.forms.items():
                table = self._names.setdefault((entity.name, language), {})
                for form in forms:
                    table.setdefault(normalise(form).text, value.value)

    def names(self, entity: str, language: str) -> Names:
        """The forms of `entity` in `language`; empty where there are none."""
        return self._tables.get((entity, language)) or Names({})

    def mentions(self, entities: Iterable[str], text: str, language: str) -> list[tuple[str, Mention]]:
        """Values of `entities` in `text`, left to right; of overlapping ones the longest ("garage door")."""
        found = [(entity, mention) for entity in entities for mention in self.names(entity, language).find(text)]
        found.sort(key=lambda item: (item[1].start - item[1].end, item[1].start))
        kept: list[tuple[str, Mention]] = []
        for entity, mention in found:
            if not any(mention.overlaps(other.start, other.end) for _, other in kept):
                kept.append((entity, mention))
        return sorted(kept, key=lambda item: item[1].start)
