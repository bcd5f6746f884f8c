"""Shows how far training is: a bar on a terminal, lines in a log."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

log = structlog.get_logger(__name__)

Report = Callable[[str, float], None]  # what is trained, and its share done, 0 to 1
_LOGGED_EVERY = 0.1


@contextmanager
def shown(title: str, parts: dict[str, float], console: Console | None) -> Iterator[Report]:
    """A function to report to while the block runs, from any thread. `parts`: weight of each part, summing to 1."""
    done = dict.fromkeys(parts, 0.0)
    lock = threading.Lock()

    def total(part: str, share: float) -> float:
        with lock:
            done[part] = share
            return sum(parts[name] * value for name, value in done.items())

    if console is not None and console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
                   TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())  # fmt: skip
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(title, total=1.0)
            yield lambda part, share: bar.update(task, completed=total(part, share))
        return
    logged = 0.0

    def report(part: str, share: float) -> None:
        nonlocal logged
        now = total(part, share)
        if now >= logged + _LOGGED_EVERY or now >= 1.0 > logged:
            logged = now
            log.info("training", model=title, percent=round(100 * now))

    yield report
