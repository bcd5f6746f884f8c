"""Knowledge on the road: a turn with a query in, the same turn with evidence out; documents in, nothing out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from parley.v1 import knowledge_pb2, stage_pb2, turn_pb2
from services.knowledge.retriever import Retriever
from shared import topology
from shared.errors import InvalidEvent
from shared.events import Event, Outgoing
from shared.runtime.road import forward


class KnowledgeHandler:
    """Answers queries, and takes documents in."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever

    def handle(self, event: Event) -> Sequence[Outgoing]:
        """Retrieve for a turn; index or remove a document."""
        if isinstance(event.body, knowledge_pb2.Document):
            self._retriever.apply(event.body)
            return []
        turn = turn_pb2.Turn()
        turn.CopyFrom(cast(turn_pb2.Turn, event.body))
        if not turn.decision.query.text:
            raise InvalidEvent("decision.query.text", "", "is missing; a turn that is sent to knowledge needs a query")
        answer = self._retriever.retrieve(turn.decision.query, turn.utterance.principal)
        turn.evidence.CopyFrom(answer.value)
        return [
            forward(
                event,
                turn,
                stage_pb2.STAGE_KNOWLEDGE,
                topology.EVIDENCE,
                engine_seconds=answer.seconds,
                models=[self._retriever.model],
            )
        ]
