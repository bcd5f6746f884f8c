"""What people say in a domain, drawn from a pack's sentence templates (hassil), with its entities left as classes."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from hassil.expression import Alternative, Expression, ListReference, Permutation, RuleReference, TextChunk
from hassil.expression import Sequence as Chain
from hassil.parse_expression import parse_sentence

from services.asr.engine.context.language_model import NUMBER
from services.asr.engine.context.wording import words
from shared.packs import Pack
from shared.packs.sentences import sentence_file

Tokens = tuple[str, ...]
Choose = Callable[[Alternative], Expression]
_CLASS = re.compile(r"\{(?P<list>\w+)(?::\w+)?\}")
# How the open kinds of entities are said, with the number in them as a class.
_SPOKEN: dict[str, tuple[str, ...]] = {
    "percentage": (NUMBER, f"{NUMBER} percent"),
    "temperature": (NUMBER, f"{NUMBER} degrees"),
    "duration": (f"{NUMBER} minutes", f"{NUMBER} seconds", f"{NUMBER} hours", f"a minute and {NUMBER} seconds"),
    "time": (NUMBER, f"{NUMBER} am", f"{NUMBER} pm", f"{NUMBER} oclock", f"{NUMBER} {NUMBER}", "tomorrow morning"),
    "date": ("today", "tomorrow", "next friday", "monday", f"in {NUMBER} days"),
    "money": (f"{NUMBER} dollars", f"{NUMBER} euros", f"{NUMBER} pounds"),
    "number": (NUMBER,),
    "code": (NUMBER,),
}


def templates(pack: Pack, language: str) -> dict[str, list[str]]:
    """The templates of each intent that the pack serves; fragments, which have no intent, under the empty name."""
    content = sentence_file(pack, language)
    found = {str(intent): [str(text) for text in texts] for intent, texts in (content.get("intents") or {}).items()}
    if fragments := content.get("fragments"):
        found[""] = [str(text) for text in fragments]
    return found


def draw(pack: Pack, language: str, *, per_intent: int, seed: int = 0) -> dict[str, list[Tokens]]:
    """About `per_intent` sentences of each intent as tokens: every template at least once, the same for a seed."""
    rng = random.Random(f"{seed}:{pack.name}:{language}")
    source = _Source.of(pack, language)
    drawn = {}
    for intent, texts in templates(pack, language).items():
        rounds = max(1, -(-per_intent // len(texts)))
        drawn[intent] = [_tokens(text, source, rng, _any(rng)) for text in texts for _ in range(rounds)]
    return drawn


def usual(pack: Pack, language: str, *, whole: bool) -> dict[str, Tokens]:
    """The usual wording of each intent: its first template, each time with the first choice.

    `whole`: with what a template has in brackets, or without.
    """
    rng = random.Random(f"usual:{pack.name}:{language}")
    source = _Source.of(pack, language)
    texts = templates(pack, language)
    return {intent: _tokens(texts[intent][0], source, rng, _first(whole)) for intent in texts if intent}


def polite(pack: Pack, language: str) -> tuple[str, ...]:
    """What is said before or behind a request and changes nothing: "please"."""
    content = sentence_file(pack, language)
    around = [*(content.get("skip_before") or ()), *(content.get("skip_after") or ())]
    return tuple(str(text) for text in around)


@dataclass(frozen=True, slots=True)
class _Source:
    """What templates refer to."""

    pack: Pack
    rules: Mapping[str, str]
    lists: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, pack: Pack, language: str) -> _Source:
        content = sentence_file(pack, language)
        rules = {str(name): str(text) for name, text in (content.get("rules") or {}).items()}
        lists = {str(name): [str(each) for each in phrases] for name, phrases in (content.get("lists") or {}).items()}
        return cls(pack, rules, lists)


def _any(rng: random.Random) -> Choose:
    return lambda fork: rng.choice(fork.items)


def _first(whole: bool) -> Choose:
    """The first choice; of an option that and not its absence, or the other way round."""

    def choose(fork: Alternative) -> Expression:
        return fork.items[0] if whole or not fork.is_optional else fork.items[-1]

    return choose


def _tokens(template: str, source: _Source, rng: random.Random, choose: Choose) -> Tokens:
    pattern = "".join(_walk(_parse(template), source.rules, choose))
    tokens: list[str] = []
    place = 0
    for match in _CLASS.finditer(pattern):
        tokens += words(pattern[place : match.start()])
        tokens += _fill(match["list"], source, rng)
        place = match.end()
    return (*tokens, *words(pattern[place:]))


def _fill(name: str, source: _Source, rng: random.Random) -> Tokens:
    entity = source.pack.entities.get(name)
    if name in source.lists:
        return words(rng.choice(source.lists[name]))
    if entity is None or entity.kind == "list":
        return (f"{{{name}}}",)
    spoken = _SPOKEN.get(entity.kind)
    return tuple(rng.choice(spoken).split()) if spoken else ()


@lru_cache(maxsize=8192)
def _parse(template: str) -> Expression:
    return parse_sentence(template).expression


def _walk(expression: Expression, rules: Mapping[str, str], choose: Choose) -> Iterator[str]:
    """One sentence of a parsed template, a way taken at each fork, since a template may stand for millions."""
    match expression:
        case TextChunk():
            yield expression.original_text
        case ListReference():
            yield f"{{{expression.list_name}}}"
        case RuleReference():
            yield from _walk(_parse(rules[expression.rule_name]), rules, choose)
        case Alternative():
            yield from _walk(choose(expression), rules, choose)
        case Permutation():
            for item in expression.items:
                yield " "
                yield from _walk(item, rules, choose)
        case Chain():
            for item in expression.items:
                yield from _walk(item, rules, choose)
