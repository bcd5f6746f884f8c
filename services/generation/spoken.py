"""How values are said: durations, times, temperatures, percentages and choices in each language."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Protocol

_MONTHS = "January February March April May June July August September October November December"


class Speech(Protocol):
    """One language's way of saying values."""

    space: str  # between sentences

    def duration(self, seconds: float) -> str: ...

    def clock(self, wall: time) -> str: ...

    def moment(self, day: date | None, wall: time | None, today: date | None) -> str:
        """A day and time as an adverb: "tomorrow at 5:00 PM"; without a day, or today, the time alone."""

    def day(self, day: date) -> str:
        """A day of a year as a name: "22 November"."""

    def degrees(self, value: str) -> str: ...

    def money(self, amount: str, currency: str) -> str:
        """An amount of an ISO 4217 currency."""

    def choices(self, names: Sequence[str]) -> str: ...

    def sentence(self, text: str) -> str:
        """The text as a sentence begins in this language."""


class English:
    """English."""

    space = " "

    def duration(self, seconds: float) -> str:
        parts = [
            f"{count} {unit}{'' if count == 1 else 's'}" for unit, count in _parts(seconds, "day hour minute second")
        ]
        return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]

    def clock(self, wall: time) -> str:
        return f"{wall.hour % 12 or 12}:{wall.minute:02} {'AM' if wall.hour < 12 else 'PM'}"

    def moment(self, day: date | None, wall: time | None, today: date | None) -> str:
        at = f"at {self.clock(wall)}" if wall is not None else ""
        if day is None or (day == today and at):
            return at
        named = "today" if day == today else "tomorrow" if _follows(day, today) else f"on {self.day(day)}"
        return f"{named} {at}".strip()

    def day(self, day: date) -> str:
        return f"{day.day} {_MONTHS.split()[day.month - 1]}"

    def money(self, amount: str, currency: str) -> str:
        sign = {"USD": "$", "EUR": "€", "GBP": "£"}.get(currency)
        return f"{sign}{amount}" if sign else f"{amount} {currency}"

    def degrees(self, value: str) -> str:
        return f"{value} degree{'' if value == '1' else 's'}"

    def choices(self, names: Sequence[str]) -> str:
        return " or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]

    def sentence(self, text: str) -> str:
        return text[:1].upper() + text[1:]


class Chinese:
    """Mandarin, simplified characters."""

    space = ""

    def duration(self, seconds: float) -> str:
        return " ".join(f"{count} {unit}" for unit, count in _parts(seconds, "天 小时 分钟 秒"))

    def clock(self, wall: time) -> str:
        spans = ((6, "凌晨"), (12, "上午"), (13, "中午"), (18, "下午"), (24, "晚上"))
        span = next(name for end, name in spans if wall.hour < end)
        hour = wall.hour if wall.hour <= 12 else wall.hour - 12
        return f"{span} {hour} 点" + (f" {wall.minute:02} 分" if wall.minute else "")

    def moment(self, day: date | None, wall: time | None, today: date | None) -> str:
        at = self.clock(wall) if wall is not None else ""
        if day is None or (day == today and at):
            return at
        named = "今天" if day == today else "明天" if _follows(day, today) else self.day(day)
        return f"{named}{at}"

    def day(self, day: date) -> str:
        return f"{day.month} 月 {day.day} 日"

    def money(self, amount: str, currency: str) -> str:
        names = {"CNY": "元", "USD": "美元", "EUR": "欧元", "GBP": "英镑", "JPY": "日元", "CHF": "瑞士法郎"}
        return f"{amount} {names.get(currency, currency)}"

    def degrees(self, value: str) -> str:
        return f"{value} 度"

    def choices(self, names: Sequence[str]) -> str:
        return "还是".join(["、".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]

    def sentence(self, text: str) -> str:
        return text


SPEECH: dict[str, Speech] = {"en": English(), "zh": Chinese()}


def read_moment(value: str) -> tuple[date | None, time | None] | None:
    """Day and time of an ISO 8601 value, either of which may be missing; None where it is neither."""
    try:
        return None, time.fromisoformat(value)
    except ValueError:
        pass
    try:
        return date.fromisoformat(value), None
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.date(), moment.time()


def _parts(seconds: float, units: str) -> list[tuple[str, int]]:
    """Days, hours, minutes and seconds that are not zero; at least one second."""
    left = max(1, round(seconds))
    parts = []
    for unit, size in zip(units.split(), (86400, 3600, 60, 1), strict=True):
        count, left = divmod(left, size)
        if count:
            parts.append((unit, count))
    return parts


def _follows(day: date, today: date | None) -> bool:
    return today is not None and day == today + timedelta(days=1)
