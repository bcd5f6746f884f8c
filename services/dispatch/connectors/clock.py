"""Clock: tells the time, and turns times as people say them into moments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from sqlalchemy.orm import Session

from parley.v1 import dispatch_pb2
from services.dispatch.connectors.base import Occasion, RecoveryClass, succeeded

_DAY_BEGINS = time(9)  # hour meant by a date without a time


@dataclass(frozen=True, slots=True)
class LocalTime:
    """The time on the wall. `zone` None is the machine's own, daylight saving included."""

    zone: tzinfo | None = None

    def of(self, moment: datetime) -> datetime:
        """An aware moment as the wall shows it."""
        return moment.astimezone(self.zone)

    def next(self, text: str, now: datetime) -> datetime:
        """The moment an ISO 8601 time, date or both names, seen from `now`; raises ValueError where it is neither.

        A time alone is its next occurrence; an offset in the text wins over the zone.
        """
        try:
            clock = time.fromisoformat(text)
        except ValueError:
            return self._dated(text)
        today = self.of(now).date()
        moment = self._at(datetime.combine(today, clock))
        return moment if moment > now else self._at(datetime.combine(today + timedelta(days=1), clock))

    def _dated(self, text: str) -> datetime:
        try:
            return self._at(datetime.combine(date.fromisoformat(text), _DAY_BEGINS))
        except ValueError:
            return self._at(datetime.fromisoformat(text))

    def _at(self, wall: datetime) -> datetime:
        if wall.tzinfo is not None:
            return wall
        return wall.replace(tzinfo=self.zone) if self.zone is not None else wall.astimezone()


class ClockConnector:
    """Tells the local time: `time` (ISO 8601, minutes), `date`, `weekday` (1 Monday to 7 Sunday)."""

    name = "clock"
    recovery = RecoveryClass.IDEMPOTENT

    def __init__(self, local: LocalTime) -> None:
        self._local = local
        self._tell: dict[str, Callable[[datetime], Mapping[str, str]]] = {"clock.time": _told, "clock.date": _told}

    @property
    def actions(self) -> frozenset[str]:
        return frozenset(self._tell)

    def execute(self, task: dispatch_pb2.Task, occasion: Occasion, session: Session) -> dispatch_pb2.TaskResult:
        """Tell what is asked for; changes nothing."""
        return succeeded(self._tell[task.action](self._local.of(occasion.now)))


def _told(wall: datetime) -> Mapping[str, str]:
    return {
        "time": wall.isoformat(timespec="minutes"),
        "date": wall.date().isoformat(),
        "weekday": str(wall.isoweekday()),
    }
