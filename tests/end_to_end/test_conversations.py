"""Conversations of several turns: asking, confirming, remembering, reminding."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.stack import Stack

pytestmark = pytest.mark.end_to_end


def _acts(turn: dict[str, Any]) -> list[str]:
    return [act["type"].removeprefix("DIALOGUE_ACT_TYPE_") for act in turn["decision"]["acts"]]


def _done(turn: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["action"], each["outcome"].removeprefix("TASK_OUTCOME_")) for each in turn.get("task_results") or []]


def test_it_asks_which_room_and_understands_the_answer(stack: Stack, conversation: Callable[[], str]) -> None:
    here = conversation()

    asked = stack.say("turn on the light", "--conversation", here)
    answered = stack.say("the bedroom", "--conversation", here)

    assert _acts(asked) == ["REQUEST"]
    assert not _done(asked)
    assert _done(answered) == [("home.turn_on", "SUCCEEDED")]
    assert answered["task_results"][0]["values"]["area"] == "bedroom"


def test_it_asks_in_chinese_too(stack: Stack, conversation: Callable[[], str]) -> None:
    here = conversation()

    asked = stack.say("打开灯", "--conversation", here)
    answered = stack.say("厨房", "--conversation", here)

    assert _acts(asked) == ["REQUEST"]
    assert _done(answered) == [("home.turn_on", "SUCCEEDED")]
    assert answered["task_results"][0]["values"]["area"] == "kitchen"


def test_it_remembers_what_it_and_there_are(stack: Stack, conversation: Callable[[], str]) -> None:
    here = conversation()

    stack.say("turn on the office light", "--conversation", here)
    off = stack.say("turn it off", "--conversation", here)
    blue = stack.say("set the light there to blue", "--conversation", here)

    assert _done(off) == [("home.turn_off", "SUCCEEDED")]
    assert off["task_results"][0]["values"]["area"] == "office"
    assert _done(blue) == [("home.set_color", "SUCCEEDED")]
    assert blue["task_results"][0]["values"]["area"] == "office"


def test_a_risky_task_is_confirmed_first(stack: Stack, conversation: Callable[[], str]) -> None:
    here = conversation()

    asked = stack.say("unlock the front door", "--conversation", here)
    confirmed = stack.say("yes", "--conversation", here)

    assert _acts(asked) == ["CONFIRM"]
    assert not _done(asked)
    assert _done(confirmed) == [("home.unlock", "SUCCEEDED")]


def test_a_risky_task_that_is_denied_is_not_done(stack: Stack, conversation: Callable[[], str]) -> None:
    here = conversation()

    stack.say("unlock the back door", "--conversation", here)
    denied = stack.say("no", "--conversation", here)

    assert not _done(denied)


def test_an_anonymous_voice_never_unlocks_a_door(stack: Stack, conversation: Callable[[], str]) -> None:
    here = conversation()

    stack.say("unlock the front door", "--conversation", here, "--anonymous")
    done = stack.run("say", "yes", "--conversation", here, "--anonymous", "--json")
    turn = json.loads(done.stdout)

    assert ("home.unlock", "SUCCEEDED") not in _done(turn)
    assert turn["reply"]["text"]


def test_a_refund_becomes_a_ticket_that_can_be_asked_about(stack: Stack, conversation: Callable[[], str]) -> None:
    here = conversation()

    asked = stack.say("i want my money back", "--conversation", here)
    turn = stack.say("A1234", "--conversation", here)
    if not _done(turn):  # a refund is of medium risk: confirmed where understanding was not certain
        turn = stack.say("yes", "--conversation", here)
    ticket = turn["task_results"][0]["values"]["ticket_id"]
    status = stack.say(f"what is the status of ticket {ticket}", "--conversation", here)

    assert _acts(asked) == ["REQUEST"]
    assert _done(turn) == [("tickets.refund", "SUCCEEDED")]
    assert ticket in turn["reply"]["text"]
    assert _done(status) == [("tickets.status", "SUCCEEDED")]


def test_a_timer_fires_and_says_so_in_its_conversation(stack: Stack, conversation: Callable[[], str]) -> None:
    here = conversation()

    turn = stack.say("set a timer for 2 seconds", "--conversation", here)

    assert _done(turn) == [("reminders.set_timer", "SUCCEEDED")]
    deadline = time.monotonic() + 30
    kinds: list[str] = []
    while "REPLY_KIND_NOTIFICATION" not in kinds and time.monotonic() < deadline:
        time.sleep(0.3)
        shown = json.loads(stack.run("turns", "show", turn["turn_id"], "--json").stdout)
        kinds = [reply["kind"] for reply in shown["replies"]]
    assert kinds.count("REPLY_KIND_FINAL") == 1
    assert kinds.count("REPLY_KIND_NOTIFICATION") == 1


def test_what_was_said_can_be_repeated(stack: Stack, conversation: Callable[[], str]) -> None:
    here = conversation()

    first = stack.say("what time is it", "--conversation", here)
    again = stack.say("say that again", "--conversation", here)

    assert _acts(again) == ["REPEAT"]
    assert first["reply"]["text"] in again["reply"]["text"]


def test_two_conversations_never_see_each_other(stack: Stack, conversation: Callable[[], str]) -> None:
    mine, yours = conversation(), conversation()

    stack.say("turn on the light", "--conversation", mine)
    answer = stack.say("the bedroom", "--conversation", yours)

    assert not _done(answer)
