"""Dialogue's stretch of the road in tests: its handler on a real database, events in, decisions out."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from parley.v1 import dialogue_pb2, dispatch_pb2, generation_pb2, stage_pb2, turn_pb2
from services.dialogue import storage
from services.dialogue.engine import ConversationState, DialogueEngine
from services.dialogue.floor import Floor
from services.dialogue.handler import DialogueHandler
from services.dialogue.storage import JOURNAL
from shared import topology
from shared.bus.codec import Codecs
from shared.bus.envelope import travelling
from shared.bus.producer import Producer
from shared.bus.profile import BrokerProfile
from shared.events import Event, Outgoing, derived_id
from shared.runtime.publisher import Outbox, Publisher
from shared.settings import KafkaSettings
from shared.storage.database import Database
from shared.storage.journal import Stored
from shared.storage.migrate import upgrade
from tests.talk import NOON, PACKS, Said, request_of


@dataclass
class Road:
    """Dialogue's stretch of the road: events in, what was stored in the outbox out."""

    database: Database
    timeout: float = 30.0
    max_waiting: int = 32
    now: datetime = NOON
    contexts: list[dialogue_pb2.Context] = field(default_factory=list)
    stored: list[Stored] = field(default_factory=list)

    def __post_init__(self) -> None:
        upgrade(self.database, "services.dialogue.migrations")
        floor = Floor(
            DialogueEngine(PACKS),
            lambda: self.now,
            open_turn_timeout=timedelta(seconds=self.timeout),
            max_waiting=self.max_waiting,
        )
        self.handler = DialogueHandler(floor)
        producer = Producer(BrokerProfile.of(KafkaSettings()))
        self.outbox = Outbox(self.database, JOURNAL, Publisher("dialogue", producer, Codecs()))

    def say(self, utterance: Said, turn_id: str = "", **headers: str) -> list[turn_pb2.Turn]:
        """An utterance arrives, understood."""
        return self.arrive(understood(utterance, turn_id, **headers))

    def arrive(self, event: Event) -> list[turn_pb2.Turn]:
        """An event arrives; the turns that are decided because of it."""
        with self.database.transaction() as session, session.begin_nested():
            outgoing = self.handler.handle(event, session)
            self.stored = [
                self.outbox.store(session, each, cause_id=event.id, inherited=travelling(event.headers))
                for each in outgoing
            ]
        return self._sorted(outgoing)

    def reply(
        self, turn: turn_pb2.Turn, text: str = "Done.", kind: str = "FINAL", **headers: str
    ) -> list[turn_pb2.Turn]:
        """Generation's reply to a turn is seen."""
        replied = turn_pb2.Turn()
        replied.CopyFrom(turn)
        del replied.route.next[:]
        replied.reply.text = text
        replied.reply.kind = generation_pb2.ReplyKind.Value(f"REPLY_KIND_{kind}")
        return self.arrive(event_of(topology.REPLIES, replied, **headers))

    def done(self, turn: turn_pb2.Turn, outcome: str = "SUCCEEDED") -> list[turn_pb2.Turn]:
        """Dispatch sends a turn back with its tasks' outcome."""
        ended = turn_pb2.Turn()
        ended.CopyFrom(turn)
        for task in turn.decision.tasks:
            ended.task_results.add(
                task_id=task.task_id,
                action=task.action,
                outcome=dispatch_pb2.TaskOutcome.Value(f"TASK_OUTCOME_{outcome}"),
            )
        return self.arrive(event_of(topology.TASK_RESULTS, ended))

    def sweep(self) -> list[turn_pb2.Turn]:
        """The clock ticks."""
        with self.database.transaction() as session:
            return self._sorted(self.handler.sweep(session))

    def state(self) -> ConversationState:
        """What dialogue remembers."""
        with self.database.transaction() as session:
            return storage.load(session, "c1").state

    def _sorted(self, outgoing: Sequence[Outgoing]) -> list[turn_pb2.Turn]:
        decided = []
        for each in outgoing:
            if isinstance(each.body, dialogue_pb2.Context):
                assert (each.topic, each.key) == (topology.CONTEXTS, each.body.conversation_id)
                self.contexts.append(each.body)
            else:
                assert isinstance(each.body, turn_pb2.Turn)
                assert each.topic == topology.DECISIONS
                decided.append(each.body)
        return decided


def understood(utterance: Said, turn_id: str = "", **headers: str) -> Event:
    """The event of an utterance, as nlu sends it; headers with underscores for hyphens."""
    request = request_of(utterance, turn_id=turn_id)
    turn = turn_pb2.Turn(
        turn_id=request.turn_id,
        conversation_id="c1",
        utterance=turn_pb2.Utterance(text=utterance.text, principal=request.principal),
        route=turn_pb2.Route(next=[stage_pb2.STAGE_DIALOGUE]),
        transcript=request.transcript,
        understanding=request.understanding,
    )
    return event_of(topology.UNDERSTANDINGS, turn, **headers)


def event_of(topic: str, turn: turn_pb2.Turn, **headers: str) -> Event:
    """An event with an id of its own."""
    return Event(
        topic=topic,
        partition=0,
        offset=0,
        key=turn.conversation_id,
        id=derived_id(topic, turn.turn_id, str(uuid.uuid4())),
        type=topology.TOPICS[topic].event_type,
        source="/parley/test",
        time=NOON,
        body=turn,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        received_at=NOON.timestamp(),
    )
