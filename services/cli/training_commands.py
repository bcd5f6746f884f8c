"""Commands that train: train nlu."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from services.cli.output import console, errors_shown, out

train_app = typer.Typer(help="Train a model of your own.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to `parley`."""
    app.add_typer(train_app, name="train")


@train_app.callback()
def _train() -> None:
    """Standard output is for the figures."""
    from shared.runtime import logs
    from shared.settings import LogSettings

    logs.configure(LogSettings(level="warning"))


@train_app.command("nlu")
def train_nlu(
    data: Annotated[Path, typer.Option(help='JSON lines {"text", "intent", "slots", "oos"}, may be gzipped')],
    out_folder: Annotated[Path, typer.Option("--out", help="New folder for the artifact")],
    base: Annotated[str, typer.Option(help="A BERT's folder or Hugging Face name; default: the bundled MiniLM")] = "",
    method: Annotated[str, typer.Option(help="full, lora or head: how much of the encoder learns")] = "full",
    language: Annotated[str, typer.Option(help="en or zh; default: what each sentence is written in")] = "",
    epochs: Annotated[int, typer.Option(min=0, help="Rounds over the data; 0: the method's own")] = 0,
    seed: Annotated[int, typer.Option(help="The same seed, data and machine give the same model")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N; auto is the GPU where there is one")] = "auto",
    report: Annotated[Path | None, typer.Option(help="Write the report here too; it is in the artifact")] = None,
) -> None:
    """Learn intents and slots from labelled sentences; the folder is an artifact that nlu can serve."""
    with errors_shown():
        from services.nlu.dataset import languages_of, read_dataset
        from services.nlu.training.from_data import REPORT, Order, train_from_data
        from services.nlu.training.progress import shown
        from services.nlu.training.threads import all_cores

        order = Order(data, out_folder, base, method, language, seed, epochs, device)
        found = languages_of(read_dataset(data), language)
        parts = {each: found.count(each) / len(found) for each in sorted(set(found))}
        with all_cores(), shown(f"Training on {data.name}", parts, console) as progress:
            artifact = train_from_data(order, progress, found)
        if report is not None:
            report.parent.mkdir(parents=True, exist_ok=True)
            report.write_bytes((artifact.path / REPORT).read_bytes())
        table = Table("figure, on sentences held out", "value")
        for name, value in artifact.description.metrics.items():
            table.add_row(name, f"{value:g}")
        out.print(table)
        out.print(f"{artifact.path}: version {artifact.version}", markup=False)
        out.print(f"serve it: PARLEY_NLU_ARTIFACT={artifact.path.resolve()} parley up", markup=False)
