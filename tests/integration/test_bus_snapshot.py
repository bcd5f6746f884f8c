"""Reading a topic from its beginning to its end: everything, once, and then an end."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from shared.bus import snapshot
from shared.bus.envelope import Fetched, Wire
from shared.bus.snapshot import read_all
from shared.errors import NotFound, Unavailable
from shared.topology import DEAD_LETTERS, UNDERSTANDINGS
from tests.broker import TestBroker, own_broker

pytestmark = pytest.mark.integration


@pytest.fixture
def mark() -> str:
    """Tells the records of one test from all others on the topic."""
    return uuid.uuid4().hex


def marked(records: Iterator[Fetched], mark: str) -> list[Fetched]:
    """The records that carry a test's mark."""
    return [record for record in records if ("mark", mark.encode()) in record.headers]


def test_everything_that_was_sent_in_batches_to_several_partitions_is_read(broker: TestBroker, mark: str) -> None:
    sent = [Wire(UNDERSTANDINGS, f"key-{n % 5}", {"mark": mark}, f"{n}".encode() * (n % 7)) for n in range(1200)]
    with broker.producer() as producer:
        producer.send(sent)

    read = marked(read_all(broker.profile, UNDERSTANDINGS), mark)

    for key in {wire.key for wire in sent}:  # a key keeps its order
        assert [r.body for r in read if r.key == key.encode()] == [wire.body for wire in sent if wire.key == key]
    assert len(read) == len(sent)
    assert len({record.partition for record in read}) > 1


def test_records_of_which_one_fills_a_fetch_are_all_read(broker: TestBroker, mark: str) -> None:
    sent = [Wire(DEAD_LETTERS, "key", {"mark": mark}, bytes([n]) * 900_000) for n in range(5)]
    with broker.producer() as producer:
        producer.send(sent)

    assert [r.body for r in marked(read_all(broker.profile, DEAD_LETTERS), mark)] == [wire.body for wire in sent]


def test_a_topic_without_records_has_an_end(broker: TestBroker, mark: str) -> None:
    assert marked(read_all(broker.profile, DEAD_LETTERS), mark) == []


def test_reading_can_be_left_in_the_middle_and_begun_again(broker: TestBroker, mark: str) -> None:
    with broker.producer() as producer:
        producer.send([Wire(DEAD_LETTERS, "key", {"mark": mark}, b"body") for _ in range(3)])

    next(read_all(broker.profile, DEAD_LETTERS))

    assert len(marked(read_all(broker.profile, DEAD_LETTERS), mark)) == 3


def test_a_topic_that_is_not_there_is_no_empty_one() -> None:
    with own_broker() as broker, pytest.raises(NotFound, match=r"parley\.dead-letters"):
        list(read_all(broker.profile, DEAD_LETTERS))


def test_a_broker_that_is_not_there_is_said_to_be_missing() -> None:
    with own_broker() as broker:
        profile = broker.profile

    with pytest.raises(Unavailable, match="no broker answers"):
        list(read_all(profile, DEAD_LETTERS))


def test_what_was_read_before_the_broker_was_lost_is_not_taken_for_everything(
    broker: TestBroker, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if broker.embedded is None:
        pytest.skip("a Kafka that others share is not stopped")
    with broker.producer() as producer:
        producer.send([Wire(DEAD_LETTERS, "key", {"mark": mark}, b"x" * 600_000) for _ in range(16)])
    monkeypatch.setattr(snapshot, "_PATIENCE", 1.0)
    reading = read_all(broker.profile, DEAD_LETTERS)
    next(reading)
    broker.embedded.kill()

    with pytest.raises(Unavailable, match="to its end"):
        list(reading)
