"""Dialogue as it is deployed: real replicas on one database and one broker, while partitions move between them."""

from __future__ import annotations

import threading
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from parley.v1 import generation_pb2, stage_pb2, turn_pb2
from services.dialogue import storage
from services.dialogue.service import build
from shared.bus.codec import Codecs
from shared.bus.envelope import Fetched, encode
from shared.events import Event, Outgoing
from shared.runtime import host as host_module
from shared.runtime.road import forward
from shared.runtime.service import Service, StatefulHandler
from shared.settings import StorageSettings
from shared.storage.database import Database
from shared.topology import DEAD_LETTERS, DECISIONS, REPLIES, UNDERSTANDINGS
from tests.broker import PATIENCE, Mailbox, TestBroker, eventually
from tests.dialogue_road import understood
from tests.integration.runtime_doubles import hosting, read_turn, turn_of
from tests.talk import said

pytestmark = pytest.mark.integration

GREETING = said("hello", "greet")


class Watched:
    """Dialogue's own handler, with a word before its transaction is committed."""

    def __init__(self, handler: StatefulHandler) -> None:
        self._handler = handler
        self.handled: Mailbox[Event] = Mailbox()
        self.held = threading.Event()
        self.go_on = threading.Event()
        self.hold = ""  # topic of which the next event is held in the middle of its transaction

    def handle(self, event: Event, session: Session) -> Sequence[Outgoing]:
        """What dialogue makes of it."""
        effects = self._handler.handle(event, session)
        self.handled.put(event)
        if event.topic == self.hold:
            self.hold = ""
            self.held.set()
            assert self.go_on.wait(PATIENCE)
        return effects


class SpeakerDouble:
    """Answers every decision at once with a final reply, in generation's place."""

    def handle(self, event: Event) -> Sequence[Outgoing]:
        """The reply."""
        turn = turn_of(event)
        turn.reply.CopyFrom(generation_pb2.Reply(kind=generation_pb2.REPLY_KIND_FINAL, text="Hello."))
        return [forward(event, turn, stage_pb2.STAGE_GENERATION, REPLIES, engine_seconds=0.0)]


class Replicas:
    """Replicas of dialogue on one database, a broker, and what clients say."""

    def __init__(self, broker: TestBroker, settings: StorageSettings) -> None:
        self.broker = broker
        self._settings = settings
        self.database = Database(settings.database_for("dialogue"))

    def replica(self) -> tuple[Service, Watched]:
        """One more, not started yet."""
        service = build(self._settings)
        assert service.stateful_handler is not None
        service.stateful_handler = watched = Watched(service.stateful_handler)
        return service, watched

    def say(self, *conversations: str) -> list[str]:
        """One utterance in each of the conversations, understood; the ids of their turns."""
        records, turn_ids = [], []
        for conversation in conversations:
            turn = turn_of(understood(GREETING, str(uuid.uuid4())))
            turn.conversation_id = conversation
            outgoing = Outgoing(UNDERSTANDINGS, conversation, turn)
            records.append(encode(outgoing, source="nlu", cause_id=turn.turn_id, inherited={}, codecs=Codecs()))
            turn_ids.append(turn.turn_id)
        with self.broker.producer() as producer:
            producer.send(records)
        return turn_ids

    def reply(self, turn: turn_pb2.Turn) -> None:
        """The final reply to a decided turn."""
        turn.reply.CopyFrom(generation_pb2.Reply(kind=generation_pb2.REPLY_KIND_FINAL, text="Hello."))
        del turn.route.next[:]
        outgoing = Outgoing(REPLIES, turn.conversation_id, turn)
        record = encode(outgoing, source="generation", cause_id=turn.turn_id, inherited={}, codecs=Codecs())
        with self.broker.producer() as producer:
            producer.send([record])

    def decided(self, turn_ids: Sequence[str]) -> list[Fetched]:
        """The decisions, once every one of these turns has been decided."""
        wanted = set(turn_ids)
        return self.broker.read(DECISIONS, until=lambda records: wanted <= {read_turn(r).turn_id for r in records})

    def open_turn(self, conversation: str) -> str:
        """The turn that has the floor; empty where none has."""
        with self.database.reading() as session:
            return storage.load(session, conversation).state.open_turn_id

    def waiting(self, conversation: str) -> list[str]:
        """The turns that wait."""
        with self.database.reading() as session:
            return list(storage.waiting(session, conversation))


@pytest.fixture
def replicas(
    broker: TestBroker, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Replicas]:
    monkeypatch.setenv("PARLEY_DIALOGUE_OPEN_TURN_TIMEOUT_S", "300")  # no clock mends what a race has broken
    replicas = Replicas(broker, StorageSettings(data_dir=tmp_path, database_url=database_url))
    yield replicas
    replicas.database.close()


