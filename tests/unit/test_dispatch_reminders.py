"""Reminders, timers and the clock: what is set, when it is due, and what is told when it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import protovalidate
import pytest

from parley.v1 import dispatch_pb2, stage_pb2, turn_pb2
from services.dispatch.due import fire_due
from services.dispatch.engine import occasion_of
from shared import topology
from shared.events import Outgoing
from tests.dispatching import ANONYMOUS, EAST, GUEST, NOON, Desk, turn_of

pytestmark = pytest.mark.unit

DONE = dispatch_pb2.TASK_OUTCOME_SUCCEEDED


def fired(desk: Desk) -> list[dict[str, str]]:
    """What is told of the reminders that are due now."""
    return [dict(_turn(outgoing).task_results[0].values) for outgoing in fire_due(desk.session, desk.now, EAST)]


def _turn(outgoing: Outgoing) -> turn_pb2.Turn:
    assert isinstance(outgoing.body, turn_pb2.Turn)
    return outgoing.body


def test_the_clock_tells_the_local_time(desk: Desk) -> None:
    result = desk.do("clock.time")

    assert dict(result.values) == {"time": "2026-11-22T20:00+08:00", "date": "2026-11-22", "weekday": "7"}


def test_a_timer_fires_when_its_time_is_up_and_not_before(desk: Desk) -> None:
    result = desk.do("reminders.set_timer", duration="600")
    assert result.outcome == DONE
    assert (result.values["duration"], result.values["due_at"]) == ("600", "2026-11-22T20:10:00+08:00")

    desk.later(seconds=599)
    assert fired(desk) == []
    desk.later(seconds=1)
    assert [told["duration"] for told in fired(desk)] == ["600"]
    assert fired(desk) == []


def test_what_is_told_is_part_of_the_turn_that_set_it(desk: Desk) -> None:
    asked = turn_of(GUEST, "c7", "十分钟后叫我", "zh-CN")
    engine_task = dispatch_pb2.Task(task_id=asked.turn_id, action="reminders.set_timer", arguments={"duration": "60"})
    desk.engine.execute(engine_task, occasion_of(asked, desk.now), desk.session)

    (outgoing,) = fire_due(desk.session, desk.later(minutes=2), EAST)

    turn = _turn(outgoing)
    assert (outgoing.topic, outgoing.key) == (topology.TASK_RESULTS, "c7")
    assert (turn.turn_id, turn.conversation_id) == (asked.turn_id, "c7")
    assert turn.utterance == asked.utterance
    assert turn.understanding.language == "zh"
    assert list(turn.route.next) == [stage_pb2.STAGE_DIALOGUE, stage_pb2.STAGE_GENERATION]
    (result,) = turn.task_results
    assert (result.task_id, result.action) == (engine_task.task_id, "reminders.set_timer")
    assert result.outcome == dispatch_pb2.TASK_OUTCOME_FIRED
    assert result.values["kind"] == "timer"
    protovalidate.validate(turn)


def test_reminders_are_set_for_a_time_or_after_a_while(desk: Desk) -> None:
    at_nine = desk.do("reminders.set_reminder", subject="call mum", time="21:00")
    in_ten = desk.do("reminders.set_reminder", subject="turn the oven off", duration="600")

    assert at_nine.values["due_at"] == "2026-11-22T21:00:00+08:00"
    assert in_ten.values["due_at"] == "2026-11-22T20:10:00+08:00"
    desk.later(hours=2)
    assert [told["subject"] for told in fired(desk)] == ["turn the oven off", "call mum"]


@pytest.mark.parametrize(
    ("time", "due"),
    [
        ("20:01", datetime(2026, 11, 22, 12, 1, tzinfo=UTC)),
        ("19:59", datetime(2026, 11, 23, 11, 59, tzinfo=UTC)),  # passed today: tomorrow is meant
        ("20:00", datetime(2026, 11, 23, 12, 0, tzinfo=UTC)),
        ("2026-11-24T08:30", datetime(2026, 11, 24, 0, 30, tzinfo=UTC)),
        ("2026-11-24T08:30:00Z", datetime(2026, 11, 24, 8, 30, tzinfo=UTC)),
        ("2026-11-24", datetime(2026, 11, 24, 1, 0, tzinfo=UTC)),
    ],
)
def test_times_are_those_of_the_home(desk: Desk, time: str, due: datetime) -> None:
    result = desk.do("reminders.set_reminder", subject="call mum", time=time)

    assert datetime.fromisoformat(result.values["due_at"]) == due


@pytest.mark.parametrize(
    ("action", "arguments", "error_class"),
    [
        ("reminders.set_reminder", {"subject": "call mum"}, "missing_time"),
        ("reminders.set_reminder", {"time": "21:00"}, "missing_argument"),
        ("reminders.set_reminder", {"subject": "call mum", "time": "soon"}, "invalid_value"),
        ("reminders.set_reminder", {"subject": "call mum", "time": "2026-11-20T09:00"}, "in_the_past"),
        ("reminders.set_reminder", {"subject": "call mum", "time": "2126-11-20T09:00"}, "invalid_value"),
        ("reminders.set_timer", {}, "missing_argument"),
        ("reminders.set_timer", {"duration": "0"}, "invalid_value"),
        ("reminders.set_timer", {"duration": "86401"}, "invalid_value"),
        ("reminders.set_timer", {"duration": "inf"}, "invalid_value"),
        ("reminders.cancel_timer", {}, "no_timer"),
        ("reminders.pause_timer", {}, "no_timer"),
        ("reminders.resume_timer", {}, "no_timer"),
    ],
)
def test_what_cannot_be_set_is_refused(desk: Desk, action: str, arguments: dict[str, str], error_class: str) -> None:
    result = desk.do(action, arguments)

    assert (result.outcome, result.error_class) == (dispatch_pb2.TASK_OUTCOME_FAILED, error_class)
    desk.later(days=400)
    assert fired(desk) == []


def test_a_cancelled_timer_never_fires(desk: Desk) -> None:
    desk.do("reminders.set_timer", duration="600")
    desk.later(seconds=100)

    result = desk.do("reminders.cancel_timer")

    assert (result.values["state"], result.values["duration"], result.values["remaining"]) == (
        "cancelled",
        "600",
        "500",
    )
    desk.later(hours=1)
    assert fired(desk) == []


def test_a_paused_timer_keeps_what_was_left(desk: Desk) -> None:
    desk.do("reminders.set_timer", duration="600")
    desk.later(seconds=200)
    paused = desk.do("reminders.pause_timer")
    desk.later(hours=5)
    assert fired(desk) == []
    resumed = desk.do("reminders.resume_timer")

    assert (paused.values["remaining"], resumed.values["remaining"]) == ("400", "400")
    desk.later(seconds=399)
    assert fired(desk) == []
    desk.later(seconds=1)
    assert len(fired(desk)) == 1


def test_the_timer_set_last_is_meant_unless_a_length_is_named(desk: Desk) -> None:
    desk.do("reminders.set_timer", duration="300")
    desk.later(seconds=1)
    desk.do("reminders.set_timer", duration="600")

    assert desk.do("reminders.cancel_timer", duration="300").values["duration"] == "300"
    assert desk.do("reminders.cancel_timer").values["duration"] == "600"
    assert desk.do("reminders.cancel_timer").error_class == "no_timer"


def test_a_known_user_has_their_timers_in_every_conversation(desk: Desk) -> None:
    desk.do("reminders.set_timer", conversation_id="kitchen", duration="300")

    assert desk.do("reminders.cancel_timer", by=GUEST, conversation_id="kitchen").error_class == "no_timer"
    assert desk.do("reminders.cancel_timer", conversation_id="bedroom").outcome == DONE


def test_an_anonymous_timer_belongs_to_its_conversation(desk: Desk) -> None:
    desk.do("reminders.set_timer", by=ANONYMOUS, conversation_id="kitchen", duration="300")

    assert desk.do("reminders.cancel_timer", by=ANONYMOUS, conversation_id="bedroom").error_class == "no_timer"
    assert desk.do("reminders.cancel_timer", by=ANONYMOUS, conversation_id="kitchen").outcome == DONE


def test_what_fell_due_while_the_system_was_off_is_told_afterwards(desk: Desk) -> None:
    desk.do("reminders.set_timer", duration="60")

    desk.later(days=3)

    (outgoing,) = fire_due(desk.session, desk.now, EAST)
    result = _turn(outgoing).task_results[0]
    assert result.started_at.ToDatetime(tzinfo=UTC) == NOON + timedelta(seconds=60)
    assert result.finished_at.ToDatetime(tzinfo=UTC) == desk.now
