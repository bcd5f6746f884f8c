"""CloudEvents 1.0 in Kafka's binary mode, and what is refused at the door."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.message import Message

from parley.v1 import stage_pb2, turn_pb2
from shared.bus.codec import Codecs
from shared.bus.envelope import Fetched, Wire, decode, encode, travelling
from shared.errors import InvalidEvent
from shared.events import Event, Outgoing
from shared.topology import DEAD_LETTERS, REPLIES, TRANSCRIPTS, UTTERANCES

pytestmark = pytest.mark.unit

TURN_ID = "0b7f2a52-6a0c-4bb4-8f5c-2f3c7c1f0001"


def a_turn(text: str = "turn on the light") -> turn_pb2.Turn:
    turn = turn_pb2.Turn(turn_id=TURN_ID, conversation_id="kitchen")
    turn.utterance.text = text
    turn.route.next.append(stage_pb2.STAGE_NLU)
    return turn


def encoded(
    body: Message | None = None,
    topic: str = TRANSCRIPTS,
    cause: str = "cause",
    discriminator: str = "",
    inherited: Mapping[str, str] = {},
) -> Wire:
    outgoing = Outgoing(topic, "kitchen", body or a_turn(), discriminator)
    return encode(outgoing, source="asr", cause_id=cause, inherited=inherited, codecs=Codecs())


def fetched(wire: Wire, offset: int = 3) -> Fetched:
    headers = [(name, value.encode()) for name, value in wire.headers.items()]
    return Fetched(wire.topic, 1, offset, wire.key.encode(), headers, wire.body, 1_700_000_000_000, 1.5)


def read(
    body: bytes | None, headers: dict[str, bytes] | None = None, topic: str = UTTERANCES, key: bytes | None = None
) -> Event:
    return decode(Fetched(topic, 1, 3, key, list((headers or {}).items()), body, 1_700_000_000_000, 1.5), Codecs())


class TestWriting:
    def test_headers_are_those_of_the_kafka_protocol_binding(self) -> None:
        """https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md#32-binary-content-mode"""
        headers = encoded().headers

        assert headers["ce_specversion"] == "1.0"
        assert headers["ce_type"] == "parley.turn.transcribed.v1"
        assert headers["ce_source"] == "/parley/asr"
        assert headers["content-type"] == "application/protobuf"
        assert uuid.UUID(headers["ce_id"])
        assert datetime.fromisoformat(headers["ce_time"]) - datetime.now(UTC) < timedelta(minutes=1)

    def test_the_same_work_done_twice_has_the_same_id(self) -> None:
        assert encoded().headers["ce_id"] == encoded(a_turn("heard better now")).headers["ce_id"]

    @pytest.mark.parametrize(
        "other",
        [encoded(cause="another"), encoded(topic=REPLIES), encoded(discriminator="2")],
        ids=["another cause", "another topic", "the second of two"],
    )
    def test_other_work_has_another_id(self, other: Wire) -> None:
        assert other.headers["ce_id"] != encoded().headers["ce_id"]

    def test_a_trace_goes_on_where_there_is_one_and_starts_where_there_is_none(self) -> None:
        trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

        assert encoded(inherited={"traceparent": trace}).headers["traceparent"] == trace
        version, trace_id, span_id, flags = encoded().headers["traceparent"].split("-")
        assert (version, len(trace_id), len(span_id), flags) == ("00", 32, 16, "01")

    def test_of_a_causes_headers_only_those_that_travel_are_inherited(self) -> None:
        headers = {"traceparent": "t", "parley-reply-format": "json", "ce_id": "1", "secret": "s", "parley-key-id": "k"}
        assert travelling(headers) == {"traceparent": "t", "parley-reply-format": "json"}

    def test_a_reply_is_json_where_the_client_asked_for_it_and_nothing_else_is(self) -> None:
        asked = {"parley-reply-format": "json"}

        reply, on_the_road = encoded(topic=REPLIES, inherited=asked), encoded(inherited=asked)

        assert reply.headers["content-type"] == "application/json"
        assert b'"turn_id"' in reply.body
        assert on_the_road.headers["content-type"] == "application/protobuf"
        assert decode(fetched(reply), Codecs()).body == decode(fetched(on_the_road), Codecs()).body

    @pytest.mark.parametrize(("asked", "partition"), [("2", 2), ("", None), ("two", None), ("-1", None)])
    def test_a_reply_goes_to_the_partition_that_was_asked_for(self, asked: str, partition: int | None) -> None:
        header = {"parley-reply-partition": asked}
        assert encoded(topic=REPLIES, inherited=header).partition == partition
        assert encoded(inherited=header).partition is None


