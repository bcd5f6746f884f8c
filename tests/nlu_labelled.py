"""A few labelled sentences of two intents and one slot, written as JSON lines, for models trained in a moment."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

DRINKS = ("latte", "espresso", "cappuccino", "flat white", "mocha", "black coffee")
_ORDERS = ("i would like a {}", "one {} please", "could you make me a {}", "a large {} to go")
_HOURS = ("when do you open", "are you open on sunday", "until what time are you open", "what are your opening hours",
          "at what hour do you close", "do you close early", "when does the shop open", "open tomorrow")  # fmt: skip
_OUTSIDE = ("the moon is far away", "my cousin plays the violin", "rain falls on the roof", "seven times eight",
            "paint the fence green", "who wrote this novel", "the train is late", "dogs bark at night")  # fmt: skip


def order(template: str, drink: str) -> dict[str, Any]:
    """An order with its drink labelled."""
    text = template.format(drink)
    start = text.index(drink)
    slot = {"slot": "drink", "start": start, "end": start + len(drink), "value": drink}
    return {"text": text, "intent": "order_drink", "domain": "coffee", "slots": [slot]}


def rows() -> list[dict[str, Any]]:
    """24 orders, 8 questions for the hours, 8 sentences out of scope."""
    orders = [order(template, drink) for template in _ORDERS for drink in DRINKS]
    hours = [{"text": text, "intent": "ask_hours", "slots": []} for text in _HOURS]
    return [*orders, *hours, *({"text": text, "oos": True} for text in _OUTSIDE)]


def write_rows(file: Path, content: Sequence[object]) -> Path:
    """`content`, one object a line."""
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in content), encoding="utf-8")
    return file
