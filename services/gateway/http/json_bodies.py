"""A message from JSON: protobuf's JSON mapping, with everything that is wrong named at once."""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar, cast

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from services.gateway.refusal import InvalidBody, Violation
from shared.errors import InvalidInput

Body = TypeVar("Body", bound=Message)
_DEEPEST = 32
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}|[A-Za-z0-9_-]*={0,2}")
_FAILED = re.compile(r"Failed to parse (\w+) field: ")


def from_json(body: bytes, kind: type[Body]) -> Body:
    """The message in `body`; raises InvalidInput for what is no JSON, InvalidBody for fields that do not fit."""
    try:
        document = json.loads(body)
    except UnicodeDecodeError as error:
        raise InvalidInput("body", f"byte {error.start}", "is not UTF-8; send JSON in UTF-8") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InvalidInput("body", place, f"is where the JSON breaks off: {error.msg}") from None
    except RecursionError:
        raise InvalidInput("body", "nesting", f"is too deep; at most {_DEEPEST} levels are read") from None
    if not isinstance(document, dict):
        raise InvalidInput("body", type(document).__name__, f"is no JSON object; send one of {kind.DESCRIPTOR.name}")
    wrong = _wrong_fields(cast(Descriptor, kind.DESCRIPTOR), document, "")
    if wrong:
        raise InvalidBody(wrong, kind.DESCRIPTOR.name)
    try:
        return json_format.ParseDict(document, kind(), max_recursion_depth=_DEEPEST)
    except json_format.ParseError as error:
        raise InvalidBody([_misfit(str(error))], kind.DESCRIPTOR.name) from None


def _wrong_fields(message: Descriptor, document: dict[str, Any], path: str) -> list[Violation]:
    """Every field of `document` that `message` does not have, or that is no base64 where bytes belong, at any depth."""
    fields = {name: field for field in message.fields for name in (field.name, field.json_name)}
    found = []
    for name, value in document.items():
        field = fields.get(name)
        if field is None:
            known = ", ".join(sorted(each.name for each in message.fields))
            found.append(Violation(f"{path}{name}", f"is unknown; {message.name} has {known}"))
        elif field.type == FieldDescriptor.TYPE_BYTES:
            if isinstance(value, str) and not _is_base64(value):
                found.append(Violation(f"{path}{name}", "is no base64; encode the bytes, nothing else"))
        elif (inner := _message_of(field)) is not None and value is not None:
            found.extend(_wrong_in(inner, value, f"{path}{name}", repeated=field.is_repeated))
    return found


def _wrong_in(message: Descriptor, value: object, path: str, *, repeated: bool) -> list[Violation]:
    """The same for a field that holds a message, or a list of them."""
    if not repeated:
        return _wrong_fields(message, value, f"{path}.") if isinstance(value, dict) else [_no(path, "object")]
    if not isinstance(value, list):
        return [_no(path, "list")]
    places = [(f"{path}[{number}]", item) for number, item in enumerate(value)]
    return [each for place, item in places for each in _wrong_in(message, item, place, repeated=False)]


def _no(path: str, wanted: str) -> Violation:
    return Violation(path, f"is no {wanted}; send one")


def _is_base64(text: str) -> bool:
    """protobuf's own reading drops what it does not know, and takes what is left for the bytes."""
    return _BASE64.fullmatch(text) is not None and len(text.rstrip("=")) % 4 != 1


def _message_of(field: FieldDescriptor) -> Descriptor | None:
    """The message a field holds; None for plain values and for those whose JSON is no object, such as Timestamp."""
    inner = field.message_type
    return None if inner is None or inner.full_name.startswith("google.protobuf.") else inner


def _misfit(text: str) -> Violation:
    """protobuf tells of one field that does not fit: "Failed to parse a field: Failed to parse b field: what"."""
    path = ".".join(_FAILED.findall(text)) or "body"
    return Violation(path, " ".join(_FAILED.sub("", text).split()).rstrip("."))
