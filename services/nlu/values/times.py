"""Moments: "at 7 pm", "tomorrow at 8", "half past six", "明天早上八点".

A spoken time is a run of pieces (a day, a part of the day, the clock) in any order; each is found by itself and
neighbours are put together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

from services.nlu.values.calendar import SpokenTime, resolve
from services.nlu.values.mention import Mention
from services.nlu.values.numbers import ENGLISH_WORDS, chinese

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAYS = {"today": 0, "tonight": 0, "tomorrow": 1, "the day after tomorrow": 2}
_HOUR = r"(?:twelve|eleven|ten|one|two|three|four|five|six|seven|eight|nine|2[0-4]|1\d|0?\d)"
_MINUTE = (
    r"(?:oh (?:one|two|three|four|five|six|seven|eight|nine)|(?:twenty|thirty|forty|fifty)(?: five)?|"
    r"fifteen|ten|[0-5]\d)"
)
_NO_UNIT = r"(?! ?(?:minute|hour|second|day|week|percent|degree|%|°|\d|:))"
_ENGLISH_PIECE = re.compile(
    r"(?<![\w.:])(?:"
    r"(?P<day>the day after tomorrow|today|tonight|tomorrow"
    rf"|(?:this |(?P<next>next ))?(?P<weekday>{'|'.join(_WEEKDAYS)})s?)"
    r"|(?:in the |this )?(?P<part>morning|afternoon|evening)|(?:at )?(?P<night>night)"
    rf"|(?P<to>half|(?:a )?quarter|{_MINUTE}|five)(?: minutes?)? (?P<way>past|to|after|before) (?P<base>{_HOUR})"
    rf"|(?P<hour>{_HOUR})(?:(?:[:.]| ?)(?P<minute>{_MINUTE}))? ?(?P<half>[ap]\.? ?m)\b"
    r"|(?P<hour24>[01]?\d|2[0-3])[:.](?P<minute24>[0-5]\d)"
    rf"|(?P<full>{_HOUR}) ?o ?clock|(?P<spoken>{_HOUR}) (?P<minutes>{_MINUTE}){_NO_UNIT}"
    rf"|(?P<named>noon|midday|midnight)|(?:(?<=at )|(?<=by )|(?<=around ))(?P<bare>{_HOUR}){_NO_UNIT}"
    rf"|(?P<led>{_HOUR})(?= in the (?:morning|afternoon|evening)| tonight| tomorrow)"
    r")(?!\w)"
)
_ENGLISH_GAP = re.compile(r" (?:at |by |on |around )?")

_CHINESE_DAYS = {"今": 0, "明": 1, "后": 2, "大后": 3}
_CHINESE_PARTS = {"凌晨": "am", "清晨": "morning", "早上": "morning", "早晨": "morning", "上午": "morning",
                  "早": "morning", "中午": "noon", "下午": "afternoon", "傍晚": "evening", "晚上": "night",
                  "夜里": "night", "晚": "night"}  # fmt: skip
_CHINESE_DIGITS = "[零〇一二两三四五六七八九十\\d]{1,3}"
_CHINESE_PIECE = re.compile(
    r"(?P<day>大后|今|明|后)(?:天|(?=[早晚]))"
    r"|(?P<next>下个?)?(?:这个?|本)?(?:周|星期|礼拜)(?P<weekday>[一二三四五六日天])(?!个)"
    rf"|(?P<part>{'|'.join(sorted(_CHINESE_PARTS, key=len, reverse=True))})"
    rf"|(?P<hour>{_CHINESE_DIGITS})(?:点|时(?![间候]))钟?"
    rf"(?:整|(?P<half>半)|(?P<quarter>[一三13])刻钟?|(?P<minute>{_CHINESE_DIGITS})(?![个天周小点])分?)?"
    r"|(?<!\d)(?P<hour24>[01]?\d|2[0-3])[:.](?P<minute24>[0-5]\d)(?!\d)"
)
_CHINESE_GAP = re.compile(r"的?")


def times(text: str, language: str, now: datetime) -> Iterator[Mention]:
    """ISO 8601 local, to the minute; what has no date is the next time the clock shows it after `now`."""
    if language == "zh":
        runs = _runs(text, _CHINESE_PIECE, _CHINESE_GAP, _chinese)
    else:
        runs = _runs(text, _ENGLISH_PIECE, _ENGLISH_GAP, _english)
    for start, end, spoken in runs:
        value = resolve(spoken, now)
        if value is not None:
            yield Mention(start, end, value)


def _runs(
    text: str,
    pattern: re.Pattern[str],
    gap: re.Pattern[str],
    add: Callable[[SpokenTime, re.Match[str]], SpokenTime],
) -> Iterator[tuple[int, int, SpokenTime]]:
    start, end, spoken = -1, -1, SpokenTime()
    for match in pattern.finditer(text):
        joined = start >= 0 and gap.fullmatch(text[end : match.start()])
        if start >= 0 and not joined:
            yield start, end, spoken
        if not joined:
            start, spoken = match.start(), SpokenTime()
        spoken, end = add(spoken, match), match.end()
    if start >= 0:
        yield start, end, spoken


def _english(spoken: SpokenTime, match: re.Match[str]) -> SpokenTime:
    group = match.groupdict()
    if group["weekday"]:
        return replace(spoken, weekday=_WEEKDAYS.index(group["weekday"]), next_week=bool(group["next"]))
    if group["day"]:
        part = "night" if group["day"] == "tonight" else spoken.part
        return replace(spoken, days=_DAYS[group["day"]], part=part)
    if group["part"] or group["night"]:
        return replace(spoken, part=group["part"] or "night")
    if group["named"]:
        return replace(spoken, hour=24 if group["named"] == "midnight" else 12, part="noon")
    if group["to"]:
        minutes = {"half": 30, "quarter": 15, "a quarter": 15}.get(group["to"]) or _number(group["to"])
        hour = _number(group["base"])
        if group["way"] in ("to", "before"):
            hour, minutes = (hour - 1) or 12, 60 - minutes
        return replace(spoken, hour=hour, minute=minutes)
    if group["hour24"]:
        # "07:30" and "19:30" are the clock's own reading, "7:30" may be either half of the day.
        sure = "am" if group["hour24"].startswith("0") else spoken.part
        return replace(spoken, hour=int(group["hour24"]), minute=int(group["minute24"]), part=sure)
    hour = _number(group["hour"] or group["full"] or group["spoken"] or group["bare"] or group["led"])
    minute = _number(group["minute"] or group["minutes"] or "0")
    part = f"{group['half'][0]}m" if group["half"] else spoken.part
    return replace(spoken, hour=hour, minute=minute, part=part)


def _chinese(spoken: SpokenTime, match: re.Match[str]) -> SpokenTime:
    group = match.groupdict()
    if group["weekday"]:
        weekday = 6 if group["weekday"] in "日天" else "一二三四五六".index(group["weekday"])
        return replace(spoken, weekday=weekday, next_week=bool(group["next"]))
    if group["day"]:
        return replace(spoken, days=_CHINESE_DAYS[group["day"]])
    if group["part"]:
        return replace(spoken, part=_CHINESE_PARTS[group["part"]])
    if group["hour24"]:
        sure = "am" if group["hour24"].startswith("0") else spoken.part
        return replace(spoken, hour=int(group["hour24"]), minute=int(group["minute24"]), part=sure)
    minute = 30 if group["half"] else 0
    if group["quarter"]:
        minute = 15 if group["quarter"] in "一1" else 45
    elif group["minute"]:
        minute = int(chinese(group["minute"]))
    return replace(spoken, hour=int(chinese(group["hour"])), minute=minute)


def _number(words: str) -> int:
    """The whole number in digits or words: "7", "seven", "oh five", "forty five"."""
    return int(words) if words.isdigit() else sum(ENGLISH_WORDS.get(word, 0) for word in words.split())
