"""A reply that comes too late stays off the topic: generation follows what the gateway gives up, on a real broker."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from parley.v1 import dialogue_pb2, generation_pb2, stage_pb2, turn_pb2
from services.generation.service import build
from shared.bus.codec import Codecs
from shared.bus.envelope import encode
from shared.events import Outgoing
from shared.settings import StorageSettings
from shared.topology import DECISIONS, GIVEN_UP, REPLIES
from tests.broker import TestBroker, eventually
from tests.integration.runtime_doubles import hosting, read_turn

pytestmark = pytest.mark.integration


def decided(turn_id: str) -> turn_pb2.Turn:
    """A turn that generation is to greet."""
    return turn_pb2.Turn(
        turn_id=turn_id,
        conversation_id="desk",
        utterance=turn_pb2.Utterance(turn_id=turn_id, conversation_id="desk", text="hello"),
        decision=dialogue_pb2.Decision(
            acts=[generation_pb2.DialogueAct(type=generation_pb2.DIALOGUE_ACT_TYPE_GREET)],
            route=[stage_pb2.STAGE_GENERATION],
        ),
        route=turn_pb2.Route(next=[stage_pb2.STAGE_GENERATION]),
    )


def send(broker: TestBroker, *events: Outgoing) -> None:
    """As the services before would."""
    with broker.producer() as producer:
        for event in events:
            producer.send([encode(event, source="dialogue", cause_id=event.key, inherited={}, codecs=Codecs())])


def test_the_late_reply_of_a_turn_given_up_never_reaches_the_topic(
    broker: TestBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARLEY_KAFKA_BOOTSTRAP_SERVERS", ",".join(broker.profile.bootstrap_servers))
    late, other = str(uuid.uuid4()), str(uuid.uuid4())
    given_up = turn_pb2.GivenUp(turn_id=late, conversation_id="desk")
    broker.prepare()
    send(broker, Outgoing(GIVEN_UP, "desk", given_up))
    service = build(StorageSettings(data_dir=tmp_path))

    with hosting(broker, service):
        known = service.handler._given_up  # type: ignore[union-attr]
        eventually(lambda: late in known, "generation knows, though it started later")
        send(
            broker,
            Outgoing(DECISIONS, "desk", decided(late), discriminator="late"),
            Outgoing(DECISIONS, "desk", decided(other), discriminator="other"),
        )
        broker.read(REPLIES, until=lambda records: any(read_turn(each).turn_id == other for each in records))

    assert late not in {read_turn(record).turn_id for record in broker.everything(REPLIES)}
