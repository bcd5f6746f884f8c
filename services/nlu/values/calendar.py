"""From what was said of a time to the moment that was meant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

# Where only a part of the day was named; hours of a waking person's day.
_USUAL_HOUR = {"morning": 9, "noon": 12, "afternoon": 15, "evening": 19, "night": 20}
_ANY_TIME_OF_DAY = 9


@dataclass(frozen=True, slots=True)
class SpokenTime:
    """The pieces of a spoken time; None where nothing was said."""

    hour: int | None = None
    minute: int = 0
    part: str = ""  # "am", "pm", or a part of the day
    days: int | None = None  # from today
    weekday: int | None = None  # 0 is Monday
    next_week: bool = False


def resolve(spoken: SpokenTime, now: datetime) -> str | None:
    """The nearest future moment that fits, ISO 8601 local ("2026-11-23T08:00"); None for an impossible time."""
    hour = _USUAL_HOUR.get(spoken.part, _ANY_TIME_OF_DAY) if spoken.hour is None else spoken.hour
    if hour > 24 or spoken.minute > 59:
        return None
    day = _day(spoken, now)
    midnight = (day or now).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    hours = _hours(hour, spoken, dated=spoken.days not in (None, 0) or spoken.weekday is not None)
    moments = [midnight + timedelta(hours=each, minutes=spoken.minute) for each in hours]
    local = now.replace(tzinfo=None)
    future = [moment for moment in moments if moment > local]
    if future:
        chosen = min(future)
    else:
        # Past today: a weekday comes again in a week; an explicit "today" stays as it was said.
        later = 7 if spoken.weekday is not None else 0 if day is not None else 1
        chosen = moments[0] + timedelta(days=later)
    return chosen.isoformat(timespec="minutes")


def _day(spoken: SpokenTime, now: datetime) -> datetime | None:
    if spoken.weekday is not None:
        ahead = (spoken.weekday - now.weekday()) % 7
        if spoken.next_week:
            ahead = 7 - now.weekday() + spoken.weekday
        return now + timedelta(days=ahead)
    if spoken.days is not None:
        return now + timedelta(days=spoken.days)
    return None


def _hours(hour: int, spoken: SpokenTime, *, dated: bool) -> list[int]:
    """The hours of the day that may be meant, likeliest first."""
    if spoken.hour is None or hour > 12 or hour == 0:
        return [hour]
    match spoken.part:
        case "am" | "morning":
            return [hour % 12]
        case "pm" | "afternoon" | "evening":
            return [hour % 12 + 12]
        case "noon":
            return [hour if hour >= 10 else hour + 12]
        case "night":
            return [hour % 12 + 12] if 6 <= hour < 12 else [24 if hour == 12 else hour]
    if dated:  # "tomorrow at 8" is in the morning, "tomorrow at 3" is not
        return [hour + 12] if hour < 7 else [hour]
    return [hour, (hour + 12) % 24]
