"""CloudEvents 1.0 in Kafka's binary mode: from an event to a record and back.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import protovalidate
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings import kafka as binding
from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.formats.base import Format
from cloudevents.core.v1.event import CloudEvent
from dateutil.parser import ParserError
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from shared.bus.codec import KEY_ID_HEADER, Codecs
from shared.errors import InvalidEvent
from shared.events import Event, Outgoing, derived_id
from shared.topology import REPLIES, TOPICS, Topic

PROTOBUF = "application/protobuf"
JSON = "application/json"
REPLY_FORMAT_HEADER = "parley-reply-format"
REPLY_PARTITION_HEADER = "parley-reply-partition"
TRACE_HEADERS = ("traceparent", "tracestate")
_OUR_SOURCES = "/parley/"
_ANONYMOUS = "/clients/anonymous"
# What an event's effects inherit from it.
TRAVELLING = (*TRACE_HEADERS, REPLY_FORMAT_HEADER, REPLY_PARTITION_HEADER)


@dataclass(frozen=True, slots=True)
class Wire:
    """One record as it goes on the wire."""

    topic: str
    key: str
    headers: Mapping[str, str]
    body: bytes
    partition: int | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """One record as it came off the wire."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: Sequence[tuple[str, bytes]]
    body: bytes | None
    timestamp_ms: int
    received_at: float


class _Bytes(Format):
    """CloudEvents data that is bytes already."""

    def read(self, event_factory: Any, data: str | bytes) -> BaseCloudEvent:
        raise TypeError("structured CloudEvents are not used on Kafka; send binary mode")

    def write(self, event: BaseCloudEvent) -> bytes:
        raise TypeError("structured CloudEvents are not used on Kafka; send binary mode")

    def write_data(self, data: Any, datacontenttype: str | None) -> bytes:
        return bytes(data)

    def read_data(self, body: bytes, datacontenttype: str | None) -> bytes:
        return body

    def get_content_type(self) -> str:
        return PROTOBUF


_FORMAT = _Bytes()


