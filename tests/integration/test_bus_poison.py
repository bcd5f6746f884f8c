"""Poison: what nobody can read goes to the dead letters as it came, and the next event passes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from parley.v1 import stage_pb2, turn_pb2
from shared.bus.envelope import Fetched
from shared.runtime.host import Host
from shared.runtime.service import Service
from shared.topology import DEAD_LETTERS, TRANSCRIPTS, UTTERANCES
from tests.broker import TestBroker, own_broker
from tests.integration.runtime_doubles import LedgerDouble, a_turn, header, hosting

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Poison:
    """A record nobody can read, and what its dead letter must say."""

    value: bytes | None
    headers: list[tuple[str, bytes]]
    says: list[str]
    topic: str = UTTERANCES
    key: bytes | None = b"poison"


PROTOBUF = [("content-type", b"application/protobuf")]
POISONS = {
    "random bytes": Poison(b"\xff\xfe\xfd\xfc garbage", PROTOBUF, ["body", "is no valid protobuf"]),
    "no JSON": Poison(b'{"text": "hello"', [], ["body", "is no valid JSON"]),
    "no body": Poison(None, [], ["body", "is empty"]),
    "a wrong content type": Poison(b"hello", [("content-type", b"text/plain")], ["content-type", "'text/plain'"]),
    "a violated field": Poison(b'{"text": "hi", "locale": "!"}', [], ["locale", "breaks its contract"]),
    "no envelope on the road": Poison(b"", PROTOBUF, ["headers", "ce_id"], topic=TRANSCRIPTS),
    "another topic's event": Poison(b"{}", [("ce_type", b"parley.turn.replied.v1")], ["ce_type", "does not belong"]),
    "a header that is no text": Poison(b'{"text": "hi"}', [("note", b"\xff\x00\xfe")], ["headers.note", "UTF-8"]),
    "a key that is no text": Poison(b'{"text": "hi"}', [], ["key", "UTF-8"], key=b"\xff\x00"),
    "an unknown key id": Poison(b"coded", [("parley-key-id", b"key-7")], ["parley-key-id", "'key-7'"]),
    "a forged reason": Poison(b"", [("parley-dead-error", b"None"), ("parley-dead-stage", b"?")], ["body"]),
}


class Door:
    """A host of one service that reads the entry and the road, and of one that only observes."""

    def __init__(self, broker: TestBroker, host: Host, reading: LedgerDouble, observing: LedgerDouble) -> None:
        self.broker, self.host, self.reading, self.observing = broker, host, reading, observing

    def letter_of(self, topic: str, partition: int, offset: int) -> Fetched:
        """The dead letter of the record at a place."""

        def of_place(letters: list[Fetched]) -> list[Fetched]:
            place = (topic, str(partition), str(offset))
            names = ("parley-dead-topic", "parley-dead-partition", "parley-dead-offset")
            return [letter for letter in letters if tuple(header(letter, name) for name in names) == place]

        return of_place(self.broker.read(DEAD_LETTERS, until=lambda letters: bool(of_place(letters))))[0]


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    reading, observing = LedgerDouble(), LedgerDouble()
    services = [
        Service("asr", stage_pb2.STAGE_ASR, (UTTERANCES, TRANSCRIPTS), handler=reading, reads_everything=True),
        Service(
            "gateway",
            stage_pb2.STAGE_GATEWAY,
            (UTTERANCES, TRANSCRIPTS),
            handler=observing,
            reads_everything=True,
            observes=True,
        ),
    ]
    with own_broker() as broker:
        broker.prepare()
        with hosting(broker, *services) as host:
            yield Door(broker, host, reading, observing)


@pytest.mark.parametrize("name", POISONS)
def test_poison_is_kept_as_it_came_with_the_reason_and_the_next_event_passes(door: Door, name: str) -> None:
    poison = POISONS[name]
    partition, offset = door.broker.publish(
        poison.topic, poison.value, key=poison.key, headers=poison.headers, partition=0
    )
    good = f"good after {name}".encode()
    door.broker.publish(UTTERANCES, b'{"text": "hello"}', key=good, partition=0)

    door.reading.came.wait(until=lambda events: any(event.key == good.decode() for event in events))
    letter = door.letter_of(poison.topic, partition, offset)

    assert (letter.key, letter.body or b"") == (poison.key, poison.value or b"")
    for header_name, value in poison.headers:
        if not header_name.startswith("parley-dead-"):
            assert (header_name, value) in letter.headers, "every header is there, byte for byte"
    assert header(letter, "parley-dead-error") == "InvalidEvent"
    assert header(letter, "parley-dead-stage") == "asr", "it is refused by who reads for work, not by who observes"
    assert header(letter, "parley-dead-attempts") == "1"
    detail = header(letter, "parley-dead-detail")
    assert all(part in detail for part in poison.says), detail


def test_there_is_one_dead_letter_for_each_and_none_for_what_was_good(door: Door) -> None:
    """Last in this file."""
    places = [
        tuple(header(letter, f"parley-dead-{name}") for name in ("topic", "partition", "offset"))
        for letter in door.broker.everything(DEAD_LETTERS)
    ]
    assert len(places) == len(set(places)) == len(POISONS)


def test_who_observes_sees_every_good_event_all_the_same(door: Door) -> None:
    _, wire = a_turn("seen by both", "observed")
    with door.broker.producer() as producer:
        producer.send([wire])

    for double in (door.reading, door.observing):
        events = double.came.wait(until=lambda events: any(event.key == "observed" for event in events))
        assert isinstance(events[-1].body, (turn_pb2.Turn, turn_pb2.Utterance))
