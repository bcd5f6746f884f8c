"""What the whole stack costs while nobody speaks, and to start, beside the parts it cannot do without."""

from __future__ import annotations

import time

import psutil

from shared.settings import KafkaSettings
from shared.topology import TOPICS
from tests.benchmarks import bare_parts
from tests.benchmarks.figures import Figure
from tests.stack import Stack

_SETTLE_SECONDS = 5.0
_SECONDS = 15.0


def measure(stack: Stack, ready_seconds: float) -> list[Figure]:
    """Time to ready, CPU of one core and resident memory of `parley up` and the broker it started.

    Beside them stand the same models loaded by one bare program, and one plain consumer of the road's topics with the
    broker that serves it.
    """
    parent = psutil.Process(stack.processes["up"].pid)
    brokers = parent.children(recursive=True)
    time.sleep(_SETTLE_SECONDS)
    before = _spent([parent, *brokers])
    time.sleep(_SECONDS)
    spent = _spent([parent, *brokers]) - before
    broker_memory = _megabytes(brokers)
    memory = _megabytes([parent]) + broker_memory
    served = _spent(brokers)
    road = [topic.name for topic in TOPICS.values() if topic.road]
    wait_ms = KafkaSettings.load().idle_fetch_wait_ms
    consumer = bare_parts.idle_consumer(stack.kafka_port, road, wait_ms, _SETTLE_SECONDS, _SECONDS)
    # In that time the broker served two consumers, ours and the bare one.
    serving = (_spent(brokers) - served) / (_SETTLE_SECONDS + _SECONDS) * _SECONDS / 2
    bare_seconds, bare_memory = bare_parts.models()
    bare_spent = consumer + serving
    return [
        Figure("start to ready, once set up", ready_seconds, "s", bare=bare_seconds, floor=20.0),
        Figure(
            "idle CPU of the whole stack",
            spent / _SECONDS * 100,
            "% of a core",
            bare=bare_spent / _SECONDS * 100,
            floor=20.0,
        ),
        Figure("memory of the whole stack", memory, "MB", bare=bare_memory + broker_memory, floor=2000.0),
    ]


def _spent(processes: list[psutil.Process]) -> float:
    return float(sum(sum(process.cpu_times()[:2]) for process in processes))


def _megabytes(processes: list[psutil.Process]) -> float:
    return sum(process.memory_info().rss for process in processes) / 1e6
