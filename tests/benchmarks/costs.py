"""What one turn costs each part: processor, memory, bytes by topic, commits and bytes in the database.

Measured as it runs on a cluster: one process a service, PostgreSQL, no engine with more than one thread. `parley plan`
computes with the figures, which `make bench ARGS="costs"` writes into its data file.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import psycopg
import soundfile
from kafka import KafkaConsumer, TopicPartition

from services.cli.hosting import SERVICES
from services.cli.planning.costs import COSTS_FILE, Costs
from shared.principals import development_token
from shared.topology import TOPICS
from tests.load.mix import RECORDINGS, Arrival, arrivals
from tests.load.sending import ANSWERED, send
from tests.postgres import PostgresServer
from tests.stack import Stack, many_processes

# Else a process asks the embedded broker more often while turns flow, and the asking would count as the turns' cost.
_SETTINGS = {"PARLEY_KAFKA_FETCH_WAIT_MS": "80", "PARLEY_KAFKA_IDLE_FETCH_WAIT_MS": "80"}
_STATEFUL = ("gateway", "dialogue", "dispatch")
_RATE = 4.0  # typed turns a second: half of what two cores bear
_TYPED, _SPOKEN, _LONG = 240, 30, 10  # turns
_SPOKEN_RATE, _LONG_RATE = 0.5, 0.15
_IDLE = 15.0  # seconds
_SETTLE = 3.0  # seconds until what follows a reply (contexts, offsets, relays) is done
_WAIT = 110.0  # seconds for a reply, on a machine that has other work
_DATABASE = "costs"
_RECORD_OVERHEAD = 20  # bytes of a record beside key, value and headers (its lengths and deltas, a share of its batch)


@dataclass(frozen=True, slots=True)
class Spent:
    """What a phase of the load took, by part."""

    turns: int
    seconds: float
    cpu: Mapping[str, float]  # seconds of processor time, by part
    topics: Mapping[str, int]  # bytes
    commits: int
    database_bytes: int


def measure(tell: Callable[[str], None]) -> Costs:
    """Run the stack under a steady load of each kind and return what a turn costs; `tell` is told what happens."""
    with tempfile.TemporaryDirectory(prefix="parley-costs-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL may run as another user
        (Path(folder) / "postgres").mkdir()
        server = PostgresServer(Path(folder) / "postgres")
        server.start()
        try:
            url = server.create(_DATABASE)
            settings = {name: dict(_SETTINGS) for name in SERVICES}
            for name in _STATEFUL:
                settings[name]["PARLEY_STORAGE_DATABASE_URL"] = url
            tell("starting one process a service")
            with many_processes(Path(folder) / "data", replicas=1, settings=settings) as stack:
                return _measure(_Parts(stack, server), _long_recordings(Path(folder)), tell)
        finally:
            server.stop()


def save(costs: Costs, file: Path = COSTS_FILE) -> None:
    """Write the data file of `parley plan`."""
    file.write_text(json.dumps(costs.as_dict(), indent=2) + "\n", encoding="utf-8")


class _Parts:
    """The parts of a running stack, and what they have used so far."""

    def __init__(self, stack: Stack, server: PostgresServer) -> None:
        self._stack = stack
        self._server = server
        self._token = development_token(stack.data_dir)
        pids = {name.removesuffix("-0"): process.pid for name, process in stack.processes.items()}
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._processes["database"] = psutil.Process(
            int((server.folder / "data" / "postmaster.pid").read_text().split()[0])
        )

    def run(self, planned: Sequence[Arrival]) -> Spent:
        """Send the turns and see what they took (no turns: what rest takes); raises AssertionError where one is not
        answered."""
        cpu, ends = self._cpu(), self._ends()
        commits, size = self._database()
        began = time.monotonic()
        outcomes = send(planned, self._stack.url, self._token, wait=_WAIT)
        time.sleep(0.0 if planned else _IDLE)
        missing = [each.outcome for each in outcomes if each.outcome != ANSWERED]
        assert not missing, f"{len(missing)} of {len(planned)} turns: {sorted(set(missing))}"
        time.sleep(_SETTLE)
        commits_after, size_after = self._database()
        return Spent(
            turns=len(planned),
            seconds=time.monotonic() - began,
            cpu={name: after - cpu[name] for name, after in self._cpu().items()},
            topics=self._bytes(ends, self._ends()),
            commits=commits_after - commits,
            database_bytes=size_after - size,
        )

    def memory(self) -> dict[str, float]:
        """Resident megabytes by part; children counted, pages of PostgreSQL's processes by proportion."""
        return {
            name: sum(each.memory_full_info().pss for each in [process, *process.children(recursive=True)]) / 1e6
            for name, process in self._processes.items()
        }

    def _cpu(self) -> dict[str, float]:
        return {
            name: sum(sum(each.cpu_times()[:2]) for each in [process, *process.children(recursive=True)])
            for name, process in self._processes.items()
        }

    def _database(self) -> tuple[int, int]:
        with psycopg.connect(host=str(self._server.folder), user="postgres", dbname="postgres") as connection:
            row = connection.execute(
                "SELECT xact_commit, pg_database_size(datname) FROM pg_stat_database WHERE datname = %s", (_DATABASE,)
            ).fetchone()
        assert row is not None
        return int(row[0]), int(row[1])

    def _consumer(self) -> KafkaConsumer:
        return KafkaConsumer(
            bootstrap_servers=f"127.0.0.1:{self._stack.kafka_port}",
            group_id=None,
            metrics_enabled=False,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )

    def _ends(self) -> dict[TopicPartition, int]:
        consumer = self._consumer()
        partitions = [
            TopicPartition(topic, number) for topic in TOPICS for number in consumer.partitions_for_topic(topic) or ()
        ]
        ends: dict[TopicPartition, int] = consumer.end_offsets(partitions)
        consumer.close()
        return ends

    def _bytes(self, begins: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]) -> dict[str, int]:
        """Bytes of the records between the offsets, by topic."""
        sizes = dict.fromkeys(TOPICS, 0)
        left = {partition for partition, end in ends.items() if end > begins.get(partition, 0)}
        consumer = self._consumer()
        consumer.assign(list(left))
        for partition in left:
            consumer.seek(partition, begins.get(partition, 0))
        deadline = time.monotonic() + 60
        while left:
            assert time.monotonic() < deadline, f"records of {sorted(left)} cannot be read"
            for partition, records in consumer.poll(500).items():
                for record in records:
                    if record.offset < ends[partition]:
                        sizes[partition.topic] += _size(record)
                if records and records[-1].offset + 1 >= ends[partition]:
                    left.discard(partition)
        consumer.close()
        return sizes


