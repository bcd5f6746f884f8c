"""Starting and stopping as an operator does."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.stack import new_stack, wait_ready

pytestmark = pytest.mark.end_to_end


def test_it_stops_within_ten_seconds_and_remembers_after_the_next_start(tmp_path: Path) -> None:
    stack = new_stack(tmp_path / "data")
    stack.start("up", "up")
    try:
        wait_ready(stack)
        turn = stack.say("turn on the garage light")
        started = time.monotonic()
        codes = stack.stop()
        seconds = time.monotonic() - started

        assert codes == {"up": 0}, stack.output("up")[-2000:]
        assert seconds < 10  # the promise operators rely on: what is killed later loses its lease on the work

        stack.start("up", "up")
        wait_ready(stack)
        shown = json.loads(stack.run("turns", "show", turn["turn_id"], "--json").stdout)
        assert shown["reply"]["text"] == turn["reply"]["text"]
    finally:
        stack.stop()


def test_the_demonstration_does_the_task(tmp_path: Path) -> None:
    stack = new_stack(tmp_path / "data")

    done = stack.run("demo", "--once")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "home.turn_on succeeded" in done.stdout


def test_a_second_stack_on_the_same_ports_says_so(tmp_path: Path) -> None:
    stack = new_stack(tmp_path / "data")
    stack.start("up", "up")
    try:
        wait_ready(stack)
        second = stack.run("up")
        assert second.returncode != 0
        assert "is taken" in second.stderr
    finally:
        stack.stop()
