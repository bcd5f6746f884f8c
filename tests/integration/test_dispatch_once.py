"""What dispatch does, it does once: for a task seen twice, for racing replicas, over a restart. On both databases."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from sqlalchemy.orm import Session

from parley.v1 import dispatch_pb2, stage_pb2, turn_pb2
from services.dispatch.connectors.tickets import tickets
from services.dispatch.connectors.virtual_home import home_state
from services.dispatch.due import fire_due
from services.dispatch.engine import occasion_of
from services.dispatch.handler import DispatchHandler
from services.dispatch.servicer import DispatchServicer
from services.dispatch.storage import TaskRow
from shared import topology
from shared.events import Event, Outgoing
from shared.storage.database import Database
from tests.dispatching import NOON, RESIDENT, Desk, dispatcher, migrated, task, turn_of

pytestmark = pytest.mark.integration

DONE = dispatch_pb2.TASK_OUTCOME_SUCCEEDED
T = TypeVar("T")


@pytest.fixture
def dispatch(database_url: str) -> Iterator[Database]:
    """Dispatch's tables, on SQLite and on PostgreSQL."""
    database = migrated(database_url)
    yield database
    database.close()


def in_transaction(database: Database, work: Callable[[Desk], T], now: datetime = NOON) -> T:
    with database.transaction() as session:
        return work(Desk(session, now=now))


def at_once(*works: Callable[[], T]) -> list[T]:
    """Run all of `works` at the same moment, each in a thread of its own."""
    together = threading.Barrier(len(works))

    def run(work: Callable[[], T]) -> T:
        together.wait(timeout=10)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def test_a_task_seen_again_does_nothing_and_has_the_same_result(dispatch: Database) -> None:
    on = task("home.turn_on", {"device": "tv"})
    first = in_transaction(dispatch, lambda desk: desk.do(on))
    in_transaction(dispatch, lambda desk: desk.do("home.turn_off", device="tv"))

    again = in_transaction(dispatch, lambda desk: desk.do(on), now=NOON + timedelta(hours=1))

    assert again == first
    assert in_transaction(dispatch, lambda desk: home_state(desk.session))["tv.living_room"].is_on is False


def test_a_failure_is_remembered_too(dispatch: Database) -> None:
    cancel = task("reminders.cancel_timer", {})
    first = in_transaction(dispatch, lambda desk: desk.do(cancel))
    in_transaction(dispatch, lambda desk: desk.do("reminders.set_timer", duration="60"))

    assert in_transaction(dispatch, lambda desk: desk.do(cancel)) == first
    assert first.error_class == "no_timer"


def test_the_same_task_at_two_replicas_at_once_opens_one_ticket(dispatch: Database) -> None:
    refund = task("tickets.refund", {"order_id": "A1"})

    results = at_once(*[lambda: in_transaction(dispatch, lambda desk: desk.do(refund))] * 4)

    assert {result.values["ticket_id"] for result in results} == {"T1001"}
    assert in_transaction(dispatch, lambda desk: tickets(desk.session)) == {"T1001": "open"}


def test_tickets_opened_at_once_have_different_ids(dispatch: Database) -> None:
    opened = at_once(*[lambda: in_transaction(dispatch, lambda desk: desk.do("tickets.hand_off"))] * 6)

    assert len({result.values["ticket_id"] for result in opened}) == 6


def test_what_is_not_committed_was_not_done(dispatch: Database) -> None:
    on = task("home.turn_on", {"device": "tv"})

    def crash(desk: Desk) -> None:
        assert desk.do(on).outcome == DONE
        raise RuntimeError("killed before the commit")

    with pytest.raises(RuntimeError):
        in_transaction(dispatch, crash)

    assert in_transaction(dispatch, lambda desk: desk.session.get(TaskRow, on.task_id)) is None
    assert in_transaction(dispatch, lambda desk: desk.do(on)).values["previous_state"] == "off"


def test_a_task_that_fails_halfway_leaves_the_others_of_its_transaction_alone(dispatch: Database) -> None:
    def both(desk: Desk) -> list[dispatch_pb2.TaskResult]:
        return [desk.do("home.turn_on", device="tv"), desk.do("home.turn_on", device="fan", area="garden")]

    done, failed = in_transaction(dispatch, both)

    assert (done.outcome, failed.error_class) == (DONE, "no_such_device")
    assert in_transaction(dispatch, lambda desk: home_state(desk.session))["tv.living_room"].is_on is True


def due(database: Database, now: datetime) -> Sequence[Outgoing]:
    with database.transaction() as session:
        return fire_due(session, now)


def test_two_racing_ticks_tell_every_reminder_once(dispatch: Database) -> None:
    in_transaction(
        dispatch, lambda desk: [desk.do("reminders.set_timer", duration=str(60 + number)) for number in range(20)]
    )
    later = NOON + timedelta(hours=1)

    told = at_once(*[lambda: due(dispatch, later)] * 4)

    fired = [outgoing.discriminator for outgoings in told for outgoing in outgoings]
    assert len(fired) == len(set(fired)) == 20
    assert due(dispatch, later) == []


