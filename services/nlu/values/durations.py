"""How long something takes, in seconds."""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.nlu.values.mention import Mention
from services.nlu.values.numbers import CHINESE, ENGLISH, canonical, chinese, english

_ENGLISH_UNITS = {"second": 1, "sec": 1, "s": 1, "minute": 60, "min": 60, "m": 60, "hour": 3600, "hr": 3600, "h": 3600,
                  "day": 86400, "week": 604800}  # fmt: skip
_ENGLISH_SHARES = {"half": 0.5, "a half": 0.5, "half a": 0.5, "half an": 0.5, "quarter of an": 0.25,
                   "a quarter of an": 0.25, "three quarters of an": 0.75, "a couple of": 2, "couple of": 2,
                   "a": 1, "an": 1}  # fmt: skip
_shares = "|".join(sorted(_ENGLISH_SHARES, key=len, reverse=True))
_ENGLISH_PART = re.compile(
    rf"(?<![\w.:])(?P<amount>{ENGLISH}|{_shares})(?P<before> and a half)?[ -]?"
    r"(?P<unit>seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|(?<=\d)[smh])\b(?P<after> and a half)?"
)
_ENGLISH_JOIN = re.compile(r" (?:and )?")

_CHINESE_UNITS = {"秒": 1, "分": 60, "刻": 900, "小时": 3600, "钟头": 3600, "天": 86400, "周": 604800, "星期": 604800}
_CHINESE_PART = re.compile(
    rf"(?<![点:.\d零一二两三四五六七八九十百千周期拜第])(?P<amount>{CHINESE}|半)个?(?P<half>半)?"
    r"(?P<unit>秒|分|刻(?=钟)|小时|钟头|天|周|星期)钟?(?P<after>半)?"
)
_CHINESE_JOIN = re.compile(r"[零又和]?")


def durations(text: str, language: str) -> Iterator[Mention]:
    """ "ten minutes", "an hour and a half", "1 hour 20 minutes", "5分钟", "一个半小时"."""
    pattern, join = (_CHINESE_PART, _CHINESE_JOIN) if language == "zh" else (_ENGLISH_PART, _ENGLISH_JOIN)
    seconds_of = _chinese_seconds if language == "zh" else _english_seconds
    start = end = -1
    total = 0.0
    for match in pattern.finditer(text):
        if start >= 0 and join.fullmatch(text[end : match.start()]):
            total += seconds_of(match)
        else:
            if start >= 0:
                yield Mention(start, end, canonical(total))
            start, total = match.start(), seconds_of(match)
        end = match.end()
    if start >= 0:
        yield Mention(start, end, canonical(total))


def _english_seconds(match: re.Match[str]) -> float:
    amount = _ENGLISH_SHARES.get(match["amount"])
    if amount is None:
        amount = english(match["amount"])
    if match["before"] or match["after"]:
        amount += 0.5
    unit = match["unit"]
    return amount * (_ENGLISH_UNITS.get(unit) or _ENGLISH_UNITS[unit.removesuffix("s")])


def _chinese_seconds(match: re.Match[str]) -> float:
    amount = 0.5 if match["amount"] == "半" else chinese(match["amount"])
    if match["half"] or match["after"]:
        amount += 0.5
    return amount * _CHINESE_UNITS[match["unit"]]
