"""Every event of the road into the ledger, every label into its table; nothing goes out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from parley.v1 import labels_pb2, stage_pb2, turn_pb2
from services.gateway import metrics, road_metrics
from services.gateway.labels import LabelBook
from services.gateway.ledger import Entry, Ledger, opening_id
from services.gateway.waiters import Waiters
from shared.events import Event, Outgoing, derived_id
from shared.principals import PrincipalSeal
from shared.topology import (
    DECISIONS,
    EVIDENCE,
    LABELS,
    REPLIES,
    TASK_RESULTS,
    TRANSCRIPTS,
    UNDERSTANDINGS,
    UTTERANCES,
)

SUBSCRIPTIONS = (UTTERANCES, TRANSCRIPTS, UNDERSTANDINGS, DECISIONS, EVIDENCE, TASK_RESULTS, REPLIES, LABELS)
_CONVERSATION = re.compile(r"[A-Za-z0-9._:@+-]{1,200}")


class LedgerHandler:
    """Records each event of a turn, the turn itself at first sight, and wakes those who wait for it."""

    def __init__(self, ledger: Ledger, seal: PrincipalSeal, waiters: Waiters, book: LabelBook) -> None:
        self._ledger = ledger
        self._seal = seal
        self._waiters = waiters
        self._book = book

    def handle(self, event: Event, session: Session) -> Sequence[Outgoing]:
        """One event into the ledger, or one label into its table."""
        if isinstance(event.body, labels_pb2.Label):
            if self._book.keep(session, event.body):
                metrics.LABELS_KEPT.labels("kafka").inc()
            return ()
        entry = self._of_turn(event) if isinstance(event.body, turn_pb2.Turn) else self._of_utterance(event)
        if entry is not None:
            self._ledger.record(session, entry)
            self._waiters.wake_after_commit(session, entry.turn_id)
            if isinstance(event.body, turn_pb2.Turn):
                road_metrics.observe(event.topic, event.body)
        return ()

    def _of_utterance(self, event: Event) -> Entry | None:
        """An utterance, ours or any client's. Its ids follow the rule by which asr opens the turn."""
        utterance = event.body
        if not isinstance(utterance, turn_pb2.Utterance):
            return None
        turn_id = utterance.turn_id or derived_id("turn", event.id)
        key = event.key if _CONVERSATION.fullmatch(event.key) else ""
        received_at = _received(event)
        return Entry(
            turn_id=turn_id,
            conversation_id=utterance.conversation_id or key or turn_id,
            event_id=opening_id(turn_id),
            topic=event.topic,
            stage=stage_pb2.STAGE_GATEWAY,
            seq=0,
            body=utterance,
            received_at=received_at,
            opened_at=min(event.time, received_at),
            principal=self._seal.verify(event),
            locale=utterance.locale,
            opened_by=event.id,
        )

    def _of_turn(self, event: Event) -> Entry:
        """A turn on its road. The one the gateway opens itself is in the ledger since it was accepted."""
        turn = event.body
        assert isinstance(turn, turn_pb2.Turn)
        visits = turn.route.visits
        stage = visits[-1].stage if visits else stage_pb2.STAGE_GATEWAY
        opens = stage == stage_pb2.STAGE_GATEWAY and event.topic == TRANSCRIPTS
        began = visits[0].received_at.ToDatetime(UTC) if visits else event.time
        received_at = _received(event)
        return Entry(
            turn_id=turn.turn_id,
            conversation_id=turn.conversation_id,
            event_id=opening_id(turn.turn_id) if opens else event.id,
            topic=event.topic,
            stage=stage,
            seq=0 if opens else len(visits),
            body=turn,
            received_at=received_at,
            opened_at=min(began, received_at),
            principal=turn.utterance.principal,
            locale=turn.utterance.locale,
            reply=turn.reply if event.topic == REPLIES and turn.HasField("reply") else None,
        )


def _received(event: Event) -> datetime:
    return datetime.fromtimestamp(event.received_at, UTC) if event.received_at else event.time
