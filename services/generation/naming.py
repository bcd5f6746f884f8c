"""The words for values: by the packs' entities, by name, or by how a language says that kind of value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.generation.replybook import PLACEHOLDER, Book, Template
from services.generation.spoken import SPEECH, read_moment
from shared.packs import EntityType, Pack

# Values that are no slots of a pack but told by connectors and dialogue, and what they are said like.
_LIKE = {
    "due_at": "time",
    "opened_at": "time",
    "remaining": "duration",
    "position": "percentage",
    "previous_brightness": "percentage",
    "target_temperature": "temperature",
    "previous_temperature": "temperature",
    "previous_color": "color",
    "argument": "slot",
    "low": "number",
    "high": "number",
    "count": "number",
    "count_on": "number",
    "items": "verbatim",
    "answer": "verbatim",
    "text": "verbatim",
    "reply": "verbatim",
    "last_reply": "verbatim",
}
# Words of the program, never said unless a reply file names them.
_CODED = frozenset({"state", "previous_state", "kind", "status", "slot", "intent", "weekday"})
_MOST_CHOICES = 4  # a longer list is no help to the ear
_TRIM = " \t\n.,;:!?。，；：！？"


@dataclass(frozen=True, slots=True)
class Said:
    """What may be said in one act."""

    values: Mapping[str, str]  # canonical
    intent: str = ""
    slot: str = ""
    choices: Sequence[str] = ()
    now: datetime | None = None  # when it happened, in UTC: makes "tomorrow" of a date


class Wording:
    """Fills templates in the language of one book."""

    def __init__(self, book: Book, packs: Sequence[Pack]) -> None:
        self.speech = SPEECH.get(book.language, SPEECH["en"])
        self._book = book
        self._entities: dict[str, EntityType] = {
            name: entity for pack in packs for name, entity in pack.entities.items()
        }
        self._slot_entities = {
            (intent.name, use.name): use.entity
            for pack in packs
            for intent in pack.intents.values()
            for use in intent.slots.values()
        }

    def fill(self, template: Template, said: Said) -> str | None:
        """The sentence, or None where the template is for other values or one of its values is missing."""
        if any(said.values.get(name, "") not in values for name, values in template.when.items()):
            return None
        words: dict[str, str] = {}
        for match in PLACEHOLDER.finditer(template.say):
            word = self._word(match[1], match[2] or "", said)
            if not word:
                return None
            words[match[0]] = word
        return PLACEHOLDER.sub(lambda match: words[match[0]], template.say)

    def _word(self, name: str, form: str, said: Said) -> str:
        if name == "choices":
            return self._choices(said)
        value = said.values.get(name, "").strip()
        if not value:
            return ""
        entity = self._slot_entities.get((said.intent, name), name)
        if form == "plural":
            return self._book.plurals.get(entity, {}).get(value, "")
        if form == "clock":
            moment = read_moment(value)
            return self.speech.clock(moment[1]) if moment and moment[1] else ""
        if form == "day":
            moment = read_moment(value)
            return self.speech.day(moment[0]) if moment and moment[0] else ""
        return self._said(entity, value, said.now)

    def _said(self, entity: str, value: str, now: datetime | None) -> str:
        alike = _LIKE.get(entity, entity)
        named = self._book.names.get(alike, {}).get(value)
        if named is not None or alike in _CODED:
            return named or ""
        known = self._entities.get(alike)
        kind = known.kind if known is not None else alike
        if kind == "list" and known is not None:
            forms = next((each.forms for each in known.values if each.value == value), {})
            return (forms.get(self._book.language) or forms.get("en") or (value.replace("_", " "),))[0]
        return self._open(kind, value, now)

    def _open(self, kind: str, value: str, now: datetime | None) -> str:
        if kind in ("duration", "percentage", "temperature", "number"):
            try:
                number = float(value)
            except ValueError:
                return ""
            if kind == "duration":
                return self.speech.duration(number)
            plain = f"{number:g}"
            return {"percentage": f"{plain}%", "temperature": self.speech.degrees(plain)}.get(kind, plain)
        if kind in ("time", "date"):
            return self._moment(value, now)
        if kind == "money":
            amount, _, currency = value.partition(" ")
            return self.speech.money(amount.removesuffix(".00"), currency) if currency else ""
        return value if kind == "verbatim" else value.strip(_TRIM)

    def _moment(self, value: str, now: datetime | None) -> str:
        moment = read_moment(value)
        if moment is None:
            return ""
        day, wall = moment
        today = None
        if now is not None and day is not None and wall is not None:
            today = now.astimezone(datetime.fromisoformat(value).tzinfo).date()
        return self.speech.moment(day, wall, today)

    def _choices(self, said: Said) -> str:
        if len(said.choices) > _MOST_CHOICES:
            return ""
        entity = self._slot_entities.get((said.intent, said.slot), said.slot) or "intent"
        names = [self._said(entity, choice, said.now) for choice in said.choices]
        return self.speech.choices([name for name in names if name]) if all(names) and names else ""
