"""Values of the open kinds: what people say, and its normal form."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.nlu.language import detect
from services.nlu.normalisation import normalise
from services.nlu.values import find, find_bare

pytestmark = pytest.mark.unit

SUNDAY_HALF_PAST_FIVE = datetime(2026, 11, 22, 17, 30)


def values(kind: str, language: str, said: str) -> list[str]:
    return [mention.value for mention in find(kind, normalise(said).text, language, SUNDAY_HALF_PAST_FIVE)]


@pytest.mark.parametrize(
    ("kind", "language", "said", "value"),
    [
        ("percentage", "en", "fifty percent", "50"),
        ("percentage", "en", "50%", "50"),
        ("percentage", "en", "7.5 per cent", "7.5"),
        ("percentage", "en", "one hundred percent", "100"),
        ("percentage", "en", "the maximum", "100"),
        ("percentage", "zh", "百分之五十", "50"),
        ("percentage", "zh", "５０％", "50"),
        ("percentage", "zh", "最亮", "100"),
        ("temperature", "en", "twenty one degrees", "21"),
        ("temperature", "en", "21.5°C", "21.5"),
        ("temperature", "en", "22C", "22"),
        ("temperature", "en", "twenty one point five degrees", "21.5"),
        ("temperature", "en", "72 degrees fahrenheit", "22.2"),
        ("temperature", "zh", "二十二度半", "22.5"),
        ("temperature", "zh", "26.5度", "26.5"),
        ("temperature", "zh", "22℃", "22"),
        ("temperature", "zh", "华氏七十二度", "22.2"),
        ("duration", "en", "ten minutes", "600"),
        ("duration", "en", "half an hour", "1800"),
        ("duration", "en", "an hour and a half", "5400"),
        ("duration", "en", "two and a half hours", "9000"),
        ("duration", "en", "1 hour 20 minutes", "4800"),
        ("duration", "en", "a 10-minute nap", "600"),
        ("duration", "en", "90 secs", "90"),
        ("duration", "en", "a quarter of an hour", "900"),
        ("duration", "zh", "5分钟", "300"),
        ("duration", "zh", "半个小时", "1800"),
        ("duration", "zh", "一个半小时", "5400"),
        ("duration", "zh", "两小时三十分钟", "9000"),
        ("duration", "zh", "一刻钟", "900"),
        ("time", "en", "at 7 pm", "2026-11-22T19:00"),
        ("time", "en", "7 a.m.", "2026-11-23T07:00"),
        ("time", "en", "tomorrow at 8", "2026-11-23T08:00"),
        ("time", "en", "tomorrow at 3", "2026-11-23T15:00"),
        ("time", "en", "at 8", "2026-11-22T20:00"),
        ("time", "en", "half past seven", "2026-11-22T19:30"),
        ("time", "en", "quarter to nine", "2026-11-22T20:45"),
        ("time", "en", "seven thirty", "2026-11-22T19:30"),
        ("time", "en", "19:05", "2026-11-22T19:05"),
        ("time", "en", "at noon", "2026-11-23T12:00"),
        ("time", "en", "this evening", "2026-11-22T19:00"),
        ("time", "en", "friday at 9 am", "2026-11-27T09:00"),
        ("time", "en", "8 o'clock tomorrow", "2026-11-23T08:00"),
        ("time", "en", "at three in the afternoon", "2026-11-23T15:00"),
        ("time", "zh", "明天早上八点", "2026-11-23T08:00"),
        ("time", "zh", "下午三点半", "2026-11-23T15:30"),
        ("time", "zh", "今晚九点", "2026-11-22T21:00"),
        ("time", "zh", "周五上午十点", "2026-11-27T10:00"),
        ("time", "zh", "下周一下午两点", "2026-11-23T14:00"),
        ("time", "zh", "八点十五分", "2026-11-22T20:15"),
        ("time", "zh", "20:30", "2026-11-22T20:30"),
        ("code", "en", "A1234", "A1234"),
        ("code", "en", "order number 4711", "4711"),
        ("code", "en", "a one two three four", "A1234"),
        ("code", "en", "forty seven eleven", "4711"),
        ("code", "en", "four seven double one", "4711"),
        ("code", "en", "ticket #t-1001", "T-1001"),
        ("code", "en", "order a 1 2 3 4 please", "A1234"),
        ("code", "zh", "订单A1234", "A1234"),
        ("code", "zh", "订单号是 4 7 1 1", "4711"),
        ("code", "zh", "四七一一", "4711"),
    ],
)
def test_what_is_said_has_one_normal_form(kind: str, language: str, said: str, value: str) -> None:
    assert values(kind, language, said) == [value]


@pytest.mark.parametrize(
    ("kind", "language", "said"),
    [
        ("percentage", "en", "150 percent"),
        ("duration", "zh", "八点十五分"),  # a time
        ("time", "en", "at 20 percent"),
        ("time", "en", "in two hours"),
        ("time", "en", "eight"),
        ("code", "en", "12"),
        ("code", "en", "set it to 50%"),
        ("code", "zh", "二十三"),
    ],
)
def test_what_only_looks_like_a_value_is_none(kind: str, language: str, said: str) -> None:
    assert values(kind, language, said) == []


def test_a_number_without_a_unit_may_be_any_quantity_but_not_every_number() -> None:
    assert [mention.value for mention in find_bare("temperature", "set it to twenty one", "en")] == ["21"]
    assert [mention.value for mention in find_bare("percentage", "调到五十", "zh")] == ["50"]
    assert find_bare("percentage", "4711", "en") == []
    assert find_bare("duration", "ten", "en") == []


_PIECES = st.sampled_from(
    (
        *[
            "a",
            "an",
            "one",
            "twenty",
            "hundred",
            "point",
            "oh",
            "half",
            "past",
            "quarter",
            "to",
            "at",
            "tomorrow",
            "monday",
            "noon",
            "pm",
            "p.m.",
            "percent",
            "degrees",
        ],
        *[
            "minutes",
            "hours",
            "double",
            "and",
            "c",
            "f",
            "7",
            "7:30",
            "1",
            "0",
            "a-1",
            "#t-100",
            "٣",
            "½",
            "²",
            "é",
            "İ",
            "ß",
            "%",
            "°",
            "'",
            ".",
            ":",
            "-",
            "/",
        ],
        *[
            "点",
            "三",
            "十",
            "百",
            "半",
            "刻",
            "分",
            "小时",
            "个",
            "明天",
            "下午",
            "周",
            "一",
            "零",
            "两",
            "度",
            "百分之",
            "华氏",
            "天",
            "五",
        ],
    )
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.one_of(_PIECES, st.text(max_size=3)), max_size=12), st.sampled_from(["", " "]))
def test_whatever_is_said_every_value_stands_in_the_original_text(pieces: list[str], separator: str) -> None:
    said = separator.join(pieces)
    text = normalise(said)
    detect(said)

    for language in ("en", "zh"):
        for kind in ("percentage", "temperature", "duration", "time", "code", "number", "text", "list"):
            for mention in find(kind, text.text, language, SUNDAY_HALF_PAST_FIVE):
                start, end = text.span(mention.start, mention.end)
                assert mention.value
                assert text.text[mention.start : mention.end] in normalise(said[start:end]).text


def test_a_value_ends_with_its_last_word_and_not_with_the_space_behind_it() -> None:
    (mention,) = find("temperature", normalise("7 ° #t-100").text, "en", SUNDAY_HALF_PAST_FIVE)

    assert (mention.start, mention.end, mention.value) == (0, 3, "7")


@pytest.mark.parametrize(
    "said", ["1-" * 4000, "一" * 8000, "a " * 4000, "twenty five minutes and " * 300, "at 8 " * 1500]
)
def test_the_longest_text_is_read_too(said: str) -> None:
    text = normalise(said).text

    for kind in ("percentage", "temperature", "duration", "time", "code", "number"):
        find(kind, text, detect(said), SUNDAY_HALF_PAST_FIVE)
