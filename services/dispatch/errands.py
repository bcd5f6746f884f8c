"""Turns whose tasks need outside systems: kept in SQL until every task has ended, then sent on with all results.

A turn's tasks are carried out in order. The turn leaves in the transaction that removes its errand, as the effect of
the event that brought it: the same id whoever finishes it, and once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from parley.v1 import stage_pb2, turn_pb2
from services.dispatch.connectors.base import Occasion
from services.dispatch.engine import Dispatcher, occasion_of
from services.dispatch.outside import Later, Outside
from services.dispatch.storage import ErrandRow
from shared import topology
from shared.events import Event, Outgoing
from shared.runtime.road import forward
from shared.runtime.road_access import Road

_LOOK_AGAIN = timedelta(seconds=15)  # after which an errand that nobody has finished is looked at by anybody


class Errands:
    """Puts turns aside, and brings them to their end."""

    def __init__(self, dispatcher: Dispatcher, outside: Outside, clock: Callable[[], datetime]) -> None:
        self._dispatcher = dispatcher
        self._outside = outside
        self._clock = clock

    def put_aside(self, session: Session, event: Event, turn: turn_pb2.Turn) -> None:
        """Keep `turn`, with the results it has so far, until its other tasks have ended."""
        row = ErrandRow(
            event_id=event.id,
            conversation_id=turn.conversation_id,
            topic=event.topic,
            headers=dict(event.headers),
            turn=turn.SerializeToString(),
            results=len(turn.task_results),
            received_at=event.received_at or time.time(),
            due_at=self._clock(),
        )
        session.add(row)
        session.flush()

    def some_due(self, session: Session) -> bool:
        """Whether there is anything to run: what an idle process asks, and writes nothing for."""
        return (
            session.execute(sa.select(ErrandRow.number).where(ErrandRow.due_at <= self._clock()).limit(1)).first()
            is not None
        )

    def take_due(self, session: Session, most: int) -> list[int]:
        """Numbers of errands to run now, oldest first; nobody else gets them for a while.

        Of a conversation only the oldest is due: turns of one conversation act in order.
        """
        now = self._clock()
        earlier = aliased(ErrandRow)
        due = session.scalars(
            sa.select(ErrandRow.number)
            .where(
                ErrandRow.due_at <= now,
                ~sa.exists().where(
                    earlier.conversation_id == ErrandRow.conversation_id, earlier.number < ErrandRow.number
                ),
            )
            .order_by(ErrandRow.number)
            .limit(most)
            .with_for_update(skip_locked=True)
        ).all()
        if due:
            session.execute(
                sa.update(ErrandRow)
                .where(ErrandRow.number.in_(due))
                .values(due_at=now + _LOOK_AGAIN)
                .execution_options(synchronize_session=False)
            )
        return list(due)

    def run(self, number: int, road: Road) -> None:
        """Carry out the tasks of one errand until it is finished, or has to wait. Raises Unavailable."""
        began = time.perf_counter()
        while True:
            with road.transaction() as session:
                row = session.session.get(ErrandRow, number)
                if row is None:
                    return
                event, turn = _event(row), turn_pb2.Turn.FromString(row.turn)
                occasion, before = occasion_of(turn, self._clock()), len(turn.task_results)
                self._execute_ours(session.session, turn, occasion)
                if len(turn.task_results) == len(turn.decision.tasks):
                    if _remove(session.session, number):
                        session.send(_finished(event, turn, time.perf_counter() - began), cause_id=event.id)
                    return
                if not _keep(session.session, number, turn, before):
                    return
            if not self._go_outside(number, turn, occasion, road):
                return

    def _execute_ours(self, session: Session, turn: turn_pb2.Turn, occasion: Occasion) -> None:
        """Tasks up to the first that needs an outside system, in the transaction of `session`."""
        for task in turn.decision.tasks[len(turn.task_results) :]:
            if self._dispatcher.outside(task, occasion) is not None:
                return
            turn.task_results.append(self._dispatcher.execute(task, occasion, session))

    def _go_outside(self, number: int, turn: turn_pb2.Turn, occasion: Occasion, road: Road) -> bool:
        """Carry out the next task, which needs an outside system; False where it has to wait."""
        task = turn.decision.tasks[len(turn.task_results)]
        connector = self._dispatcher.outside(task, occasion)
        assert connector is not None
        result = self._outside.carry_out(task, connector, occasion)
        with road.transaction() as session:
            row = session.session.get(ErrandRow, number)
            if row is None:
                return False
            if isinstance(result, Later):
                row.due_at = result.at
                return False
            turn.task_results.append(result)
            return _keep(session.session, number, turn, len(turn.task_results) - 1)


def _keep(session: Session, number: int, turn: turn_pb2.Turn, before: int) -> bool:
    """Write the results so far, where there were `before`; False where another replica was faster."""
    if before == len(turn.task_results):
        return True
    kept = session.execute(
        sa.update(ErrandRow)
        .where(ErrandRow.number == number, ErrandRow.results == before)
        .values(turn=turn.SerializeToString(), results=len(turn.task_results))
        .execution_options(synchronize_session=False)
    )
    return cast(sa.CursorResult[Any], kept).rowcount == 1


def _remove(session: Session, number: int) -> bool:
    """False where another replica has removed it, and sent the turn on."""
    removed = session.execute(
        sa.delete(ErrandRow).where(ErrandRow.number == number).execution_options(synchronize_session=False)
    )
    return cast(sa.CursorResult[Any], removed).rowcount == 1


def _event(row: ErrandRow) -> Event:
    """The event as it came; its place on the topic is behind it."""
    return Event(
        topic=row.topic,
        partition=-1,
        offset=-1,
        key=row.conversation_id,
        id=row.event_id,
        type=topology.TOPICS[row.topic].event_type,
        source=row.headers.get("ce_source", ""),
        time=datetime.fromtimestamp(row.received_at, UTC),
        body=turn_pb2.Turn.FromString(row.turn),
        headers=row.headers,
        received_at=row.received_at,
    )


def _finished(event: Event, turn: turn_pb2.Turn, seconds: float) -> Outgoing:
    """What the event causes, as if it had been handled in one go."""
    outgoing = forward(event, turn, stage_pb2.STAGE_DISPATCH, topology.TASK_RESULTS, engine_seconds=seconds)
    return Outgoing(outgoing.topic, outgoing.key, outgoing.body, outgoing.discriminator, outgoing.headers, cause=event)
