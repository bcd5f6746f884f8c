"""Draws random sentences from hassil templates.

hassil's own sampler lists every sentence of a template in order; a template may stand for millions, so this walks its
parsed expression and chooses at each fork. Slots stay as {list} for the caller to fill.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from functools import lru_cache

from hassil.expression import (
    Alternative,
    Expression,
    ListReference,
    Permutation,
    RuleReference,
    Sequence,
    TextChunk,
)
from hassil.parse_expression import parse_sentence

PLACEHOLDER = re.compile(r"\{(?P<list>\w+)(?::(?P<slot>\w+))?\}")
_SPACES = re.compile(r" {2,}")


def draw(template: str, rules: Mapping[str, str], rng: random.Random) -> str:
    """One sentence of `template`, with {list} or {list:slot} where slots stand."""
    return _SPACES.sub(" ", _walk(_parse(template), rules, rng)).strip()


@lru_cache(maxsize=8192)
def _parse(template: str) -> Expression:
    return parse_sentence(template).expression


def _walk(expression: Expression, rules: Mapping[str, str], rng: random.Random) -> str:
    match expression:
        case TextChunk():
            return expression.original_text
        case ListReference():
            slot = expression.slot_name
            return f"{{{expression.list_name}:{slot}}}" if slot != expression.list_name else f"{{{slot}}}"
        case RuleReference():
            return _walk(_parse(rules[expression.rule_name]), rules, rng)
        case Alternative():
            return _walk(rng.choice(expression.items), rules, rng)
        case Permutation():
            return " ".join(_walk(item, rules, rng) for item in rng.sample(expression.items, len(expression.items)))
        case Sequence():
            return "".join(_walk(item, rules, rng) for item in expression.items)
    raise TypeError(f"hassil knows an expression that Parley does not: {type(expression).__name__}")
