"""The command that computes: plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from services.cli.output import errors_shown


def register(app: typer.Typer) -> None:
    """Add the command to `parley`."""
    app.command()(plan)


def plan(
    turns_per_second: Annotated[float, typer.Option(help="Turns a second, the mean over a day")],
    audio_share: Annotated[float, typer.Option(help="Share of the turns that are spoken, 0 to 1")] = 0.0,
    speech_seconds: Annotated[float, typer.Option(help="Mean length of a recording")] = 3.0,
    peak_factor: Annotated[float, typer.Option(help="The peak, as a multiple of the mean")] = 2.0,
    utilisation: Annotated[float, typer.Option(help="Share of a replica's core in use at the peak")] = 0.6,
    growth: Annotated[float, typer.Option(help="Partitions for each replica of the busiest service")] = 2.0,
    retention_days: Annotated[float, typer.Option(help="For how long events and turns are kept")] = 7.0,
    replication: Annotated[int, typer.Option(help="Copies of each event on the brokers")] = 3,
    least_replicas: Annotated[int, typer.Option(help="Replicas of each service, at least")] = 2,
    primary_transactions: Annotated[float, typer.Option(help="Transactions a second one PostgreSQL bears")] = 5000.0,
    gpu: Annotated[
        float, typer.Option(metavar="RECORDINGS", help="Hear on GPUs, each so many recordings a second; 0: no GPU")
    ] = 0.0,
    model_turn_cost: Annotated[
        list[str] | None,
        typer.Option(metavar="SERVICE=SECONDS", help="CPU seconds a turn of a service with a model of your own"),
    ] = None,
    costs: Annotated[
        Path | None, typer.Option(help="Measured costs to compute with; default: the bundled ones")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The plan as one JSON object on standard output")] = False,
) -> None:
    """Compute what a load needs: replicas, partitions, brokers, databases, GPUs, storage. Nothing is started."""
    with errors_shown():
        from services.cli.planning import report
        from services.cli.planning.costs import COSTS_FILE, load_costs
        from services.cli.planning.needs import Load
        from services.cli.planning.needs import plan as computed
        from services.cli.planning.request import checked, turn_costs

        load = checked(
            Load(
                turns_per_second=turns_per_second,
                audio_share=audio_share,
                speech_seconds=speech_seconds,
                peak_factor=peak_factor,
                utilisation=utilisation,
                growth=growth,
                retention_days=retention_days,
                replication=replication,
                least_replicas=least_replicas,
                primary_transactions=primary_transactions,
                gpu_recordings_per_second=gpu,
                turn_costs=turn_costs(model_turn_cost or []),
            )
        )
        measured = load_costs(costs or COSTS_FILE)
        answer = computed(load, measured)
        if as_json:
            typer.echo(json.dumps(report.as_json(load, answer, measured)))
        else:
            for line in report.as_text(load, answer, measured):
                typer.echo(line)
