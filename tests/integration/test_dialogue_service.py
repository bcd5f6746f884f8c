"""Dialogue as it is wired: its gRPC API over a real server, its migrations, its part of the runtime."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from parley.v1 import dialogue_pb2, dialogue_pb2_grpc
from services.dialogue.service import build
from services.dialogue.storage import Base
from shared import topology
from shared.runtime.grpc_server import GrpcServer
from shared.runtime.service import Service
from shared.settings import StorageSettings
from shared.storage.database import Database
from shared.storage.migrate import upgrade
from tests.dialogue_road import understood
from tests.talk import Said, acts_of, request_of, said

pytestmark = pytest.mark.integration


@pytest.fixture
def service(tmp_path: Path, database_url: str) -> Iterator[Service]:
    service = build(StorageSettings(data_dir=tmp_path, database_url=database_url))
    service.load()
    yield service
    service.close()


@pytest.fixture
def stub(service: Service) -> Iterator[dialogue_pb2_grpc.DialogueServiceStub]:
    server = GrpcServer("127.0.0.1", 0, 4, lambda _: True)
    server.start([service])
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield dialogue_pb2_grpc.DialogueServiceStub(channel)
    server.stop(grace=0)


def test_a_conversation_over_grpc_is_remembered(stub: dialogue_pb2_grpc.DialogueServiceStub) -> None:
    asked = stub.Decide(request_of(said("turn on the light", "turn_on", device="light")))
    answered = stub.Decide(request_of(said("kitchen")))

    assert asked.decision.step == "ask:area"
    assert (asked.context.requested_slot, asked.context.revision) == ("area", 1)
    assert answered.decision.tasks[0].arguments == {"device": "light", "area": "kitchen"}
    assert answered.context.revision == 2


def test_grpc_refuses_what_breaks_the_contract(stub: dialogue_pb2_grpc.DialogueServiceStub) -> None:
    bad = dialogue_pb2.DecideRequest(conversation_id="no spaces", turn_id="7")
    empty = dialogue_pb2.DecideRequest(conversation_id="c1", turn_id=str(uuid.uuid4()))

    with pytest.raises(grpc.RpcError) as broken:
        stub.Decide(bad)
    with pytest.raises(grpc.RpcError) as missing:
        stub.Decide(empty)

    assert broken.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert {"conversation_id", "turn_id"} <= set(str(broken.value.details()).replace(":", "").split())
    assert missing.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert str(missing.value.details()).startswith("transcript")


def test_grpc_shows_a_stranger_nothing(stub: dialogue_pb2_grpc.DialogueServiceStub) -> None:
    stub.Decide(request_of(Said("turn on the light", "turn_on", user="ada", slots={"device": "light"})))

    refused = stub.Decide(request_of(Said("kitchen", user="bob")))

    assert acts_of(refused.decision) == ["APOLOGIZE"]
    assert refused.context == dialogue_pb2.Context(conversation_id="c1")


def test_grpc_does_not_talk_into_an_open_turn(stub: dialogue_pb2_grpc.DialogueServiceStub, service: Service) -> None:
    assert service.database is not None
    assert service.stateful_handler is not None
    with service.database.transaction() as session:
        service.stateful_handler.handle(understood(said("hello", "greet")), session)

    with pytest.raises(grpc.RpcError) as unavailable:
        stub.Decide(request_of(said("hello", "greet")))
    cancelled = stub.Decide(request_of(said("stop", "cancel")))

    assert unavailable.value.code() == grpc.StatusCode.UNAVAILABLE
    assert "open turn" in str(unavailable.value.details())
    assert acts_of(cancelled.decision) == ["CANCELLED"]


def test_the_migrations_make_what_the_code_expects(database: Database) -> None:
    upgrade(database, "services.dialogue.migrations")
    upgrade(database, "services.dialogue.migrations")

    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "dialogue_version"})
        differences = compare_metadata(context, Base.metadata)

    assert differences == []


def test_the_service_reads_replies_whatever_their_slip_says(service: Service) -> None:
    assert set(service.subscriptions) == {topology.UNDERSTANDINGS, topology.TASK_RESULTS, topology.REPLIES}
    assert service.always_reads == (topology.REPLIES,)
    assert service.lanes == 1
    assert [tick.seconds for tick in service.ticks] == [1.0]
