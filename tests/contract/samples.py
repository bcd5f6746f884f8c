"""Every message of parley.v1, and sample values for any of them, made from its descriptor and its constraints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, cast

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from parley import v1

_DEEPEST = 8
_TEXTS = ("3f2504e0-4f89-51d3-9a0c-0305e82c3301", "zh-CN", "a" * 64, "灯 — “light”", "sample")


def message_classes() -> list[type[Message]]:
    """Every message that parley.v1 declares, those inside others included, by full name."""
    modules = [import_module(f"parley.v1.{module.name}") for module in iter_modules(v1.__path__)]
    files = [module.DESCRIPTOR for module in modules if module.__name__.endswith("_pb2")]
    found = [each for file in files for top in file.message_types_by_name.values() for each in _with_inner(top)]
    return [GetMessageClass(each) for each in sorted(found, key=lambda each: each.full_name)]


def widest_oneof(kind: type[Message]) -> int:
    """How many samples show every choice of every oneof of a message: 1 where it has none."""
    return max((len(oneof.fields) for oneof in kind.DESCRIPTOR.oneofs), default=1)


def filled(kind: type[Message], choice: int = 0, depth: int = 0) -> Message:
    """A message in which every field is set, to a value its constraints allow; of a oneof, the choice-th."""
    message = kind()
    for field in kind.DESCRIPTOR.fields:
        oneof = field.containing_oneof
        if oneof is not None and oneof.fields[choice % len(oneof.fields)] is not field:
            continue
        _fill(message, cast(FieldDescriptor, field), choice, depth)
    return message


def _with_inner(descriptor: Descriptor) -> Iterator[Descriptor]:
    if not descriptor.GetOptions().map_entry:
        yield descriptor
        for inner in descriptor.nested_types:
            yield from _with_inner(inner)


def _fill(message: Message, field: FieldDescriptor, choice: int, depth: int) -> None:
    rules = field.GetOptions().Extensions[validate_pb2.field]
    target = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        value = field.message_type.fields_by_name["value"]
        target["kitchen"] = _value(value, rules.map.values, choice, depth)
    elif field.message_type is None:
        if field.is_repeated:
            target.extend([_value(field, rules.repeated.items, choice, depth)] * 2)
        else:
            setattr(message, field.name, _value(field, rules, choice, depth))
    elif depth < _DEEPEST:
        inner = _value(field, rules, choice, depth)
        (target.add() if field.is_repeated else target).CopyFrom(inner)


def _value(field: FieldDescriptor, rules: Any, choice: int, depth: int) -> Any:
    if field.message_type is not None:
        if field.message_type.full_name.startswith("google.protobuf."):
            return GetMessageClass(field.message_type)(seconds=1_700_000_000, nanos=123_000)
        return filled(GetMessageClass(field.message_type), choice, depth + 1)
    if field.enum_type is not None:
        return field.enum_type.values[-1].number
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return b"\x00\xff sound" if field.type == FieldDescriptor.TYPE_BYTES else _text(rules.string)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return True
    if field.cpp_type in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        return 0.625
    return 3


def _text(rules: Any) -> str:
    for text in reversed(_TEXTS):
        fits = not rules.HasField("max_len") or len(text) <= rules.max_len
        is_uuid = bool(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text))
        if fits and (is_uuid or not rules.uuid) and re.search(rules.pattern, text):
            return text
    raise AssertionError(f"no sample text for {rules}")
