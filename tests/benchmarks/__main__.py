"""Runs every benchmark, prints the figures with their ratios and floors, and saves them as JSON.

python -m tests.benchmarks [NAME ...]     names: idle, road, throughput, asr; costs, asked for by name alone, writes the
data file of `parley plan`
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from services.cli.planning.costs import COSTS_FILE
from shared.settings import StorageSettings
from tests.benchmarks import asr, costs, idle, road, throughput
from tests.benchmarks.figures import Figure
from tests.benchmarks.scaling_page import PAGE, rewritten
from tests.stack import new_stack, wait_ready

NAMES = ("idle", "road", "throughput", "asr")
_COSTS = "costs"


def main(names: list[str]) -> int:
    """Run the named benchmarks (all by default); 1 where a floor is missed."""
    chosen = names or list(NAMES)
    unknown = set(chosen) - {*NAMES, _COSTS}
    if unknown:
        sys.stderr.write(f"benchmark: {', '.join(sorted(unknown))}: unknown; use {', '.join((*NAMES, _COSTS))}\n")
        return 2
    figures: list[Figure] = []
    console = Console()
    if {"idle", "road", "throughput"} & set(chosen):
        with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
            stack = new_stack(Path(folder) / "data")
            stack.start("up", "up")
            try:
                seconds = wait_ready(stack)
                if "idle" in chosen:
                    with console.status("start and idle cost"):
                        figures += idle.measure(stack, seconds)
                if "road" in chosen:
                    with console.status("time of a turn"):
                        figures += road.measure(stack)
                if "throughput" in chosen:
                    with console.status("turns a second"):
                        figures += throughput.measure(stack)
            finally:
                stack.stop()
    if "asr" in chosen:
        with console.status("speech recognition"):
            figures += asr.measure()
    if _COSTS in chosen:
        with console.status("costs of a turn") as status:
            costs.save(costs.measure(status.update))
        PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        sys.stdout.write(f"wrote {COSTS_FILE} and the plans in {PAGE}\n")
    if figures:
        _print(console, figures)
        _save(figures)
    return 0 if all(figure.met for figure in figures) else 1


def _print(console: Console, figures: list[Figure]) -> None:
    table = Table("figure", "value", "bare minimum", "ratio", "floor", "", box=None)
    for figure in figures:
        table.add_row(
            figure.name,
            f"{figure.value:,.4g} {figure.unit}",
            "" if figure.bare is None else f"{figure.bare:,.4g} {figure.unit}",
            "" if figure.ratio is None else f"{figure.ratio:.2f}",
            figure.floor_text,
            "" if figure.floor is None and figure.ratio_floor is None else ("met" if figure.met else "MISSED"),
        )
    console.print(table)


def _save(figures: list[Figure]) -> None:
    folder = StorageSettings.load().data_dir / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    file = folder / f"{now:%Y%m%dT%H%M%SZ}.json"
    file.write_text(
        json.dumps(
            {
                "at": now.isoformat(),
                "machine": {
                    "cores": os.cpu_count(),
                    "processor": platform.machine(),
                    "python": platform.python_version(),
                },
                "figures": [figure.as_dict() for figure in figures],
            },
            indent=2,
        )
        + "\n"
    )
    sys.stdout.write(f"saved {file}\n")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
