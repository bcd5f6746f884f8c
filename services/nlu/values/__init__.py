"""Finds values of the open kinds (numbers, durations, times, days, money, codes) and writes them in normal form.

A closed list of values is the lexicon's business; free text has no form to find.
"""

from __future__ import annotations

from datetime import datetime

from services.nlu.values.codes import codes
from services.nlu.values.dates import dates
from services.nlu.values.durations import durations
from services.nlu.values.mention import Mention
from services.nlu.values.money import sums
from services.nlu.values.quantities import bare_numbers, percentages, temperatures
from services.nlu.values.times import times

__all__ = ["BARE_KINDS", "Mention", "find", "find_bare"]

# Kinds whose unit people leave out where it is clear: "set the lights to 40".
BARE_KINDS = frozenset({"percentage", "temperature", "number"})
_MOST = {"percentage": 100, "temperature": 120}


def find(kind: str, text: str, language: str, now: datetime) -> list[Mention]:
    """Every value of `kind` that `text` names beyond doubt, left to right; [] for kinds that have no form.

    `kind`: as in shared.packs.model.EntityType. `text`: normalised, lower case. `now`: local time, for "tomorrow".
    """
    match kind:
        case "percentage":
            found = percentages(text, language)
        case "temperature":
            found = temperatures(text, language)
        case "duration":
            found = durations(text, language)
        case "time":
            found = times(text, language, now)
        case "date":
            found = dates(text, language, now)
        case "money":
            found = sums(text, language)
        case "code":
            found = codes(text, language)
        case "number":
            found = bare_numbers(text, language)
        case _:
            return []
    return sorted((mention.trimmed(text) for mention in found), key=lambda mention: mention.start)


def find_bare(kind: str, text: str, language: str) -> list[Mention]:
    """Numbers without a unit that could be a value of `kind`."""
    if kind not in BARE_KINDS:
        return []
    most = _MOST.get(kind, float("inf"))
    return [mention for mention in bare_numbers(text, language) if float(mention.value) <= most]
