"""Lanes: events in order by key, tried again or given up, whatever the handler and the broker do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from parley.v1 import stage_pb2, turn_pb2
from shared.bus.codec import Codecs
from shared.bus.envelope import Fetched, Wire, decode, encode
from shared.bus.producer import Producer, RecordsTooLarge
from shared.bus.profile import BrokerProfile
from shared.errors import NotFound, Unavailable
from shared.events import Event, Outgoing, derived_id
from shared.runtime.handling import Handling
from shared.runtime.lanes import StatelessLanes, Work
from shared.runtime.offsets import PartitionProgress
from shared.runtime.publisher import Publisher
from shared.runtime.road import forward
from shared.runtime.service import Service
from shared.settings import KafkaSettings
from shared.topology import DEAD_LETTERS, TRANSCRIPTS, UNDERSTANDINGS
from tests.broker import PATIENCE, Mailbox, eventually

pytestmark = pytest.mark.unit


def turn_of(event: Event) -> turn_pb2.Turn:
    """The turn an event holds, as a copy."""
    assert isinstance(event.body, turn_pb2.Turn)
    turn = turn_pb2.Turn()
    turn.CopyFrom(event.body)
    return turn


class ProducerDouble(Producer):
    """Keeps what is sent; `refuse` may raise for it what a broker would."""

    def __init__(self) -> None:
        super().__init__(BrokerProfile.of(KafkaSettings()))
        self.sent: Mailbox[Wire] = Mailbox()
        self.refuse: Callable[[Sequence[Wire]], None] = lambda _records: None

    def send(self, records: Sequence[Wire]) -> None:
        """As a broker takes records: those it refuses are not among them."""
        self.refuse(records)
        for record in records:
            self.sent.put(record)


class UnderstandingDouble:
    """Passes turns on; what it does with one is up to `act`."""

    def __init__(self) -> None:
        self.act: Callable[[Event], None] = lambda _event: None
        self.handled: Mailbox[str] = Mailbox()

    def handle(self, event: Event) -> Sequence[Outgoing]:
        """The turn, understood."""
        self.act(event)
        turn = turn_of(event)
        self.handled.put(turn.utterance.text)
        return [forward(event, turn, stage_pb2.STAGE_NLU, UNDERSTANDINGS, engine_seconds=0.0)]


class Road:
    """One partition whose events go to lanes."""

    def __init__(self, lanes: StatelessLanes) -> None:
        self.lanes = lanes
        self.progress = PartitionProgress()
        self._offset = -1

    def put(self, *texts: str, key: str = "kitchen", progress: PartitionProgress | None = None) -> None:
        """Hand over one event for each text."""
        progress = progress or self.progress
        for text in texts:
            self._offset += 1
            progress.fetched(self._offset, 1)
            self.lanes.put(self._work(text, key, progress))

    def wait_done(self) -> None:
        """Wait until every event is done."""
        eventually(lambda: self.progress.to_commit(again=True) == self._offset + 1, "everything is done")

    def _work(self, text: str, key: str, progress: PartitionProgress) -> Work:
        turn = turn_pb2.Turn(turn_id=derived_id(text), conversation_id=key)
        turn.utterance.text = text
        turn.route.next.append(stage_pb2.STAGE_NLU)
        outgoing = Outgoing(TRANSCRIPTS, key, turn)
        wire = encode(outgoing, source="test", cause_id=text, inherited={}, codecs=Codecs())
        headers = [(name, value.encode()) for name, value in wire.headers.items()]
        record = Fetched(TRANSCRIPTS, 0, self._offset, key.encode(), headers, wire.body, 0, 0.0)
        event = decode(record, Codecs())
        return Work(event, record, progress, Handling("nlu", event))


@pytest.fixture
def producer() -> ProducerDouble:
    return ProducerDouble()


@pytest.fixture
def handler() -> UnderstandingDouble:
    return UnderstandingDouble()


@pytest.fixture
def road(producer: ProducerDouble, handler: UnderstandingDouble) -> Iterator[Road]:
    service = Service("nlu", stage_pb2.STAGE_NLU, (TRANSCRIPTS,), handler=handler, lanes=4)
    lanes = StatelessLanes(service, handler, Publisher("nlu", producer, Codecs()))
    yield Road(lanes)
    lanes.stop()
    lanes.join(PATIENCE)


def letters(producer: ProducerDouble) -> list[Wire]:
    return [wire for wire in producer.sent.items() if wire.topic == DEAD_LETTERS]


def test_an_event_is_done_once_its_results_are_acknowledged(road: Road, producer: ProducerDouble) -> None:
    acknowledge = threading.Event()

    def refuse(_records: Sequence[Wire]) -> None:
        assert acknowledge.wait(PATIENCE)

    producer.refuse = refuse
    road.put("one")
    assert road.progress.to_commit() == 0
    acknowledge.set()

    road.wait_done()
    assert [wire.topic for wire in producer.sent.items()] == [UNDERSTANDINGS]


def test_what_may_succeed_later_is_tried_again_before_anything_else_of_its_key(
    road: Road, handler: UnderstandingDouble
) -> None:
    failures = iter([True, True, False])

    def act(event: Event) -> None:
        if turn_of(event).utterance.text == "first" and next(failures):
            raise Unavailable("engine: busy")

    handler.act = act
    road.put("first", "second")

    road.wait_done()
    assert handler.handled.items() == ["first", "second"]


def test_a_broker_that_does_not_acknowledge_is_asked_again(road: Road, producer: ProducerDouble) -> None:
    failures = iter([True, True, False])

    def refuse(_records: Sequence[Wire]) -> None:
        if next(failures, False):
            raise Unavailable("kafka: not acknowledged")

    producer.refuse = refuse
    road.put("one", "two")

    road.wait_done()
    assert [wire.topic for wire in producer.sent.items()] == [UNDERSTANDINGS] * 2


@pytest.mark.parametrize("error", [NotFound("pack: 'x' is unknown"), ZeroDivisionError("a bug")], ids=type)
def test_what_will_fail_again_is_given_up_at_once_and_the_next_event_passes(
    road: Road, handler: UnderstandingDouble, producer: ProducerDouble, error: Exception
) -> None:
    def act(event: Event) -> None:
        if event.offset == 0:
            raise error

    handler.act = act
    road.put("poison", "good")

    road.wait_done()
    assert handler.handled.items() == ["good"]
    (letter,) = letters(producer)
    assert letter.headers["parley-dead-error"] == type(error).__name__
    assert letter.headers["parley-dead-attempts"] == "1"
    assert letter.headers["parley-dead-stage"] == "nlu"


def test_a_result_that_breaks_its_contract_is_given_up_and_not_sent(road: Road, producer: ProducerDouble) -> None:
    class BrokenDouble:
        def handle(self, event: Event) -> Sequence[Outgoing]:
            return [Outgoing(UNDERSTANDINGS, event.key, turn_pb2.Turn(turn_id="7"))]

    service = Service("nlu", stage_pb2.STAGE_NLU, (TRANSCRIPTS,), handler=BrokenDouble(), lanes=1)
    broken = Road(StatelessLanes(service, BrokenDouble(), Publisher("nlu", producer, Codecs())))
    broken.put("one")

    broken.wait_done()
    broken.lanes.stop()
    assert [wire.topic for wire in producer.sent.items()] == [DEAD_LETTERS]
    assert "turn_id" in letters(producer)[0].headers["parley-dead-detail"]


def test_a_result_the_broker_never_takes_costs_one_event_and_not_the_lane(road: Road, producer: ProducerDouble) -> None:
    def refuse(records: Sequence[Wire]) -> None:
        if any(b"huge" in record.body and record.topic == UNDERSTANDINGS for record in records):
            raise RecordsTooLarge([0], Exception("MESSAGE_SIZE_TOO_LARGE"))

    producer.refuse = refuse
    road.put("huge", "good")

    road.wait_done()
    assert [wire.topic for wire in producer.sent.items()] == [DEAD_LETTERS, UNDERSTANDINGS]


def test_a_dead_letter_the_broker_never_takes_goes_without_its_body(
    road: Road, handler: UnderstandingDouble, producer: ProducerDouble
) -> None:
    def refuse(records: Sequence[Wire]) -> None:
        if any(record.body for record in records):
            raise RecordsTooLarge([0], Exception("MESSAGE_SIZE_TOO_LARGE"))

    def act(_event: Event) -> None:
        raise NotFound("pack: 'x' is unknown")

    producer.refuse, handler.act = refuse, act
    road.put("huge")

    road.wait_done()
    (letter,) = letters(producer)
    assert letter.body == b""
    assert int(letter.headers["parley-dead-cut"]) > 0
    assert (letter.headers["parley-dead-topic"], letter.headers["parley-dead-offset"]) == (TRANSCRIPTS, "0")
    assert letter.headers["parley-dead-error"] == "NotFound"


def test_a_lane_outlives_whatever_goes_wrong_around_it(road: Road, producer: ProducerDouble) -> None:
    failures = iter([RuntimeError("a bug of ours"), RuntimeError("and once more, for the dead letter")])

    def refuse(_records: Sequence[Wire]) -> None:
        for error in failures:
            raise error

    producer.refuse = refuse
    road.put("one", "two")

    producer.sent.wait()
    assert producer.sent.items()[0].topic == UNDERSTANDINGS
    assert road.progress.to_commit() == 0, "the first is not done, so it is read again"


def test_keys_are_worked_on_side_by_side(road: Road, handler: UnderstandingDouble) -> None:
    together = threading.Barrier(2)

    def act(_event: Event) -> None:
        together.wait(PATIENCE)

    handler.act = act
    road.put("here", key="kitchen")
    road.put("there", key="bedroom")

    road.wait_done()
    assert not together.broken, "each waited for the other, so both were being handled"


def test_work_of_a_partition_that_was_taken_away_is_left_to_its_heir(road: Road, handler: UnderstandingDouble) -> None:
    tried = threading.Event()
    taken = PartitionProgress()

    def act(event: Event) -> None:
        if event.offset == 0:
            tried.set()
            raise Unavailable("engine: busy, for ever")

    handler.act = act
    road.put("waiting for another attempt", "not begun", progress=taken)
    assert tried.wait(PATIENCE)

    taken.close()
    eventually(lambda: not taken.running, "the lane lets go")
    road.progress.fetched(1, 0)
    road.put("of another partition")

    handler.handled.wait()
    assert handler.handled.items() == ["of another partition"]
    assert taken.to_commit() == 0, "nothing of it is done"


def test_stopping_finishes_what_was_begun_and_leaves_the_rest(road: Road, handler: UnderstandingDouble) -> None:
    begun, finish = threading.Event(), threading.Event()

    def act(_event: Event) -> None:
        begun.set()
        assert finish.wait(PATIENCE)

    handler.act = act
    road.put("begun", "waiting")
    assert begun.wait(PATIENCE)

    road.lanes.stop()
    finish.set()
    road.lanes.join(PATIENCE)

    assert handler.handled.items() == ["begun"]
    assert road.progress.to_commit() == 1
