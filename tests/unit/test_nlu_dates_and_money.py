"""Days and sums of money: what people say, and its normal form."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.generation.spoken import SPEECH
from services.nlu.normalisation import normalise
from services.nlu.values import find

pytestmark = pytest.mark.unit

SUNDAY = datetime(2026, 11, 22, 17, 30)


def values(kind: str, language: str, said: str) -> list[str]:
    return [mention.value for mention in find(kind, normalise(said).text, language, SUNDAY)]


@pytest.mark.parametrize(
    ("language", "said", "day"),
    [
        ("en", "today", "2026-11-22"),
        ("en", "the day after tomorrow", "2026-11-24"),
        ("en", "on Friday", "2026-11-27"),
        ("en", "next friday", "2026-11-27"),
        ("en", "Sunday", "2026-11-22"),
        ("en", "last friday", "2026-11-20"),
        ("en", "the third of May", "2027-05-03"),
        ("en", "May 3rd", "2027-05-03"),
        ("en", "December 24", "2026-12-24"),
        ("en", "dec. 24th, 2028", "2028-12-24"),
        ("en", "the twenty first of september 2027", "2027-09-21"),
        ("en", "the 29th of february 2028", "2028-02-29"),
        ("en", "in three days", "2026-11-25"),
        ("en", "in a week", "2026-11-29"),
        ("en", "two weeks ago", "2026-11-08"),
        ("en", "2027-01-31", "2027-01-31"),
        ("zh", "今天", "2026-11-22"),
        ("zh", "大后天", "2026-11-25"),
        ("zh", "周三", "2026-11-25"),
        ("zh", "下周三", "2026-11-25"),
        ("zh", "这周日", "2026-11-22"),
        ("zh", "上周五", "2026-11-13"),
        ("zh", "五月三号", "2027-05-03"),
        ("zh", "12月24日", "2026-12-24"),
        ("zh", "2028年2月29日", "2028-02-29"),
        ("zh", "明年十月一号", "2027-10-01"),
        ("zh", "三天后", "2026-11-25"),
        ("zh", "两周以前", "2026-11-08"),
    ],
)
def test_days(language: str, said: str, day: str) -> None:
    assert values("date", language, said) == [day]


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "the 31st of february"),
        ("en", "february 29 2027"),
        ("en", "2026-13-01"),
        ("en", "in nine hundred thousand days"),
        ("en", "in 999999999 days"),
        ("en", "I may go"),
        ("en", "the second chair"),
        ("en", "march on"),
        ("zh", "二月三十号"),
        ("zh", "十三月一号"),
        ("zh", "三个周末"),
    ],
)
def test_what_no_calendar_has_is_no_day(language: str, said: str) -> None:
    assert values("date", language, said) == []


@pytest.mark.parametrize(
    ("language", "said", "money"),
    [
        ("en", "twenty five euros", "25.00 EUR"),
        ("en", "$3.50", "3.50 USD"),
        ("en", "€ 20", "20.00 EUR"),
        ("en", "20€", "20.00 EUR"),
        ("en", "£7", "7.00 GBP"),
        ("en", "five pounds twenty", "5.20 GBP"),
        ("en", "three dollars and fifty cents", "3.50 USD"),
        ("en", "a dollar", "1.00 USD"),
        ("en", "ninety nine cents", "0.99 USD"),
        ("en", "fifty pence", "0.50 GBP"),
        ("en", "two thousand dollars", "2000.00 USD"),
        ("en", "$1.5 million", "1500000.00 USD"),
        ("en", "a hundred bucks", "100.00 USD"),
        ("en", "forty swiss francs", "40.00 CHF"),
        ("en", "five euros for two coffees", "5.00 EUR"),
        ("zh", "三块五", "3.50 CNY"),
        ("zh", "三块五毛", "3.50 CNY"),
        ("zh", "两块半", "2.50 CNY"),
        ("zh", "二十五欧元", "25.00 EUR"),
        ("zh", "一百美元", "100.00 USD"),
        ("zh", "￥88", "88.00 CNY"),
        ("zh", "三万块钱", "30000.00 CNY"),
        ("zh", "十块", "10.00 CNY"),
    ],
)
def test_sums_of_money(language: str, said: str, money: str) -> None:
    assert values("money", language, said) == [money]


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "twenty five"), ("en", "the euro cup"), ("en", "$"), ("zh", "二十五"), ("zh", "一块儿")],
)
def test_a_number_alone_is_no_money(language: str, said: str) -> None:
    assert values("money", language, said) == []


@given(st.text(max_size=60), st.sampled_from(["en", "zh"]), st.sampled_from(["date", "money"]))
def test_whatever_is_typed_yields_values_in_normal_form_or_none(text: str, language: str, kind: str) -> None:
    for value in values(kind, language, text):
        if kind == "date":
            date.fromisoformat(value)
        else:
            amount, _, currency = value.partition(" ")
            assert float(amount) >= 0
            assert len(currency) == 3


def test_money_is_said_as_people_write_it() -> None:
    assert SPEECH["en"].money("25", "EUR") == "€25"
    assert SPEECH["en"].money("3.50", "CHF") == "3.50 CHF"
    assert SPEECH["zh"].money("3.50", "CNY") == "3.50 元"
