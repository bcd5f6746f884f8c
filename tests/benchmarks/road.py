"""Time a text turn spends outside the engines, beside the bare Kafka round trips it needs."""

from __future__ import annotations

import statistics
import time
import uuid

import httpx
from kafka import KafkaConsumer, KafkaProducer

from parley.v1 import turn_pb2
from shared.topology import REPLIES, UTTERANCES
from tests.benchmarks.bare_kafka import hop_times
from tests.benchmarks.client import client_of
from tests.benchmarks.figures import Figure
from tests.stack import Stack

_TURNS = 60
_WARM_UP = 10
_SENTENCES = ("turn on the kitchen light", "turn off the kitchen light")
# utterances, transcripts, understandings, decisions, task-results, decisions, replies
_HOPS = 7
_FETCH_WAIT_MS = 8


def measure(stack: Stack) -> list[Figure]:
    """Sequential turns of one task each: from Kafka to Kafka beside the bare hops, and by HTTP as a person waits."""
    by_kafka = _by_kafka(stack)
    bare = hop_times(stack.kafka_port, _HOPS, _WARM_UP + _TURNS, _FETCH_WAIT_MS)[_WARM_UP:]
    by_http = _by_http(client_of(stack))
    return [
        Figure(
            f"text turn outside engines, Kafka to Kafka, {_HOPS} hops, p50",
            statistics.median(total - engines for total, engines in by_kafka) * 1000,
            "ms",
            bare=statistics.median(bare) * 1000,
            floor=80.0,
            ratio_floor=1.5,
        ),
        Figure(
            "text turn outside engines, by HTTP, p50",
            statistics.median(total - engines for total, engines in by_http) * 1000,
            "ms",
            floor=80.0,
        ),
        Figure("text turn by HTTP, p50", statistics.median(total for total, _ in by_http) * 1000, "ms"),
        Figure("text turn by HTTP, p95", statistics.quantiles((t for t, _ in by_http), n=20)[-1] * 1000, "ms"),
    ]


def _by_kafka(stack: Stack) -> list[tuple[float, float]]:
    """Seconds from publishing an utterance to holding its reply, and the seconds its engines worked, a turn."""
    servers = f"127.0.0.1:{stack.kafka_port}"
    consumer = KafkaConsumer(
        REPLIES, bootstrap_servers=servers, group_id=None, fetch_max_wait_ms=_FETCH_WAIT_MS, metrics_enabled=False
    )
    producer = KafkaProducer(
        bootstrap_servers=servers,
        acks="all",
        linger_ms=0,
        enable_idempotence=False,
        max_in_flight_requests_per_connection=1,
    )
    consumer.poll(1000)
    times = []
    for number in range(_WARM_UP + _TURNS):
        utterance = turn_pb2.Utterance(
            turn_id=str(uuid.uuid4()), conversation_id=f"bench-{uuid.uuid4()}", text=_SENTENCES[number % 2], locale="en"
        )
        started = time.perf_counter()
        producer.send(
            UTTERANCES,
            key=utterance.conversation_id.encode(),
            value=utterance.SerializeToString(),
            headers=[("content-type", b"application/protobuf")],
        )
        turn = _reply_to(consumer, utterance.turn_id)
        times.append((time.perf_counter() - started, sum(_seconds(visit) for visit in turn.route.visits)))
    consumer.close()
    producer.close()
    return times[_WARM_UP:]


def _reply_to(consumer: KafkaConsumer, turn_id: str) -> turn_pb2.Turn:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for records in consumer.poll(200).values():
            for record in records:
                turn = turn_pb2.Turn.FromString(record.value)
                if turn.turn_id == turn_id:
                    return turn
    raise TimeoutError(f"turn {turn_id} has no reply after 30 s")


def _seconds(visit: turn_pb2.Visit) -> float:
    return visit.engine_time.ToNanoseconds() / 1e9


def _by_http(client: httpx.Client) -> list[tuple[float, float]]:
    times = []
    for number in range(_WARM_UP + _TURNS):
        body = {"text": _SENTENCES[number % 2], "locale": "en", "conversation_id": f"bench-{uuid.uuid4()}"}
        started = time.perf_counter()
        turn = client.post("/v1/utterances", params={"wait": 30}, json=body).json()
        total = time.perf_counter() - started
        assert turn["reply"]["text"], turn
        times.append((total, float(sum(turn["engine_ms"].values())) / 1000))
    return times[_WARM_UP:]
