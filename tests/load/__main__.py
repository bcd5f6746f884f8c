"""Sends turns at a rate, whatever becomes of them, and tells how they fared: `make load TURNS=300 RATE=5,10,20`.

Without a running Parley it starts one (`parley up`). Several rates are tried one after the other, each with as many
turns; the highest that is carried is compared with what `parley plan` says of this machine. Exits 1 where a turn is
neither answered nor refused for want of room.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import psutil
from rich.console import Console
from rich.progress import Progress

from services.cli.planning.costs import load_costs
from services.cli.planning.needs import machine_capacity, process_capacity
from shared.errors import InvalidInput, ParleyError
from shared.settings import StorageSettings
from tests.load.mix import arrivals
from tests.load.picture import draw
from tests.load.result import PERCENTILES, Step, capacity
from tests.load.sending import send
from tests.load.target import MANY, ONE, Target, target

_WARM_UP = 40  # turns


@dataclass(frozen=True, slots=True)
class Request:
    """What to send. `rates`: turns a second, one after the other."""

    turns: int
    rates: Sequence[float]
    audio_share: float = 0.0
    seed: int = 1
    wait: float = 60.0


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it, beside what the plan says of this machine."""

    layout: str
    steps: Sequence[Step]
    predicted: float  # turns a second by the plan's costs, with the generator beside it
    limit: str  # what is full then
    generator_cores: float

    @property
    def measured(self) -> float | None:
        """The highest rate carried."""
        return capacity(self.steps)

    @property
    def most_answered(self) -> float:
        """The most replies a second at any rate."""
        return max(step.answered_per_second for step in self.steps)


def run(request: Request, where: Target, console: Console) -> Report:
    """Send every rate's turns and gather what became of each."""
    send(
        arrivals(min(_WARM_UP, request.turns), min(request.rates), seed=request.seed + 1),
        where.url,
        where.token,
        wait=request.wait,
    )
    own, before, seconds = psutil.Process(), sum(psutil.Process().cpu_times()[:2]), 0.0
    steps = []
    with Progress(console=console, transient=True) as progress:
        for rate in request.rates:
            task = progress.add_task(f"{rate:g} turns a second", total=request.turns)
            planned = arrivals(request.turns, rate, audio_share=request.audio_share, seed=request.seed)
            outcomes = send(planned, where.url, where.token, wait=request.wait, on_end=partial(progress.advance, task))
            seconds += max(each.ended for each in outcomes)
            steps.append(Step(rate, outcomes))
    cores = (sum(own.cpu_times()[:2]) - before) / seconds
    predicted, limit = _predicted(where.layout, cores, request.audio_share)
    return Report(where.layout, steps, predicted, limit, cores)


def _predicted(layout: str, generator_cores: float, audio_share: float) -> tuple[float, str]:
    costs = load_costs()
    machine = machine_capacity(costs, (os.cpu_count() or 1) - generator_cores, audio_share)
    interpreter = process_capacity(costs, audio_share)
    if layout == ONE and interpreter < machine:
        return interpreter, "the one interpreter of `parley up`"
    return machine, f"this machine of {os.cpu_count()} cores, the generator on {generator_cores:.2f} of them"


def show(report: Report) -> None:
    """The figures, on standard output."""
    names = [f"p{wanted:g}" for wanted in PERCENTILES]
    print(
        f"{'turns/s':>8}{'answered':>10}{'refused':>9}{'failed':>8}{'replies/s':>11}",
        *(f"{n:>8}" for n in (*names, "max")),
    )
    for step in report.steps:
        told = step.as_dict()
        latencies = [f"{value:>8.3f}" if value is not None else f"{'-':>8}" for value in told["latency_s"].values()]
        refused = len(step.outcomes) - step.answered - step.failed
        print(
            f"{step.rate:>8g}{step.answered:>10}{refused:>9}{step.failed:>8}{step.answered_per_second:>11.1f}",
            *latencies,
        )
        for outcome, count in step.counts.items():
            if step.failed and outcome not in ("answered", "shed"):
                print(f"{'':8}  {count} turns: {outcome}")
    late = max(step.most_late for step in report.steps)
    print(f"seconds from the moment each turn was due; the generator was {late:.3f} s late at most")
    print(compared(report))


def compared(report: Report) -> str:
    """Plan and measurement, one under the other."""
    measured = "none of these rates was" if report.measured is None else f"{report.measured:g} turns a second were"
    return (
        f"plan: {report.predicted:.1f} turns a second fill {report.limit}\n"
        f"measured ({report.layout}): {measured} carried, at most {report.most_answered:.1f} replies a second"
    )


def save(request: Request, report: Report) -> Path:
    """Write the report as JSON and as a picture; the JSON's path."""
    folder = StorageSettings.load().data_dir / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    file = folder / f"load-{now:%Y%m%dT%H%M%SZ}.json"
    told = {
        "at": now.isoformat(),
        "turns": request.turns,
        "audio_share": request.audio_share,
        "seed": request.seed,
        "layout": report.layout,
        "cores": os.cpu_count(),
        "generator_cores": round(report.generator_cores, 3),
        "predicted_turns_per_second": round(report.predicted, 2),
        "predicted_limit": report.limit,
        "carried_turns_per_second": report.measured,
        "most_replies_per_second": round(report.most_answered, 2),
        "steps": [step.as_dict() for step in report.steps],
    }
    file.write_text(json.dumps(told, indent=1) + "\n")
    draw(report.steps, file.with_suffix(".png"), f"{request.turns} turns at each rate, {report.layout}")
    return file


def main(arguments: Sequence[str]) -> int:
    """Run, show and save."""
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("--turns", default="200", help="turns of each rate")
    parser.add_argument("--rate", default="5", help="turns a second; several with commas between")
    parser.add_argument("--audio-share", default="0", help="share of the turns that are spoken, 0 to 1")
    parser.add_argument("--url", default="", help="a gateway; default: this machine's, or one started for the load")
    parser.add_argument("--stack", choices=(ONE, MANY), help="start one in any case: one process, or one a service")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    try:
        request = requested(given.turns, given.rate, given.audio_share, given.seed)
        if given.url and given.stack:
            raise InvalidInput("--stack", given.stack, "starts a Parley of its own; leave out --url")
        with target(given.url, given.stack or "") as where:
            report = run(request, where, Console(stderr=True))
    except ParleyError as error:
        sys.stderr.write(f"load: {error}\n")
        return 2 if isinstance(error, InvalidInput) else 1
    show(report)
    print(f"saved {save(request, report)} and its picture")
    return 1 if any(step.failed for step in report.steps) else 0


def requested(turns: str, rates: str, audio_share: str, seed: int = 1) -> Request:
    """What was given as text, checked; raises InvalidInput."""
    return Request(
        turns=round(_number("TURNS", turns, 1, 1_000_000, "how many to send at each rate, for example 200")),
        rates=[
            _number("RATE", rate, 0.01, 10_000, "turns a second, for example 5 or 5,10,20") for rate in rates.split(",")
        ],
        audio_share=_number("AUDIO_SHARE", audio_share, 0, 1, "a share, for example 0.2"),
        seed=seed,
    )


def _number(name: str, text: str, least: float, most: float, meaning: str) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise InvalidInput(name, text, f"is no number; write {meaning}") from error
    if not least <= number <= most:
        raise InvalidInput(name, text, f"is not from {least:g} to {most:,g}; write {meaning}")
    return number


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
