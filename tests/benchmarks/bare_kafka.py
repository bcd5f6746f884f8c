"""The bare minimum of a turn on Kafka: plain kafka-python, as many hops, nothing done at any of them."""

from __future__ import annotations

import threading
import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic


def hop_times(port: int, hops: int, turns: int, fetch_wait_ms: int, body_bytes: int = 700) -> list[float]:
    """Seconds that each of `turns` records takes over `hops` topics, forwarded as soon as it is fetched.

    The topics have the names and partitions of a road of their own on the broker at `port`; consumer and producer are
    those of the road (one consumer of a group, one request in flight, acknowledged by all), and wait as long.
    """
    servers = f"127.0.0.1:{port}"
    topics = [f"bare.{int(time.time())}.{number}" for number in range(hops)]
    admin = KafkaAdminClient(bootstrap_servers=servers)
    admin.create_topics([NewTopic(topic, 4, 1) for topic in topics])
    admin.close()
    consumer = KafkaConsumer(
        *topics,
        bootstrap_servers=servers,
        group_id=topics[0],
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=fetch_wait_ms,
        session_timeout_ms=3000,
        heartbeat_interval_ms=500,
        metrics_enabled=False,
    )
    producer = KafkaProducer(
        bootstrap_servers=servers,
        acks="all",
        linger_ms=0,
        enable_idempotence=False,
        max_in_flight_requests_per_connection=1,
    )
    while not consumer.assignment():
        consumer.poll(100)
    following = {topic: topics[number + 1] if number + 1 < hops else None for number, topic in enumerate(topics)}
    arrived = threading.Event()
    stopping = threading.Event()

    def forward() -> None:
        while not stopping.is_set():
            for records in consumer.poll(100).values():
                for record in records:
                    topic = following[record.topic]
                    if topic is None:
                        arrived.set()
                    else:
                        producer.send(topic, key=record.key, value=record.value)

    forwarder = threading.Thread(target=forward)
    forwarder.start()
    times = []
    for number in range(turns):
        arrived.clear()
        started = time.perf_counter()
        producer.send(topics[0], key=f"bare-{number}".encode(), value=b"x" * body_bytes)
        arrived.wait(10)
        times.append(time.perf_counter() - started)
    stopping.set()
    forwarder.join()
    consumer.close()
    producer.close()
    return times
