"""Micro-batching: one engine call serves whatever is waiting, and nobody is left without an answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from shared.errors import NotFound, Overloaded, Unavailable
from shared.runtime.batcher import Batcher, Timed
from tests.broker import PATIENCE, eventually

pytestmark = pytest.mark.unit


class EngineDouble:
    """Doubles numbers; a number below zero is refused. It works while `open`, and remembers what it was asked."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.busy = threading.Event()
        self.batches: list[list[int]] = []

    def run(self, numbers: Sequence[int]) -> Sequence[int | Exception]:
        """Two times each number, in order."""
        self.batches.append(list(numbers))
        self.busy.set()
        assert self.open.wait(PATIENCE)
        return [number * 2 if number >= 0 else NotFound(f"number: {number} is below 0") for number in numbers]


@pytest.fixture
def callers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(40) as pool:
        yield pool


@pytest.fixture
def engine(callers: ThreadPoolExecutor) -> Iterator[EngineDouble]:
    engine = EngineDouble()
    yield engine
    engine.open.set()  # before the callers are waited for


def busy(engine: EngineDouble, batcher: Batcher[int, int], callers: ThreadPoolExecutor) -> Future[Timed[int]]:
    """Keep the engine at work on 0 until it is opened."""
    engine.open.clear()
    first = callers.submit(batcher.submit, 0)
    assert engine.busy.wait(PATIENCE)
    return first


def test_an_idle_engine_answers_one_request_at_once(engine: EngineDouble) -> None:
    batcher = Batcher(engine.run, name="double")

    assert batcher.submit(21).value == 42
    assert engine.batches == [[21]]


def test_what_waits_while_the_engine_works_is_answered_by_one_call(
    engine: EngineDouble, callers: ThreadPoolExecutor
) -> None:
    batcher = Batcher(engine.run, name="double")
    first = busy(engine, batcher, callers)
    waiting = [callers.submit(batcher.submit, number) for number in range(1, 6)]
    eventually(lambda: batcher.waiting == 5, "five wait")

    engine.open.set()

    assert first.result(PATIENCE).value == 0
    assert [each.result(PATIENCE).value for each in waiting] == [2, 4, 6, 8, 10]
    assert [len(batch) for batch in engine.batches] == [1, 5]
    assert len({each.result().seconds for each in waiting}) == 1, "they share the time of one call"


def test_a_batch_is_never_larger_than_the_engine_takes(engine: EngineDouble, callers: ThreadPoolExecutor) -> None:
    batcher = Batcher(engine.run, name="double", max_batch=4)
    busy(engine, batcher, callers)
    waiting = [callers.submit(batcher.submit, number) for number in range(1, 11)]
    eventually(lambda: batcher.waiting == 10, "ten wait")

    engine.open.set()

    assert {each.result(PATIENCE).value for each in waiting} == {number * 2 for number in range(1, 11)}
    assert [len(batch) for batch in engine.batches] == [1, 4, 4, 2]


def test_a_request_beyond_the_bound_is_turned_away_at_once(engine: EngineDouble, callers: ThreadPoolExecutor) -> None:
    batcher = Batcher(engine.run, name="double", max_waiting=2)
    busy(engine, batcher, callers)
    waiting = [callers.submit(batcher.submit, number) for number in (1, 2)]
    eventually(lambda: batcher.waiting == 2, "two wait")

    with pytest.raises(Overloaded) as refusal:
        batcher.submit(3)

    assert refusal.value.retry_after > 0
    engine.open.set()
    assert [each.result(PATIENCE).value for each in waiting] == [2, 4]


def test_one_bad_request_spoils_none_of_its_batch(engine: EngineDouble, callers: ThreadPoolExecutor) -> None:
    batcher = Batcher(engine.run, name="double")
    busy(engine, batcher, callers)
    good, bad = callers.submit(batcher.submit, 4), callers.submit(batcher.submit, -1)
    eventually(lambda: batcher.waiting == 2, "two wait")

    engine.open.set()

    assert good.result(PATIENCE).value == 8
    with pytest.raises(NotFound, match="-1 is below 0"):
        bad.result(PATIENCE)


def test_an_engine_that_breaks_tells_everyone_in_the_batch_and_serves_the_next() -> None:
    def break_on_13(numbers: Sequence[int]) -> Sequence[int]:
        if 13 in numbers:
            raise ZeroDivisionError("13")
        return list(numbers)

    batcher = Batcher(break_on_13, name="double")

    with pytest.raises(ZeroDivisionError):
        batcher.submit(13)
    assert batcher.submit(14).value == 14


def test_an_engine_that_gives_too_few_results_leaves_nobody_waiting() -> None:
    batcher: Batcher[int, int] = Batcher(lambda numbers: list(numbers)[1:], name="double")

    with pytest.raises(RuntimeError, match="0 results for 1 requests"):
        batcher.submit(1)
    with pytest.raises(RuntimeError, match="0 results for 1 requests"):
        batcher.submit(2)


def test_who_has_waited_too_long_is_told_to_try_again_and_is_not_worked_for(
    engine: EngineDouble, callers: ThreadPoolExecutor
) -> None:
    batcher = Batcher(engine.run, name="double")
    busy(engine, batcher, callers)

    with pytest.raises(Unavailable, match="try again"):
        batcher.submit(1, timeout=0.01)
    engine.open.set()

    assert batcher.submit(2).value == 4
    assert [1] not in engine.batches


def test_closing_finishes_what_waits_and_takes_nothing_more(engine: EngineDouble, callers: ThreadPoolExecutor) -> None:
    batcher = Batcher(engine.run, name="double")
    busy(engine, batcher, callers)
    waiting = [callers.submit(batcher.submit, number) for number in (1, 2)]
    eventually(lambda: batcher.waiting == 2, "two wait")

    closing = callers.submit(batcher.close)
    engine.open.set()
    closing.result(PATIENCE)

    assert [each.result(PATIENCE).value for each in waiting] == [2, 4]
    with pytest.raises(Unavailable):
        batcher.submit(3)


def test_closing_does_not_wait_for_ever_for_an_engine_that_hangs(
    engine: EngineDouble, callers: ThreadPoolExecutor
) -> None:
    batcher = Batcher(engine.run, name="double", max_waiting=1)
    busy(engine, batcher, callers)
    callers.submit(batcher.submit, 1)
    eventually(lambda: batcher.waiting == 1, "the queue is full")

    callers.submit(batcher.close, 0.05).result(PATIENCE)

    with pytest.raises(Unavailable):
        batcher.submit(2)


def test_each_call_is_reported_with_its_size_and_time(engine: EngineDouble) -> None:
    calls: list[tuple[int, float]] = []
    batcher = Batcher(engine.run, name="double", observe=lambda size, seconds: calls.append((size, seconds)))

    answer = batcher.submit(1)

    assert calls == [(1, answer.seconds)]
