"""What a service needs may come late or go away: it waits, says so, and goes on by itself."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli.output import console
from services.dialogue.service import build as build_dialogue
from services.nlu.service import build as build_nlu
from services.nlu.training import ensure_model
from shared.settings import StorageSettings
from shared.storage.database import Database
from shared.topology import DEAD_LETTERS, REPLIES
from tests.broker import TestBroker, eventually
from tests.integration.runtime_doubles import TallyDouble, a_turn, hosting, read_turn, tally_service
from tests.postgres import PostgresServer

pytestmark = pytest.mark.integration


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """A server of the test's own, which may stop and start."""
    folder = Path(tempfile.mkdtemp(prefix="parley-postgres-"))  # not pytest's: its path is too long for a socket
    server = PostgresServer(folder)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_service_that_starts_before_its_database_is_ready_once_the_database_is(
    broker: TestBroker, postgres: PostgresServer, tmp_path: Path
) -> None:
    url = postgres.create("dialogue")
    postgres.stop()
    dialogue = build_dialogue(StorageSettings(data_dir=tmp_path, database_url=url))

    with hosting(broker, dialogue, ready=False) as host:
        eventually(lambda: host.readiness()["dialogue"].startswith("waiting: database postgresql"), "it says so")
        postgres.start()
        eventually(lambda: host.readiness()["dialogue"] == "ready", "it is ready")


def test_a_database_that_goes_away_in_the_middle_loses_no_event_and_holds_no_restart(
    broker: TestBroker, postgres: PostgresServer
) -> None:
    counting, database = TallyDouble(), Database(postgres.create("tally"))
    with hosting(broker, tally_service(counting, database)), broker.producer() as producer:
        producer.send([a_turn("one")[1]])
        broker.read(REPLIES, 1)
        postgres.stop()
        producer.send([a_turn("two")[1], a_turn("three")[1]])
        postgres.start()
        replies = broker.read(REPLIES, until=lambda records: len({read_turn(r).reply.text for r in records}) == 3)

    assert list(dict.fromkeys(read_turn(record).reply.text for record in replies)) == ["1", "2", "3"]
    assert broker.everything(DEAD_LETTERS) == []
    database.close()


def test_a_model_that_is_missing_is_named_and_taken_up_when_it_is_there(
    broker: TestBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = StorageSettings.load()
    trained = ensure_model(common, console)
    artifact = tmp_path / "arrives-later"
    monkeypatch.setenv("PARLEY_NLU_ARTIFACT", str(artifact))
    nlu = build_nlu(common)

    with hosting(broker, nlu, ready=False) as host:
        eventually(lambda: str(artifact) in host.readiness()["nlu"], "readiness names what is missing")
        artifact.symlink_to(trained.path)
        eventually(lambda: host.readiness()["nlu"] == "ready", "it is ready")
