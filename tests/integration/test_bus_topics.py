"""Topics are made as they are declared, and what is there already is respected."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest
from kafka import KafkaConsumer

from shared.bus.embedded import EmbeddedBroker, listening
from shared.bus.envelope import Wire
from shared.bus.profile import BrokerProfile
from shared.bus.topics import ensure_topics
from shared.errors import InvalidSettings, Unavailable
from shared.settings import KafkaSettings
from shared.topology import CONTEXTS, ROAD, TOPICS
from tests.broker import PATIENCE, TestBroker, eventually, free_port, own_broker

pytestmark = pytest.mark.integration


def partition_counts(broker: TestBroker) -> dict[str, int]:
    """What a plain client sees."""
    consumer = KafkaConsumer(bootstrap_servers=list(broker.profile.bootstrap_servers))
    try:
        return {topic: len(consumer.partitions_for_topic(topic) or ()) for topic in consumer.topics()}
    finally:
        consumer.close()


def test_topics_are_made_as_declared_and_made_once() -> None:
    with own_broker(road_partitions=6, other_partitions=2) as broker:
        made = ensure_topics(broker.profile, broker.kafka)
        first = partition_counts(broker)
        made_again = ensure_topics(broker.profile, broker.kafka)

        assert sorted(made) == sorted(TOPICS)
        assert made_again == []
        assert first == {name: 6 if name in ROAD else 2 for name in TOPICS} == partition_counts(broker)


def test_processes_that_start_at_once_make_them_together() -> None:
    with own_broker() as broker:
        made: list[str] = []
        threads = [
            threading.Thread(target=lambda: made.extend(ensure_topics(broker.profile, broker.kafka))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)

        assert set(made) == set(TOPICS)
        assert len(partition_counts(broker)) == len(TOPICS)


def test_of_a_compacted_topic_whoever_reads_it_all_ends_with_the_latest_of_each_key(broker: TestBroker) -> None:
    """What every follower of contexts and model states relies on, whether or not the broker has compacted yet."""
    with broker.producer() as producer:
        for revision in range(3):
            producer.send([Wire(CONTEXTS, f"c{key}", {}, f"{key}:{revision}".encode()) for key in range(5)])

    latest = {(record.key or b"").decode(): record.body for record in broker.everything(CONTEXTS)}

    assert latest == {f"c{key}": f"{key}:2".encode() for key in range(5)}


def test_a_road_with_another_partition_count_is_refused() -> None:
    """One key would have two partition numbers, and a turn two orders."""
    with own_broker() as broker:
        broker.prepare()
        other = broker.kafka.model_copy(update={"road_partitions": 8})

        with pytest.raises(InvalidSettings) as refusal:
            ensure_topics(broker.profile, other)

    assert "PARLEY_KAFKA_ROAD_PARTITIONS: 8 differs from the 4 partitions parley." in str(refusal.value)
    assert "set it to 4, or add partitions to every topic of the road" in str(refusal.value)


def test_a_broker_that_is_not_there_is_named() -> None:
    kafka = KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port()}")

    with pytest.raises(Unavailable, match=rf"no broker answers at {kafka.bootstrap_servers}"):
        ensure_topics(BrokerProfile.of(kafka), kafka)


class TestEmbeddedBroker:
    def test_it_starts_and_stops(self) -> None:
        broker = EmbeddedBroker(free_port())
        broker.start()
        assert broker.alive()
        assert listening(broker.port)

        broker.stop()

        assert not broker.alive()
        assert not listening(broker.port)

    def test_a_port_that_is_taken_is_told_with_the_remedies(self) -> None:
        with own_broker() as broker:
            assert broker.embedded is not None
            port = broker.embedded.port
            with pytest.raises(Unavailable) as refusal:
                EmbeddedBroker(port).start()

        for part in (str(port), "is taken", "PARLEY_KAFKA_EMBEDDED_PORT", "PARLEY_KAFKA_BOOTSTRAP_SERVERS"):
            assert part in str(refusal.value)

    def test_it_ends_with_the_process_that_started_it(self) -> None:
        """Killed, so that it had no time to say goodbye: a broker left behind would hold the port."""
        port = free_port()
        program = (
            "import sys, time; from shared.bus.embedded import EmbeddedBroker; "
            f"b = EmbeddedBroker({port}); b.start(); print(b.pid, flush=True); time.sleep(600)"
        )
        owner = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        assert owner.stdout is not None
        lines = (line.decode().split() for line in owner.stdout)
        pid = next(int(words[0]) for words in lines if len(words) == 1)
        os.kill(pid, 0)

        owner.send_signal(signal.SIGKILL)
        owner.wait()
        owner.stdout.close()

        eventually(lambda: not listening(port), "the broker has ended too")
