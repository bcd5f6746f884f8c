"""What a process sends to itself is handed over once the broker has it; order and number stay as if it were fetched."""

from __future__ import annotations

import threading
import uuid
from collections import defaultdict

import pytest

from parley.v1 import turn_pb2
from shared.bus.codec import Codecs
from shared.bus.envelope import Wire, encode
from shared.events import Event, Outgoing
from shared.runtime.offsets import PartitionProgress
from shared.runtime.road import open_turn
from shared.topology import UNDERSTANDINGS
from tests.broker import PATIENCE, TestBroker, eventually
from tests.integration.runtime_doubles import RoadDouble, a_turn, hosting, turn_of

pytestmark = pytest.mark.integration
CONVERSATIONS = 6
TURNS = 12  # of each conversation


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The offsets that were handed over, as the intake hands them over."""
    offsets: list[int] = []
    taken = PartitionProgress.taken_ahead

    def noting(progress: PartitionProgress, offset: int, services: int, most: int) -> bool:
        handed = taken(progress, offset, services, most)
        if handed:
            offsets.append(offset)
        return handed

    monkeypatch.setattr(PartitionProgress, "taken_ahead", noting)
    return offsets


def publish_all(broker: TestBroker) -> None:
    """Every conversation's turns, numbered, from outside of the process that handles them."""
    with broker.producer() as producer:
        for number in range(TURNS):
            producer.send([a_turn(str(number), f"room-{each}")[1] for each in range(CONVERSATIONS)])


def said_by_conversation(events: list[Event]) -> dict[str, list[str]]:
    said = defaultdict(list)
    for event in events:
        said[turn_of(event).conversation_id].append(turn_of(event).utterance.text)
    return said


def understood_elsewhere(conversation: str) -> tuple[str, Wire]:
    """A turn as another process's nlu passes it on."""
    turn_id = str(uuid.uuid4())
    turn = open_turn(turn_pb2.Utterance(text="foreign"), turn_id, conversation)
    del turn.route.next[0]
    outgoing = Outgoing(UNDERSTANDINGS, conversation, turn)
    return turn_id, encode(outgoing, source="nlu", cause_id=turn_id, inherited={}, codecs=Codecs())


def own_of(events: list[Event]) -> list[Event]:
    """Those that nobody else sent."""
    return [event for event in events if turn_of(event).utterance.text != "foreign"]


def test_turns_go_their_road_once_and_in_order_with_most_hops_handed_over(broker: TestBroker, ahead: list[int]) -> None:
    road = RoadDouble()
    with hosting(broker, *road.services()):
        publish_all(broker)
        road.gateway.came.wait(CONVERSATIONS * TURNS)

    in_order = {f"room-{each}": [str(number) for number in range(TURNS)] for each in range(CONVERSATIONS)}
    for stage in (road.nlu.handled, road.dispatch.handled, road.generation.handled, road.gateway.came):
        assert said_by_conversation(stage.items()) == in_order
    assert ahead, "no hop was handed over"


def test_somebody_elses_records_on_the_same_partitions_keep_their_place(broker: TestBroker) -> None:
    """Another process writes to a topic that this one writes to and reads, all the while."""
    road = RoadDouble()
    stopping = threading.Event()
    foreign: list[str] = []

    def interfere() -> None:
        with broker.producer() as producer:
            while not stopping.is_set():
                turn_id, wire = understood_elsewhere(f"room-{len(foreign) % CONVERSATIONS}")
                producer.send([wire])
                foreign.append(turn_id)

    with hosting(broker, *road.services()):
        writer = threading.Thread(target=interfere)
        writer.start()
        publish_all(broker)
        own = CONVERSATIONS * TURNS
        eventually(lambda: len(own_of(road.gateway.came.items())) >= own, "every turn of ours at its end")
        stopping.set()
        writer.join(PATIENCE)
        road.gateway.came.wait(own + len(foreign))

    came = said_by_conversation(road.gateway.came.items())
    for conversation, said in came.items():
        assert [each for each in said if each != "foreign"] == [str(number) for number in range(TURNS)], conversation
    ids = [turn_of(event).turn_id for event in road.gateway.came.items()]
    assert len(ids) == len(set(ids)) == own + len(foreign)


def test_it_can_be_switched_off(broker: TestBroker, ahead: list[int]) -> None:
    road = RoadDouble()
    broker.kafka = broker.kafka.model_copy(update={"hand_over": False})
    with hosting(broker, *road.services()):
        publish_all(broker)
        road.gateway.came.wait(CONVERSATIONS * TURNS)

    assert ahead == []
