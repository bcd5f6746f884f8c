"""A broker behind TLS that asks for certificates: with the right ones everything works, without nothing does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.protobuf.message import Message

from parley.v1 import packs_pb2
from shared.bus.codec import Codecs
from shared.bus.embedded import EmbeddedBroker
from shared.bus.envelope import encode
from shared.bus.producer import Producer
from shared.bus.profile import BrokerProfile
from shared.bus.snapshot import read_all
from shared.bus.tail import Tail
from shared.bus.topics import ensure_topics
from shared.errors import Unavailable
from shared.events import Outgoing
from shared.settings import KafkaSettings
from shared.topology import PACKS
from tests.stack import free_port
from tests.tls import Authority, Pair, tls_proxy

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Guarded:
    """A broker that only TLS reaches."""

    address: str
    authority: Authority
    client: Pair

    def settings(self, **other: object) -> KafkaSettings:
        given = {
            "bootstrap_servers": self.address,
            "security_protocol": "SSL",
            "ssl_ca_file": self.authority.certificate,
            "ssl_cert_file": self.client.certificate,
            "ssl_key_file": self.client.key,
        }
        return KafkaSettings.load(**{**given, **other})


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(folder)
    plain, secure = free_port(), free_port()
    broker = EmbeddedBroker(plain, folder / "broker.log", advertised_port=secure)
    broker.start()
    with tls_proxy(secure, plain, authority.pair("broker"), authority.certificate):
        yield Guarded(f"127.0.0.1:{secure}", authority, authority.pair("parley"))
    broker.stop()


def test_topics_are_made_and_events_go_and_come_over_tls(guarded: Guarded) -> None:
    settings = guarded.settings()
    profile = BrokerProfile.of(settings)
    ensure_topics(profile, settings)
    found = threading.Event()

    def tell(key: str, body: Message) -> None:
        assert isinstance(body, packs_pb2.PackState)
        found.set()

    tail = Tail(profile, PACKS, tell, lambda _: None)
    tail.start()
    producer = Producer(profile)
    state = packs_pb2.PackState(active=packs_pb2.PackSet())
    producer.send([encode(Outgoing(PACKS, "/active", state), source="t", cause_id="t", inherited={}, codecs=Codecs())])

    assert found.wait(20)
    assert [record.key for record in read_all(profile, PACKS)] == [b"/active"]
    producer.close()
    tail.stop()


@pytest.mark.parametrize("lacks", ["our authority", "a client certificate", "TLS"])
def test_nobody_else_gets_in(guarded: Guarded, tmp_path: Path, lacks: str) -> None:
    others: dict[str, dict[str, object]] = {
        "our authority": {"ssl_ca_file": Authority(tmp_path, "stranger").certificate},
        "a client certificate": {"ssl_cert_file": None, "ssl_key_file": None},
        "TLS": {"security_protocol": "PLAINTEXT", "ssl_ca_file": None, "ssl_cert_file": None, "ssl_key_file": None},
    }
    settings = guarded.settings(**others[lacks])
    began = time.monotonic()

    with pytest.raises(Unavailable, match="no broker answers"):
        ensure_topics(BrokerProfile.of(settings), settings)

    assert time.monotonic() - began < 30
