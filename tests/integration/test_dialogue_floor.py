"""One open turn a conversation: what waits, what closes it, what it costs when two write at once."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, timedelta

import pytest
import sqlalchemy as sa

from parley.v1 import generation_pb2, stage_pb2, turn_pb2
from services.dialogue import storage
from services.dialogue.engine import ConversationState
from services.dialogue.storage import JOURNAL, ConversationChanged, WaitingRow
from shared import topology
from shared.errors import TransientError
from shared.events import Event
from shared.storage.database import Database
from tests.dialogue_road import Road, event_of, understood
from tests.talk import NOON, Said, acts_of, said

pytestmark = pytest.mark.integration

LIGHT_ON = said("turn on the kitchen light", "turn_on", device="light", area="kitchen")
FAN_ON = said("turn on the bedroom fan", "turn_on", device="fan", area="bedroom")
WHICH_LIGHT = said("turn on the light", "turn_on", device="light")


def traceparent(digit: str) -> str:
    return f"00-{digit * 32}-{digit * 16}-01"


@pytest.fixture
def road(database: Database) -> Road:
    return Road(database)


def test_a_later_utterance_waits_for_the_final_reply(road: Road) -> None:
    [first] = road.say(LIGHT_ON)

    assert road.say(FAN_ON) == []
    assert road.say(said("hello", "greet")) == []
    [second] = road.reply(first)
    [third] = road.reply(second)

    assert second.decision.tasks[0].arguments["device"] == "fan"
    assert acts_of(third.decision) == ["GREET"]
    assert road.reply(third) == []
    assert road.state().open_turn_id == ""


@pytest.mark.parametrize("kind", ["PARTIAL", "EARLY", "NOTIFICATION"])
def test_only_the_final_reply_closes_a_turn(road: Road, kind: str) -> None:
    [first] = road.say(LIGHT_ON)
    road.say(FAN_ON)

    assert road.reply(first, kind=kind) == []
    assert road.state().open_turn_id == first.turn_id
    assert road.state().last_reply == ""


def test_a_final_reply_to_another_turn_closes_nothing(road: Road) -> None:
    [first] = road.say(LIGHT_ON)
    road.say(FAN_ON)
    stranger = turn_pb2.Turn(turn_id=str(uuid.uuid4()), conversation_id="c1")

    assert road.reply(stranger) == []
    assert road.state().open_turn_id == first.turn_id


def test_what_waited_keeps_its_own_cause_and_headers(road: Road) -> None:
    [first] = road.say(LIGHT_ON, traceparent=traceparent("a"), parley_reply_partition="1", parley_reply_format="json")
    waited = understood(FAN_ON, traceparent=traceparent("b"), parley_reply_partition="2")
    road.arrive(waited)

    [second] = road.reply(first, traceparent=traceparent("a"), parley_reply_partition="1", parley_reply_format="json")

    decision = next(each for each in road.stored if each.topic == topology.DECISIONS)
    assert decision.headers["traceparent"] == traceparent("b")
    assert decision.headers["parley-reply-partition"] == "2"
    assert "parley-reply-format" not in decision.headers
    with road.database.transaction() as session:
        assert [each.body for each in JOURNAL.of_cause(session, waited.id)] == [decision.body]
    assert second.route.visits[-1].received_at.ToDatetime(UTC) == NOON


def test_an_open_turn_that_times_out_makes_way(road: Road) -> None:
    road.say(LIGHT_ON)
    road.say(FAN_ON)

    road.now += timedelta(seconds=29)
    assert road.sweep() == []
    road.now += timedelta(seconds=2)
    [second] = road.sweep()

    assert second.decision.tasks[0].arguments["device"] == "fan"
    assert road.state().open_turn_id == second.turn_id
    assert road.sweep() == []


def test_after_a_time_out_those_who_waited_come_first(road: Road) -> None:
    road.say(LIGHT_ON)
    road.say(FAN_ON)
    road.now += timedelta(seconds=31)

    [second] = road.say(said("hello", "greet"))

    assert second.decision.tasks[0].arguments["device"] == "fan"
    [third] = road.reply(second)
    assert acts_of(third.decision) == ["GREET"]


def test_a_late_outcome_is_still_told_and_disturbs_nobody(road: Road) -> None:
    [first] = road.say(LIGHT_ON)
    road.now += timedelta(seconds=31)
    road.sweep()
    [second] = road.say(WHICH_LIGHT)

    [told] = road.done(first)
    assert road.reply(told) == []

    assert acts_of(told.decision) == ["TASK_DONE"]
    assert told.decision.reply_kind == generation_pb2.REPLY_KIND_FINAL
    assert told.decision.revision == 1
    assert list(told.route.next) == [stage_pb2.STAGE_GENERATION]
    state = road.state()
    assert state.open_turn_id == second.turn_id
    assert state.flow is not None
    assert state.flow.asked == "area"


@pytest.mark.parametrize("words", [said("stop", "cancel"), said("never mind"), said("算了", "greet", 0.4)])
def test_a_cancel_is_decided_at_once_and_takes_the_floor(road: Road, words: Said) -> None:
    [first] = road.say(LIGHT_ON)
    road.say(FAN_ON)

    dropped, cancel = road.say(words)
    [told] = road.done(first)

    assert acts_of(dropped.decision) == ["CANCELLED"]
    assert not dropped.decision.tasks
    assert acts_of(cancel.decision) == ["CANCELLED"]
    assert cancel.decision.acts[0].values["in_progress"] == "true"
    assert acts_of(told.decision) == ["TASK_DONE"]
    assert road.state().open_turn_id == cancel.turn_id
    assert road.reply(cancel) == []
    assert road.state().open_turn_id == ""


def test_a_copy_of_a_turn_is_decided_once(road: Road) -> None:
    [first] = road.say(LIGHT_ON)
    waiting = str(uuid.uuid4())

    assert road.say(LIGHT_ON, turn_id=first.turn_id) == []
    assert road.say(FAN_ON, turn_id=waiting) == []
    assert road.say(FAN_ON, turn_id=waiting) == []
    [second] = road.reply(first)

    assert second.turn_id == waiting
    assert road.reply(second) == []


def test_what_comes_due_disturbs_nobody(road: Road) -> None:
    [timer] = road.say(said("set a timer for 10 minutes", "set_timer", duration="600:10 minutes"))
    [ended] = road.done(timer)
    road.reply(ended, "Timer set.")
    [asked] = road.say(WHICH_LIGHT)

    [due] = road.done(timer, "FIRED")
    assert road.reply(due, "Time is up.", kind="NOTIFICATION") == []

    assert acts_of(due.decision) == ["NOTIFY"]
    assert due.decision.reply_kind == generation_pb2.REPLY_KIND_NOTIFICATION
    assert due.decision.acts[0].values["duration"] == "600"
    assert list(due.route.next) == [stage_pb2.STAGE_GENERATION]
    assert road.state().open_turn_id == asked.turn_id
    assert road.state().last_reply == "Timer set."


def test_a_question_survives_a_restart(road: Road) -> None:
    [asked] = road.say(WHICH_LIGHT)
    road.reply(asked, "Which room?")

    [answered] = Road(road.database).say(said("kitchen"))

    assert answered.decision.tasks[0].arguments["area"] == "kitchen"


def test_the_context_grows_with_the_conversation(road: Road) -> None:
    [asked] = road.say(WHICH_LIGHT)
    road.reply(asked, "Which room?")
    road.say(said("kitchen"))

    asking, told, answered = road.contexts
    assert [each.revision for each in road.contexts] == [1, 2, 3]
    assert asking.requested_slot == "area"
    assert asking.active_packs[0] == "smart_home"
    assert asking.entity_names[:2] == ["living room", "kitchen"]
    assert asking.locale == "en"
    assert told.last_reply == "Which room?"
    assert answered.requested_slot == ""


def test_what_was_said_last_is_repeated(road: Road) -> None:
    [first] = road.say(said("hello", "greet"))
    road.reply(first, "Good day to you.")

    [again] = road.say(said("say that again", "repeat"))

    assert acts_of(again.decision) == ["REPEAT"]
    assert again.decision.acts[0].values["text"] == "Good day to you."


def test_a_conversation_belongs_to_its_first_known_user(road: Road) -> None:
    ada = Said("turn on the light", "turn_on", user="ada", slots={"device": "light"})
    [asked] = road.say(ada)
    road.reply(asked, "Which room, Ada?")
    before = road.state()

    for intruder in ("bob", ""):
        for words, intent in (("kitchen", ""), ("say that again", "repeat"), ("stop", "cancel")):
            [refused] = road.say(Said(words, intent, user=intruder))
            assert acts_of(refused.decision) == ["APOLOGIZE"]
            assert refused.decision.acts[0].values == {"error_class": "permission_denied"}
            assert not refused.decision.tasks
            assert "Ada" not in str(refused.decision)
            assert road.reply(refused, "That is not yours.") == []
    assert road.state() == before

    [answered] = road.say(Said("kitchen", user="ada"))
    assert answered.decision.tasks[0].arguments["area"] == "kitchen"


def test_another_user_neither_waits_nor_closes(road: Road) -> None:
    [first] = road.say(Said("hello", "greet", user="ada"))

    [refused] = road.say(Said("hello", "greet", user="bob"))
    road.reply(refused)

    assert acts_of(refused.decision) == ["APOLOGIZE"]
    assert road.state().open_turn_id == first.turn_id


def test_of_two_users_who_wait_the_first_gets_the_conversation(road: Road) -> None:
    [first] = road.say(said("hello", "greet"))
    road.say(Said("turn on the light", "turn_on", user="ada", slots={"device": "light"}))
    road.say(Said("kitchen", user="bob"))

    [ada] = road.reply(first)
    assert ada.decision.step == "ask:area"
    [bob] = road.reply(ada)

    assert acts_of(bob.decision) == ["APOLOGIZE"]
    assert road.state().open_turn_id == ""
    assert road.state().flow is not None


def test_no_more_than_so_many_wait(database: Database) -> None:
    road = Road(database, max_waiting=1)
    road.say(LIGHT_ON)

    assert road.say(FAN_ON) == []
    [refused] = road.say(said("hello", "greet"))

    assert refused.decision.acts[0].values == {"error_class": "too_many_waiting"}
    with database.transaction() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(WaitingRow)) == 1


def test_of_two_writers_one_is_told_to_begin_again(road: Road) -> None:
    road.say(LIGHT_ON)
    with road.database.transaction() as session:
        loaded = storage.load(session, "c1")
    with road.database.transaction() as session:
        storage.save(session, loaded, loaded.state.closed())

    with pytest.raises(ConversationChanged, match="overtaken") as overtaken, road.database.transaction() as session:
        storage.save(session, loaded, loaded.state)
    with pytest.raises(ConversationChanged, match="begun"), road.database.transaction() as session:
        storage.save(session, storage.Loaded(ConversationState("c1"), 0), ConversationState("c1"))

    assert overtaken.value.retryable
    assert road.state().open_turn_id == ""


def test_many_writers_at_once_lose_no_turn(road: Road) -> None:
    turns = [str(uuid.uuid4()) for _ in range(12)]
    decided: list[str] = []
    lock = threading.Lock()

    def speak(turn_id: str) -> None:
        writer = Road(road.database)
        answers = _until_written(writer, understood(said("hello", "greet"), turn_id))
        while answers:
            with lock:
                decided.extend(answer.turn_id for answer in answers)
            reply = turn_pb2.Turn()
            reply.CopyFrom(answers[0])
            reply.reply.kind = generation_pb2.REPLY_KIND_FINAL
            answers = _until_written(writer, event_of(topology.REPLIES, reply))

    threads = [threading.Thread(target=speak, args=(turn_id,)) for turn_id in turns]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(decided) == sorted(turns)
    assert road.state().open_turn_id == ""


def _until_written(road: Road, event: Event) -> list[turn_pb2.Turn]:
    while True:
        try:
            return road.arrive(event)
        except TransientError:
            continue