def travelling(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that effects inherit from the event that caused them."""
    return {name: headers[name] for name in TRAVELLING if name in headers}


def new_traceparent() -> str:
    """A W3C traceparent that starts a trace. https://www.w3.org/TR/trace-context/"""
    return f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01"


def id_of_place(record: Fetched) -> str:
    """The id of an event whose client gave it none: nothing else stands where its record stands."""
    return derived_id(record.topic, str(record.partition), str(record.offset), str(record.timestamp_ms))


def encode(outgoing: Outgoing, *, source: str, cause_id: str, inherited: Mapping[str, str], codecs: Codecs) -> Wire:
    """The record of an event that `cause_id` caused; its id depends on the cause, the topic and the discriminator."""
    topic = TOPICS[outgoing.topic]
    extra = {**inherited, **outgoing.headers}
    extra.setdefault("traceparent", new_traceparent())
    as_json = outgoing.topic == REPLIES and extra.get(REPLY_FORMAT_HEADER) == "json"
    body = (
        json_format.MessageToJson(outgoing.body, preserving_proto_field_name=True, indent=None).encode()
        if as_json
        else outgoing.body.SerializeToString(deterministic=True)
    )
    event = CloudEvent(
        {
            "id": derived_id(cause_id, source, outgoing.topic, outgoing.discriminator),
            "source": f"{_OUR_SOURCES}{source}",
            "type": topic.event_type,
            "specversion": "1.0",
            "time": datetime.now(UTC),
            "datacontenttype": JSON if as_json else PROTOBUF,
        },
        codecs.writing.encode(body),
    )
    message = binding.to_binary(event, _FORMAT)
    headers = {name: value.decode() for name, value in message.headers.items()}
    headers |= {KEY_ID_HEADER: codecs.writing.key_id, **extra}
    partition = extra.get(REPLY_PARTITION_HEADER, "") if outgoing.topic == REPLIES else ""
    return Wire(
        topic=outgoing.topic,
        key=outgoing.key,
        headers=headers,
        body=message.value,
        partition=int(partition) if partition.isdecimal() else None,
    )


def sent_before(
    *,
    topic: str,
    key: str,
    event_id: str,
    service: str,
    time: datetime,
    body: bytes,
    headers: Mapping[str, str],
    codecs: Codecs,
) -> Wire:
    """The record of an event that `service` sent before, under the id it had; `body`: protobuf, not coded."""
    envelope = {
        "ce_id": event_id,
        "ce_source": f"{_OUR_SOURCES}{service}",
        "ce_type": TOPICS[topic].event_type,
        "ce_specversion": "1.0",
        "ce_time": time.isoformat(),
        "content-type": PROTOBUF,
        KEY_ID_HEADER: codecs.writing.key_id,
    }
    traced = {"traceparent": new_traceparent(), **headers}
    return Wire(topic, key, {**envelope, **traced}, codecs.writing.encode(body))


def decode(record: Fetched, codecs: Codecs) -> Event:
    """The event of a record, read and checked against its contract; raises InvalidEvent."""
    topic = TOPICS.get(record.topic)
    if topic is None or topic.body is None:
        raise InvalidEvent("topic", record.topic, "carries no events; publish to a topic of the topology")
    headers = _text_headers(record)
    envelope = _cloud_event(record, topic, headers)
    body = _body(record, topic, topic.body, headers, codecs)
    return Event(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=_text_key(record),
        id=_identity(topic, envelope),
        type=envelope.get_type(),
        source=envelope.get_source(),
        time=envelope.get_time() or datetime.fromtimestamp(record.timestamp_ms / 1000, UTC),
        body=body,
        headers=headers,
        received_at=record.received_at,
    )


def _text_headers(record: Fetched) -> dict[str, str]:
    headers = {}
    for name, value in record.headers:
        try:
            headers[name.lower()] = (value or b"").decode()
        except UnicodeDecodeError as error:
            raise InvalidEvent(f"headers.{name}", value, "is not UTF-8; send text headers") from error
    return headers


def _text_key(record: Fetched) -> str:
    try:
        return (record.key or b"").decode()
    except UnicodeDecodeError as error:
        raise InvalidEvent("key", record.key, "is not UTF-8; use the conversation id") from error


def _cloud_event(record: Fetched, topic: Topic, headers: Mapping[str, str]) -> BaseCloudEvent:
    attributes = {name: value.encode() for name, value in headers.items() if name.startswith("ce_")}
    if topic.entry:  # a client may leave the envelope out; what it means is still certain
        attributes.setdefault("ce_specversion", b"1.0")
        attributes.setdefault("ce_type", topic.event_type.encode())
        attributes.setdefault("ce_source", _ANONYMOUS.encode())
        attributes.setdefault("ce_id", id_of_place(record).encode())
    written_at = datetime.fromtimestamp(record.timestamp_ms / 1000, UTC).isoformat()
    attributes.setdefault("ce_time", written_at.encode())  # the library would say now, and at each reading another
    try:
        event = binding.from_binary(binding.KafkaMessage(attributes, None, b""), _FORMAT)
    except (CloudEventValidationError, ParserError, ValueError, KeyError) as error:
        raise InvalidEvent(
            "headers", sorted(attributes), f"are no CloudEvents 1.0 envelope: {error}; send ce_id, ce_type, ce_source"
        ) from error
    if event.get_type() != topic.event_type:
        raise InvalidEvent(
            "headers.ce_type", event.get_type(), f"does not belong here; {topic.name} takes {topic.event_type}"
        )
    if len(event.get_id()) > 200:
        raise InvalidEvent("headers.ce_id", event.get_id(), "is longer than 200 characters; use a UUID")
    return event


def _identity(topic: Topic, envelope: BaseCloudEvent) -> str:
    """What tells an event from all others: its id, or with a client, whose ids are its own affair, source and id."""
    event_id, source = str(envelope.get_id()), str(envelope.get_source())
    ours = not topic.entry or source.startswith(_OUR_SOURCES) or source == _ANONYMOUS
    return event_id if ours else derived_id(source, event_id)


def _body(record: Fetched, topic: Topic, kind: type[Message], headers: Mapping[str, str], codecs: Codecs) -> Message:
    codec = codecs.reader(headers.get(KEY_ID_HEADER, ""))
    if codec is None:
        raise InvalidEvent(f"headers.{KEY_ID_HEADER}", headers[KEY_ID_HEADER], "names a key this service does not hold")
    if record.body is None:
        raise InvalidEvent("body", None, f"is empty; send a {kind.DESCRIPTOR.full_name}")
    coded = codec.decode(record.body)
    content_type = headers.get("content-type", JSON if topic.entry else PROTOBUF).partition(";")[0].strip().lower()
    body = kind()
    try:
        if content_type == PROTOBUF:
            body.ParseFromString(coded)
        elif content_type == JSON and (topic.entry or topic.name == REPLIES):
            # A client's misspelt field is refused; one of a newer release of ours is passed over, as in protobuf.
            json_format.Parse(coded.decode(), body, ignore_unknown_fields=not topic.entry, max_recursion_depth=32)
        else:
            takes = f"{PROTOBUF} or {JSON}" if topic.entry else PROTOBUF
            raise InvalidEvent("headers.content-type", content_type, f"is not read from {topic.name}; send {takes}")
    except (DecodeError, json_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        reason = "is no valid protobuf" if content_type == PROTOBUF else f"is no valid JSON ({_json_reason(error)})"
        raise InvalidEvent("body", f"{len(coded)} bytes", f"{reason}; send a {kind.DESCRIPTOR.full_name}") from error
    check(body)
    return body


def _json_reason(error: Exception) -> str:
    """What is wrong with a JSON body. Most of the parser's texts quote the body, so only those that do not are kept."""
    text = str(error)
    told = text.startswith(("Failed to load JSON: Expecting", "Message type"))
    return text if told else type(error).__name__


def check(message: Message) -> None:
    """Raise InvalidEvent with every violated field of `message`; user text is not repeated."""
    violations = protovalidate.collect_violations(message)
    if violations:
        text = "; ".join(f"{field_path(violation.proto.field)}: {violation.proto.message}" for violation in violations)
        first = field_path(violations[0].proto.field)
        raise InvalidEvent(first, message.DESCRIPTOR.full_name, f"breaks its contract: {text}")


def field_path(path: Any) -> str:
    """A violated field as people write it, for example "utterance.text" or "acts[0].type"."""
    if path is None or not path.elements:
        return "body"
    return ".".join(each.field_name + (f"[{each.subscript.value}]" if each.subscript else "") for each in path.elements)
