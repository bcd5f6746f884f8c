"""Days: "next friday", "the third of may", "may 3rd 2027", "in two weeks", "下周三", "五月三号", "三天后"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta

from services.nlu.values.mention import Mention
from services.nlu.values.numbers import CHINESE, ENGLISH, chinese, english

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
           "november", "december")  # fmt: skip
_ONES = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
_TEENS = ("tenth", "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth",
          "eighteenth", "nineteenth", "twentieth")  # fmt: skip
_ORDINALS = {
    word: number
    for number, word in enumerate(
        (*_ONES, *_TEENS, *(f"twenty {word}" for word in _ONES), "thirtieth", "thirty first"), 1
    )
}
_SHORT = {name[:3]: number for number, name in enumerate(_MONTHS, 1)} | {"sept": 9}
_month = "|".join((*_MONTHS, *(rf"{short}\b\.?" for short in sorted(_SHORT, key=len, reverse=True) if short != "may")))
_ordinal = rf"(?:{'|'.join(sorted(_ORDINALS, key=len, reverse=True))})\b|(?:[12]?\d|3[01])(?:st|nd|rd|th)"
_ISO = r"(?<![\d-])(?P<iso>\d{4}-\d{2}-\d{2})(?![\d-])"
_PATTERN = {
    "en": re.compile(
        rf"{_ISO}"
        r"|\b(?P<near>the day after tomorrow|the day before yesterday|today|tonight|tomorrow|yesterday)\b"
        rf"|\b(?:on )?(?:(?P<which>next|this|coming|last) )?(?P<weekday>{'|'.join(_WEEKDAYS)})\b"
        rf"|\b(?:the )?(?P<day>{_ordinal})(?: of)? (?P<month>{_month})(?:,? (?P<year>(?:19|20)\d\d)\b)?"
        rf"|\b(?P<month2>{_month}) (?:the )?(?P<day2>{_ordinal}|[12]?\d(?!\d)|3[01])(?![:%°\w])"
        r"(?:,? (?P<year2>(?:19|20)\d\d)\b)?"
        rf"|\bin (?P<count>{ENGLISH}|a) (?P<unit>days?|weeks?)\b"
        rf"|\b(?P<ago>{ENGLISH}|a) (?P<ago_unit>days?|weeks?) ago\b"
    ),
    "zh": re.compile(
        rf"{_ISO}"
        r"|(?P<near>大后天|后天|明天|今天|昨天|前天)"
        r"|(?P<which>下个?|上个?|这个?|本)?(?:周|星期|礼拜)(?P<weekday>[一二三四五六日天])(?![个周])"
        rf"|(?:(?P<year>\d{{4}})年|(?P<next_year>明年)|今年)?(?P<month>{CHINESE})月(?P<day>{CHINESE})[号日]?"
        rf"|(?P<count>{CHINESE})(?P<unit>天|周|个星期|个礼拜)(?P<way>后|以后|之后|前|以前|之前)"
    ),
}
_NEAR = {"the day after tomorrow": 2, "the day before yesterday": -2, "today": 0, "tonight": 0, "tomorrow": 1,
         "yesterday": -1, "大后天": 3, "后天": 2, "明天": 1, "今天": 0, "昨天": -1, "前天": -2}  # fmt: skip
_LONGEST = 3660  # days that "in ... days" may reach


def dates(text: str, language: str, now: datetime) -> Iterator[Mention]:
    """Local days, ISO 8601; without a year the next one. Days that no calendar has (31 February) are no dates."""
    for match in _PATTERN[language].finditer(text):
        day = _day(match.groupdict(), language, now.date())
        if day is not None:
            yield Mention(match.start(), match.end(), day.isoformat())


def _day(group: Mapping[str, str | None], language: str, today: date) -> date | None:
    if iso := group["iso"]:
        return _of(int(iso[:4]), int(iso[5:7]), int(iso[8:]))
    if near := group["near"]:
        return today + timedelta(days=_NEAR[near])
    if weekday := group["weekday"]:
        number = _WEEKDAYS.index(weekday) if language == "en" else min("一二三四五六日天".index(weekday), 6)
        return _weekday(number, (group["which"] or "")[:4], today)
    count = group["count"] or group.get("ago")
    if count:
        read = english if language == "en" else chinese
        days = (1 if count == "a" else read(count)) * (
            1 if (group["unit"] or group.get("ago_unit") or "")[0] in "d天" else 7
        )
        back = bool(group.get("ago")) or "前" in (group.get("way") or "")
        return today + timedelta(days=-days if back else days) if days <= _LONGEST else None
    month, day = group["month"] or group.get("month2") or "", group["day"] or group.get("day2") or ""
    if language == "zh":
        numbers = int(chinese(month)), int(chinese(day))
        year = int(group["year"]) if group["year"] else today.year + 1 if group["next_year"] else 0
    else:
        numbers = _SHORT["sept" if month.startswith("sept") else month[:3]], _number(day)
        year = int(group["year"] or group["year2"] or 0)
    if year:
        return _of(year, *numbers)
    this_year = _of(today.year, *numbers)
    return this_year if this_year is not None and this_year >= today else _of(today.year + 1, *numbers)


def _weekday(number: int, which: str, today: date) -> date:
    """ "Friday" is the next one, today included; "next friday" is that of the week after this one."""
    ahead = (number - today.weekday()) % 7
    monday = today - timedelta(days=today.weekday())
    if which in ("next", "下", "下个"):
        return monday + timedelta(days=7 + number)
    if which in ("last", "上", "上个"):
        return (
            today - timedelta(days=(today.weekday() - number) % 7 or 7)
            if which == "last"
            else monday + timedelta(days=number - 7)
        )
    return monday + timedelta(days=number) if which in ("这", "这个", "本") else today + timedelta(days=ahead)


def _number(words: str) -> int:
    return _ORDINALS.get(words) or int(re.sub(r"\D", "", words))


def _of(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
