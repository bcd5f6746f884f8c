"""Replies: every act can be said in every language, and says what happened."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import pytest

from parley.v1 import dispatch_pb2, generation_pb2, knowledge_pb2
from services.generation.replybook import ACTS, PLACEHOLDER, load_books
from services.generation.templates import TemplateBackend
from shared.packs import bundled_packs
from shared.packs.model import Required

pytestmark = pytest.mark.unit

PACKS = bundled_packs()
BACKEND = TemplateBackend(PACKS)
LANGUAGES = ("en", "zh")
HAN = re.compile(r"[\u3400-\u9fff]")
ENDS = {"en": (".", "?", "!", '"'), "zh": ("。", "？", "！", "”")}
OUTCOMES = {
    "task_done": dispatch_pb2.TASK_OUTCOME_SUCCEEDED,
    "task_failed": dispatch_pb2.TASK_OUTCOME_FAILED,
    "task_denied": dispatch_pb2.TASK_OUTCOME_DENIED,
    "task_unknown": dispatch_pb2.TASK_OUTCOME_UNKNOWN,
    "notify": dispatch_pb2.TASK_OUTCOME_FIRED,
}
# One plausible value for everything connectors and dialogue tell.
EXAMPLES = {
    "device": "standing_light", "area": "living_room", "cover": "curtains", "door": "front_door", "color": "warm_white",
    "brightness": "40", "temperature": "20.5", "duration": "3660", "remaining": "59.6", "subject": "call mum.",
    "time": "2026-11-22T17:05+01:00", "due_at": "2026-11-23T09:00:00+01:00", "order_id": "A-77", "ticket_id": "T1001",
    "kind": "hand_off", "status": "in_progress", "state": "on", "previous_state": "mixed", "count": "2",
    "position": "100", "speed": "40", "volume": "60", "fan_mode": "low", "media": "jazz", "message": "dinner is ready",
    "item": "milk", "items": "milk; eggs", "list": "shopping", "robot": "vacuum", "weather": "rainy", "count_on": "1",
    "date": "2026-11-22",
    "argument": "brightness", "low": "0", "high": "100", "opened_at": "2026-11-22T10:00:00+00:00", "weekday": "7",
}  # fmt: skip


def act(kind: str, **fields: object) -> generation_pb2.DialogueAct:
    return generation_pb2.DialogueAct(type=ACTS[kind], **fields)  # type: ignore[arg-type]


def say(
    locale: str, *acts: generation_pb2.DialogueAct, results: tuple[dispatch_pb2.TaskResult, ...] = ()
) -> generation_pb2.Reply:
    return BACKEND.generate(generation_pb2.GenerateRequest(acts=acts, locale=locale, task_results=results))


def result(
    action: str, values: Mapping[str, str], kind: str = "task_done", error_class: str = "", task_id: str = "t1"
) -> dispatch_pb2.TaskResult:
    told = dispatch_pb2.TaskResult(
        task_id=task_id, action=action, outcome=OUTCOMES[kind], values=values, error_class=error_class
    )
    told.finished_at.FromJsonString("2026-11-22T16:05:00Z")
    return told


def done(locale: str, action: str, values: Mapping[str, str]) -> str:
    return say(locale, act("task_done", task_id="t1"), results=(result(action, values),)).text


def failed(locale: str, action: str, error_class: str, values: Mapping[str, str]) -> str:
    told = result(action, values, "task_failed", error_class)
    return say(locale, act("task_failed", task_id="t1"), results=(told,)).text


def assert_clean(text: str, language: str) -> None:
    """A sentence of the language: nothing left open, no word of the program, nothing doubled."""
    assert text, "nothing was said"
    assert text.endswith(ENDS[language]), text
    assert not re.search(r"[{}_]|None|  |\.\.|。。| [.,?!]|，。", text), text
    assert (HAN.search(text) is not None) is (language == "zh"), text
    if language == "en":
        assert text[0].isupper(), text
    if language == "zh":
        assert not re.search(r"[.?!]$", text), text


def everything() -> Iterator[tuple[str, generation_pb2.DialogueAct, tuple[dispatch_pb2.TaskResult, ...]]]:
    """Every act with every intent, action, slot, error class and outcome that a reply file or pack knows."""
    books, _ = load_books(PACKS)
    known = {key for book in books.values() for _, key in book.templates}
    subjects = sorted({name for pack in PACKS for name in (*pack.intents, *pack.actions)})
    details = [*sorted(known - set(subjects) - {"default"}), "no_such_error", ""]
    for kind in ACTS:
        for values in ({}, EXAMPLES, EXAMPLES | {"area": "everywhere"}, {"area": "attic", "device": "jacuzzi"}):
            for subject in subjects:
                intent = subject if "." not in subject else ""
                action = subject if "." in subject else ""
                told = (result(action, values, kind if kind in OUTCOMES else "task_done"),) if action else ()
                yield kind, act(kind, intent=intent, values=values), told
            for detail in details:
                subject, _, fine = detail.rpartition("/")
                told = (result(subject, values, "task_failed", fine),)
                yield kind, act(kind, values=values | {"error_class": fine, "outcome": fine}, slot=fine), told


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_act_in_every_state_of_knowledge_is_a_clean_sentence(language: str) -> None:
    said = 0
    for kind, each, results in everything():
        reply = say(language, each, results=results)
        assert_clean(reply.text, language)
        assert (reply.language, reply.backend) == (language, "template"), kind
        said += 1
    assert said > 20 * len(ACTS)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", sorted(ACTS))
def test_an_act_of_which_nothing_is_known_has_words(kind: str, language: str) -> None:
    assert_clean(say(language, act(kind)).text, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_action_has_words_of_its_own_when_it_is_done_and_when_it_is_to_be_confirmed(language: str) -> None:
    book = load_books(PACKS)[0][language]
    for action in (name for pack in PACKS for name in pack.actions):
        assert (ACTS["task_done"], action) in book.templates
        assert (ACTS["confirm"], action) in book.templates


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_slot_that_may_be_missing_is_asked_for_by_name(language: str) -> None:
    general = say(language, act("request")).text
    for intent in (intent for pack in PACKS for intent in pack.intents.values()):
        for use in intent.slots.values():
            if use.required is not Required.NEVER:
                assert say(language, act("request", intent=intent.name, slot=use.name)).text != general


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_name_in_a_template_is_one_that_somebody_tells(language: str) -> None:
    book = load_books(PACKS)[0][language]
    told = {*EXAMPLES, "choices", "answer", "text", "reply", "last_reply"}
    for templates in book.templates.values():
        for template in templates:
            assert {match[1] for match in PLACEHOLDER.finditer(template.say)} <= told


@pytest.mark.parametrize(
    ("action", "values", "english", "chinese"),
    [
        ("home.turn_on", {"device": "light", "area": "kitchen"}, "The kitchen light is on.", "厨房的灯打开了。"),
        ("home.turn_off", {"device": "tv", "area": "living_room"}, "The living room TV is off.", "客厅的电视关闭了。"),
        ("home.turn_on", {"device": "light", "area": "everywhere", "count": "9"}, "All the lights are on.",
         "所有的灯都打开了。"),
        ("home.set_brightness", {"device": "light", "area": "bedroom", "brightness": "40"},
         "The bedroom light is at 40%.", "卧室的灯亮度调到了 40%。"),
        ("home.set_color", {"device": "light", "area": "bedroom", "color": "warm_white"},
         "The bedroom light is warm white now.", "卧室的灯调成了暖白色。"),
        ("home.set_temperature", {"temperature": "20.5", "area": "office"}, "The office is set to 20.5 degrees.",
         "办公室的温度已设为 20.5 度。"),
        ("home.get_temperature", {"temperature": "1", "area": "garage"}, "It is 1 degree in the garage.",
         "车库现在是 1 度。"),
        ("home.open_cover", {"cover": "garage_door", "area": "garage"}, "The garage door is open.", "车库门打开了。"),
        ("home.close_cover", {"cover": "blinds", "area": "bedroom"}, "The bedroom blinds are closed.",
         "卧室的百叶窗关上了。"),
        ("home.lock", {"door": "front_door"}, "The front door is locked.", "前门锁好了。"),
        ("clock.time", {"time": "2026-11-22T17:05+01:00"}, "It is 5:05 PM.", "现在是下午 5 点 05 分。"),
        ("reminders.set_timer", {"duration": "600"}, "Your timer is set for 10 minutes.",
         "10 分钟的计时器已经开始。"),
        ("reminders.set_timer", {"duration": "3660"}, "Your timer is set for 1 hour and 1 minute.",
         "1 小时 1 分钟的计时器已经开始。"),
        ("reminders.set_reminder", {"subject": "call mum", "due_at": "2026-11-22T18:00:00+01:00"},
         "I will remind you at 6:00 PM: call mum.", "好的，我会在晚上 6 点提醒您：call mum。"),
        ("reminders.set_reminder", {"subject": "call mum", "due_at": "2026-11-23T09:00:00+01:00"},
         "I will remind you tomorrow at 9:00 AM: call mum.", "好的，我会在明天上午 9 点提醒您：call mum。"),
        ("reminders.set_reminder", {"subject": "call mum", "due_at": "2026-12-24T09:00:00+01:00"},
         "I will remind you on 24 December at 9:00 AM: call mum.",
         "好的，我会在12 月 24 日上午 9 点提醒您：call mum。"),
        ("tickets.refund", {"order_id": "A-77", "ticket_id": "T1001"},
         "Your refund for order A-77 is requested. Your ticket is T1001.",
         "订单 A-77 的退款已经申请，工单号是 T1001。"),
        ("tickets.status", {"ticket_id": "T1001", "status": "open", "kind": "complaint"},
         "Ticket T1001 is open. It is about a complaint.", "工单 T1001 待处理，内容是投诉。"),
        ("tickets.status", {"ticket_id": "T1001", "status": "teleported"},
         "I found your ticket, but it does not say how it stands.", "找到了您的工单，但上面没有写明进展。"),
    ],
)  # fmt: skip
def test_what_was_done_is_told_with_its_values(action: str, values: dict[str, str], english: str, chinese: str) -> None:
    assert done("en", action, values) == english
    assert done("zh-CN", action, values) == chinese


@pytest.mark.parametrize(
    ("action", "error_class", "values", "english"),
    [
        ("home.turn_on", "no_such_device", {"device": "fan", "area": "garden"},
         "Sorry, there is no fan in the garden."),
        ("home.close_cover", "no_such_device", {"cover": "curtains", "area": "garage"},
         "Sorry, there are no curtains in the garage."),
        ("home.set_brightness", "invalid_value", {"argument": "brightness", "low": "0", "high": "100"},
         "Sorry, the brightness has to be between 0 and 100."),
        ("tickets.status", "no_such_ticket", {"ticket_id": "T9"}, "Sorry, I can't find a ticket T9 of yours."),
        ("reminders.cancel_timer", "no_timer", {}, "There is no timer to cancel."),
        ("home.turn_on", "something_new", {}, "Sorry, that didn't work. Nothing was changed."),
    ],
)  # fmt: skip
def test_what_went_wrong_is_told_by_its_class(
    action: str, error_class: str, values: dict[str, str], english: str
) -> None:
    assert failed("en", action, error_class, values) == english


def test_a_denial_says_why() -> None:
    told = result("home.unlock", {"door": "front_door"}, "task_denied", "permission_denied")

    reply = say("en", act("task_denied", task_id="t1"), results=(told,))

    assert reply.text == "Sorry, only people who live here may unlock the front door."


def test_what_came_due_is_told() -> None:
    timer = result("reminders.set_timer", {"duration": "600"}, "notify")
    reminder = result("reminders.set_reminder", {"subject": "call mum"}, "notify")

    assert say("en", act("notify", task_id="t1"), results=(timer,)).text == "Your timer for 10 minutes is done."
    assert say("en", act("notify", task_id="t1"), results=(reminder,)).text == "Reminder: call mum."
    assert say("zh", act("notify", task_id="t1"), results=(reminder,)).text == "提醒您：call mum。"


def test_questions_and_choices_use_the_languages_names() -> None:
    asked = act("request", intent="turn_on", slot="area", values={"device": "fan"}, choices=["bedroom", "office"])
    sure = act("confirm", intent="unlock_door", values={"door": "front_door"})
    meant = act("clarify", choices=["turn_on", "set_timer"])

    assert say("en", asked).text == "Which fan shall I turn on: bedroom or office?"
    assert say("zh", asked).text == "要打开哪里的风扇：卧室还是办公室？"
    assert say("en", sure).text == "Shall I really unlock the front door?"
    assert say("zh", sure).text == "确定要打开前门的锁吗？"
    assert say("en", meant).text == "Would you like to turn something on or set a timer?"


def test_a_long_list_of_choices_is_not_read_out() -> None:
    areas = ["living_room", "kitchen", "bedroom", "bathroom", "office"]

    asked = act("request", intent="turn_on", slot="area", values={"device": "light"}, choices=areas)

    assert say("en", asked).text == "In which room?"


def test_a_cancelled_request_says_what_becomes_of_it() -> None:
    under_way = act("cancelled", values={"reason": "asked", "in_progress": "true"})
    given_up = act("cancelled", values={"reason": "no_answer"})

    denied = act("cancelled", intent="cancel_order", values={"reason": "denied"})

    assert len({say("en", each).text for each in (denied, under_way, given_up)}) == 3
    assert "cancel" not in say("en", denied).text  # or the order would seem to be cancelled


def test_an_outcome_of_hearing_is_explained_under_either_name() -> None:
    short = say("en", act("not_heard", values={"outcome": "silence"})).text
    full = say("en", act("not_heard", values={"outcome": "TRANSCRIPT_OUTCOME_SILENCE"})).text

    assert short == full == "I heard nothing. Please check your microphone and try again."


def test_the_last_reply_is_repeated_word_for_word() -> None:
    last = "{order} T1001_x: 5.. None"

    assert say("en", act("repeat", values={"text": last})).text == last


def test_words_of_a_user_are_never_taken_for_a_template() -> None:
    values = {"subject": "{order_id} {due_at}", "duration": "60", "order_id": "SECRET"}

    assert done("en", "reminders.set_reminder", values) == "I will remind you in 1 minute: {order_id} {due_at}."


def test_several_acts_are_one_reply_and_nothing_is_said_twice() -> None:
    results = (
        result("home.turn_on", {"device": "light", "area": "kitchen"}, task_id="a"),
        result("home.turn_on", {"device": "fan", "area": "office"}, task_id="b"),
        result("home.turn_on", {"device": "fan", "area": "office"}, task_id="c"),
    )
    acts = [act("task_done", task_id=task_id) for task_id in "abc"]

    assert say("en", *acts, results=results).text == "The kitchen light is on. The office fan is on."
    assert say("zh", *acts, results=results).text == "厨房的灯打开了。办公室的风扇打开了。"


@pytest.mark.parametrize(
    ("locale", "language"),
    [("en-GB", "en"), ("zh", "zh"), ("zh-TW", "zh"), ("ZH-CN", "zh"), ("yue", "zh"), ("de-DE", "en"), ("", "en")],
)
def test_the_locale_decides_the_language_and_others_get_english(locale: str, language: str) -> None:
    assert say(locale, act("greet")).language == language


def test_the_same_request_always_has_the_same_reply() -> None:
    request = generation_pb2.GenerateRequest(
        acts=[act("answer")],
        locale="en",
        evidence=knowledge_pb2.Evidence(found=True, passages=[knowledge_pb2.Passage(text="It is so.")]),
    )

    assert TemplateBackend(PACKS).generate(request) == BACKEND.generate(request)
    assert TemplateBackend(PACKS).version == BACKEND.version
    assert re.fullmatch(r"template-[0-9a-f]{8}", BACKEND.version)


def test_the_backend_tells_what_it_can_do() -> None:
    assert BACKEND.capabilities.languages == LANGUAGES
    assert not BACKEND.capabilities.free_wording
