"""What a pack wants heard: the words and sample sentences that a recogniser may expect."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from shared.packs.drawing import PLACEHOLDER, draw
from shared.packs.model import Listening, Pack

_TRIES = 4  # draws for one sentence: some name an entity that has no words in the language
_SPOKEN: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "en": {
        "percentage": ("fifty percent", "twenty percent"),
        "temperature": ("twenty one degrees", "nineteen degrees"),
        "duration": ("ten minutes", "half an hour"),
        "time": ("seven thirty", "tomorrow at eight"),
        "date": ("next friday", "the third of may"),
        "money": ("twenty five euros", "three dollars fifty"),
        "number": ("two", "three"),
        "code": ("A 1 2 3 4", "4 7 1 1"),
    },
    "zh": {
        "percentage": ("百分之五十", "百分之二十"),
        "temperature": ("二十一度", "十九度"),
        "duration": ("十分钟", "半小时"),
        "time": ("七点半", "明天八点"),
        "date": ("下周五", "五月三号"),
        "money": ("二十五块", "三块五"),
        "number": ("两", "三"),
        "code": ("A一二三四", "四七一一"),
    },
}


def listening(pack: Pack, language: str, *, per_intent: int = 2) -> Listening:
    """The words and sentences of `pack` in `language`: its own `listen` first, then names, then drawn sentences.

    The same pack always gives the same ones; `per_intent` are drawn for each intent, all first ones before the second.
    """
    own = pack.listen.get(language, Listening())
    names = (
        form for entity in pack.entities.values() for value in entity.values for form in value.forms.get(language, ())
    )
    drawn = _drawn(pack, language, per_intent)
    return Listening(tuple(dict.fromkeys((*own.words, *names))), tuple(dict.fromkeys((*own.sentences, *drawn))))


def _drawn(pack: Pack, language: str, per_intent: int) -> Iterator[str]:
    file = pack.path / "sentences" / f"{language}.yaml"
    if not file.is_file():
        return
    content: Mapping[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    rules, lists = content.get("rules", {}), content.get("lists", {})
    rng = random.Random(f"{pack.name}:{language}")
    for _ in range(per_intent):
        for templates in content.get("intents", {}).values():
            for _ in range(_TRIES):
                sentence = _filled(draw(str(rng.choice(templates)), rules, rng), pack, language, lists, rng)
                if sentence:
                    yield sentence
                    break


def _filled(pattern: str, pack: Pack, language: str, lists: Mapping[str, list[str]], rng: random.Random) -> str:
    """`pattern` with words for its slots; empty where one has none in the language."""
    for match in reversed(list(PLACEHOLDER.finditer(pattern))):
        words = _words(match["list"], pack, language, lists)
        if not words:
            return ""
        pattern = pattern[: match.start()] + rng.choice(words) + pattern[match.end() :]
    return pattern


def _words(name: str, pack: Pack, language: str, lists: Mapping[str, list[str]]) -> list[str]:
    if name in lists:
        return [str(phrase) for phrase in lists[name]]
    entity = pack.entities[name]
    if entity.kind == "list":
        return [form for value in entity.values for form in value.forms.get(language, ())[:1]]
    return list(_SPOKEN.get(language, {}).get(entity.kind, ()))
