"""Text as the models see it, its language, and the names in it."""

from __future__ import annotations

import pytest

from services.nlu.language import detect
from services.nlu.lexicon import Lexicon
from services.nlu.normalisation import normalise
from shared.packs import bundled_packs

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("Turn on the kitchen light.", "turn on the kitchen light"),
        ("What's the TIME?!", "whats the time"),
        ("  at 7:30   p.m., please ", "at 7:30 p m please"),
        ("21.5°C", "21.5°c"),
        ("order #A-1234...", "order #a-1234"),
        ("wi-fi", "wi fi"),
        ("打开 厨房 的 灯。", "打开厨房的灯"),
        ("亮度５０％！", "亮度50%"),
        ("把 light 打开", "把light打开"),
        ("?!", ""),
        ("", ""),
    ],
)
def test_typed_and_heard_text_look_the_same(written: str, normal: str) -> None:
    assert normalise(written).text == normal


@pytest.mark.parametrize(
    "written", ["Turn ON, the kitchen—light!", "把 厨房 的灯，打开", "½ ﬁne ℃ İstanbul", "a\u0301b"]
)
def test_every_normal_character_knows_where_it_came_from(written: str) -> None:
    text = normalise(written)

    for index, character in enumerate(text.text):
        start, end = text.span(index, index + 1)
        assert end == start + 1
        assert character == " " or character in normalise(written[start:end]).text


@pytest.mark.parametrize(
    ("text", "locale", "language"),
    [
        ("turn on the light", "", "en"),
        ("打开厨房的灯", "", "zh"),
        ("播放 Taylor Swift 的歌", "", "zh"),
        ("turn on the 灯 in the kitchen please", "", "en"),
        ("4711", "", "en"),
        ("4711", "zh-CN", "zh"),
        ("A1234", "zh", "zh"),
        ("A1234", "", "en"),
        ("取消订单A1234", "", "zh"),
        ("こんにちは", "", "und"),
        ("включи свет", "ru", "und"),
        ("", "", "en"),
    ],
)
def test_the_script_tells_the_language(text: str, locale: str, language: str) -> None:
    assert detect(text, locale) == language


def test_of_overlapping_names_the_longest_counts() -> None:
    lexicon = Lexicon(bundled_packs())

    found = lexicon.mentions(["area", "device", "cover"], "open the garage door and the standing light", "en")

    assert [(entity, mention.value) for entity, mention in found] == [
        ("cover", "garage_door"),
        ("device", "standing_light"),
    ]


def test_chinese_names_stand_in_one_another_and_latin_names_stand_alone() -> None:
    lexicon = Lexicon(bundled_packs())

    assert [m.value for _, m in lexicon.mentions(["device"], "关掉落地灯", "zh")] == ["standing_light"]
    assert lexicon.mentions(["device"], "fantastic delightful plugin", "en") == []


def test_a_misheard_name_is_known_by_the_one_it_resembles() -> None:
    areas = Lexicon(bundled_packs()).names("area", "en")

    assert areas.closest("kitchin") == "kitchen"
    assert areas.closest("helicopter") is None
