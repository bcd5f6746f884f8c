"""The dialogue engine beyond single conversations: outcomes, contexts, owners, and what always holds."""

from __future__ import annotations

import uuid
from datetime import timedelta

import protovalidate
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from parley.v1 import dialogue_pb2, dispatch_pb2, generation_pb2
from services.dialogue.engine import ConversationState, DialogueEngine, Policy
from services.dialogue.settings import DialogueSettings
from shared.errors import InvalidPack, InvalidSettings
from shared.events import derived_id
from tests.talk import PACKS, Said, Talk, acts_of, confirms, request_of, route_of, said, with_results

pytestmark = pytest.mark.unit

KITCHEN_ON = said("turn on the kitchen light", "turn_on", device="light", area="kitchen")
UNLOCK = said("unlock the front door", "unlock_door", door="front_door")


def result(task: dispatch_pb2.Task, outcome: str, error_class: str = "", **values: str) -> dispatch_pb2.TaskResult:
    return dispatch_pb2.TaskResult(
        task_id=task.task_id,
        action=task.action,
        outcome=dispatch_pb2.TaskOutcome.Value(f"TASK_OUTCOME_{outcome}"),
        error_class=error_class,
        values=values,
    )


@pytest.mark.parametrize(
    ("outcome", "act"),
    [("SUCCEEDED", "TASK_DONE"), ("FAILED", "TASK_FAILED"), ("DENIED", "TASK_DENIED"), ("UNKNOWN", "TASK_UNKNOWN")],
)
def test_every_outcome_is_told(outcome: str, act: str) -> None:
    talk = Talk()
    request = request_of(KITCHEN_ON)
    decision = talk.decide(request)
    ended = result(decision.tasks[0], outcome, "no_such_device" if outcome == "FAILED" else "", state="on")

    told = talk.decide(with_results(request, decision, ended))

    assert acts_of(told) == [act]
    assert told.acts[0].intent == "turn_on"
    assert told.acts[0].task_id == decision.tasks[0].task_id
    expected = {"device": "light", "area": "kitchen", "state": "on"}
    assert told.acts[0].values == expected | ({"error_class": "no_such_device"} if outcome == "FAILED" else {})
    assert route_of(told) == ["GENERATION"]
    assert (told.revision, told.reply_kind) == (1, generation_pb2.REPLY_KIND_FINAL)


def test_outcomes_are_told_in_the_tasks_order_and_none_is_left_out() -> None:
    talk = Talk()
    request = request_of(
        said("lights on in kitchen and office", "turn_on", device="light:lights", area=("kitchen", "office"))
    )
    decision = talk.decide(request)
    kitchen, office = decision.tasks

    both = talk.decide(with_results(request, decision, result(office, "FAILED"), result(kitchen, "SUCCEEDED")))
    one = talk.decide(with_results(request, decision, result(office, "SUCCEEDED")))

    assert acts_of(both) == ["TASK_DONE", "TASK_FAILED"]
    assert acts_of(one) == ["TASK_UNKNOWN", "TASK_DONE"]


def test_results_without_the_decision_are_told_by_their_action() -> None:
    request = dialogue_pb2.DecideRequest(
        conversation_id="c1",
        turn_id=str(uuid.uuid4()),
        task_results=[dispatch_pb2.TaskResult(action="home.unlock", outcome=dispatch_pb2.TASK_OUTCOME_DENIED)],
    )

    told = Talk().decide(request)

    assert acts_of(told) == ["TASK_DENIED"]
    assert told.acts[0].intent == "unlock_door"


def test_what_came_due_is_told_alone_and_changes_nothing() -> None:
    talk = Talk()
    request = request_of(
        said("remind me to call mum in 5 minutes", "set_reminder", subject="call mum", duration="300:5")
    )
    decision = talk.decide(request)
    ended = result(decision.tasks[0], "SUCCEEDED", due_at="2026-11-22T12:05:00")
    talk.decide(with_results(request, decision, ended))
    before = talk.state

    told = talk.decide(with_results(request, decision, ended, result(decision.tasks[0], "FIRED")))

    assert acts_of(told) == ["NOTIFY"]
    assert told.acts[0].values["subject"] == "call mum"
    assert told.reply_kind == generation_pb2.REPLY_KIND_NOTIFICATION
    assert talk.state is before


def test_task_ids_depend_on_turn_action_and_place_alone() -> None:
    request = request_of(KITCHEN_ON)

    first, second = Talk().decide(request), Talk().decide(request)

    assert first == second
    assert first.tasks[0].task_id == derived_id(request.turn_id, "home.turn_on", "0")
    assert first.tasks[0].risk == dispatch_pb2.RISK_LOW


def test_a_request_offers_what_can_be_chosen_and_tells_what_is_known() -> None:
    talk = Talk()

    asked = talk.hear(said("turn on the fan", "turn_on", device="fan"))

    assert list(asked.acts[0].choices) == ["bedroom", "office"]
    assert asked.acts[0].values == {"device": "fan"}
    assert (asked.flow, asked.acts[0].intent) == ("turn_on", "turn_on")
    assert talk.context.requested_slot == "area"


def test_reasons_never_hold_the_users_words() -> None:
    talk = Talk()
    secret = "Frobnicate the zorkmid"

    decisions = [
        talk.hear(said("remind me", "set_reminder")),
        talk.hear(said(secret)),
        talk.hear(said(secret)),
        talk.hear(said(f"what is {secret}")),
    ]

    assert all(decision.reason for decision in decisions)
    assert not any("zorkmid" in decision.reason.lower() for decision in decisions)


