"""Samples of what a process holds, and how fast it grows."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Sample:
    """One process at one moment."""

    process: str
    seconds: float  # since the load began
    turns: int  # answered so far
    resident_mb: float
    own_mb: float  # what no other process shares
    open_files: int  # sockets included
    threads: int


def sample(name: str, process: psutil.Process, seconds: float, turns: int) -> Sample:
    """Look at one process now."""
    with process.oneshot():
        memory = process.memory_full_info()
        return Sample(
            name, seconds, turns, memory.rss / 1e6, memory.uss / 1e6, process.num_fds(), process.num_threads()
        )


@dataclass(frozen=True, slots=True)
class Growth:
    """What became of one process after the warm-up."""

    process: str
    mb_per_1000_turns: float
    open_files_first: float  # medians of the first and the last quarter
    open_files_last: float
    threads_first: float
    threads_last: float


def growth(samples: Sequence[Sample]) -> Growth:
    """The least-squares slope of resident memory over turns, and open files before and after."""
    slope, _ = statistics.linear_regression([each.turns for each in samples], [each.resident_mb for each in samples])
    quarter = max(1, len(samples) // 4)
    first, last = samples[:quarter], samples[-quarter:]
    return Growth(
        samples[0].process,
        slope * 1000,
        statistics.median(each.open_files for each in first),
        statistics.median(each.open_files for each in last),
        statistics.median(each.threads for each in first),
        statistics.median(each.threads for each in last),
    )
