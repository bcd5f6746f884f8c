"""What several unit tests stand on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dispatching import Desk, on_sqlite


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Where tasks are handed in, on a database of its own."""
    database = on_sqlite(tmp_path)
    with database.transaction() as session:
        yield Desk(session)
    database.close()
