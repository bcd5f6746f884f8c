"""Fixtures that tests of every kind share."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.settings import StorageSettings
from tests.broker import broker, embedded_broker
from tests.postgres import database, database_url

__all__ = ["broker", "database", "database_url", "embedded_broker", "shared_data", "storage"]

_SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Recordings and texts that lie beside the checkout, where this machine has them."""
    if not _SHARED_DATA.is_dir():
        pytest.skip(f"needs the data in ../shared/data, and there is none at {_SHARED_DATA}")
    return _SHARED_DATA


@pytest.fixture
def storage(tmp_path: Path) -> StorageSettings:
    """A data folder of the test's own, with SQLite databases in it."""
    return StorageSettings.load(data_dir=tmp_path / "data", database_url="")
