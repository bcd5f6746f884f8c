"""Labelled sentences from JSON lines: {"text", "intent", "slots": [{"slot", "start", "end", "value"}], "oos"?}."""

from __future__ import annotations

import gzip
import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from services.nlu.corpus import LANGUAGES, OUT_OF_SCOPE, Example, SlotSpan
from services.nlu.language import detect
from services.nlu.normalisation import normalise
from shared.errors import InvalidInput

_REFUSING = {OUT_OF_SCOPE, "oos"}  # intents that say what `"oos": true` says
_MEANT = {"text": "sentence", "intent": "intent's name, or null where only slots are labelled"}
_LEAST_SHARE = 0.05  # of the sentences, for a language to have a reader of its own


@dataclass(frozen=True, slots=True)
class Labelled:
    """One line. `intent` is "" where the line has none; `slots` are characters of `text` as it stands in the file."""

    text: str
    intent: str
    slots: tuple[SlotSpan, ...]
    domain: str
    line: int

    def example(self, language: str) -> Example:
        """What a reader learns from or is measured on: the text normalised, and the slots in its characters."""
        text = normalise(self.text)
        spans = []
        for slot in self.slots:
            start, end = bisect_left(text.offsets, slot.start), bisect_left(text.offsets, slot.end)
            while start < end and text.text[start] == " ":
                start += 1
            while start < end and text.text[end - 1] == " ":
                end -= 1
            if start < end:
                spans.append(SlotSpan(slot.slot, start, end))
        return Example(text.text, language, self.intent, tuple(spans), f"line {self.line}")


def read_dataset(file: Path) -> list[Labelled]:
    """Every line of `file` (may be gzipped); raises InvalidInput that names file, line, field, value and remedy."""
    rows = [_Line(file, number, line).labelled() for number, line in _lines(file) if line.strip()]
    if not rows:
        raise InvalidInput("--data", str(file), 'has no lines; write one {"text": ..., "intent": ...} a line')
    return rows


def languages_of(rows: Sequence[Labelled], wanted: str = "") -> list[str]:
    """The language of each row: `wanted` ("en" or "zh"), or what its script says.

    A language of a few rows only, and what is in no language we read, counts as the language of most.
    """
    if wanted:
        if wanted not in LANGUAGES:
            raise InvalidInput("--language", wanted, f"cannot be learnt; use one of {', '.join(LANGUAGES)}")
        return [wanted] * len(rows)
    found = [detect(row.text) for row in rows]
    counts = Counter(language for language in found if language in LANGUAGES)
    if not counts:
        raise InvalidInput("text", rows[0].text, "is in no language Parley learns; give --language en or zh")
    main = counts.most_common(1)[0][0]
    kept = {language for language, count in counts.items() if count >= _LEAST_SHARE * len(rows)}
    return [language if language in kept else main for language in found]


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    try:
        content = file.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        text = content.decode("utf-8-sig")
    except (gzip.BadGzipFile, EOFError) as error:
        raise InvalidInput("--data", str(file), f"is a damaged gzip file ({error}); copy it again") from error
    except OSError as error:
        raise InvalidInput("--data", str(file), f"cannot be read ({error.strerror}); name a JSON lines file") from error
    except UnicodeDecodeError as error:
        raise InvalidInput("--data", str(file), f"is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    return enumerate(text.split("\n"), start=1)


class _Line:
    """One line on its way from text to a labelled sentence."""

    def __init__(self, file: Path, number: int, text: str) -> None:
        self._place = f"{file}:{number}"
        self._number = number
        try:
            content = json.loads(text)
        except ValueError as error:
            raise InvalidInput(self._place, text, f"is not JSON ({error}); write one object a line") from error
        if not isinstance(content, dict):
            raise InvalidInput(self._place, content, 'is no object; write {"text": ..., "intent": ...}')
        self._content: dict[str, Any] = content

    def labelled(self) -> Labelled:
        text = self._string("text")
        if not text.strip():
            raise self._refused("text", text, "is empty; write the sentence or delete the line")
        domain = self._content.get("domain") or ""
        return Labelled(text, self._intent(), self._slots(text), str(domain), self._number)

    def _refused(self, field: str, value: object, remedy: str) -> InvalidInput:
        return InvalidInput(f"{self._place}: {field}", value, remedy)

    def _string(self, field: str) -> str:
        value = self._content.get(field)
        if not isinstance(value, str):
            raise self._refused(field, value, f"is no string; write the {_MEANT[field]}")
        return value

    def _intent(self) -> str:
        outside = self._content.get("oos", False)
        if not isinstance(outside, bool):
            raise self._refused("oos", outside, "is neither true nor false; leave it out for a sentence in scope")
        if outside:
            return OUT_OF_SCOPE
        if "intents" in self._content and self._content.get("intent") is None:
            return self._only(self._content["intents"])
        if "intent" not in self._content and "slots" not in self._content:
            raise self._refused("intent", None, 'is missing; write the intent\'s name, or "oos": true')
        if self._content.get("intent") is None:
            return ""
        name = self._string("intent").strip()
        if not name:
            raise self._refused("intent", name, "is empty; write the intent's name, or null where there is none")
        return OUT_OF_SCOPE if name in _REFUSING else name

    def _only(self, names: object) -> str:
        if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
            raise self._refused("intents", names, "is no list of names; write the name under `intent`")
        if len(names) > 1:
            remedy = "are several intents; the model gives one: join them to one name, or split the sentence into lines"
            raise self._refused("intents", names, remedy)
        return names[0] if names else ""

    def _slots(self, text: str) -> tuple[SlotSpan, ...]:
        listed = self._content.get("slots")
        if listed is None:
            return ()
        if not isinstance(listed, list):
            raise self._refused("slots", listed, 'is no list; write [{"slot": ..., "start": ..., "end": ...}]')
        slots = sorted((self._slot(f"slots[{index}]", slot, text) for index, slot in enumerate(listed)),
                       key=lambda slot: slot.start)  # fmt: skip
        for before, after in pairwise(slots):
            if after.start < before.end:
                raise self._refused(
                    "slots", f"{before.slot} and {after.slot}", "overlap; keep one of them: a word has one slot"
                )
        return tuple(slots)

    def _slot(self, place: str, slot: object, text: str) -> SlotSpan:
        if not isinstance(slot, Mapping):
            raise self._refused(place, slot, 'is no object; write {"slot": ..., "start": ..., "end": ...}')
        name = slot.get("slot")
        if not isinstance(name, str) or not name:
            raise self._refused(f"{place}.slot", name, "is no name; write the slot's name")
        start, end = (self._place_in_text(place, field, slot.get(field)) for field in ("start", "end"))
        if not 0 <= start < end <= len(text):
            remedy = f"is no part of the text's {len(text)} characters; count from 0, the end is one past the last"
            raise self._refused(place, f"{start} to {end}", remedy)
        value = slot.get("value")
        if value is not None and value != text[start:end]:
            raise self._refused(
                f"{place}.value", value, f"is not text[{start}:{end}], {text[start:end]!r}; correct either"
            )
        return SlotSpan(name, start, end)

    def _place_in_text(self, place: str, field: str, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._refused(f"{place}.{field}", value, "is no whole number; count the text's characters from 0")
        return value
