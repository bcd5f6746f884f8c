"""Commands that measure: evaluate asr, evaluate nlu."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress

from services.cli.nlu_evaluation import evaluate_nlu
from services.cli.output import console, errors_shown

if TYPE_CHECKING:
    from services.asr.engine.context.expectation import Expectation
    from services.asr.engine.listener import Listener
    from services.asr.evaluation import Evaluation
    from shared.packs import Pack

_SHOWN = 10  # of the recordings heard wrongly

evaluate_app = typer.Typer(help="Measure how well Parley hears and understands.", no_args_is_help=True)

Manifest = Annotated[Path, typer.Option(help="JSON lines with audio (relative to the file), text, set, lang")]
Set = Annotated[str, typer.Option("--set", help="Only the recordings of this set")]
Domain = Annotated[str, typer.Option(help="Pack that is expected: a bundled one's name or a folder; default: none")]
Expect = Annotated[str, typer.Option(help="Kind of answer asked for: number, code, percentage, duration, ...")]
AsJson = Annotated[bool, typer.Option("--json", help="The figures as one JSON object on standard output")]


def register(app: typer.Typer) -> None:
    """Add the commands to `parley`."""
    evaluate_app.command("nlu")(evaluate_nlu)
    app.add_typer(evaluate_app, name="evaluate")


@evaluate_app.callback()
def _measure() -> None:
    """Standard output is for the figures."""
    from shared.runtime import logs
    from shared.settings import LogSettings

    logs.configure(LogSettings(level="warning"))


@evaluate_app.command("asr")
def evaluate_asr(
    manifest: Manifest, only_set: Set = "", domain: Domain = "", expect: Expect = "", as_json: AsJson = False
) -> None:
    """Hear the recordings of a manifest, and count what was heard wrongly."""
    with errors_shown():
        from services.asr.evaluation import evaluate, read_manifest

        recordings = read_manifest(manifest, only_set)
        expected = _expected(domain, expect)
        with _listener() as listener, Progress(console=console, transient=True, disable=as_json) as progress:
            task = progress.add_task("hearing", total=len(recordings))
            figures = evaluate(listener, recordings, expected, on_heard=lambda: progress.advance(task))
        _show(figures, as_json)


def _expected(domain: str, expect: str) -> Expectation | None:
    """What --domain and --expect ask for; `conversation` is always in play. Raises InvalidInput."""
    from services.asr.expecting import Expecting
    from shared.packs import bundled_packs

    if not domain and not expect:
        return None
    packs = {pack.name: pack for pack in bundled_packs()}
    chosen = _pack(domain, packs) if domain else packs["customer_service"]
    packs[chosen.name] = chosen
    expecting = Expecting(list(packs.values()))
    expectation = expecting.of_packs(dict.fromkeys((chosen.name, "conversation")), expect=expect)
    expectation.fit(("yes",))  # makes the models, which is no part of hearing
    expectation.prompt()
    return expectation


def _pack(domain: str, bundled: dict[str, Pack]) -> Pack:
    from shared.errors import InvalidInput
    from shared.packs import load_pack

    if domain in bundled:
        return bundled[domain]
    if not Path(domain).is_dir():
        remedy = f"is neither a folder nor a bundled pack; name a pack's folder or one of {', '.join(sorted(bundled))}"
        raise InvalidInput("--domain", domain, remedy)
    return load_pack(Path(domain))


@contextmanager
def _listener() -> Iterator[Listener]:
    from services.asr.service import build_listener
    from services.asr.settings import AsrSettings
    from shared.blobs import BlobStore
    from shared.settings import StorageSettings

    listener = build_listener(AsrSettings.load(), BlobStore.load(StorageSettings.load()))
    listener.load()
    try:
        yield listener
    finally:
        listener.close()


def _show(figures: Evaluation, as_json: bool) -> None:
    if as_json:
        shown = dataclasses.asdict(figures)
        del shown["wrong"]  # what people said
        typer.echo(json.dumps(shown))
        return
    for name, said, heard in figures.wrong[:_SHOWN]:
        console.print(f"{name}: {said!r} was heard as {heard!r}", markup=False)
    typer.echo(
        f"word error rate {figures.wer:.3f} ({figures.errors} of {figures.words} words), "
        f"character error rate {figures.cer:.3f}, real-time factor {figures.real_time_factor:.2f}; "
        f"{figures.clips} recordings, {figures.empty} without words; chosen: "
        + ", ".join(f"{name} {count}" for name, count in sorted(figures.chosen.items()))
    )
