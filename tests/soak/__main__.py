"""Runs the whole stack under steady load, samples it, and tells whether anything grows: `make soak MINUTES=10`.

Exits 1 where memory grows by more than 1 MB a 1,000 turns after the warm-up, open files grow, or a turn fails. The
embedded broker is reported apart: it keeps every event in memory by design.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import psutil
from rich.console import Console
from rich.progress import Progress

from shared.settings import StorageSettings
from tests.benchmarks.client import client_of
from tests.soak.load import Load
from tests.soak.picture import draw
from tests.soak.sampling import Growth, Sample, growth, sample
from tests.stack import Stack, new_stack, wait_ready

_MOST_MB_PER_1000_TURNS = 1.0
_MOST_FILES_MORE = 3.0  # a connection more or less is no leak
_WARM_UP_SHARE = 0.3
_EVERY = 5.0  # seconds between samples
_OURS = "parley"


def main(minutes: float, rate: float, seed: int) -> int:
    """Run, report and save; 1 where something grows or fails."""
    with tempfile.TemporaryDirectory(prefix="parley-soak-") as folder:
        stack = new_stack(Path(folder) / "data")
        stack.start("up", "up")
        try:
            wait_ready(stack)
            load = Load(client_of(stack), rate, seed)
            samples = _soak(stack, load, minutes * 60)
        finally:
            stack.stop()
    warm_up = minutes * 60 * _WARM_UP_SHARE
    grown = {
        name: growth([each for each in of_process if each.seconds >= warm_up]) for name, of_process in samples.items()
    }
    return _report(load, samples, grown, warm_up, minutes)


def _soak(stack: Stack, load: Load, seconds: float) -> dict[str, list[Sample]]:
    parent = psutil.Process(stack.processes["up"].pid)
    (broker,) = parent.children(recursive=True)
    processes = {_OURS: parent, "broker": broker}
    samples: dict[str, list[Sample]] = {name: [] for name in processes}
    began = time.monotonic()
    loading = threading.Thread(target=load.run, args=(began + seconds,), name="load")
    loading.start()
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("soaking", total=seconds)
        while (now := time.monotonic() - began) < seconds:
            for name, process in processes.items():
                samples[name].append(sample(name, process, now, load.answered))
            progress.update(task, completed=now, description=f"soaking, {load.answered} turns")
            time.sleep(_EVERY)
    loading.join(120)
    return samples


def _report(
    load: Load,
    samples: Mapping[str, Sequence[Sample]],
    grown: Mapping[str, Growth],
    warm_up: float,
    minutes: float,
) -> int:
    ours = grown[_OURS]
    failures = []
    if ours.mb_per_1000_turns > _MOST_MB_PER_1000_TURNS:
        failures.append(f"memory grows by {ours.mb_per_1000_turns:.2f} MB a 1,000 turns")
    if ours.open_files_last > ours.open_files_first + _MOST_FILES_MORE:
        failures.append(f"open files grow from {ours.open_files_first:g} to {ours.open_files_last:g}")
    if load.failed:
        failures.append(f"turns failed: {load.failed}")
    folder = StorageSettings.load().data_dir / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    file = folder / f"soak-{now:%Y%m%dT%H%M%SZ}.json"
    report = {
        "at": now.isoformat(),
        "minutes": minutes,
        "rate": load.rate,
        "seed": load.seed,
        "turns": load.answered,
        "failed": load.failed,
        "turn_p50_s": round(statistics.median(load.seconds), 4) if load.seconds else None,
        "growth": {name: asdict(each) for name, each in grown.items()},
        "failures": failures,
        "samples": [asdict(each) for of_process in samples.values() for each in of_process],
    }
    file.write_text(json.dumps(report, indent=1) + "\n")
    title = f"{load.answered} turns in {minutes:g} minutes: {ours.mb_per_1000_turns:+.2f} MB a 1,000 turns"
    draw(samples, warm_up, file.with_suffix(".png"), title)
    for name, each in grown.items():
        sys.stdout.write(
            f"{name:8} {each.mb_per_1000_turns:+8.2f} MB a 1,000 turns, open files {each.open_files_first:g} to "
            f"{each.open_files_last:g}, threads {each.threads_first:g} to {each.threads_last:g}\n"
        )
    sys.stdout.write(f"{load.answered} turns answered, {sum(load.failed.values())} failed\nsaved {file}\n")
    for failure in failures:
        sys.stdout.write(f"MISSED: {failure}\n")
    return 1 if failures else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=4.0, help="turns a second")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    raise SystemExit(main(given.minutes, given.rate, given.seed))
