"""Labelled examples, sampled from the packs' templates and from home-assistant-intents."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.nlu.corpus.sentences import OUT_OF_SCOPE, Sentences, Template
from services.nlu.corpus.spoken import speak
from services.nlu.normalisation import normalise
from shared.packs import Pack
from shared.packs.drawing import PLACEHOLDER, draw

_POLITE_SHARE = 0.3  # of the requests, with "please" or the like around them
_ASIDE_SHARE = 0.25  # of the requests, with a clause around them


@dataclass(frozen=True, slots=True)
class SlotSpan:
    """text[start:end] of an example names `slot`."""

    slot: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled sentence. `source` tells which template it is of, so that wordings can be held out whole."""

    text: str  # normalised
    language: str
    intent: str  # OUT_OF_SCOPE for fragments and for what no pack serves
    slots: tuple[SlotSpan, ...]
    source: str


def sample(packs: Sequence[Pack], sentences: Sentences, *, per_intent: int, fragments: int, seed: int) -> list[Example]:
    """About `per_intent` examples of each intent from our own templates, every template at least once."""
    rng = random.Random(f"{seed}:{sentences.language}")
    by_intent: dict[str, list[Template]] = defaultdict(list)
    for template in sentences.templates:
        by_intent[template.intent].append(template)
    examples: dict[tuple[str, str], Example] = {}
    for intent, templates in by_intent.items():
        wanted = per_intent if intent else fragments
        rounds = -(-wanted // len(templates))
        drawn = [template for template in templates for _ in range(rounds)]
        for template in templates + rng.sample(drawn, max(0, wanted - len(templates))):
            example = _fill(template, packs, sentences, rng)
            examples[(example.text, example.intent)] = example
    for sentence in sentences.out_of_scope:
        text = normalise(sentence).text
        examples[(text, OUT_OF_SCOPE)] = Example(text, sentences.language, OUT_OF_SCOPE, (), f"oos:{sentence}")
    return list(examples.values())


def assemble(pieces: Iterable[tuple[str, str]], language: str, intent: str, source: str) -> Example:
    """An example from (words, slot) pieces in order; slot is empty for words that name nothing."""
    raw, spans = "", []
    for words, slot in pieces:
        if slot:
            spans.append((slot, len(raw), len(raw) + len(words)))
        raw += words
    text = normalise(raw)
    slots = []
    for slot, start, end in spans:
        first, last = bisect_left(text.offsets, start), bisect_left(text.offsets, end)
        while first < last and text.text[first] == " ":
            first += 1
        while first < last and text.text[last - 1] == " ":
            last -= 1
        if first < last:
            slots.append(SlotSpan(slot, first, last))
    return Example(text.text, language, intent, tuple(slots), source)


def _fill(template: Template, packs: Sequence[Pack], sentences: Sentences, rng: random.Random) -> Example:
    language = sentences.language
    pattern = draw(template.text, sentences.rules[template.pack], rng)
    pack = next(pack for pack in packs if pack.name == template.pack)
    pieces: list[tuple[str, str]] = []
    place = 0
    for match in PLACEHOLDER.finditer(pattern):
        pieces.append((pattern[place : match.start()], ""))
        words = phrase(match["list"], pack, sentences, rng)
        pieces.append((words, match["slot"] or match["list"]))
        place = match.end()
    pieces.append((pattern[place:], ""))
    if template.intent:
        intent = pack.intents.get(template.intent)
        pieces = _surround(pieces, pack, intent is None or bool(intent.action), sentences, rng)
    return assemble(pieces, language, template.intent or OUT_OF_SCOPE, f"{template.pack}:{template.text}")


def _surround(
    pieces: list[tuple[str, str]], pack: Pack, polite: bool, sentences: Sentences, rng: random.Random
) -> list[tuple[str, str]]:
    """The pieces with words around them that change nothing."""
    gap = " " if sentences.language == "en" else ""
    if polite and rng.random() < _POLITE_SHARE:
        if rng.random() < 0.7:
            pieces = [(rng.choice(sentences.skip_before) + gap, ""), *pieces]
        else:
            pieces = [*pieces, (gap + rng.choice(sentences.skip_after), "")]
    asides = sentences.asides[pack.name]
    if asides and rng.random() < _ASIDE_SHARE:
        aside = (rng.choice(asides), "")
        pieces = [aside, (gap, ""), *pieces] if rng.random() < 0.7 else [*pieces, (gap, ""), aside]
    return pieces


def phrase(name: str, pack: Pack, sentences: Sentences, rng: random.Random) -> str:
    """Words for the list or entity `name` of `pack`."""
    phrases = sentences.lists[pack.name].get(name)
    if phrases:
        return rng.choice(phrases)
    entity = pack.entities[name]
    if entity.kind == "list":
        return rng.choice(rng.choice(entity.values).forms[sentences.language])
    return speak(entity.kind, sentences.language, rng)
