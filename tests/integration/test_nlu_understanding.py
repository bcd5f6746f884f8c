"""What the trained engine understands."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from parley.v1 import nlu_pb2
from services.nlu.corpus import Example, SlotSpan
from services.nlu.corpus.mishearing import Mishearing
from services.nlu.lexicon import Lexicon
from services.nlu.normalisation import normalise
from services.nlu.training.train import corpus
from shared.packs import bundled_packs
from tests.nlu_model import TRAINING_TIMEOUT, named, understand

pytestmark = [pytest.mark.integration, pytest.mark.timeout(TRAINING_TIMEOUT)]

WORDINGS: dict[str, list[Any]] = yaml.safe_load(
    (Path(__file__).parent / "nlu_wordings.yaml").read_text(encoding="utf-8")
)


def missed(wordings: list[dict[str, Any]], understood: list[nlu_pb2.Understanding]) -> list[str]:
    """Sentences whose frame (intent and wanted slot values) is not what was wanted."""
    return [
        f"{wording['text']} -> {one.intent} {named(one)}{' (out of scope)' if one.out_of_scope else ''}"
        for wording, one in zip(wordings, understood, strict=True)
        if one.out_of_scope or one.intent != wording["intent"] or not wording["slots"].items() <= named(one).items()
    ]


def misheard(wording: dict[str, Any], language: str, mishearing: Mishearing, lexicon: Lexicon) -> str:
    """The wording with a fifth of its words misheard, but for what names the values wanted."""
    text = normalise(wording["text"]).text
    closed = [name for pack in bundled_packs() for name, entity in pack.entities.items() if entity.kind == "list"]
    mentions = lexicon.mentions(closed, text, language)
    named = tuple(SlotSpan(entity, mention.start, mention.end) for entity, mention in mentions)
    return mishearing.of(Example(text, language, "", named, ""), 0.2, random.Random(text)).text


@pytest.mark.parametrize(("language", "least"), [("en", 0.85), ("zh", 0.85)])
def test_wordings_that_no_template_has_are_understood(language: str, least: float) -> None:
    wordings = WORDINGS[language]

    understood = understand(*(wording["text"] for wording in wordings))

    wrong = missed(wordings, understood)
    assert 1 - len(wrong) / len(wordings) >= least, "\n".join(wrong)
    assert {one.language for one in understood} == {language}
    assert sum(one.decided_by == "model" for one in understood) >= 0.7 * len(wordings)


@pytest.mark.parametrize(("language", "least"), [("en", 0.75), ("zh", 0.75)])
def test_wordings_are_understood_when_they_are_heard_wrongly(language: str, least: float) -> None:
    wordings = WORDINGS[language]
    packs = bundled_packs()
    mishearing = Mishearing(language, [example.text for example in corpus(packs, language)])
    lexicon = Lexicon(packs)

    heard = [misheard(wording, language, mishearing, lexicon) for wording in wordings]
    wrong = missed(wordings, understand(*heard))

    assert sum(text != normalise(wording["text"]).text for text, wording in zip(heard, wordings, strict=True)) >= 100
    assert 1 - len(wrong) / len(wordings) >= least, "\n".join(wrong)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_wordings_are_many_and_none_is_among_the_training_sentences(language: str) -> None:
    texts = {normalise(wording["text"]).text for wording in WORDINGS[language]}

    assert len(texts) == len(WORDINGS[language]) >= 200
    assert not texts & {example.text for example in corpus(bundled_packs(), language)}


def test_what_no_pack_serves_is_out_of_scope() -> None:
    texts = WORDINGS["out_of_scope"]

    taken = [
        f"{text} -> {one.intent}" for text, one in zip(texts, understand(*texts), strict=True) if not one.out_of_scope
    ]

    assert 1 - len(taken) / len(texts) >= 0.7, "\n".join(taken)


@pytest.mark.parametrize(
    ("text", "intent", "slots"),
    [
        ("turn off standing light", "turn_off", {"device": "standing_light"}),
        ("turn on basement light", "turn_on", {"area": "basement", "device": "light"}),
        ("turn off basement light", "turn_off", {"area": "basement", "device": "light"}),
        ("turn on lights in the office", "turn_on", {"area": "office", "device": "light"}),
        ("Turn on the kitchen light.", "turn_on", {"area": "kitchen", "device": "light"}),
        ("set kitchen lights to red", "set_color", {"area": "kitchen", "device": "light", "color": "red"}),
        ("set the kitchen lights to blue", "set_color", {"area": "kitchen", "device": "light", "color": "blue"}),
        ("cancel timer", "cancel_timer", {}),
        ("pause timer", "pause_timer", {}),
        ("resume timer", "resume_timer", {}),
        ("what time is it", "get_time", {}),
        ("nevermind", "cancel", {}),
        ("turn it off", "turn_off", {}),
        ("open the garage door", "open_cover", {"cover": "garage_door"}),
        ("what is your return policy", "ask_question", {}),
        ("cancel order A1234", "cancel_order", {"order_id": "A1234"}),
        ("my parcel never arrived", "complain", {"subject": "my parcel never arrived"}),
        (
            "Remind me to call mom tomorrow at 8, please.",
            "set_reminder",
            {"subject": "call mom", "time": "2026-11-23T08:00"},
        ),
        ("set a timer for half an hour", "set_timer", {"duration": "1800"}),
        ("打开厨房的灯", "turn_on", {"area": "kitchen", "device": "light"}),
        ("把卧室的灯关掉。", "turn_off", {"area": "bedroom", "device": "light"}),
        ("把客厅的灯调到百分之五十", "set_brightness", {"area": "living_room", "brightness": "50"}),
        ("明天早上八点提醒我开会", "set_reminder", {"subject": "开会", "time": "2026-11-23T08:00"}),
        ("退货政策是什么", "ask_question", {}),
        ("取消订单A1234", "cancel_order", {"order_id": "A1234"}),
    ],
)
def test_plain_requests_are_understood_beyond_doubt(text: str, intent: str, slots: dict[str, str]) -> None:
    (understood,) = understand(text)

    assert (understood.intent, understood.decided_by, understood.out_of_scope) == (intent, "template", False)
    assert understood.confidence == 1.0
    assert slots.items() <= named(understood).items()
    assert understood.domain in {"smart_home", "customer_service", "conversation"}


def test_what_is_out_of_scope_has_a_nearest_intent_all_the_same() -> None:
    for understood in understand("who won the cup final", "What's the capital of Peru?", "珠穆朗玛峰有多高"):
        assert understood.out_of_scope
        assert understood.intent  # the nearest one


@pytest.mark.parametrize(
    "text",
    [
        "don't turn on the kitchen light",
        "do not unlock the front door",
        "please don't open the garage door",
        "is the front door locked",
        "did I turn off the bedroom light",
        "You mustn't switch the heating on.",
        "was somebody turning the kitchen light off",
        "不要打开车库门",
        "客厅的灯开着吗",
        "是谁把厨房的灯打开了",
    ],
)
def test_what_is_forbidden_or_asked_sets_nothing_off(text: str) -> None:
    (understood,) = understand(text)

    assert understood.out_of_scope or understood.intent in ("deny", "cancel", "get_state")


@pytest.mark.parametrize(
    ("answer", "locale", "slots"),
    [
        ("the kitchen", "", {"area": "kitchen"}),
        ("in the kitchen please", "", {"area": "kitchen"}),
        ("ten minutes", "", {"duration": "600"}),
        ("A1234", "", {"order_id": "A1234", "ticket_id": "A1234"}),
        ("my order number is A 1 2 3 4", "", {"order_id": "A1234"}),
        ("fifty percent", "", {"brightness": "50"}),
        ("20", "", {"brightness": "20", "temperature": "20"}),
        ("tomorrow at 8", "", {"time": "2026-11-23T08:00"}),
        ("the front door", "", {"door": "front_door"}),
        ("red", "", {"color": "red"}),
        ("厨房", "", {"area": "kitchen"}),
        ("红", "", {"color": "red"}),
        ("十分钟", "", {"duration": "600"}),
        ("4711", "zh-CN", {"order_id": "4711"}),
    ],
)
def test_an_answer_without_an_intent_still_tells_its_values(answer: str, locale: str, slots: dict[str, str]) -> None:
    (understood,) = understand(answer, locale=locale)

    assert slots.items() <= named(understood).items()


@pytest.mark.parametrize(
    ("text", "intent"),
    [("yes please", "affirm"), ("no thanks", "deny"), ("是的", "affirm"), ("不用了", "deny"), ("算了", "cancel")],
)
def test_yes_and_no_are_understood(text: str, intent: str) -> None:
    (understood,) = understand(text)

    assert (understood.intent, understood.out_of_scope) == (intent, False)


def test_a_misheard_name_is_still_found() -> None:
    (understood,) = understand("turn on the kitchin light")

    assert named(understood) == {"area": "kitchen", "device": "light"}
    assert [slot.text for slot in understood.slots] == ["kitchin", "light"]


def test_every_slot_stands_where_it_says_in_the_original_text() -> None:
    texts = [wording["text"] for language in ("en", "zh") for wording in WORDINGS[language]]
    texts += ["  Turn ON — the 'Kitchen' light!!", "把 客厅 的 灯，调到 ５０％"]

    for text, understood in zip(texts, understand(*texts), strict=True):
        for slot in understood.slots:
            assert text[slot.start : slot.end] == slot.text
            assert 0.0 < slot.confidence <= 1.0


def test_together_or_alone_a_text_means_the_same() -> None:
    texts = [wording["text"] for language in ("zh", "en") for wording in WORDINGS[language][:12]]

    together = understand(*texts)

    for text, one in zip(texts, together, strict=True):
        (alone,) = understand(text)
        assert (alone.intent, alone.out_of_scope, named(alone)) == (one.intent, one.out_of_scope, named(one))
        assert alone.confidence == pytest.approx(one.confidence, abs=1e-3)


@pytest.mark.parametrize("text", ["?!", "こんにちは", "   "])
def test_what_is_in_no_known_language_is_out_of_scope(text: str) -> None:
    (understood,) = understand(text)

    assert (understood.decided_by, understood.out_of_scope, understood.intent) == ("none", True, "")


@pytest.mark.parametrize("text", ["turn on the light " * 400, "打开厨房的灯" * 1300, "a-1 " * 2000])
def test_the_longest_text_is_answered(text: str) -> None:
    (understood,) = understand(text[:8000])

    assert understood.decided_by == "model"
    assert len(understood.slots) <= 64