def test_unheard_speech_says_what_became_of_it() -> None:
    decision = Talk().hear(Said("", heard="UNSUPPORTED_LOCALE"))

    assert decision.acts[0].values == {"outcome": "unsupported_locale"}


def test_contexts_grow_only_when_they_change() -> None:
    talk = Talk()

    talk.hear(said("hello", "greet"))
    first = talk.context.revision
    talk.hear(said("hello", "greet"))
    same = talk.context.revision
    talk.reply("Hello!")

    assert (first, same, talk.state.revision) == (1, 1, 2)


def test_a_chinese_conversation_has_chinese_names() -> None:
    talk = Talk()

    talk.hear(said("我要开灯", "turn_on", device="light:灯"))

    assert talk.context.locale == "zh"
    assert list(talk.context.entity_names[:2]) == ["客厅", "厨房"]


def test_a_short_answer_does_not_change_the_language_of_the_conversation() -> None:
    talk = Talk()
    talk.hear(said("我要退款", "request_refund"))

    talk.hear(said("B2002"))

    assert talk.state.locale == "zh"


def test_a_stranger_is_shown_nothing() -> None:
    talk = Talk()
    talk.hear(Said("turn on the light", "turn_on", user="ada", slots={"device": "light"}))
    talk.reply("Which room, Ada?")
    before = talk.state

    refused = talk.hear(Said("say that again", "repeat", user="bob"))

    assert acts_of(refused) == ["APOLOGIZE"]
    assert talk.state is before
    assert talk.context == dialogue_pb2.Context(conversation_id="c1")


def test_the_same_user_of_another_tenant_is_a_stranger() -> None:
    talk = Talk()
    talk.hear(Said("hello", "greet", user="ada"))
    request = request_of(Said("hello", "greet", user="ada"))
    request.principal.tenant = "elsewhere"

    assert acts_of(talk.decide(request)) == ["APOLOGIZE"]


def test_an_anonymous_conversation_belongs_to_the_first_user_who_is_known() -> None:
    talk = Talk()
    talk.hear(said("hello", "greet"))
    talk.hear(Said("hello", "greet", user="ada"))

    assert acts_of(talk.hear(said("hello", "greet"))) == ["APOLOGIZE"]
    assert acts_of(talk.hear(Said("hello", "greet", user="ada"))) == ["GREET"]


def test_the_policy_moves_the_thresholds() -> None:
    blinds = said("open the blinds", "open_cover", 0.9, cover="blinds")
    light = said("turn on the light", "turn_on", device="light")

    confirms(cover="blinds").check(Talk(Policy(confirm_below=0.95)).hear(blinds))
    once = Talk(Policy(failed_asks=1))
    once.hear(light)
    assert acts_of(once.hear(said("purple elephants"))) == ["CANCELLED", "HELP"]
    brief = Talk(Policy(question_expires=timedelta(seconds=1)))
    brief.hear(light)
    assert acts_of(brief.hear(said("kitchen"))) == ["OUT_OF_SCOPE"]


def test_settings_become_the_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_DIALOGUE_QUESTION_EXPIRES_S", "60")
    assert DialogueSettings.load().policy() == Policy(question_expires=timedelta(minutes=1))

    monkeypatch.setenv("PARLEY_DIALOGUE_CONFIRM_BELOW", "1.5")
    with pytest.raises(InvalidSettings, match=r"PARLEY_DIALOGUE_CONFIRM_BELOW.*1\.5"):
        DialogueSettings.load()


def test_two_packs_with_one_intent_are_refused() -> None:
    with pytest.raises(InvalidPack, match="greet"):
        DialogueEngine([*PACKS, next(pack for pack in PACKS if pack.name == "conversation")])


POOL = [
    KITCHEN_ON,
    UNLOCK,
    said("unlock it", "unlock_door", 0.9),
    said("unlock the door", "unlock_door", 0.4),
    said("cancel order A1001", "cancel_order", order_id="A1001"),
    said("cancel my order", "cancel_order", 0.7),
    said("open the curtains", "open_cover", 0.6, cover="curtains"),
    said("open the blinds", "open_cover", 0.95, cover="blinds"),
    said("turn it off", "turn_off"),
    said("and the bedroom?"),
    said("and the back door"),
    said("no, the back door", "deny", 0.9, door="back_door"),
    said("the front door", "lock_door", 0.5, door="front_door"),
    said("kitchen", "get_temperature", 0.99, area="kitchen"),
    said("B2002"),
    said("yes", "affirm"),
    said("yes please go on", "affirm", 0.6),
    said("好的"),
    said("no", "deny"),
    said("never mind"),
    said("help", "help"),
    said("say that again", "repeat"),
    said("hello", "greet"),
    said("my cat is green"),
    said("why is the sky blue"),
    Said("", heard="NOISE"),
]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(POOL), min_size=1, max_size=12))
def test_whatever_is_said_no_risky_task_runs_that_was_not_confirmed_just_before(utterances: list[Said]) -> None:
    talk = Talk()
    stored = TypeAdapter(ConversationState)
    asked: dict[str, dict[str, str]] = {}

    for utterance in utterances:
        decision = talk.hear(utterance)

        protovalidate.validate(decision)
        assert decision.acts or decision.tasks
        assert stored.validate_python(stored.dump_python(talk.state, mode="json")) == talk.state
        for task in decision.tasks:
            if task.risk == dispatch_pb2.RISK_HIGH or task.confirmed:
                assert task.confirmed
                assert asked[task.task_id] == dict(task.arguments)
        if acts_of(decision) == ["NOT_HEARD"] or "HELP" in acts_of(decision) or "REPEAT" in acts_of(decision):
            continue  # the question stays open
        asked = {act.task_id: dict(act.values) for act in decision.acts if act.task_id}
