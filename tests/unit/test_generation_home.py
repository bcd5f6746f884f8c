"""What the home did is told in words, in English and Chinese: connectors and reply books agree on every value."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from parley.v1 import generation_pb2
from services.generation.replybook import ACTS
from services.generation.templates import TemplateBackend
from tests.dispatching import PACKS, Desk

pytestmark = pytest.mark.unit

BACKEND = TemplateBackend(PACKS)
PLAYING = ("home.play_media", {"media": "jazz", "area": "kitchen"})
TIMER = ("reminders.set_timer", {"duration": "600"})
MILK = ("lists.add", {"item": "milk", "list": "shopping"})
Done = tuple[str, dict[str, str]]


def told(desk: Desk, before: Sequence[Done], action: str, arguments: dict[str, str]) -> tuple[str, str]:
    """What is said of the task, after what was done before: in English, in Chinese."""
    for earlier, given in before:
        desk.do(earlier, given)
    result = desk.do(action, arguments)
    act = generation_pb2.DialogueAct(type=ACTS["task_done"], task_id=result.task_id)
    english, chinese = (
        BACKEND.generate(generation_pb2.GenerateRequest(acts=[act], locale=locale, task_results=[result])).text
        for locale in ("en", "zh")
    )
    return english, chinese


@pytest.mark.parametrize(
    ("before", "action", "arguments", "english", "chinese"),
    [
        ([TIMER], "reminders.timer_status", {}, "Your timer has 10 minutes left.", "计时器还有10 分钟。"),
        ([TIMER], "reminders.extend_timer", {"duration": "60"},
         "Your timer has 11 minutes left now.", "计时器现在还有11 分钟。"),
        ([TIMER], "reminders.shorten_timer", {"duration": "60"},
         "Your timer has 9 minutes left now.", "计时器现在还有9 分钟。"),
        ([TIMER, TIMER], "reminders.cancel_all_timers", {}, "All 2 timers are cancelled.", "2个计时器都取消了。"),
        ([], "clock.date", {}, "It is Sunday, 22 November.", "今天是11 月 22 日，星期日。"),
        ([], "home.get_weather", {}, "It is 20 degrees outside, and sunny.", "外面20 度，晴。"),
        ([], "home.get_state", {"door": "front_door"}, "The front door is locked.", "前门锁着。"),
        ([], "home.get_state", {"device": "light", "area": "kitchen"}, "The kitchen light is off.", "厨房的灯关着。"),
        ([("home.turn_on", {"device": "light", "area": "kitchen"})], "home.get_state", {"device": "light"},
         "Only the kitchen light is on.", "只有厨房的灯开着。"),
        ([], "home.get_state", {"device": "light"}, "All the lights are off.", "所有的灯都关着。"),
        ([], "home.get_state", {"cover": "curtains", "area": "bedroom"},
         "The bedroom curtains are closed.", "卧室的窗帘关着。"),
        ([("home.start_vacuum", {})], "home.get_state", {"robot": "vacuum"},
         "The vacuum is cleaning.", "扫地机器人正在打扫。"),
        ([], "home.set_fan_speed", {"speed": "40", "area": "office"},
         "The office fan is at 40%.", "办公室的风扇调到了40%。"),
        ([], "home.set_fan_speed", {"speed": "0", "area": "office"}, "The fan is off.", "风扇关了。"),
        ([], "home.set_fan_mode", {"fan_mode": "high", "area": "bedroom"},
         "The bedroom fan mode is high.", "卧室的风扇模式是高速。"),
        ([], "home.set_position", {"cover": "curtains", "area": "bedroom", "position": "50"},
         "The bedroom curtains are 50% open.", "卧室的窗帘开到了50%。"),
        ([], "home.clean_area", {"area": "kitchen"},
         "The vacuum is cleaning the kitchen.", "扫地机器人正在打扫厨房。"),
        ([], "home.start_mower", {}, "The lawn mower is on its way.", "割草机出发了。"),
        ([], *PLAYING, "Playing jazz.", "正在播放jazz。"),
        ([PLAYING], "home.pause_media", {}, "Paused.", "已暂停。"),
        ([PLAYING, ("home.pause_media", {})], "home.resume_media", {}, "Playing jazz again.", "继续播放jazz。"),
        ([], "home.volume_up", {"device": "tv"}, "The volume is 60%.", "音量是60%。"),
        ([], "home.mute", {}, "The sound is off.", "已静音。"),
        ([], "home.broadcast", {"message": "dinner is ready"}, "I have announced it.", "已经广播了。"),
        ([], *MILK, "I have put milk on your shopping list.", "milk已加到购物清单。"),
        ([MILK], "lists.read", {"list": "shopping"}, "On your shopping list: milk.", "购物清单上有：milk。"),
        ([], "lists.read", {"list": "shopping"}, "There is nothing on your shopping list.", "购物清单上没有东西。"),
        ([MILK], "lists.complete", {"item": "milk", "list": "shopping"}, "Ticked off: milk.", "milk已划掉。"),
        ([MILK], "lists.remove", {"item": "milk", "list": "shopping"},
         "I have taken milk off your shopping list.", "milk已从购物清单删掉。"),
    ],
)  # fmt: skip
def test_what_was_done_is_told(
    desk: Desk, before: Sequence[Done], action: str, arguments: dict[str, str], english: str, chinese: str
) -> None:
    assert told(desk, before, action, arguments) == (english, chinese)