class TestReading:
    def test_what_was_written_is_read_again(self) -> None:
        wire = encoded(inherited={"traceparent": "t"})

        event = decode(fetched(wire), Codecs())

        assert event.body == a_turn()
        assert (event.topic, event.partition, event.offset, event.key) == (TRANSCRIPTS, 1, 3, "kitchen")
        assert (event.id, event.type, event.source) == (
            wire.headers["ce_id"],
            "parley.turn.transcribed.v1",
            "/parley/asr",
        )
        assert event.headers["traceparent"] == "t"
        assert event.time.tzinfo is not None
        assert event.received_at == 1.5

    def test_a_client_may_leave_the_envelope_out(self) -> None:
        event = read(b'{"text": "hello"}')

        assert event.body == turn_pb2.Utterance(text="hello")
        assert event.time == datetime.fromtimestamp(1_700_000_000, UTC)

    def test_an_event_without_an_id_has_the_same_one_each_time_it_is_read(self) -> None:
        record = Fetched(UTTERANCES, 1, 3, None, [], b'{"text": "hello"}', 1_700_000_000_000, 1.5)
        again = Fetched(UTTERANCES, 1, 3, None, [], b'{"text": "hello"}', 1_700_000_000_000, 99.0)
        other = Fetched(UTTERANCES, 1, 4, None, [], b'{"text": "hello"}', 1_700_000_000_000, 1.5)

        ids = [decode(each, Codecs()).id for each in (record, again, other)]
        assert ids[0] == ids[1] != ids[2]

    def test_ids_of_two_clients_may_be_equal_and_are_told_apart(self) -> None:
        """CloudEvents promises only that source and id together are unique."""
        body = b'{"text": "hello"}'
        one = read(body, {"ce_id": b"1", "ce_source": b"/kiosk/1"})
        same = read(body, {"ce_id": b"1", "ce_source": b"/kiosk/1"})
        other = read(body, {"ce_id": b"1", "ce_source": b"/kiosk/2"})

        assert one.id == same.id != other.id

    def test_header_names_may_be_written_in_any_case(self) -> None:
        headers = {"Content-Type": b"application/json; charset=utf-8", "CE_ID": b"7"}
        assert read(b'{"text": "hello"}', headers).id == "7"

    def test_a_null_header_is_an_empty_one(self) -> None:
        record = Fetched(UTTERANCES, 0, 0, None, [("note", None)], b'{"text": "hello"}', 0, 0.0)  # type: ignore[list-item]
        assert decode(record, Codecs()).headers["note"] == ""

    def test_fields_of_a_newer_contract_are_kept_and_passed_on(self) -> None:
        newer = a_turn().SerializeToString() + b"\xfa\x3e\x05later"  # field 999, of a release to come
        record = fetched(encoded())
        record = Fetched(record.topic, 1, 3, record.key, record.headers, newer, 0, 0.0)

        assert b"later" in decode(record, Codecs()).body.SerializeToString()


