"""Who has the floor: a conversation has one open turn, and later utterances wait until it closes or times out.

A turn opens when its utterance is decided and closes with its final reply. Words that stop or cancel never wait: they
are decided at once and take the floor. The turn that had it is not undone: its tasks are already under way, their
outcome is told in that turn's own final reply. What still waited is answered as cancelled.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy.orm import Session

from parley.v1 import asr_pb2, dialogue_pb2, turn_pb2
from services.dialogue import storage
from services.dialogue.engine import ConversationState, Decided, DialogueEngine
from shared.errors import Unavailable
from shared.events import Event


@dataclass(frozen=True, slots=True)
class Answer:
    """A decision, the event it answers, and the seconds the engine took."""

    event: Event
    decision: dialogue_pb2.Decision
    seconds: float = 0.0


@dataclass(slots=True)
class Effects:
    """What follows from one event: decisions in the order they were made, and the context where it changed."""

    answers: list[Answer] = field(default_factory=list)
    context: dialogue_pb2.Context | None = None


class Floor:
    """Decides within a transaction of the caller's, one turn a conversation at a time."""

    def __init__(
        self, engine: DialogueEngine, clock: Callable[[], datetime], *, open_turn_timeout: timedelta, max_waiting: int
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._timeout = open_turn_timeout
        self._max_waiting = max_waiting

    def utterance(self, session: Session, event: Event) -> Effects:
        """An utterance was understood: decide it, or let it wait. Raises ConversationChanged."""
        request, now = request_of(cast(turn_pb2.Turn, event.body)), self._clock()
        loaded = storage.load(session, request.conversation_id)
        if not loaded.state.admits(request.principal):
            return Effects([self._answer(event, loaded.state, request, now)[0]])
        waiting = storage.waiting(session, request.conversation_id)
        if request.turn_id in (loaded.state.open_turn_id, *waiting):
            return Effects()  # a copy of a turn that has the floor or will have it
        state = self._timed_out(loaded.state, now)
        answers: list[Answer] = []
        if self._engine.stops(request, now):
            while (dropped := storage.take_first(session, request.conversation_id)) is not None:
                answers.append(Answer(dropped, self._engine.dropped()))
            answer, state = self._answer(event, state, request, now)
            answers.append(answer)
            state = state.opened(request.turn_id, now)
        elif len(waiting) >= self._max_waiting and (state.open_turn_id or waiting):
            return Effects([Answer(event, self._engine.overloaded())])
        elif state.open_turn_id or waiting:
            storage.wait(session, event, cast(turn_pb2.Turn, event.body))
            answers, state = self._released(session, state, now)
        else:
            answer, state = self._answer(event, state, request, now)
            answers = [answer]
            state = state.opened(request.turn_id, now)
        # Written even where nothing changed but the queue: whoever closes the turn meanwhile must not miss it.
        storage.save(session, loaded, state)
        return Effects(answers, self._changed(loaded.state, state))

    def outcome(self, session: Session, event: Event) -> Effects:
        """A turn comes back from dispatch: decide what is said of its tasks. Leaves the floor to whoever has it."""
        request = request_of(cast(turn_pb2.Turn, event.body), with_results=True)
        state = storage.load(session, request.conversation_id).state
        return Effects([self._answer(event, state, request, self._clock())[0]])

    def replied(self, session: Session, turn: turn_pb2.Turn) -> Effects:
        """A final reply was given: remember it, close its turn and decide the next. Raises ConversationChanged."""
        loaded = storage.load(session, turn.conversation_id)
        if not loaded.version or not loaded.state.admits(turn.utterance.principal):
            return Effects()
        state = self._engine.replied(loaded.state, turn.reply.text)
        answers: list[Answer] = []
        if state.open_turn_id == turn.turn_id:
            answers, state = self._released(session, state.closed(), self._clock())
        storage.save(session, loaded, state)
        return Effects(answers, self._changed(loaded.state, state))

    def sweep(self, session: Session) -> list[Effects]:
        """Close the turns that have been open for too long, and decide what waited for them."""
        now = self._clock()
        swept = []
        for conversation_id in storage.overdue(session, now - self._timeout):
            loaded = storage.load(session, conversation_id)
            answers, state = self._released(session, self._timed_out(loaded.state, now), now)
            storage.save(session, loaded, state)
            swept.append(Effects(answers, self._changed(loaded.state, state)))
        return swept

    def asked(self, session: Session, request: dialogue_pb2.DecideRequest) -> Decided:
        """A caller asks directly and has its answer at once: it opens no turn, and cannot wait for one.

        Raises Unavailable while a turn of the road has the floor, and ConversationChanged.
        """
        now = self._clock()
        loaded = storage.load(session, request.conversation_id)
        if request.task_results or not loaded.state.admits(request.principal):
            return self._engine.decide(loaded.state, request, now)
        timed_out = self._timed_out(loaded.state, now)
        free = not timed_out.open_turn_id and not storage.waiting(session, request.conversation_id)
        if not free and not self._engine.stops(request, now):
            raise Unavailable(
                f"conversation_id: {request.conversation_id!r} has an open turn; try again when it has its final reply"
            )
        state = timed_out if free else loaded.state  # who waits keeps waiting for the turn that has the floor
        decided = self._engine.decide(state, request, now)
        storage.save(session, loaded, decided.state)
        return decided

    def _released(
        self, session: Session, state: ConversationState, now: datetime
    ) -> tuple[list[Answer], ConversationState]:
        """While nobody has the floor: the first that waits gets it."""
        answers: list[Answer] = []
        while not state.open_turn_id:
            event = storage.take_first(session, state.conversation_id)
            if event is None:
                break
            request = request_of(cast(turn_pb2.Turn, event.body))
            admitted = state.admits(request.principal)  # the conversation may have become another's meanwhile
            answer, state = self._answer(event, state, request, now)
            answers.append(answer)
            if admitted:
                state = state.opened(request.turn_id, now)
        return answers, state

    def _answer(
        self, event: Event, state: ConversationState, request: dialogue_pb2.DecideRequest, now: datetime
    ) -> tuple[Answer, ConversationState]:
        started = time.perf_counter()
        decided = self._engine.decide(state, request, now)
        return Answer(event, decided.decision, time.perf_counter() - started), decided.state

    def _timed_out(self, state: ConversationState, now: datetime) -> ConversationState:
        return state.closed() if state.opened_at and now - state.opened_at > self._timeout else state

    def _changed(self, before: ConversationState, after: ConversationState) -> dialogue_pb2.Context | None:
        return self._engine.context(after) if after.revision != before.revision else None


def request_of(turn: turn_pb2.Turn, *, with_results: bool = False) -> dialogue_pb2.DecideRequest:
    """What dialogue needs to know of a turn; a typed turn without a transcript is its own."""
    typed = asr_pb2.Transcript(
        text=turn.utterance.text, outcome=asr_pb2.TRANSCRIPT_OUTCOME_TYPED, confidence=1, language=""
    )
    return dialogue_pb2.DecideRequest(
        conversation_id=turn.conversation_id,
        turn_id=turn.turn_id,
        principal=turn.utterance.principal,
        locale=turn.utterance.locale,
        transcript=turn.transcript if turn.HasField("transcript") else typed,
        understanding=turn.understanding,
        task_results=turn.task_results if with_results else (),
        previous=turn.decision if with_results else None,
        evidence=turn.evidence if turn.HasField("evidence") else None,
    )
