"""One table of bad input, a few rows for each edge: each answer names the field, the value and the remedy.

The tables of the single edges go deeper: test_gateway_bad_input, test_settings, test_artifacts_folder,
test_asr_hearing, test_bus_poison, test_clients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from typer.testing import CliRunner

from parley.v1 import asr_pb2, gateway_pb2, gateway_pb2_grpc, turn_pb2
from services.cli.app import application
from services.dispatch.connectors.webhook_targets import load_webhooks
from shared.artifacts import load_artifact
from shared.blobs import BlobStore
from shared.bus.codec import Codecs
from shared.bus.envelope import Fetched, decode
from shared.errors import InvalidInput
from shared.packs import load_pack
from shared.settings import KafkaSettings, StorageSettings
from shared.storage.database import Database
from shared.topology import UTTERANCES
from tests.gateway_parts import Gateway, running_gateway

pytestmark = pytest.mark.integration


class Edges:
    """The edges, each as a function from something bad to the answer."""

    def __init__(self, gateway: Gateway, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._gateway = gateway
        self._folder = folder
        self._monkeypatch = monkeypatch

    def cli(self, *arguments: str) -> str:
        """A command line."""
        self._monkeypatch.setenv("PARLEY_SERVER_HTTP_PORT", "1")  # where no gateway is
        done = CliRunner().invoke(application(arguments[0]), list(arguments))
        assert done.exit_code in (1, 2), done.output
        return f"{done.output} {done.exception or ''}"

    def http(self, **body: object) -> str:
        """A JSON body."""
        answer = self._gateway.client().post("/v1/utterances", json=body)
        assert answer.status_code == 400
        return answer.text

    def grpc(self, **fields: str) -> str:
        """An utterance by gRPC."""
        utterance = turn_pb2.Utterance(**fields)  # type: ignore[arg-type] # texts, all of them
        with grpc.insecure_channel(self._gateway.grpc_target) as channel:
            try:
                gateway_pb2_grpc.GatewayServiceStub(channel).Publish(gateway_pb2.PublishRequest(utterance=utterance))
            except grpc.RpcError as error:
                assert isinstance(error, grpc.Call)
                assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
                return error.details() or ""
        raise AssertionError("accepted")

    def kafka(self, body: bytes, **headers: str) -> str:
        """A record on the entry topic."""
        named = [(name.replace("_", "-"), value.encode()) for name, value in headers.items()]
        return _refusal(lambda: decode(Fetched(UTTERANCES, 0, 7, b"k", named, body, 0, 0.0), Codecs()))

    def setting(self, name: str, value: str) -> str:
        """An environment variable."""
        self._monkeypatch.setenv(name, value)
        return _refusal(KafkaSettings.load)

    def file(self, name: str, text: str) -> Path:
        """A file with this text."""
        file = self._folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def pack(self, text: str) -> str:
        """A pack.yaml."""
        return _refusal(lambda: load_pack(self.file("pack/pack.yaml", text).parent))

    def artifact(self, manifest: str) -> str:
        """A model's manifest."""
        return _refusal(lambda: load_artifact(self.file("model/manifest.json", manifest).parent, task="nlu"))

    def webhooks(self, text: str) -> str:
        """A file of webhook targets."""
        return _refusal(lambda: load_webhooks(self.file("targets.toml", text), []))

    def claim(self, uri: str) -> str:
        """A claim check."""
        store = BlobStore.load(StorageSettings(data_dir=self._folder))
        return _refusal(lambda: store.get(asr_pb2.ClaimCheck(uri=uri, sha256="0" * 64)))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("gateway")) as gateway:
        yield gateway


TABLE: list[tuple[str, Callable[[Edges], str], list[str]]] = [
    ("cli: an unknown service", lambda at: at.cli("serve", "barista"), ["barista", "use one of"]),
    ("cli: a file of no known kind", lambda at: at.cli("say", "--audio", "a.txt"), ["--audio", "a.txt", ".flac"]),
    ("cli: a gateway that is not there", lambda at: at.cli("turns", "list"), ["gateway", "parley up"]),
    ("http: a locale that is none", lambda at: at.http(text="hi", locale="English!"), ["locale"]),
    ("http: a field that is unknown", lambda at: at.http(txt="hi"), ["txt", "is unknown"]),
    ("grpc: an id that is none", lambda at: at.grpc(text="hi", turn_id="7"), ["turn_id"]),
    ("grpc: nothing said", lambda at: at.grpc(locale="en"), ["content"]),
    ("kafka: no JSON", lambda at: at.kafka(b"{"), ["body", "1 bytes", "send a parley.v1.Utterance"]),
    (
        "kafka: a content type nobody reads",
        lambda at: at.kafka(b"x", content_type="text/plain"),
        ["content-type", "text/plain", "application/json"],
    ),
    (
        "setting: a port that is none",
        lambda at: at.setting("PARLEY_KAFKA_EMBEDDED_PORT", "ninety"),
        ["PARLEY_KAFKA_EMBEDDED_PORT", "ninety", "valid integer"],
    ),
    (
        "setting: a database that is none",
        lambda _: _refusal(lambda: Database("oracle://x")),
        ["PARLEY_STORAGE_DATABASE_URL", "oracle", "sqlite:///"],
    ),
    ("audio: a claim check elsewhere", lambda at: at.claim("file:///etc/passwd"), ["/etc/passwd", "send the bytes"]),
    ("artifact: a manifest that is none", lambda at: at.artifact("{"), ["manifest.json"]),
    ("pack: a field that is unknown", lambda at: at.pack("name: x\ncolour: red\n"), ["colour"]),
    ("webhooks: no targets", lambda at: at.webhooks("a = 1"), ["PARLEY_DISPATCH_WEBHOOKS", "[targets.NAME]"]),
]


@pytest.mark.parametrize(("bad", "told"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_bad_input_is_answered_with_field_value_and_remedy(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: Callable[[Edges], str], told: list[str]
) -> None:
    answer = bad(Edges(gateway, tmp_path, monkeypatch))

    assert [piece for piece in told if piece not in answer] == [], answer
    assert "Traceback" not in answer


def _refusal(call: Callable[[], object]) -> str:
    with pytest.raises(InvalidInput) as refused:
        call()
    assert refused.value.field
    assert refused.value.remedy
    return str(refused.value)
