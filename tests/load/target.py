"""What a load is sent to: a running gateway, or a stack started for it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from shared.errors import InvalidInput
from shared.principals import development_token
from shared.settings import ServerSettings, StorageSettings
from tests.stack import Stack, many_processes, one_process

RUNNING, ONE, MANY = "running", "up", "processes"
_NO_RATE_LIMIT = {"PARLEY_GATEWAY_TURNS_PER_MINUTE": "0"}  # one generator stands for many users


@dataclass(frozen=True, slots=True)
class Target:
    """A gateway, and how what is behind it runs (RUNNING: as its operator chose)."""

    url: str
    token: str
    layout: str


@contextmanager
def target(url: str, layout: str) -> Iterator[Target]:
    """The gateway at `url`, which must answer; without one, this machine's, else a stack of `layout` while it lasts."""
    server = ServerSettings.load()
    local = f"http://{server.host}:{server.http_port}"
    if url and not answers(url):
        raise InvalidInput("--url", url, "does not answer; start Parley there, or leave --url out to start one here")
    if url or (not layout and answers(local)):
        yield Target(url or local, os.environ.get("PARLEY_TOKEN") or _development_token(), RUNNING)
        return
    with tempfile.TemporaryDirectory(prefix="parley-load-") as folder, _started(Path(folder), layout) as stack:
        yield Target(stack.url, development_token(stack.data_dir), layout or ONE)


def answers(url: str) -> bool:
    """Whether something speaks HTTP there."""
    try:
        httpx.get(f"{url}/v1/turns", params={"limit": 1}, timeout=5, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
    return True


def _development_token() -> str:
    return development_token(StorageSettings.load().data_dir)


@contextmanager
def _started(folder: Path, layout: str) -> Iterator[Stack]:
    if layout == MANY:
        with many_processes(folder / "data", replicas=1, settings={"gateway": _NO_RATE_LIMIT}) as stack:
            yield stack
    else:
        with one_process(folder / "data", **_NO_RATE_LIMIT) as stack:
            yield stack
