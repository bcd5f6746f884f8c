"""What the whole stack costs while nobody speaks."""

from __future__ import annotations

import time

import psutil

from tests.benchmarks.figures import Figure
from tests.stack import Stack

_SETTLE_SECONDS = 5.0
_SECONDS = 15.0


def measure(stack: Stack) -> list[Figure]:
    """CPU of one core, and resident memory, of `parley up` and the broker it started."""
    parent = psutil.Process(stack.processes["up"].pid)
    processes = [parent, *parent.children(recursive=True)]
    time.sleep(_SETTLE_SECONDS)
    before = sum(sum(process.cpu_times()[:2]) for process in processes)
    time.sleep(_SECONDS)
    spent = sum(sum(process.cpu_times()[:2]) for process in processes) - before
    memory = sum(process.memory_info().rss for process in processes)
    return [
        Figure("idle CPU of the whole stack", spent / _SECONDS * 100, "% of a core", floor=20.0),
        Figure("memory of the whole stack", memory / 1e6, "MB", floor=2000.0),
    ]