def speaker() -> Service:
    return Service("generation", stage_pb2.STAGE_GENERATION, (DECISIONS,), handler=SpeakerDouble())


def assert_each_is_decided_once(decisions: Sequence[Fetched], turn_ids: Sequence[str]) -> None:
    """A decision may be sent twice, but then it is the same event with the same words."""
    made = defaultdict(set)
    for record in decisions:
        made[read_turn(record).turn_id].add((dict(record.headers)["ce_id"], record.body))
    assert {turn_id: len(each) for turn_id, each in made.items()} == dict.fromkeys(turn_ids, 1)


def test_a_second_utterance_waits_on_the_road_for_the_reply_to_the_first(replicas: Replicas) -> None:
    service, _ = replicas.replica()
    with hosting(replicas.broker, service, group="dialogue"):
        [first] = replicas.say("kitchen")
        [decided] = replicas.decided([first])
        [second] = replicas.say("kitchen")
        eventually(lambda: replicas.waiting("kitchen") == [second], "the second waits")
        assert replicas.open_turn("kitchen") == first
        assert len(replicas.broker.everything(DECISIONS)) == 1

        replicas.reply(read_turn(decided))
        _, decided = replicas.decided([first, second])
        assert replicas.open_turn("kitchen") == second
        replicas.reply(read_turn(decided))
        eventually(lambda: not replicas.open_turn("kitchen"), "the floor is free")

    assert replicas.waiting("kitchen") == []
    assert_each_is_decided_once(replicas.broker.everything(DECISIONS), [first, second])


def test_replicas_race_through_rebalances_and_every_turn_is_decided_once(replicas: Replicas) -> None:
    """Each conversation is talked to faster than it is answered, while replicas come and go."""
    rooms = [f"room-{number}" for number in range(8)]
    said_by_room: dict[str, list[str]] = {room: [] for room in rooms}

    def say() -> None:
        for room, turn_id in zip(rooms, replicas.say(*rooms), strict=True):
            said_by_room[room].append(turn_id)

    watching: list[Watched] = []
    with hosting(replicas.broker, speaker(), group="generation"), ExitStack() as running:

        def start() -> None:
            service, watched = replicas.replica()
            watching.append(watched)
            running.enter_context(hosting(replicas.broker, service, group="dialogue"))

        start()
        say()
        say()
        watching[0].handled.wait()
        threads = [threading.Thread(target=start)]
        threads[0].start()
        for _ in range(4):
            say()
        threads[0].join()
        say()
        watching[1].handled.wait()
        running.close()
        start()
        say()
        everything = [turn_id for turn_ids in said_by_room.values() for turn_id in turn_ids]
        decisions = replicas.decided(everything)
        eventually(lambda: not any(replicas.open_turn(room) for room in rooms), "every turn is closed")

    assert_each_is_decided_once(decisions, everything)
    for room in rooms:
        order = [read_turn(record).turn_id for record in decisions if record.key == room.encode()]
        assert list(dict.fromkeys(order)) == said_by_room[room]
        assert replicas.waiting(room) == []
    assert replicas.broker.everything(DEAD_LETTERS) == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite lets no two write at once
@pytest.mark.parametrize("topic", [UNDERSTANDINGS, REPLIES])
def test_a_replica_in_the_middle_of_a_turn_loses_it_to_another(
    replicas: Replicas, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has changed the conversation and not committed; the other reads the same event, and a newer one, meanwhile."""
    monkeypatch.setattr(host_module, "_STOP_WITHIN", 3.0)
    first_service, leaving = replicas.replica()
    second_service, taking_over = replicas.replica()
    leaving.hold = topic
    with (
        hosting(replicas.broker, speaker(), group="generation"),
        hosting(replicas.broker, first_service, group="dialogue") as first,
    ):
        [one] = replicas.say("kitchen")
        assert leaving.held.wait(PATIENCE)
        stopping = threading.Thread(target=first.stop)
        stopping.start()
        [two] = replicas.say("kitchen")
        with hosting(replicas.broker, second_service, group="dialogue") as second:
            eventually(lambda: len(second.partitions(topic)) == 4, "what the first still works at is the second's")
            leaving.go_on.set()
            stopping.join(PATIENCE)
            decisions = replicas.decided([one, two])
            eventually(lambda: not replicas.open_turn("kitchen"), "every turn is closed")
    handled = [*leaving.handled.items(), *taking_over.handled.items()]
    assert [event.topic for event in handled if turn_of(event).turn_id == one] in (
        [UNDERSTANDINGS, REPLIES],
        [UNDERSTANDINGS, REPLIES, REPLIES],  # rolled back and done again by the other: in effect once all the same
    )
    assert_each_is_decided_once(decisions, [one, two])
    assert replicas.waiting("kitchen") == []
    assert replicas.broker.everything(DEAD_LETTERS) == []
