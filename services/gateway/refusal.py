"""Refusing what a client sends with every field that is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import protovalidate
from google.protobuf.message import Message

from shared.errors import InvalidInput

_LONGEST_VALUE = 120
# What people say is not repeated in errors, which are logged and shown around.
_PRIVATE = ("text", "data", "name")


@dataclass(frozen=True, slots=True)
class Violation:
    """One field that is wrong: what with, and the value where it may be shown."""

    field: str
    message: str
    value: str | None = None


class InvalidBody(InvalidInput):
    """A body that breaks its contract; `violations` has every field. `kind`: what it was to be."""

    def __init__(self, violations: Sequence[Violation], kind: str = "Utterance") -> None:
        text = "; ".join(f"{each.field}: {each.message}" for each in violations)
        super().__init__(violations[0].field, kind, f"breaks its contract: {text}")
        self.violations = list(violations)


def check_contract(body: Message) -> None:
    """Raise InvalidBody with every field of `body` that breaks its contract."""
    found = protovalidate.collect_violations(body)
    if found:
        raise InvalidBody([_violation(each) for each in found], body.DESCRIPTOR.name)


def field_path(path: Any) -> str:
    """A violated field (protovalidate's FieldPath) as people write it, for example "attachments[2].name"."""
    if path is None:
        return "body"
    return ".".join(each.field_name + (f"[{each.subscript.value}]" if each.subscript else "") for each in path.elements)


def _violation(found: protovalidate.Violation) -> Violation:
    field = field_path(found.proto.field)
    shown = isinstance(found.field_value, str) and field.rpartition(".")[2] not in _PRIVATE
    value = str(found.field_value)[:_LONGEST_VALUE] if shown else None
    return Violation(field, found.proto.message, value)
