"""The bus: records in order by key, acknowledged, read again by whoever comes after, never lost."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from shared.bus import consumer as bus_consumer
from shared.bus.consumer import Consumer, Partition
from shared.bus.envelope import Fetched, Wire
from shared.bus.producer import Producer, RecordsTooLarge
from shared.bus.profile import BrokerProfile
from shared.errors import Unavailable
from shared.settings import KafkaSettings
from shared.topology import REPLIES, TRANSCRIPTS
from tests.broker import PATIENCE, Mailbox, TestBroker, eventually, free_port

pytestmark = pytest.mark.integration


def records(count: int, keys: int = 5) -> list[Wire]:
    """Records with their numbers as bodies, by turns under each key."""
    return [
        Wire(TRANSCRIPTS, f"key-{number % keys}", {"n": str(number)}, str(number).encode()) for number in range(count)
    ]


@dataclass
class Member:
    """One member of a group, polled by a thread of its own as the intake does; commits what it has read."""

    consumer: Consumer
    came: Mailbox[Fetched] = field(default_factory=Mailbox)
    won: Mailbox[Partition] = field(default_factory=Mailbox)
    positions: dict[Partition, int] = field(default_factory=dict)
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Poll until stopped."""
        while not self.stopping.is_set():
            for record in self.consumer.poll(50):
                self.positions[record.topic, record.partition] = record.offset + 1
                self.came.put(record)

    @property
    def numbers(self) -> list[int]:
        """Bodies of what came."""
        return [int(record.body or b"") for record in self.came.items()]


@contextmanager
def member(broker: TestBroker) -> Iterator[Member]:
    """A member that joins the readers' group now and leaves it when the block ends."""
    group = f"{broker.kafka.group_prefix}.readers"
    broker.begin_here(group)
    member: Member

    def on_revoked(leaving: object) -> None:
        consumer.commit(dict(member.positions), wait=True)

    def on_assigned(won: object) -> None:
        member.positions.clear()
        for place in won:  # type: ignore[attr-defined]
            member.won.put(place)

    consumer = Consumer(
        broker.profile, group, [TRANSCRIPTS], on_assigned=on_assigned, on_revoked=on_revoked, on_lost=lambda _lost: None
    )
    member = Member(consumer)
    thread = threading.Thread(target=member.run)
    thread.start()
    try:
        yield member
    finally:
        member.stopping.set()
        thread.join(PATIENCE)
        consumer.commit(member.positions, wait=True)
        consumer.close()


class TestProducer:
    def test_records_of_a_key_are_in_order_on_one_partition(self, broker: TestBroker) -> None:
        with broker.producer() as producer, member(broker) as reader:
            for batch in range(4):
                producer.send(records(100)[batch * 25 : batch * 25 + 25])
            came = reader.came.wait(100)

        by_key = defaultdict(list)
        for record in came:
            by_key[record.key].append((record.partition, int(record.body or b"")))
        assert len(by_key) == 5
        for there in by_key.values():
            assert len({partition for partition, _ in there}) == 1
            numbers = [number for _, number in there]
            assert numbers == sorted(numbers)

    def test_headers_and_key_come_as_they_were_sent(self, broker: TestBroker) -> None:
        with broker.producer() as producer:
            producer.send([Wire(TRANSCRIPTS, "küche", {"note": "灯", "bytes": "\udcff"}, b"\x00")])
        (record,) = broker.read(TRANSCRIPTS)

        assert record.key == "küche".encode()
        assert dict(record.headers) == {"note": "灯".encode(), "bytes": b"\xff"}

    def test_a_record_that_is_too_large_is_told_and_the_others_are_there(self, broker: TestBroker) -> None:
        small, huge = Wire(TRANSCRIPTS, "k", {}, b"small"), Wire(TRANSCRIPTS, "k", {}, bytes(9 * 1024 * 1024))

        with broker.producer() as producer, pytest.raises(RecordsTooLarge) as refusal:
            producer.send([small, huge, small])

        assert refusal.value.indices == (1,)
        assert [record.body for record in broker.read(TRANSCRIPTS, 2)] == [b"small"] * 2

    @pytest.mark.parametrize("partition", [4, 99])
    def test_where_a_partition_does_not_exist_the_key_decides(self, broker: TestBroker, partition: int) -> None:
        with broker.producer() as producer:
            producer.send([Wire(REPLIES, "k", {}, b"1", partition=partition), Wire(REPLIES, "k", {}, b"2")])
        one, two = broker.read(REPLIES, 2)
        assert one.partition == two.partition

    def test_many_threads_may_send_while_it_is_renewed(self, broker: TestBroker) -> None:
        with broker.producer() as producer:

            def send(number: int) -> None:
                for record in records(20):
                    producer.send([Wire(TRANSCRIPTS, f"thread-{number}", {}, record.body)])

            threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                producer.renew()
                time.sleep(0.01)

        by_key = defaultdict(list)
        for record in broker.read(TRANSCRIPTS, 80):
            by_key[record.key].append(int(record.body or b""))
        assert all(numbers == list(range(20)) for numbers in by_key.values())
        assert len(by_key) == 4

    def test_nothing_is_sent_by_one_that_was_closed(self, embedded_broker: TestBroker) -> None:
        """A call that outlasts its process's stop must not speak up when others have taken its work over."""
        producer = Producer(embedded_broker.profile)
        producer.send(records(1))
        producer.close()

        with pytest.raises(Unavailable, match="stopping"):
            producer.send(records(1))

    def test_a_broker_that_is_not_there_is_named(self) -> None:
        port = free_port()
        producer = Producer(BrokerProfile.of(KafkaSettings(embedded_port=port)))
        with pytest.raises(Unavailable, match=f"no broker answers at 127.0.0.1:{port}"):
            producer.send(records(1))