def _size(record: Any) -> int:
    headers = sum(len(name) + len(value or b"") + 2 for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers + _RECORD_OVERHEAD


def _measure(parts: _Parts, long_recordings: Sequence[Path], tell: Callable[[str], None]) -> Costs:
    tell("warming up")
    parts.run([*arrivals(80, _RATE, seed=7)])
    parts.run(arrivals(6, _SPOKEN_RATE, seed=7, audio_share=1))
    tell("doing nothing")
    idle = parts.run([])
    tell(f"{_TYPED} typed turns, {_RATE:g} a second")
    typed = parts.run(arrivals(_TYPED, _RATE, poisson=False))
    tell(f"{_SPOKEN} spoken turns, {_SPOKEN_RATE:g} a second")
    short_turns = arrivals(_SPOKEN, _SPOKEN_RATE, audio_share=1, poisson=False)
    spoken = parts.run(short_turns)
    tell(f"{_LONG} longer spoken turns, {_LONG_RATE:g} a second")
    long_turns = arrivals(_LONG, _LONG_RATE, audio_share=1, poisson=False, recordings=long_recordings)
    longer = parts.run(long_turns)
    memory = parts.memory()
    return _costs(idle, typed, spoken, longer, _speech(short_turns), _speech(long_turns), memory)


def _costs(
    idle: Spent,
    typed: Spent,
    spoken: Spent,
    longer: Spent,
    speech_s: tuple[float, float],
    long_speech_s: tuple[float, float],
    memory: Mapping[str, float],
) -> Costs:
    """`speech_s`, `long_speech_s`: mean seconds and bytes of the recordings of `spoken` and `longer`."""

    def each(phase: Spent, part: str) -> float:
        """Processor seconds a turn, without what the part uses when nobody speaks."""
        return max(0.0, phase.cpu[part] - idle.cpu[part] / idle.seconds * phase.seconds) / phase.turns

    parts = (*SERVICES, "broker", "database")
    per_second = max(0.0, (each(longer, "asr") - each(spoken, "asr")) / (long_speech_s[0] - speech_s[0]))
    now = datetime.now(UTC)
    return Costs.of(
        {
            "measured": {
                "at": f"{now:%Y-%m-%d}",
                "machine": f"{os.cpu_count()} shared cores, {platform.machine()}, no GPU",
                "how": (
                    f"one process a service, PostgreSQL, embedded broker; {_TYPED} typed turns at {_RATE:g} a second "
                    f"of the mix in tests/load/mix.py, {_SPOKEN} spoken turns of {speech_s[0]:.1f} s and {_LONG} of "
                    f"{long_speech_s[0]:.1f} s; processor time without what the part uses when idle"
                ),
                "renew": 'make bench ARGS="costs"',
                "speech_s": round(speech_s[0], 2),
            },
            "parts": {
                part: {
                    "cpu_s_per_typed_turn": round(each(typed, part), 5),
                    "cpu_s_per_spoken_turn": round(each(spoken, part), 5),
                    "cpu_s_per_further_speech_s": round(per_second, 5) if part == "asr" else 0.0,
                    "idle_cores": round(idle.cpu[part] / idle.seconds, 5),
                    "memory_mb": round(memory[part]),
                }
                for part in parts
            },
            "topics": {
                topic: {
                    "bytes_per_typed_turn": round(typed.topics[topic] / typed.turns),
                    "bytes_per_spoken_turn": round(spoken.topics[topic] / spoken.turns),
                }
                for topic in TOPICS
                if typed.topics[topic] or spoken.topics[topic]
            },
            "audio_bytes_per_speech_s": round(speech_s[1] / speech_s[0]),
            "database": {
                "commits_per_turn": round(
                    max(0.0, typed.commits - idle.commits / idle.seconds * typed.seconds) / typed.turns, 2
                ),
                "bytes_per_typed_turn": round(typed.database_bytes / typed.turns),
                "bytes_per_spoken_turn": round(spoken.database_bytes / spoken.turns),
            },
        }
    )


def _speech(planned: Sequence[Arrival]) -> tuple[float, float]:
    """Mean seconds and bytes of what is spoken."""
    files = [each.recording for each in planned if each.recording]
    seconds = sum(soundfile.info(str(file)).duration for file in files)
    return seconds / len(files), sum(file.stat().st_size for file in files) / len(files)


def _long_recordings(folder: Path) -> list[Path]:
    """Three recordings, one after the other, in three ways: about 7 s each."""
    read = [soundfile.read(str(file), dtype="float32") for file in RECORDINGS]
    files = []
    for shift in range(3):
        samples = np.concatenate([samples for samples, _ in read[shift : shift + 3]])
        files.append(folder / f"long-{shift}.flac")
        soundfile.write(str(files[-1]), samples, read[0][1])
    return files
