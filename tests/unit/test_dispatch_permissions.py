"""Who may have what done, and what has to be confirmed."""

from __future__ import annotations

import pytest

from parley.v1 import dispatch_pb2, principal_pb2
from services.dispatch.connectors.virtual_home import home_state
from services.dispatch.engine import Dispatcher
from tests.dispatching import ANONYMOUS, GUEST, PACKS, RESIDENT, Desk, task

pytestmark = pytest.mark.unit

DENIED = dispatch_pb2.TASK_OUTCOME_DENIED


def test_every_action_of_every_pack_is_carried_out_by_a_connector(desk: Desk) -> None:
    for action in (name for pack in PACKS for name in pack.actions):
        result = desk.do(action)
        assert result.error_class != "unknown_action", action
        assert (result.action, result.attempts) == (action, 1)
        assert result.HasField("started_at")
        assert result.HasField("finished_at")


@pytest.mark.parametrize("who", [GUEST, ANONYMOUS])
def test_who_lacks_the_role_is_denied_even_with_a_yes(desk: Desk, who: principal_pb2.Principal) -> None:
    desk.do("home.lock", door="front_door")

    result = desk.do("home.unlock", by=who, door="front_door")

    assert (result.outcome, result.error_class) == (DENIED, "permission_denied")
    assert home_state(desk.session)["lock.front_door"].locked is True


def test_an_action_without_roles_is_open_to_anyone(desk: Desk) -> None:
    assert desk.do("home.turn_on", by=ANONYMOUS, device="tv").outcome == dispatch_pb2.TASK_OUTCOME_SUCCEEDED


def test_a_risky_task_waits_for_a_yes_and_may_then_come_again_under_its_id(desk: Desk) -> None:
    unconfirmed = task("home.unlock", {"door": "front_door"})
    confirmed = task("home.unlock", {"door": "front_door"}, confirmed=True, task_id=unconfirmed.task_id)
    desk.do("home.lock", door="front_door")

    first = desk.do(unconfirmed)
    assert (first.outcome, first.error_class) == (DENIED, "not_confirmed")
    assert home_state(desk.session)["lock.front_door"].locked is True

    assert desk.do(confirmed).outcome == dispatch_pb2.TASK_OUTCOME_SUCCEEDED
    assert home_state(desk.session)["lock.front_door"].locked is False


def test_a_caller_may_raise_the_risk_of_a_task_but_not_lower_it(desk: Desk) -> None:
    raised = task("home.turn_on", {"device": "tv"})
    raised.risk = dispatch_pb2.RISK_HIGH
    lowered = task("home.unlock", {"door": "front_door"})
    lowered.risk = dispatch_pb2.RISK_LOW

    assert desk.do(raised).error_class == "not_confirmed"
    assert desk.do(lowered).error_class == "not_confirmed"


@pytest.mark.parametrize("action", ["home.explode", "nuclear.launch", "home"])
def test_an_action_nobody_offers_fails(desk: Desk, action: str) -> None:
    result = desk.do(action)

    assert (result.outcome, result.error_class) == (dispatch_pb2.TASK_OUTCOME_FAILED, "unknown_action")
    assert action in result.detail


def test_without_its_connector_an_action_is_unknown(desk: Desk) -> None:
    bare = Desk(desk.session, engine=Dispatcher(PACKS, []))

    assert bare.do("home.turn_on", by=RESIDENT, device="tv").error_class == "unknown_action"
