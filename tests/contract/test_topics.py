"""Every topic that carries events: its body goes through the envelope and comes out as it went in."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message

from shared.bus.codec import Codecs
from shared.bus.envelope import Fetched, Wire, decode, encode
from shared.errors import InvalidEvent
from shared.events import Outgoing
from shared.topology import REPLIES, TOPICS, Topic
from tests.contract.samples import filled, widest_oneof

pytestmark = pytest.mark.contract

EVENTS = [
    pytest.param(topic, filled(topic.body, choice), id=f"{topic.name}{f'-{choice}' if choice else ''}")
    for topic in TOPICS.values()
    if topic.body is not None
    for choice in range(widest_oneof(topic.body))
]


def written(topic: Topic, body: Message) -> Wire:
    outgoing = Outgoing(topic.name, "kitchen", body)
    return encode(outgoing, source="test", cause_id="cause", inherited={}, codecs=Codecs())


def fetched(wire: Wire, **changed: str) -> Fetched:
    headers = [(name, value.encode()) for name, value in {**wire.headers, **changed}.items()]
    return Fetched(wire.topic, 0, 0, wire.key.encode(), headers, wire.body, 0, 0.0)


@pytest.mark.parametrize(("topic", "body"), EVENTS)
def test_an_event_survives_the_road_in_protobuf(topic: Topic, body: Message) -> None:
    event = decode(fetched(written(topic, body)), Codecs())

    assert event.body == body
    assert (event.topic, event.type, event.source, event.key) == (
        topic.name,
        topic.event_type,
        "/parley/test",
        "kitchen",
    )


@pytest.mark.parametrize(("topic", "body"), EVENTS)
def test_json_enters_where_clients_do_and_nowhere_else(topic: Topic, body: Message) -> None:
    wire = written(topic, body)
    json_body = json_format.MessageToJson(body).encode()
    record = fetched(Wire(wire.topic, wire.key, wire.headers, json_body), **{"content-type": "application/json"})

    if topic.entry or topic.name == REPLIES:
        assert decode(record, Codecs()).body == body
    else:
        with pytest.raises(InvalidEvent, match=r"content-type: 'application/json' is not read from"):
            decode(record, Codecs())


@pytest.mark.parametrize(("topic", "body"), EVENTS)
def test_the_envelope_is_cloudevents_1_0_in_kafka_binary_mode(topic: Topic, body: Message) -> None:
    """https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#context-attributes and its Kafka binding."""
    wire = written(topic, body)

    attributes = {name.removeprefix("ce_"): value for name, value in wire.headers.items() if name.startswith("ce_")}
    assert {"id", "source", "specversion", "type"} <= attributes.keys()
    assert all(re.fullmatch("[a-z0-9]+", name) for name in attributes), "names are lower-case letters and digits"
    assert all(value and value.isprintable() for value in attributes.values())
    assert attributes["specversion"] == "1.0"
    assert re.fullmatch(r"/[A-Za-z0-9/._-]+", attributes["source"]), "a URI-reference"
    assert attributes["time"].endswith("Z")
    assert datetime.fromisoformat(attributes["time"]).tzinfo is not None, "an RFC 3339 timestamp"
    assert "datacontenttype" not in attributes, "it travels as content-type"
    assert wire.headers["content-type"] == "application/protobuf"
    assert wire.body == body.SerializeToString(deterministic=True), "the value is the data and nothing else"


@pytest.mark.parametrize("topic", [topic for topic in TOPICS.values() if topic.entry], ids=lambda topic: topic.name)
def test_a_client_may_write_an_entry_topic_with_no_header_at_all(topic: Topic) -> None:
    assert topic.body is not None
    body = filled(topic.body)
    record = Fetched(topic.name, 0, 7, None, [], json_format.MessageToJson(body).encode(), 1_700_000_000_000, 0.0)

    event = decode(record, Codecs())

    assert event.body == body
    assert event.type == topic.event_type
