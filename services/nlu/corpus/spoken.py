"""Random values of the open kinds, as people say and type them."""

from __future__ import annotations

import random
from functools import lru_cache

from hassil.numbers import get_rbnf_engine

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
           "november", "december")  # fmt: skip
_SECONDS = {"en": ("seconds", "secs"), "zh": ("秒", "秒钟")}


def speak(kind: str, language: str, rng: random.Random) -> str:
    """A phrase for a value of `kind`, one of the open ones of `shared.packs.model.EntityType` but free text."""
    match kind, language:
        case "percentage", "en":
            return _percentage_en(rng)
        case "percentage", _:
            return _percentage_zh(rng)
        case "temperature", "en":
            return _temperature_en(rng)
        case "temperature", _:
            degrees = _number(rng.randint(15, 29), language, rng) + rng.choice(("", "", "", "点五"))
            return f"{degrees}{rng.choice(('度', '度', '摄氏度', '℃'))}"
        case "duration", "en":
            return _duration_en(rng)
        case "duration", _:
            return _duration_zh(rng)
        case "time", "en":
            return _time_en(rng)
        case "time", _:
            return _time_zh(rng)
        case "date", "en":
            return _date_en(rng)
        case "date", _:
            return _date_zh(rng)
        case "money", "en":
            return _money_en(rng)
        case "money", _:
            return (
                f"{_number(rng.randint(1, 500), language, rng)}{rng.choice(('块', '块钱', '元', '元', '欧元', '美元'))}"
            )
        case "code", _:
            return _code(language, rng)
    return _number(rng.randint(1, 100), language, rng)


@lru_cache(maxsize=512)
def _words(number: int, language: str) -> str:
    return get_rbnf_engine(language).format_number(number).text.replace("-", " ")


def _number(number: int, language: str, rng: random.Random) -> str:
    return str(number) if rng.random() < 0.5 else _words(number, language)


def _percentage_en(rng: random.Random) -> str:
    number = _number(rng.choice((5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 60, 65, 70, 75, 80, 90, 100)), "en", rng)
    return rng.choice((f"{number} percent", f"{number} percent", f"{number}%", number, "maximum", "full", "half"))


def _percentage_zh(rng: random.Random) -> str:
    number = rng.choice((5, 10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90, 100))
    words = _words(number, "zh")
    return rng.choice((f"百分之{words}", f"百分之{number}", f"{number}%", words, str(number), "最亮", "最暗", "一半"))


def _temperature_en(rng: random.Random) -> str:
    number = _number(rng.randint(14, 29), "en", rng)
    if rng.random() < 0.15:
        number += ".5" if number.isdigit() else " point five"
    unit = rng.choice((" degrees", " degrees", " degrees celsius", "°", ""))
    if rng.random() < 0.1:
        return f"{_number(rng.randint(60, 80), 'en', rng)} degrees fahrenheit"
    return number + unit


def _duration_en(rng: random.Random) -> str:
    minutes = _number(rng.choice((1, 2, 3, 4, 5, 7, 8, 10, 12, 15, 20, 25, 30, 40, 45, 50, 90)), "en", rng)
    hours = _number(rng.randint(2, 12), "en", rng)
    seconds = _number(rng.choice((10, 20, 30, 45, 90)), "en", rng)
    return rng.choice((
        f"{minutes} minutes", f"{minutes} minutes", f"{minutes} minute", f"{minutes} min", f"{hours} hours",
        f"{seconds} {rng.choice(_SECONDS['en'])}", "an hour", "one hour", "half an hour", "an hour and a half",
        f"{hours} hours and {minutes} minutes", f"one hour {minutes} minutes", "a minute", "a quarter of an hour",
        f"{minutes} minutes and {seconds} seconds", f"{hours} and a half hours", f"{hours} days",
    ))  # fmt: skip


def _duration_zh(rng: random.Random) -> str:
    minutes = _number(rng.choice((1, 2, 3, 4, 5, 8, 10, 12, 15, 20, 25, 30, 40, 45)), "zh", rng)
    hours = rng.choice(("一", "两", "三", "四", "1", "2", "5"))
    return rng.choice((
        f"{minutes}分钟", f"{minutes}分钟", f"{minutes}分钟", f"{hours}个小时", f"{hours}小时", "半小时", "半个小时",
        "一个半小时", f"{_number(30, 'zh', rng)}{rng.choice(_SECONDS['zh'])}", f"{hours}小时{minutes}分钟", "一刻钟",
        f"{hours}个钟头", f"{minutes}分{_number(30, 'zh', rng)}秒",
    ))  # fmt: skip


