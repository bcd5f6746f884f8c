"""Labels are in SQL as soon as they are received, by HTTP or by Kafka, and can be read on from there."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from parley.v1 import labels_pb2
from services.gateway.http.server import HttpServer
from services.gateway.service import assemble
from services.gateway.settings import GatewaySettings, JwtSettings
from services.gateway.tokens import TokenVerifier
from shared.principals import development_token, ensure_keys
from shared.settings import ServerSettings, StorageSettings
from shared.storage.database import Database
from shared.topology import DEAD_LETTERS, LABELS
from tests.broker import TestBroker, eventually, own_broker
from tests.gateway_parts import SEAL, Gateway, event_of, keep_audio, running_gateway
from tests.integration.runtime_doubles import hosting

pytestmark = pytest.mark.integration

LABEL = {"text": "turn on the kitchen light", "language": "en", "intent": "turn_on", "rating": 5}


@pytest.fixture
def gateway(tmp_path: Path, database_url: str) -> Iterator[Gateway]:
    with running_gateway(tmp_path, database_url) as gateway:
        yield gateway


def labels(client: httpx.Client, **params: int) -> list[dict[str, object]]:
    """What the client may read."""
    answer = client.get("/v1/labels", params=params)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, object]] = answer.json()["labels"]
    return found


def test_a_label_is_kept_under_the_name_its_token_says_and_sent_on(gateway: Gateway) -> None:
    ada = gateway.client("ada")

    answer = ada.post("/v1/labels", json={**LABEL, "label_id": "first", "labeller": "somebody else"})

    assert (answer.status_code, answer.json()) == (201, {"label_id": "first"})
    [kept] = labels(ada)
    assert kept["verified"]
    assert kept["label"]["labeller"] == "ada"  # type: ignore[index] # an object
    [sent] = gateway.road.sent
    assert (sent.outgoing.topic, sent.outgoing.key) == (LABELS, "first")
    assert isinstance(sent.outgoing.body, labels_pb2.Label)
    assert sent.outgoing.body.text == LABEL["text"]


def test_the_same_label_twice_counts_once_whichever_way_it_comes(gateway: Gateway) -> None:
    ada = gateway.client("ada")
    for _ in range(2):
        assert ada.post("/v1/labels", json={**LABEL, "label_id": "once"}).status_code == 201
    gateway.deliver([event_of(LABELS, gateway.road.sent[0].outgoing.body)] * 2)

    assert len(labels(ada)) == len(gateway.road.sent) == 1


def test_who_learns_reads_on_from_the_last_number_it_has(gateway: Gateway) -> None:
    operator = gateway.client("olga", "operator")
    for number in range(5):
        gateway.deliver([event_of(LABELS, labels_pb2.Label(label_id=str(number), text="hello", labeller="a script"))])

    first = labels(operator, limit=3)
    rest = labels(operator, after=int(str(first[-1]["number"])), limit=3)

    assert [each["label"]["label_id"] for each in [*first, *rest]] == ["0", "1", "2", "3", "4"]  # type: ignore[index]
    assert not any(each["verified"] for each in first), "from Kafka a name is a claim"


def test_people_read_their_own_labels_and_an_operator_all(gateway: Gateway) -> None:
    for user in ("ada", "ben"):
        gateway.client(user).post("/v1/labels", json={**LABEL, "label_id": user})
    gateway.deliver([event_of(LABELS, labels_pb2.Label(label_id="claimed", labeller="ada"))])

    def ids(client: httpx.Client) -> list[object]:
        return [each["label"]["label_id"] for each in labels(client)]  # type: ignore[index] # an object

    assert ids(gateway.client("ada")) == ["ada"]
    assert ids(gateway.client("olga", "operator")) == ["ada", "ben", "claimed"]


def test_a_label_that_cannot_be_used_is_refused_with_every_field(gateway: Gateway) -> None:
    ada = gateway.client("ada")
    bens_turn = gateway.client("ben").post("/v1/utterances", json={"text": "hello"}).json()["turn_id"]

    wrong = ada.post("/v1/labels", json={"text": "x" * 8001, "rating": 6})
    unknown = ada.post("/v1/labels", json={"txt": "hello"})
    another = ada.post("/v1/labels", json={**LABEL, "turn_id": bens_turn})
    nobody = gateway.client().post("/v1/labels", json=LABEL)

    assert wrong.status_code == 400
    assert {field["field"] for field in wrong.json()["error"]["fields"]} == {"text", "rating"}
    assert unknown.json()["error"]["fields"][0]["field"] == "txt"
    assert another.status_code == 404
    assert nobody.json()["error"]["fields"][0]["field"] == "authorization"
    assert labels(ada) == []


def test_labels_published_to_kafka_survive_the_loss_of_the_broker(storage: StorageSettings) -> None:
    """What cannot be read becomes a dead letter: no other service reads the topic yet."""
    with own_broker() as broker:
        broker.prepare()
        label_id = str(uuid.uuid4())
        with hosted_gateway(broker, storage) as url:
            client = gateway_client(url, storage)
            broker.publish(LABELS, b"{no json", headers=[("content-type", b"application/json")])
            body = b'{"label_id": "%s", "text": "hello", "intent": "greet"}' % label_id.encode()
            broker.publish(LABELS, body, headers=[("content-type", b"application/json")])
            [letter] = broker.read(DEAD_LETTERS)
            assert letter.body == b"{no json"
            eventually(lambda: labels(client), "it is kept")
            assert broker.embedded is not None
            broker.embedded.kill()

            assert client.post("/v1/labels", json={**LABEL, "label_id": "while it is away"}).status_code == 201
            kept = [each["label"]["label_id"] for each in labels(client)]  # type: ignore[index] # an object
            assert kept == [label_id, "while it is away"]
            broker.embedded.start()
            sent = broker.read(LABELS)
    assert labels_pb2.Label.FromString(sent[0].body or b"").label_id == "while it is away"


@contextmanager
def hosted_gateway(broker: TestBroker, storage: StorageSettings) -> Iterator[str]:
    """The URL of a real gateway on a real broker."""
    service = assemble(
        Database(storage.database_for("gateway")),
        SEAL,
        TokenVerifier(JwtSettings(), ensure_keys(storage.data_dir).development_signing.public_key()),
        keep_audio,
        settings=GatewaySettings(),
        server=ServerSettings(http_port=0, grpc_port=0),
    )
    http = next(each for each in service.background if isinstance(each, HttpServer))
    with hosting(broker, service, group="gateway"):
        eventually(lambda: http.port, "the door is open")
        yield f"http://127.0.0.1:{http.port}"


def gateway_client(url: str, storage: StorageSettings) -> httpx.Client:
    """An operator's."""
    token = development_token(storage.data_dir, "olga", ["operator"])
    return httpx.Client(base_url=url, headers={"authorization": f"Bearer {token}"}, timeout=30, trust_env=False)
