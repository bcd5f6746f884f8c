"""The parts that any such stack needs, bare: the models in one process, and one idle consumer beside the broker.

Each is run as a program of its own, so that nothing of ours is counted with it: python -m tests.benchmarks.bare_parts
models | consumer PORT TOPIC,TOPIC... FETCH_WAIT_MS
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence

import psutil


def models() -> tuple[float, float]:
    """Seconds from starting Python until the models are loaded, and the megabytes they take."""
    started = time.perf_counter()
    done = subprocess.run(_program("models"), capture_output=True, text=True, check=True)
    return time.perf_counter() - started, float(json.loads(done.stdout.splitlines()[-1]))


def idle_consumer(port: int, topics: Sequence[str], fetch_wait_ms: int, settle: float, seconds: float) -> float:
    """CPU seconds of one plain consumer of `topics` over `seconds` in which nothing comes."""
    process = subprocess.Popen(_program("consumer", str(port), ",".join(topics), str(fetch_wait_ms)))
    try:
        time.sleep(settle)
        watched = psutil.Process(process.pid)
        before = sum(watched.cpu_times()[:2])
        time.sleep(seconds)
        return float(sum(watched.cpu_times()[:2])) - before
    finally:
        process.terminate()
        process.wait()


def _program(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tests.benchmarks.bare_parts", *arguments]


def _load_models() -> None:
    from faster_whisper import WhisperModel

    from services.asr.engine import weights
    from services.asr.settings import AsrSettings
    from services.knowledge.encoder import E5Encoder
    from services.nlu.artifact import load_models
    from services.nlu.training import ensure_model
    from shared.settings import StorageSettings

    folder, _ = weights.ctranslate2_folder(AsrSettings.load().model)
    kept = [
        WhisperModel(str(folder), device="cpu", compute_type="int8"),
        load_models(ensure_model(StorageSettings.load())),
        E5Encoder(),
    ]
    sys.stdout.write(f"\n{json.dumps(psutil.Process().memory_info().rss / 1e6 if kept else 0)}\n")


def _consume(port: str, topics: str, fetch_wait_ms: str) -> None:
    from kafka import KafkaConsumer

    consumer = KafkaConsumer(
        *topics.split(","),
        bootstrap_servers=f"127.0.0.1:{port}",
        group_id="bare-idle",
        enable_auto_commit=False,
        fetch_max_wait_ms=int(fetch_wait_ms),
        session_timeout_ms=3000,
        heartbeat_interval_ms=500,
        metrics_enabled=False,
    )
    while True:
        consumer.poll(100)


if __name__ == "__main__":
    if sys.argv[1] == "models":
        _load_models()
    else:
        _consume(*sys.argv[2:])