class TestGroup:
    def test_what_a_consumer_died_with_is_read_again_by_the_next(self, broker: TestBroker) -> None:
        """It dies as a process does, after it has read and before it has committed."""
        group = f"{broker.kafka.group_prefix}.readers"
        broker.begin_here(group)
        with broker.producer() as producer:
            producer.send(records(20))
        module = [sys.executable, "-m", "tests.integration.dying_consumer"]
        dying = subprocess.Popen([*module, broker.profile.bootstrap_servers[0], group], stdout=subprocess.PIPE)
        assert dying.stdout is not None
        for _ in range(20):
            assert dying.stdout.readline(), "it ended before it was killed"
        dying.kill()
        dying.wait()
        dying.stdout.close()

        with member(broker) as heir:
            heir.came.wait(20)
            assert sorted(heir.numbers) == list(range(20))

    def test_partitions_move_when_a_member_joins_and_when_it_leaves_and_nothing_is_lost_or_read_twice(
        self, broker: TestBroker
    ) -> None:
        with broker.producer() as producer, member(broker) as first:
            first.won.wait(4)
            producer.send(records(50, keys=16))
            first.came.wait(50)
            with member(broker) as second:
                second.won.wait(2)
                assert first.won.wait(6)[4:] != second.won.items()
                producer.send(records(50, keys=16))
                eventually(lambda: len(first.numbers) + len(second.numbers) == 100, "all has come")
                shared = len(second.numbers)
            first.won.wait(10)
            producer.send(records(50, keys=16))
            first.came.wait(150 - shared)

        assert sorted(first.won.items()[6:]) == [(TRANSCRIPTS, number) for number in range(4)]
        assert 0 < shared < 50
        assert sorted(first.numbers + second.numbers) == sorted([*range(50)] * 3)

    def test_a_member_knows_how_far_it_is_behind(self, broker: TestBroker) -> None:
        with broker.producer() as producer, member(broker) as reader:
            producer.send(records(40))
            reader.came.wait(40)
            reader.stopping.set()
            assert reader.consumer.lag() == {TRANSCRIPTS: 0}


class TestFetchWait:
    @pytest.fixture
    def waits(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[Consumer], int]:
        monkeypatch.setattr(bus_consumer, "_QUIET_AFTER", 0.2)
        return lambda consumer: int(consumer._client._fetcher.config["fetch_max_wait_ms"])

    def test_on_the_embedded_broker_fetches_wait_short_while_events_flow_and_long_when_idle(
        self, broker: TestBroker, waits: Callable[[Consumer], int]
    ) -> None:
        if broker.embedded is None:
            pytest.skip("of the embedded broker alone: Apache Kafka wakes a fetch that waits")
        short, long = broker.kafka.fetch_wait_ms, broker.kafka.idle_fetch_wait_ms
        group = broker.kafka.group_prefix
        ignore = {"on_assigned": print, "on_revoked": print, "on_lost": print}
        consumer = Consumer(broker.profile, group, [TRANSCRIPTS], **ignore)
        seen = []

        def poll_until(wait_ms: int) -> None:
            deadline = time.monotonic() + PATIENCE
            while waits(consumer) != wait_ms:
                assert time.monotonic() < deadline, f"fetches wait {waits(consumer)} ms, not {wait_ms}"
                consumer.poll(20)
            seen.append(wait_ms)

        poll_until(long)
        with broker.producer() as producer:
            producer.send(records(1))
        poll_until(short)
        poll_until(long)
        consumer.close()

        assert seen == [long, short, long]

    def test_on_any_other_broker_a_fetch_waits_as_long_as_kafka_lets_it(self) -> None:
        profile = BrokerProfile.of(KafkaSettings(bootstrap_servers="kafka-1:9092"))
        assert (profile.fetch_wait_ms, profile.idle_fetch_wait_ms) == (500, 500)
