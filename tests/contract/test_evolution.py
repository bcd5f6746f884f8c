"""Contracts grow: a release reads what a newer one sends, and passes on what it does not know."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from parley.v1 import dispatch_pb2, generation_pb2, stage_pb2, turn_pb2
from shared.bus.codec import Codecs
from shared.bus.envelope import REPLY_FORMAT_HEADER, Fetched, Wire, decode, encode
from shared.errors import InvalidEvent
from shared.events import Event, Outgoing
from shared.runtime.road import forward, open_turn
from shared.topology import REPLIES, TASK_RESULTS, TRANSCRIPTS, UNDERSTANDINGS, UTTERANCES

pytestmark = pytest.mark.contract

LATER = b"\xba\x3e\x05later"  # field 999, of a release to come


def received(wire: Wire) -> Event:
    """What a consumer makes of a record."""
    headers = [(name, value.encode()) for name, value in wire.headers.items()]
    return decode(Fetched(wire.topic, 0, 0, wire.key.encode(), headers, wire.body, 0, 0.0), Codecs())


def sent(topic: str, body: Message, **headers: str) -> Wire:
    """The record that a stage sends."""
    outgoing = Outgoing(topic, "c1", body, headers=headers)
    return encode(outgoing, source="test", cause_id="cause", inherited={}, codecs=Codecs())


def grown(message: Message) -> Message:
    """The same message as a newer release writes it: with a field that is not known here, at every level."""
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.full_name.startswith("google.protobuf"):
            continue
        for inner in value if field.is_repeated else [value]:
            grown(inner)
    message.MergeFromString(LATER)
    return message


def growths(message: Message, path: str = "turn") -> Iterator[str]:
    """Where a message holds the field that is not known here."""
    unknown = UnknownFieldSet(message)  # its stub knows no iteration
    fields = [unknown[index] for index in range(len(unknown))]
    if [(field.field_number, field.data) for field in fields] == [(999, b"later")]:
        yield path
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if field.is_repeated else [value]:
                yield from growths(inner, f"{path}.{field.name}")


def turn() -> turn_pb2.Turn:
    """A turn that has come as far as nlu."""
    utterance = turn_pb2.Utterance(text="turn on the light", locale="en")
    utterance.principal.user_id = "ann"
    turn = open_turn(utterance, str(uuid.UUID(int=7)), "c1")
    turn.transcript.text = "turn on the light"
    turn.transcript.words.add(text="turn")
    turn.route.visits.add(stage=stage_pb2.STAGE_ASR)
    return turn


def test_a_stage_passes_on_every_field_it_does_not_know() -> None:
    newer = grown(turn())
    expected = {
        f"turn{path}"
        for path in ("", ".utterance", ".utterance.principal", ".transcript", ".transcript.words", ".route")
    } | {"turn.route.visits"}
    assert set(growths(newer)) == expected

    event = received(sent(TRANSCRIPTS, newer))
    assert isinstance(event.body, turn_pb2.Turn)
    copy = turn_pb2.Turn()
    copy.CopyFrom(event.body)
    copy.understanding.intent = "light.on"
    outgoing = forward(event, copy, stage_pb2.STAGE_NLU, UNDERSTANDINGS, engine_seconds=0.1)
    passed_on = received(encode(outgoing, source="nlu", cause_id=event.id, inherited={}, codecs=Codecs())).body

    assert set(growths(passed_on)) == expected
    assert isinstance(passed_on, turn_pb2.Turn)
    assert passed_on.understanding.intent == "light.on"
    assert [visit.stage for visit in passed_on.route.visits] == [stage_pb2.STAGE_ASR, stage_pb2.STAGE_NLU]


def test_an_utterance_keeps_what_is_not_known_when_it_becomes_a_turn() -> None:
    event = received(sent(UTTERANCES, grown(turn_pb2.Utterance(text="hello", locale="en"))))
    assert isinstance(event.body, turn_pb2.Utterance)

    assert list(growths(open_turn(event.body, str(uuid.UUID(int=7)), "c1"))) == ["turn.utterance"]


def test_a_value_that_an_enum_gained_is_read_and_passed_on() -> None:
    newer = turn()
    newer.task_results.add(task_id="t", action="home.turn_on", outcome=77)
    newer.reply.kind = 88  # type: ignore[assignment]

    read = received(sent(TASK_RESULTS, newer)).body

    assert isinstance(read, turn_pb2.Turn)
    assert (int(read.task_results[0].outcome), int(read.reply.kind)) == (77, 88)
    assert 77 not in dispatch_pb2.TaskOutcome.values()
    assert 88 not in generation_pb2.ReplyKind.values()


def test_a_reply_in_json_from_a_newer_release_is_read() -> None:
    wire = sent(REPLIES, turn(), **{REPLY_FORMAT_HEADER: "json"})
    newer = wire.body.replace(b'{"turn_id"', b'{"mood": {"colour": "blue"}, "turn_id"')
    assert newer != wire.body

    read = received(Wire(wire.topic, wire.key, wire.headers, newer)).body

    assert read == turn()


def test_a_field_that_a_client_misspells_is_told_to_it() -> None:
    wire = Wire(UTTERANCES, "c1", {"content-type": "application/json"}, b'{"text": "hello", "lokale": "en"}')
    with pytest.raises(InvalidEvent, match="lokale"):
        received(wire)
