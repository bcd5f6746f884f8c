"""The shape of a pack's files, checked by pydantic; what the names in them refer to is checked afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from shared.packs.located import Located
from shared.packs.model import Required
from shared.packs.problems import Problem

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
ActionName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$", max_length=200)]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
Text = Annotated[str, Field(min_length=1)]
Role = Annotated[str, Field(min_length=1, max_length=100)]


Entry = TypeVar("Entry", bound="_Entry")


def _mapping(given: Any) -> Any:
    """An entry with nothing under it is an empty one."""
    return {} if given is None else given


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


class ValueEntry(_Entry):
    """A value of a closed entity: `value`, and its forms under each language."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[Language, Annotated[list[Text], Field(min_length=1)]]

    value: Text


class EntityEntry(_Entry):
    """What a slot can hold."""

    kind: Literal[
        "list", "percentage", "temperature", "duration", "time", "date", "money", "number", "code", "text"
    ] = "list"
    values: list[ValueEntry] = []

    @model_validator(mode="after")
    def _values(self) -> EntityEntry:
        if self.kind == "list" and not self.values:
            raise PydanticCustomError("no_values", "has no values; write its `values`, or give it another `kind`")
        return self


class SlotEntry(_Entry):
    """A slot of an intent."""

    entity: str = ""
    required: Required = Required.NEVER
    default: str = ""


class IntentEntry(_Entry):
    """Something a user may want."""

    slots: Annotated[dict[Name, Annotated[SlotEntry, BeforeValidator(_mapping)]], BeforeValidator(_mapping)] = {}
    action: str = ""
    knowledge: bool = False


class ActionEntry(_Entry):
    """Something dispatch can do."""

    connector: Name
    risk: Literal["low", "medium", "high"] = "low"
    roles: list[Role] = []


class DeviceEntry(_Entry):
    """One device of the home."""

    id: Text
    device: Text
    area: Text


class ListenEntry(_Entry):
    """What the recogniser should expect beside the names and sentences of the pack."""

    words: list[Text] = []
    sentences: list[Text] = []


class PackEntry(_Entry):
    """pack.yaml."""

    name: Name
    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,50}$")] = "0"
    description: str = ""
    languages: Annotated[list[Language], Field(min_length=1)] = ["en"]
    entities: Annotated[dict[Name, Annotated[EntityEntry, BeforeValidator(_mapping)]], BeforeValidator(_mapping)] = {}
    intents: Annotated[dict[Name, Annotated[IntentEntry, BeforeValidator(_mapping)]], BeforeValidator(_mapping)] = {}
    actions: Annotated[dict[ActionName, ActionEntry], BeforeValidator(_mapping)] = {}
    devices: list[DeviceEntry] = []
    listen: dict[Language, ListenEntry] = {}


class SentencesEntry(_Entry):
    """sentences/<language>.yaml."""

    language: Language = "en"
    rules: dict[Name, Text] = {}
    lists: dict[Name, Annotated[list[Text], Field(min_length=1)]] = {}
    intents: dict[Name, list[Text]] = {}
    out_of_scope: list[Text] = []
    fragments: list[Text] = []
    asides: list[Text] = []
    skip_before: list[Text] = []
    skip_after: list[Text] = []


class SayEntry(_Entry):
    """A reply for certain values."""

    when: dict[str, str | list[str]]
    say: Text


class RepliesEntry(_Entry):
    """replies/<language>.yaml."""

    names: dict[str, dict[str, str]] = {}
    plurals: dict[str, dict[str, str]] = {}
    replies: dict[str, dict[str, Annotated[list[Text | SayEntry], Field(min_length=1)]]] = {}


def shaped(shape: type[Entry], located: Located) -> tuple[Entry | None, list[Problem]]:
    """The content of a file in its shape, or None; with everything that is wrong with it."""
    problems = list(located.problems)
    if located.content is None:
        return None, problems
    try:
        return shape.model_validate(located.content), problems
    except ValidationError as error:
        return None, [*problems, *_told(error, located, shape)]


def _told(error: ValidationError, located: Located, shape: type[_Entry]) -> Iterator[Problem]:
    said: set[tuple[str | int, ...]] = set()
    for each in error.errors():
        # Of the branches of a union, and of a key that is itself wrong, the place is the entry's.
        place = tuple(part for part in each["loc"] if part not in ("[key]", "SayEntry", "constrained-str", "str"))
        if place not in said:
            said.add(place)
            value = None if each["type"] == "missing" else each["input"]
            yield located.problem(place, value, _remedy(each, shape if len(place) == 1 else None))


def _remedy(error: ErrorDetails, shape: type[_Entry] | None) -> str:
    kind, context = error["type"], error.get("ctx", {})
    match kind:
        case "missing":
            return f"is missing; write `{error['loc'][-1]}: ...`"
        case "extra_forbidden":
            known = f"; known are {', '.join(sorted(shape.model_fields))}" if shape is not None else ""
            return f"is unknown here; correct its name or remove it{known}"
        case "literal_error" | "enum":
            known = str(context["expected"]).replace(" or ", ", ").replace("'", "")
            return f"is unknown; use one of {known}"
        case "string_type":
            return "is no text; put it in quotes"
        case "dict_type" | "model_type":
            return "is no mapping; write `name: {...}` for each"
        case "list_type":
            return "is no list; write [one, another]"
        case "too_short" | "string_too_short":
            return "is empty; give at least one"
        case "string_pattern_mismatch":
            return f"is refused; it must match {context['pattern']}"
        case "no_values":
            return str(error["msg"])
    return f"is refused: {error['msg']}"
