"""Stacks that the end-to-end tests talk to: one process of everything, and two processes of every service."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest

from tests.stack import Stack, many_processes, one_process


@pytest.fixture(scope="session")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything in one process."""
    with one_process(tmp_path_factory.mktemp("one") / "data") as stack:
        yield stack


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two processes of every service."""
    with many_processes(tmp_path_factory.mktemp("two") / "data", replicas=2) as stack:
        yield stack


@pytest.fixture(params=["one", "two"], ids=["one process", "two of every service"])
def stack(request: pytest.FixtureRequest) -> Stack:
    """Both ways of hosting, one after the other."""
    running: Stack = request.getfixturevalue(request.param)
    return running


@pytest.fixture
def conversation() -> Callable[[], str]:
    """A new conversation id a call."""
    return lambda: f"test-{uuid.uuid4()}"
