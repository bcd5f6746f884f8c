"""Waiters are woken when news is committed, and not before."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.gateway.waiters import Waiters
from shared.storage.database import Database

pytestmark = pytest.mark.unit


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """Any database: only its transactions matter."""
    return Database(f"sqlite:///{tmp_path / 'test.sqlite3'}")


def test_those_who_wait_for_a_turn_are_woken_after_the_commit(database: Database) -> None:
    waiters, woken = Waiters(), list[str]()
    with waiters.waiting("mine", lambda: woken.append("mine")), waiters.waiting("other", lambda: woken.append("other")):
        with database.transaction() as session:
            for _ in range(2):
                with session.begin_nested():
                    waiters.wake_after_commit(session, "mine")
                assert woken == []  # a savepoint is no commit

        assert woken == ["mine"]


def test_who_waits_no_longer_is_not_woken(database: Database) -> None:
    waiters, woken = Waiters(), list[str]()
    with waiters.waiting("mine", lambda: woken.append("left")):
        pass
    with waiters.waiting("mine", lambda: woken.append("stayed")), database.transaction() as session:
        waiters.wake_after_commit(session, "mine")

    assert woken == ["stayed"]


def test_everybody_is_woken_when_waiting_is_over() -> None:
    waiters, woken = Waiters(), list[str]()
    with waiters.waiting("one", lambda: woken.append("one")), waiters.waiting("two", lambda: woken.append("two")):
        waiters.close()

    assert sorted(woken) == ["one", "two"]
    assert waiters.closed
