"""The road: a turn goes where its slip says, and takes along what its client asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from parley.v1 import stage_pb2
from shared.bus.envelope import Fetched, Wire
from shared.topology import DEAD_LETTERS, DECISIONS, REPLIES, TASK_RESULTS, TRANSCRIPTS, UNDERSTANDINGS
from tests.broker import TestBroker, own_broker
from tests.integration.runtime_doubles import RoadDouble, a_turn, header, hosting, read_turn, turn_of

pytestmark = pytest.mark.integration

Stage = stage_pb2.Stage
BY_DISPATCH = (Stage.STAGE_DISPATCH, Stage.STAGE_DIALOGUE, Stage.STAGE_GENERATION)
STRAIGHT = (Stage.STAGE_GENERATION,)


class Road:
    """Five services in one host."""

    def __init__(self, broker: TestBroker, doubles: RoadDouble) -> None:
        self.broker = broker
        self.doubles = doubles

    def publish(self, *records: Wire) -> None:
        """Send records of the road."""
        with self.broker.producer() as producer:
            producer.send(records)

    def replies(self, turn_id: str, count: int = 1) -> list[Fetched]:
        """The records of a turn's replies, once there are `count`."""

        def of_turn(records: list[Fetched]) -> list[Fetched]:
            return [record for record in records if turn_id.encode() in (record.body or b"")]

        return of_turn(self.broker.read(REPLIES, until=lambda records: len(of_turn(records)) >= count))


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    with own_broker() as broker:
        broker.prepare()
        doubles = RoadDouble()
        with hosting(broker, *doubles.services()):
            yield Road(broker, doubles)


@pytest.fixture(autouse=True)
def _by_dispatch(road: Road) -> None:
    road.doubles.dialogue.route = BY_DISPATCH


@pytest.mark.parametrize("route", [BY_DISPATCH, STRAIGHT], ids=["by dispatch and back", "straight to generation"])
def test_a_turn_goes_only_where_its_slip_says(road: Road, route: tuple[stage_pb2.Stage.ValueType, ...]) -> None:
    road.doubles.dialogue.route = route
    turn_id, record = a_turn()

    road.publish(record)
    (reply,) = road.replies(turn_id)

    visits = read_turn(reply).route.visits
    assert [visit.stage for visit in visits] == [Stage.STAGE_NLU, Stage.STAGE_DIALOGUE, *route]
    assert not read_turn(reply).route.next
    handled = [turn_of(event).turn_id for event in road.doubles.dispatch.handled.items()]
    assert (turn_id in handled) == (Stage.STAGE_DISPATCH in route)


def test_each_visit_tells_when_and_where_it_was_and_how_long_it_took(road: Road) -> None:
    turn_id, record = a_turn()

    road.publish(record)
    (reply,) = road.replies(turn_id)

    visits = read_turn(reply).route.visits
    received = [visit.received_at.ToNanoseconds() for visit in visits]
    assert received == sorted(received)
    assert all(visit.instance for visit in visits)
    assert all(visit.stage_time.ToNanoseconds() >= visit.engine_time.ToNanoseconds() for visit in visits)


def test_the_same_event_twice_has_the_same_effects_with_the_same_ids(road: Road) -> None:
    turn_id, record = a_turn()

    road.publish(record, record)

    ids = [header(reply, "ce_id") for reply in road.replies(turn_id, count=2)]
    assert len(ids) == 2
    assert len(set(ids)) == 1


def test_every_event_of_a_turn_stays_on_the_partition_of_its_conversation(road: Road) -> None:
    turn_id, record = a_turn(conversation="garden")

    road.publish(record)
    (reply,) = road.replies(turn_id)

    assert reply.key == b"garden"
    for topic in (TRANSCRIPTS, UNDERSTANDINGS, DECISIONS, TASK_RESULTS):
        of_turn = [event for event in road.broker.everything(topic) if turn_id.encode() in (event.body or b"")]
        assert {event.partition for event in of_turn} == {reply.partition}, topic


def test_the_trace_of_an_utterance_goes_all_the_way_to_the_reply(road: Road) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    turn_id, record = a_turn(traceparent=f"00-{trace_id}-00f067aa0ba902b7-01", tracestate="vendor=1")

    road.publish(record)
    (reply,) = road.replies(turn_id)

    assert header(reply, "traceparent").split("-")[1] == trace_id
    assert header(reply, "tracestate") == "vendor=1"


def test_a_client_that_asks_for_json_gets_its_reply_in_json(road: Road) -> None:
    turn_id, record = a_turn(**{"parley-reply-format": "json"})

    road.publish(record)
    (reply,) = road.replies(turn_id)

    assert header(reply, "content-type") == "application/json"
    assert reply.body is not None
    assert json.loads(reply.body)["turn_id"] == turn_id


@pytest.mark.parametrize("partition", [0, 1, 2, 3])
def test_a_reply_goes_to_the_partition_its_client_reads(road: Road, partition: int) -> None:
    turn_id, record = a_turn(**{"parley-reply-partition": str(partition)})

    road.publish(record)
    (reply,) = road.replies(turn_id)

    assert reply.partition == partition


@pytest.mark.parametrize("partition", ["4", "99999999999", "-1", "two", ""])
def test_a_reply_partition_that_does_not_exist_is_as_good_as_none(road: Road, partition: str) -> None:
    """Any client may write that header; it must not cost the next client's reply."""
    asked_for, record = a_turn(**{"parley-reply-partition": partition})
    plain, plain_record = a_turn()

    road.publish(record, plain_record)

    (reply,), (plain_reply,) = road.replies(asked_for), road.replies(plain)
    assert reply.partition == plain_reply.partition


def test_nothing_was_given_up_on_this_road(road: Road) -> None:
    """Last in this file: what went wrong above would have left a dead letter."""
    turn_id, record = a_turn()
    road.publish(record)
    road.replies(turn_id)

    assert road.broker.everything(DEAD_LETTERS) == []
