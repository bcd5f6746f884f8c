"""Every message of parley.v1: what it holds survives the wire, in protobuf and in JSON."""

from __future__ import annotations

import json
import math

import protovalidate
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from parley.v1 import turn_pb2
from tests.contract.samples import filled, message_classes, widest_oneof

pytestmark = pytest.mark.contract

MESSAGES = message_classes()
SAMPLES = [
    pytest.param(filled(kind, choice), id=f"{kind.DESCRIPTOR.name}{f'-{choice}' if choice else ''}")
    for kind in MESSAGES
    for choice in range(widest_oneof(kind))
]
LATER = b"\xfa\x3e\x05later"  # field 999, of a release to come


def test_there_is_something_to_walk() -> None:
    names = {kind.DESCRIPTOR.name for kind in MESSAGES}
    assert {"Turn", "Utterance", "Transcript", "Understanding", "Decision", "Evidence", "TaskResult", "Reply"} <= names
    assert len(names) == len(MESSAGES) > 50


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_message_with_everything_set_keeps_its_contract(sample: Message) -> None:
    present = {field.name for field, _ in sample.ListFields()}
    one_of_each = {oneof.fields[0].name for oneof in sample.DESCRIPTOR.oneofs}
    assert len(present) >= len([f for f in sample.DESCRIPTOR.fields if not f.containing_oneof]) + len(one_of_each)
    protovalidate.validate(sample)


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_message_survives_protobuf(sample: Message) -> None:
    assert type(sample).FromString(sample.SerializeToString()) == sample


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("proto_names", [True, False], ids=["snake_case", "camelCase"])
def test_a_message_survives_json_with_names_of_either_kind(sample: Message, proto_names: bool) -> None:
    text = json_format.MessageToJson(sample, preserving_proto_field_name=proto_names)

    assert json.loads(text) or not sample.ListFields()
    assert json_format.Parse(text, type(sample)()) == sample


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_message_keeps_fields_of_a_newer_contract(sample: Message) -> None:
    read = type(sample).FromString(sample.SerializeToString() + LATER)

    assert LATER in read.SerializeToString()
    copy = type(sample)()
    copy.CopyFrom(read)
    assert LATER in copy.SerializeToString(), "a stage that copies a turn passes them on"


@given(st.text(min_size=1), st.floats(0, 1))
def test_any_words_and_any_confidence_survive_json(text: str, confidence: float) -> None:
    turn = turn_pb2.Turn()
    turn.transcript.text = text
    turn.transcript.confidence = confidence

    read = json_format.Parse(json_format.MessageToJson(turn), turn_pb2.Turn())

    assert read.transcript.text == text
    assert math.isclose(read.transcript.confidence, confidence)
