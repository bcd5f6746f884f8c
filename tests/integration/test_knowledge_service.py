"""Knowledge on the road and behind gRPC: queries answered, documents taken in."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from google.protobuf.message import Message

from parley.v1 import (
    dialogue_pb2,
    knowledge_pb2,
    knowledge_pb2_grpc,
    principal_pb2,
    stage_pb2,
    turn_pb2,
)
from services.knowledge.handler import KnowledgeHandler
from services.knowledge.ingest import ensure_index
from services.knowledge.retriever import Retriever
from services.knowledge.service import build
from services.knowledge.settings import KnowledgeSettings
from services.knowledge.store import Store
from shared import topology
from shared.errors import InvalidEvent, InvalidInput, InvalidSettings, Unavailable
from shared.events import Event, Outgoing
from shared.runtime.grpc_server import GrpcServer
from shared.settings import StorageSettings
from shared.storage.database import Database
from tests.knowing import RETURNS, STAFF, real_encoder

pytestmark = pytest.mark.integration

QUESTION = "How many days do I have to return an item?"
DOCUMENT = knowledge_pb2.Document(document_id="returns", domain="shop", text=RETURNS, source="https://help.example/r")


def unloaded(folder: Path) -> Retriever:
    settings = KnowledgeSettings.load(bundled_documents=False)
    return Retriever(Store(Database(f"sqlite:///{folder / 'knowledge.sqlite3'}")), settings, real_encoder)


@pytest.fixture
def retriever(tmp_path: Path) -> Iterator[Retriever]:
    retriever = unloaded(tmp_path)
    retriever.load()
    yield retriever
    retriever.close()


def event(topic: str, body: Message) -> Event:
    now = datetime.now(UTC)
    return Event(topic, 0, 0, "k", str(uuid.uuid4()), "t", "s", now, body, received_at=now.timestamp())


def turn(query: knowledge_pb2.KnowledgeQuery | None, *roles: str) -> turn_pb2.Turn:
    turn_id = str(uuid.uuid4())
    return turn_pb2.Turn(
        turn_id=turn_id,
        conversation_id="c1",
        utterance=turn_pb2.Utterance(
            turn_id=turn_id, conversation_id="c1", text="hello", principal=principal_pb2.Principal(roles=roles)
        ),
        decision=dialogue_pb2.Decision(query=query),
        route=turn_pb2.Route(next=[stage_pb2.STAGE_KNOWLEDGE, stage_pb2.STAGE_GENERATION]),
    )


def ask(retriever: Retriever, text: str, *roles: str) -> tuple[Outgoing, turn_pb2.Turn]:
    """What the handler sends for a turn with this query."""
    asked = turn(knowledge_pb2.KnowledgeQuery(text=text), *roles)
    (outgoing,) = KnowledgeHandler(retriever).handle(event(topology.DECISIONS, asked))
    assert isinstance(outgoing.body, turn_pb2.Turn)
    return outgoing, outgoing.body


def tell(retriever: Retriever, document: knowledge_pb2.Document) -> None:
    """Hand a document to the handler, which sends nothing for it."""
    assert KnowledgeHandler(retriever).handle(event(topology.DOCUMENTS, document)) == []


def test_a_turn_gets_its_evidence_signed_and_goes_on(retriever: Retriever) -> None:
    tell(retriever, DOCUMENT)

    outgoing, answered = ask(retriever, QUESTION)

    assert (outgoing.topic, outgoing.key) == (topology.EVIDENCE, "c1")
    assert answered.evidence.found
    assert answered.evidence.passages[0].source == "https://help.example/r"
    assert list(answered.route.next) == [stage_pb2.STAGE_GENERATION]
    (visit,) = answered.route.visits
    assert visit.stage == stage_pb2.STAGE_KNOWLEDGE
    assert [model.name for model in visit.models] == ["knowledge-encoder"]
    assert "e5" in visit.models[0].version
    assert visit.engine_time.ToTimedelta().total_seconds() > 0


def test_an_event_handled_twice_is_answered_alike(retriever: Retriever) -> None:
    tell(retriever, DOCUMENT)
    given = event(topology.DECISIONS, turn(knowledge_pb2.KnowledgeQuery(text=QUESTION)))
    before = given.body.SerializeToString()

    sent = [KnowledgeHandler(retriever).handle(given) for _ in range(2)]

    evidence = [outgoing.body.evidence for (outgoing,) in sent if isinstance(outgoing.body, turn_pb2.Turn)]
    assert evidence[0] == evidence[1]
    assert given.body.SerializeToString() == before


def test_documents_come_change_and_go_by_event(retriever: Retriever) -> None:
    assert not ask(retriever, QUESTION)[1].evidence.found

    tell(retriever, DOCUMENT)
    tell(retriever, DOCUMENT)
    assert "30 days" in ask(retriever, QUESTION)[1].evidence.passages[0].text

    changed = knowledge_pb2.Document()
    changed.CopyFrom(DOCUMENT)
    changed.text = RETURNS.replace("30 days", "90 days")
    tell(retriever, changed)
    assert "90 days" in ask(retriever, QUESTION)[1].evidence.passages[0].text

    tell(retriever, knowledge_pb2.Document(document_id="returns", domain="shop", deleted=True))
    assert not ask(retriever, QUESTION)[1].evidence.found


def test_the_roles_of_the_turns_principal_decide(retriever: Retriever) -> None:
    tell(retriever, knowledge_pb2.Document(document_id="staff", domain="shop", text=STAFF, roles=["agent"]))
    question = "How much goodwill credit may an agent grant for a complaint?"

    assert ask(retriever, question, "agent")[1].evidence.found
    assert not ask(retriever, question, "guest")[1].evidence.found
    assert not ask(retriever, question)[1].evidence.found


def test_a_turn_without_a_query_is_a_broken_event(retriever: Retriever) -> None:
    with pytest.raises(InvalidEvent, match=r"decision\.query\.text: '' is missing"):
        KnowledgeHandler(retriever).handle(event(topology.DECISIONS, turn(None)))


def test_a_document_without_text_is_refused(retriever: Retriever) -> None:
    with pytest.raises(InvalidInput, match=r"text: '' is empty; .* set deleted to remove it"):
        tell(retriever, knowledge_pb2.Document(document_id="returns", domain="shop"))


def test_before_it_is_loaded_it_says_so(tmp_path: Path) -> None:
    retriever = unloaded(tmp_path)

    with pytest.raises(Unavailable, match="still loading"):
        ask(retriever, QUESTION)
    with pytest.raises(Unavailable, match="still loading"):
        tell(retriever, DOCUMENT)
    retriever.close()


def test_grpc_answers_from_the_same_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_KNOWLEDGE_BUNDLED_DOCUMENTS", "false")
    service = build(StorageSettings.load(data_dir=tmp_path, database_url=""))
    service.load()
    assert service.handler is not None
    service.handler.handle(event(topology.DOCUMENTS, DOCUMENT))
    server = GrpcServer("127.0.0.1", 0, 4, lambda _name: True)
    server.start([service])
    try:
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            stub = knowledge_pb2_grpc.KnowledgeServiceStub(channel)

            answer = stub.Retrieve(knowledge_pb2.RetrieveRequest(query=knowledge_pb2.KnowledgeQuery(text=QUESTION)))
            assert answer.evidence.passages[0].document_id == "returns"

            for query, field in (
                (knowledge_pb2.KnowledgeQuery(), "query.text"),
                (knowledge_pb2.KnowledgeQuery(text="Hi", limit=51), "query.limit"),
                (knowledge_pb2.KnowledgeQuery(text="Hi", language="English"), "language"),
            ):
                with pytest.raises(grpc.RpcError) as refused:
                    stub.Retrieve(knowledge_pb2.RetrieveRequest(query=query))
                assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
                assert field in (refused.value.details() or "")
    finally:
        server.stop(grace=0)
        service.close()


def test_what_set_up_indexed_is_not_indexed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.knowledge.ingest.installed_packs", lambda: ())
    storage = StorageSettings.load(data_dir=tmp_path, database_url="")

    first, second = ensure_index(storage), ensure_index(storage)

    assert (first.documents, second.encoded) == (0, 0)


@pytest.mark.parametrize(
    ("name", "value"), [("THRESHOLD", "1.5"), ("PASSAGES", "0"), ("REFRESH_SECONDS", "soon"), ("MAX_BATCH", "-1")]
)
def test_a_setting_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"PARLEY_KNOWLEDGE_{name}", value)

    with pytest.raises(InvalidSettings, match=f"PARLEY_KNOWLEDGE_{name}.*{value}"):
        build(StorageSettings.load())
