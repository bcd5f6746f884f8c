"""`make chaos`: kills every part in turn under load and audits each run; exit 1 where anything was lost or done twice.

python -m tests.chaos --turns 500 --replicas 2 --seed 1 --kill all
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from services.cli.hosting import SERVICES
from tests.chaos.deployment import BROKER, POSTGRES, deployed
from tests.chaos.run import Outcome, under_fire

_console = Console()
_SHOWN = ("answered", "apologies", "effects", "outcomes_unknown", "violations")  # the report has all


def main() -> int:
    """Run, print, save; 1 where the audit found something."""
    given = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # or the processes it started would outlive it
    parts = [part for part in given.kill if part != "all"] or [*SERVICES, BROKER, POSTGRES]
    if given.storage == "sqlite":
        parts = [part for part in parts if part != POSTGRES]
    outcomes = []
    folder = Path(tempfile.mkdtemp(prefix="parley-chaos-"))
    _console.print(f"starting {given.replicas} replicas of {len(SERVICES)} services, each a process, in {folder}")
    groups = {name: (name,) for name in SERVICES}
    with (
        deployed(
            folder,
            groups,
            replicas=given.replicas,
            on_postgres=given.storage == "postgresql",
            turn_deadline=given.turn_deadline,
            drives=given.drives,
        ) as deployment,
        _console.status("") as status,
    ):
        for part in parts:
            outcome = under_fire(
                deployment,
                [part],
                turns=given.turns,
                rate=given.rate,
                kills=given.kills,
                seed=given.seed,
                by_kafka=0.3,
                tell=status.update,
            )
            outcomes.append(outcome)
            _show(outcome)
    _save(given, outcomes)
    if any(outcome.verdict.violations for outcome in outcomes):
        _console.print(f"logs and databases are kept in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if any(outcome.verdict.violations for outcome in outcomes) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__.splitlines()[0])
    choices = ["all", *SERVICES, BROKER, POSTGRES]
    parser.add_argument("--turns", type=int, default=500, help="turns for each part")
    parser.add_argument("--replicas", type=int, default=2, help="processes of each service")
    parser.add_argument("--seed", type=int, default=1, help="decides words, conversations and moments")
    parser.add_argument(
        "--kill", nargs="+", choices=choices, default=["all"], help="parts to kill, one after the other"
    )
    parser.add_argument("--kills", type=int, default=5, help="kills of each part")
    parser.add_argument("--rate", type=float, default=8.0, help="turns a second")
    parser.add_argument("--turn-deadline", type=float, default=12.0, help="seconds until a turn is driven again")
    parser.add_argument("--drives", type=int, default=8, help="drives until a turn is apologised for")
    parser.add_argument("--storage", choices=["postgresql", "sqlite"], default="postgresql")
    parser.add_argument("--report", type=Path, default=Path("build/chaos.json"), help="where the report is kept")
    return parser.parse_args()


def _show(outcome: Outcome) -> None:
    found = outcome.verdict.violations
    figures = ", ".join(f"{name} {value}" for name, value in outcome.verdict.figures.items())
    mark = f"[red]{len(found)} violations[/red]" if found else "[green]nothing lost, nothing done twice[/green]"
    _console.print(
        f"[bold]{outcome.part}[/bold]: {mark}; {len(outcome.kills)} kills, {outcome.seconds:.0f} s, "
        f"quiet {outcome.quiet_after:.0f} s after the load; {figures}"
    )
    for violation in found[:20]:
        _console.print(f"  {violation}", style="red", markup=False)


def _save(given: argparse.Namespace, outcomes: list[Outcome]) -> None:
    table = Table("killed", "kills", "quiet, s", *(name.replace("_", " ") for name in _SHOWN))
    for each in outcomes:
        figures = [str(each.verdict.figures[name]) for name in _SHOWN]
        table.add_row(each.part, str(len(each.kills)), f"{each.quiet_after:.0f}", *figures)
    _console.print(table)
    given.report.parent.mkdir(parents=True, exist_ok=True)
    settings = {name: value for name, value in vars(given).items() if name != "report"}
    report = {"at": datetime.now(UTC).isoformat(), "settings": settings, "parts": [asdict(each) for each in outcomes]}
    given.report.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    _console.print(f"report: {given.report}")


if __name__ == "__main__":
    sys.exit(main())
