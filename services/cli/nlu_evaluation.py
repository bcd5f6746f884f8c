"""`parley evaluate nlu`: how well a model understands labelled sentences."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from services.cli.output import console, errors_shown, out


def evaluate_nlu(
    model: Annotated[Path, typer.Option(help="Folder of an artifact, as `parley train nlu` writes it")],
    data: Annotated[Path, typer.Option(help='JSON lines {"text", "intent", "slots", "oos"}, may be gzipped')],
    language: Annotated[str, typer.Option(help="en or zh; default: what each sentence is written in")] = "",
    report: Annotated[Path | None, typer.Option(help="Write a page of HTML with confusions and worst errors")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The figures as one JSON object on standard output")] = False,
) -> None:
    """Understand labelled sentences, and count what was understood wrongly."""
    with errors_shown():
        from services.nlu.artifact import TASK, load_models
        from services.nlu.dataset import languages_of, read_dataset
        from services.nlu.evaluation_report import write_report
        from services.nlu.scores import judge
        from services.nlu.training.threads import all_cores
        from shared.artifacts import load_artifact

        rows = read_dataset(data)
        models = load_models(load_artifact(model, task=TASK))
        found = languages_of(rows, language)
        examples = [row.example(each) for row, each in zip(rows, found, strict=True)]
        with all_cores(), Progress(console=console, transient=True, disable=as_json) as progress:
            task = progress.add_task("understanding", total=len(examples))
            scores, judged = judge(models, examples, lambda count: progress.advance(task, count))
        if report is not None:
            write_report(report, f"{model.name} on {data.name}", scores, judged)
        figures = dataclasses.asdict(scores)
        if as_json:
            typer.echo(json.dumps(figures))
            return
        table = Table("figure", "value")
        for name, value in figures.items():
            table.add_row(name, "not told by this data" if value is None else f"{value:g}")
        out.print(table)
        if report is not None:
            out.print(f"errors and confusions: {report}", markup=False)
