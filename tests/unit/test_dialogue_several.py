"""Several requests in one sentence: what can be done is done at once, and one question is asked at a time."""

from __future__ import annotations

import pytest

from parley.v1 import dialogue_pb2, dispatch_pb2, nlu_pb2
from services.dialogue.engine import ConversationState
from services.dialogue.storage import _STATE
from shared.events import derived_id
from tests.talk import Said, Talk, acts_of, request_of, route_of, said, with_results

pytestmark = pytest.mark.unit

KITCHEN_ON = said("turn on the kitchen light", "turn_on", device="light", area="kitchen")
TEN_MINUTES = said("set a timer for ten minutes", "set_timer", duration="600:ten minutes")
FIVE_MINUTES = said("set a timer for five minutes", "set_timer", duration="300:five minutes")
UNLOCK = said("unlock the front door", "unlock_door", door="front_door")
LIGHT_ON = said("turn on the light", "turn_on", device="light")
TIMER = said("start a timer", "set_timer")


def together(*parts: Said) -> dialogue_pb2.DecideRequest:
    """The request for an utterance that says them all."""
    text = " and ".join(part.text for part in parts)
    request = request_of(Said(text, parts[0].intent, slots=parts[0].slots))
    for part in parts:
        start = text.index(part.text)
        request.understanding.parts.append(
            nlu_pb2.Part(text=part.text, start=start, end=start + len(part.text), understanding=part.understanding())
        )
    return request


def done(decision: dialogue_pb2.Decision) -> list[tuple[str, dict[str, str]]]:
    return [(task.action, dict(task.arguments)) for task in decision.tasks]


def ended(decision: dialogue_pb2.Decision) -> list[dispatch_pb2.TaskResult]:
    return [
        dispatch_pb2.TaskResult(task_id=task.task_id, action=task.action, outcome=dispatch_pb2.TASK_OUTCOME_SUCCEEDED)
        for task in decision.tasks
    ]


def test_two_requests_are_done_in_their_order_and_told_together() -> None:
    talk, request = Talk(), together(KITCHEN_ON, TEN_MINUTES)

    decision = talk.decide(request)
    told = talk.decide(with_results(request, decision, *ended(decision)))

    assert done(decision) == [
        ("home.turn_on", {"device": "light", "area": "kitchen"}),
        ("reminders.set_timer", {"duration": "600"}),
    ]
    assert route_of(decision) == ["DISPATCH", "DIALOGUE", "GENERATION"]
    assert [(act.intent, act.task_id) for act in told.acts] == [
        ("turn_on", decision.tasks[0].task_id),
        ("set_timer", decision.tasks[1].task_id),
    ]


def test_tasks_of_one_action_have_ids_of_their_own_that_never_change() -> None:
    request = together(TEN_MINUTES, FIVE_MINUTES)

    first, again = Talk().decide(request), Talk().decide(request)

    assert [task.task_id for task in first.tasks] == [task.task_id for task in again.tasks]
    assert first.tasks[0].task_id == derived_id(request.turn_id, "reminders.set_timer", "0")
    assert len({task.task_id for task in first.tasks}) == 2


def test_what_is_risky_waits_for_a_yes_while_the_rest_is_done() -> None:
    talk, request = Talk(), together(UNLOCK, KITCHEN_ON)

    decision = talk.decide(request)
    told = talk.decide(with_results(request, decision, *ended(decision)))
    after = talk.hear(said("yes", "affirm"))

    assert done(decision) == [("home.turn_on", {"device": "light", "area": "kitchen"})]
    assert acts_of(told) == ["TASK_DONE", "CONFIRM"]
    assert done(after) == [("home.unlock", {"door": "front_door"})]
    assert after.tasks[0].confirmed


def test_one_question_is_asked_at_a_time() -> None:
    talk = Talk()

    first = talk.decide(together(LIGHT_ON, TIMER))
    second = talk.hear(said("kitchen"))
    third = talk.hear(said("five minutes", duration="300:five minutes"))

    assert (acts_of(first), first.acts[0].slot, done(first)) == (["REQUEST"], "area", [])
    assert route_of(first) == ["GENERATION"]
    assert done(second) == [("home.turn_on", {"device": "light", "area": "kitchen"})]
    assert [(act.intent, act.slot) for act in second.acts] == [("set_timer", "duration")]
    assert done(third) == [("reminders.set_timer", {"duration": "300"})]
    assert talk.state.flow is None


def test_a_no_settles_its_own_request_and_a_cancel_all_that_is_left() -> None:
    for answer, left in ((said("no", "deny"), ["CANCELLED", "REQUEST"]), (said("cancel", "cancel"), ["CANCELLED"])):
        talk = Talk()
        talk.decide(together(UNLOCK, TIMER))

        assert acts_of(talk.hear(answer)) == left


def test_it_in_the_second_request_is_what_the_first_named() -> None:
    dim = said("dim it to thirty percent", "set_brightness", brightness="30:thirty percent")

    decision = Talk().decide(together(KITCHEN_ON, dim))

    assert done(decision)[1] == ("home.set_brightness", {"brightness": "30", "device": "light", "area": "kitchen"})


def test_what_waits_is_kept_with_the_conversation() -> None:
    talk = Talk()
    talk.decide(together(LIGHT_ON, TIMER))

    kept = _STATE.validate_json(_STATE.dump_json(talk.state))

    assert isinstance(kept, ConversationState)
    assert kept == talk.state
    assert kept.flow is not None
    assert [flow.intent for flow in kept.flow.then] == ["set_timer"]