def test_a_tick_that_was_rolled_back_tells_the_same_again(dispatch: Database) -> None:
    in_transaction(dispatch, lambda desk: desk.do("reminders.set_timer", duration="60"))
    later = NOON + timedelta(hours=1)
    lost: list[Outgoing] = []

    def crash(desk: Desk) -> None:
        lost.extend(fire_due(desk.session, later))
        raise RuntimeError("killed before the commit")

    with pytest.raises(RuntimeError):
        in_transaction(dispatch, crash)
    (told,) = due(dispatch, later)

    assert told.discriminator == lost[0].discriminator
    assert told.body == lost[0].body


def test_many_that_are_due_are_told_tick_by_tick(dispatch: Database) -> None:
    in_transaction(dispatch, lambda desk: [desk.do("reminders.set_timer", duration="60") for _ in range(130)])
    later = NOON + timedelta(hours=1)

    assert [len(due(dispatch, later)) for _ in range(3)] == [100, 30, 0]


def test_a_pause_and_a_tick_that_race_either_pause_or_fire(dispatch: Database) -> None:
    in_transaction(dispatch, lambda desk: desk.do("reminders.set_timer", duration="60"))
    later = NOON + timedelta(seconds=60)

    def pause() -> object:
        return in_transaction(dispatch, lambda desk: desk.do("reminders.pause_timer"), now=later).outcome == DONE

    def tick() -> object:
        return len(due(dispatch, later)) == 1

    assert sorted(map(bool, at_once(pause, tick))) == [False, True]


def test_home_tickets_and_timers_survive_a_restart(database_url: str) -> None:
    before = migrated(database_url)
    lamp = task("home.turn_on", {"device": "light", "area": "kitchen"})
    first = in_transaction(before, lambda desk: desk.do(lamp))
    in_transaction(before, lambda desk: desk.do("tickets.refund", order_id="A1"))
    in_transaction(before, lambda desk: desk.do("reminders.set_timer", duration="60"))
    before.close()

    after = migrated(database_url)

    assert in_transaction(after, lambda desk: home_state(desk.session))["light.kitchen"].is_on is True
    assert in_transaction(after, lambda desk: desk.do(lamp)) == first
    assert in_transaction(after, lambda desk: desk.do("tickets.status", ticket_id="T1001")).values["order_id"] == "A1"
    assert len(due(after, NOON + timedelta(hours=1))) == 1
    after.close()


def decided(*tasks: dispatch_pb2.Task) -> turn_pb2.Turn:
    turn = turn_of(RESIDENT)
    turn.decision.tasks.extend(tasks)
    turn.route.next.extend([stage_pb2.STAGE_DISPATCH, stage_pb2.STAGE_DIALOGUE, stage_pb2.STAGE_GENERATION])
    return turn


def test_a_decided_turn_leaves_with_a_result_for_every_task(dispatch: Database) -> None:
    lamp = task("home.turn_on", {"device": "light", "area": "kitchen"})
    door = task("home.unlock", {"door": "front_door"})
    given = decided(lamp, door)
    event = Event(topology.DECISIONS, 0, 0, "c1", "e1", "t", "s", NOON, given, received_at=NOON.timestamp())

    with dispatch.transaction() as session:
        (outgoing,) = DispatchHandler(dispatcher(), lambda: NOON).handle(event, session)

    assert isinstance(outgoing.body, turn_pb2.Turn)
    assert (outgoing.topic, outgoing.key) == (topology.TASK_RESULTS, "c1")
    assert [(result.task_id, result.error_class) for result in outgoing.body.task_results] == [
        (lamp.task_id, ""), (door.task_id, "not_confirmed"),
    ]  # fmt: skip
    assert list(outgoing.body.route.next) == [stage_pb2.STAGE_DIALOGUE, stage_pb2.STAGE_GENERATION]
    assert outgoing.body.route.visits[0].stage == stage_pb2.STAGE_DISPATCH


def test_the_grpc_api_and_the_road_share_the_tasks_they_know(dispatch: Database) -> None:
    timer = task("reminders.set_timer", {"duration": "60"})
    request = dispatch_pb2.ExecuteRequest(task=timer, principal=RESIDENT, conversation_id="c9", locale="zh-CN")
    servicer = DispatchServicer(dispatcher(), dispatch, lambda: NOON)

    first = servicer.Execute(request, None)  # type: ignore[arg-type]
    with dispatch.transaction() as session:
        again = dispatcher().execute(timer, occasion_of(turn_of(RESIDENT), datetime.now(UTC)), session)

    assert again == first.result
    (told,) = due(dispatch, NOON + timedelta(minutes=2))
    assert isinstance(told.body, turn_pb2.Turn)
    assert told.key == "c9"
    assert told.body.utterance.locale == "zh-CN"
    assert uuid.UUID(told.body.turn_id)


def test_the_first_furnishing_may_race(dispatch: Database) -> None:
    def first_light(area: str) -> Callable[[], object]:
        return lambda: in_transaction(dispatch, lambda desk: desk.do("home.turn_on", device="light", area=area))

    at_once(first_light("kitchen"), first_light("office"), first_light("garden"))

    def on(session: Session) -> list[str]:
        return [name for name, state in home_state(session).items() if state.is_on]

    assert in_transaction(dispatch, lambda desk: on(desk.session)) == ["light.garden", "light.kitchen", "light.office"]