def _time_en(rng: random.Random) -> str:
    hour = _number(rng.randint(1, 12), "en", rng)
    minute = rng.choice((5, 10, 15, 20, 30, 40, 45, 50))
    half = rng.choice(("am", "pm", "a.m.", "p.m."))
    day = rng.choice(("tomorrow", "tomorrow", "today", "tonight", rng.choice(_WEEKDAYS)))
    clock = rng.choice((
        f"{hour} {half}", f"{hour} {half}", f"{rng.randint(1, 12)}:{minute:02d}", f"{rng.randint(13, 23)}:{minute:02d}",
        f"{hour} o'clock", f"half past {hour}", f"quarter to {hour}", f"{_words(rng.randint(1, 12), 'en')} thirty",
        f"{rng.randint(1, 12)}:{minute:02d} {half}", f"{hour} in the {rng.choice(('morning', 'afternoon', 'evening'))}",
    ))  # fmt: skip
    part = rng.choice(("morning", "afternoon", "evening"))
    return rng.choice((
        clock, clock, clock, f"{day} at {clock}", f"{clock} {day}", f"tomorrow {part}", f"this {part}", "noon",
        f"{rng.choice(_WEEKDAYS)} at {clock}", f"{rng.choice(_WEEKDAYS)}", "midnight", "tomorrow", "tonight",
        f"{rng.choice(_WEEKDAYS)} {part}",
    ))  # fmt: skip


def _time_zh(rng: random.Random) -> str:
    day = rng.choice(("", "", "今天", "明天", "明天", "后天", f"周{rng.choice('一二三四五六日')}", "下周一", "星期五"))
    part = rng.choice(("", "早上", "上午", "中午", "下午", "晚上"))
    hour = rng.choice((str(rng.randint(1, 12)), rng.choice("一两三四五六七八九十"), "十一", "十二"))
    minutes = ("十分", "一刻", "二十", "三十分", "四十五分")
    clock = rng.choice((
        f"{hour}点", f"{hour}点", f"{hour}点半", f"{hour}点{rng.choice(minutes)}",
        f"{hour}点钟", f"{rng.randint(7, 22)}:{rng.choice((15, 30, 45))}",
    ))  # fmt: skip
    return rng.choice((
        day + part + clock, day + part + clock, part + clock, clock, f"{day or '明天'}{part}", "今晚" + clock,
        "明早" + clock,
    ))  # fmt: skip


def _date_en(rng: random.Random) -> str:
    day, month = rng.randint(1, 28), rng.choice(_MONTHS)
    ordinal = f"{day}{'th' if 4 <= day <= 20 else {1: 'st', 2: 'nd', 3: 'rd'}.get(day % 10, 'th')}"
    weekday = rng.choice(_WEEKDAYS)
    return rng.choice((
        weekday, f"next {weekday}", f"this {weekday}", "today", "tomorrow", "the day after tomorrow",
        f"the {ordinal} of {month}", f"{month} {ordinal}", f"{month} {day}",
        f"in {_number(rng.randint(2, 9), 'en', rng)} days", "in two weeks",
    ))  # fmt: skip


def _date_zh(rng: random.Random) -> str:
    day = rng.choice("一二三四五六日")
    return rng.choice((
        f"周{day}", f"下周{day}", f"这周{day}", f"星期{day}", "今天", "明天", "后天",
        f"{_number(rng.randint(1, 12), 'zh', rng)}月{_number(rng.randint(1, 28), 'zh', rng)}{rng.choice('号号日')}",
        f"{_number(rng.randint(2, 9), 'zh', rng)}天后",
    ))  # fmt: skip


def _money_en(rng: random.Random) -> str:
    number = _number(rng.randint(2, 500), "en", rng)
    small = _number(rng.choice((20, 25, 50, 75, 99)), "en", rng)
    sign = rng.choice("$€£")
    return rng.choice((
        f"{number} dollars", f"{number} euros", f"{number} pounds", f"{sign}{rng.randint(2, 500)}",
        f"{sign}{rng.randint(2, 99)}.{rng.choice((20, 25, 50, 99))}", f"{number} dollars and {small} cents",
        f"{number} euros {small}", f"{small} cents",
    ))  # fmt: skip


def _code(language: str, rng: random.Random) -> str:
    digits = [rng.randint(0, 9) for _ in range(rng.choice((3, 4, 4, 4, 5, 6)))]
    letter = rng.choice("ABCDEFKRTX") if rng.random() < 0.5 else ""
    written = "".join(map(str, digits))
    if rng.random() < 0.7:
        return rng.choice((letter + written, letter + written, f"{letter or 'T'}-{written}", f"#{written}"))
    if language == "zh":
        return letter + "".join("零一二三四五六七八九"[digit] for digit in digits)
    return " ".join([letter, *rng.choice((map(str, digits), (_words(digit, "en") for digit in digits)))]).strip()
