"""Dispatch as it is wired: its tables, its settings, its ticks."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from parley.v1 import dispatch_pb2
from services.dispatch.connectors.virtual_home import home_state
from services.dispatch.service import build
from services.dispatch.servicer import DispatchServicer
from services.dispatch.settings import DispatchSettings
from services.dispatch.storage import Base
from shared import topology
from shared.errors import InvalidSettings
from shared.settings import StorageSettings
from tests.dispatching import NOON, dispatcher, migrated, task

pytestmark = pytest.mark.integration


def test_the_migrations_make_the_tables_the_code_expects(database_url: str) -> None:
    database = migrated(database_url)

    with database.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)

    ours = [change for change in differences if "dispatch_version" not in str(change)]
    assert ours == []
    database.close()


def test_a_loaded_service_has_a_furnished_home_and_tells_what_is_due(tmp_path: Path) -> None:
    service = build(StorageSettings(data_dir=tmp_path))
    service.load()
    assert service.database is not None
    with service.database.transaction() as session:
        assert home_state(session)["light.kitchen"].is_on is False

    timer = dispatch_pb2.ExecuteRequest(task=task("reminders.set_timer", {"duration": "60"}))
    DispatchServicer(dispatcher(), service.database, lambda: NOON).Execute(timer, None)  # type: ignore[arg-type]
    (tick,) = service.ticks
    with service.database.transaction() as session:
        told = tick.run(session)  # long after

    assert [outgoing.topic for outgoing in told] == [topology.TASK_RESULTS]
    service.load()  # a second start changes nothing
    service.close()


@pytest.mark.parametrize(
    ("name", "value"), [("TIME_ZONE", "Mars/Olympus"), ("TIME_ZONE", "../etc/passwd"), ("TICK_SECONDS", "0")]
)
def test_a_setting_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"PARLEY_DISPATCH_{name}", value)

    with pytest.raises(InvalidSettings, match=f"PARLEY_DISPATCH_{name}.*{value}"):
        DispatchSettings.load()