PROTOBUF = {"content-type": b"application/protobuf"}
UTTERANCE = turn_pb2.Utterance(text="hello").SerializeToString()
REFUSED = {
    # what is wrong: (topic, headers, body, what the refusal says)
    "random bytes": (UTTERANCES, PROTOBUF, b"\xff\xfe\xfd\xfc", ["body", "4 bytes", "send a parley.v1.Utterance"]),
    "no body": (UTTERANCES, {}, None, ["body", "is empty; send a parley.v1.Utterance"]),
    "no JSON": (UTTERANCES, {}, b"{", ["body", "is no valid JSON", "send a parley.v1.Utterance"]),
    "JSON that is no object": (UTTERANCES, {}, b'"hello"', ["body", "is no valid JSON"]),
    "JSON that is not UTF-8": (UTTERANCES, {}, b'{"text": "\xff"}', ["body", "is no valid JSON"]),
    "an unknown field": (UTTERANCES, {}, b'{"txt": "hello"}', ["body", "Message type", "txt"]),
    "JSON nested too deep": (UTTERANCES, {}, b'{"principal":' * 500 + b"{}" + b"}" * 500, ["body", "no valid JSON"]),
    "another content type": (
        UTTERANCES,
        {"content-type": b"text/plain"},
        b"hello",
        ["headers.content-type", "'text/plain'", "send application/protobuf or application/json"],
    ),
    "JSON on the road": (
        TRANSCRIPTS,
        {**PROTOBUF, "content-type": b"application/json", "ce_id": b"1", "ce_source": b"/x", "ce_specversion": b"1.0"}
        | {"ce_type": b"parley.turn.transcribed.v1"},
        b"{}",
        ["headers.content-type", "'application/json'", "send application/protobuf"],
    ),
    "no envelope on the road": (TRANSCRIPTS, PROTOBUF, b"", ["headers", "send ce_id, ce_type, ce_source"]),
    "another topic's event": (
        UTTERANCES,
        {"ce_type": b"parley.turn.replied.v1"},
        b"{}",
        ["headers.ce_type", "'parley.turn.replied.v1'", "takes parley.utterance.v1"],
    ),
    "a time that is none": (UTTERANCES, {"ce_time": b"noon"}, b'{"text": "a"}', ["headers", "envelope"]),
    "another CloudEvents": (UTTERANCES, {"ce_specversion": b"9.9"}, b'{"text": "a"}', ["headers", "envelope"]),
    "an empty id": (UTTERANCES, {"ce_id": b""}, b'{"text": "a"}', ["headers", "envelope"]),
    "an endless id": (UTTERANCES, {"ce_id": b"1" * 201}, b'{"text": "a"}', ["headers.ce_id", "use a UUID"]),
    "a header of bytes": (UTTERANCES, {"x": b"\xff"}, b'{"text": "a"}', ["headers.x", "is not UTF-8"]),
    "no content": (UTTERANCES, {}, b"{}", ["breaks its contract", "content"]),
    "a violated field": (UTTERANCES, {}, b'{"text": "a", "locale": "!"}', ["locale", "breaks its contract"]),
    "two violated fields": (
        UTTERANCES,
        {},
        b'{"text": "a", "locale": "!", "conversation_id": "a b", "turn_id": "7"}',
        ["locale: ", "conversation_id: ", "turn_id: "],
    ),
    "a violation deep inside": (
        UTTERANCES,
        {},
        b'{"audio": {"claim_check": {"uri": "", "sha256": "0"}}}',
        ["audio.claim_check.uri: ", "audio.claim_check.sha256: "],
    ),
    "a topic without events": (DEAD_LETTERS, {}, b"", ["topic", "'parley.dead-letters'", "publish to a topic"]),
    "a topic of somebody else": ("orders", {}, b"", ["topic", "'orders'", "publish to a topic of the topology"]),
}


@pytest.mark.parametrize("wrong", REFUSED)
def test_what_cannot_be_read_is_refused_with_field_value_and_remedy(wrong: str) -> None:
    topic, headers, body, says = REFUSED[wrong]

    with pytest.raises(InvalidEvent) as refusal:
        read(body, headers, topic)

    assert all(part in str(refusal.value) for part in says), str(refusal.value)


def test_a_key_that_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidEvent, match=r"key: .* use the conversation id"):
        read(b'{"text": "hello"}', key=b"\xff")


@pytest.mark.parametrize(
    "body",
    [b'{"text": "my pin is 4711", "locale": "!"}', b'{"text": "my pin is 4711"', b'{"text": {"my pin is": 4711}}'],
    ids=["a violated field", "broken JSON", "a wrong type"],
)
def test_a_refusal_never_repeats_what_the_user_said(body: bytes) -> None:
    with pytest.raises(InvalidEvent) as refusal:
        read(body)

    assert "4711" not in str(refusal.value)
