"""Commands for what was given up: dead-letters list, show, redrive, discard."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from services.cli.dead_letter_settling import DISCARDED, REDRIVEN, body_of, discard, operator, redrive
from services.cli.dead_letter_text import as_object, body_object, body_text, describe, json_line, line
from services.cli.dead_letters import Choice, Letter, letters_of
from services.cli.output import console, errors_shown
from shared.bus.producer import Producer
from shared.bus.profile import BrokerProfile
from shared.bus.snapshot import read_all
from shared.errors import InvalidInput, ParleyError
from shared.settings import KafkaSettings
from shared.topology import DEAD_LETTERS

dead_letters_app = typer.Typer(help="See to the events that were given up.", no_args_is_help=True)

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids; default: those the options choose")]
Stage = Annotated[str, typer.Option(help="Only those that this service gave up, such as dialogue")]
Topic = Annotated[str, typer.Option(help="Only those that came from this topic")]
Error = Annotated[str, typer.Option(help="Only those with this class of error, such as InvalidEvent")]
Conversation = Annotated[str, typer.Option(help="Only this conversation: the key of the record")]
Since = Annotated[str, typer.Option(help="Given up at or after this: 2h, 3d, or 2026-11-22T09:30 (UTC)")]
Until = Annotated[str, typer.Option(help="Given up before this")]
Handled = Annotated[bool, typer.Option("--handled", help="Those that were redriven or discarded too")]
Everything = Annotated[bool, typer.Option("--all", help="All that are open, where neither ids nor options choose")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line")]


def register(app: typer.Typer) -> None:
    """Add the commands to `parley`."""
    app.add_typer(dead_letters_app, name="dead-letters")


@dead_letters_app.callback()
def _quietly() -> None:
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # a lost connection reaches us as an exception


@dead_letters_app.command("list")
def list_letters(
    stage: Stage = "",
    topic: Topic = "",
    error: Error = "",
    conversation: Conversation = "",
    since: Since = "",
    until: Until = "",
    handled: Handled = False,
    as_json: AsJson = False,
) -> None:
    """The letters that wait for somebody, oldest first. Bodies are never shown."""
    with errors_shown():
        choice = Choice(frozenset(), stage, topic, error, conversation, _moment(since), _moment(until), handled)
        letters = choice.of(_letters())
        for letter in letters:
            typer.echo(json_line(as_object(letter)) if as_json else line(letter))
        if not letters:
            console.print("no dead letters")


@dead_letters_app.command("show")
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID")],
    body: Annotated[bool, typer.Option("--body", help="The body too: it may hold what people said")] = False,
    as_json: AsJson = False,
) -> None:
    """Everything known of one letter: why, how often, and the event's own headers."""
    with errors_shown():
        (letter,) = Choice(frozenset([letter_id]), handled=True).of(_letters())
        raw = body_of(_profile(), letter) if body else None
        if as_json:
            shown = as_object(letter, whole=True) | ({} if raw is None else body_object(letter, raw))
            typer.echo(json_line(shown))
        else:
            typer.echo(describe(letter))
            if raw is not None:
                typer.echo(f"\nbody\n{body_text(letter, raw)}")


@dead_letters_app.command("redrive")
def redrive_letters(
    ids: Ids = None,
    stage: Stage = "",
    topic: Topic = "",
    error: Error = "",
    conversation: Conversation = "",
    since: Since = "",
    until: Until = "",
    handled: Handled = False,
    everything: Everything = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Send the events back to their topics as they were: what was done already is not done again."""
    with errors_shown():
        choice = _choice(ids, stage, topic, error, conversation, since, until, handled, everything)
        _settle(choice, REDRIVEN, dry_run, as_json)


@dead_letters_app.command("discard")
def discard_letters(
    ids: Ids = None,
    stage: Stage = "",
    topic: Topic = "",
    error: Error = "",
    conversation: Conversation = "",
    since: Since = "",
    until: Until = "",
    handled: Handled = False,
    everything: Everything = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Say that nothing is to be done about them; they stay on the topic, and `list --handled` shows them."""
    with errors_shown():
        choice = _choice(ids, stage, topic, error, conversation, since, until, handled, everything)
        _settle(choice, DISCARDED, dry_run, as_json)


def _profile() -> BrokerProfile:
    return BrokerProfile.of(KafkaSettings.load())


def _letters() -> list[Letter]:
    return letters_of(read_all(_profile(), DEAD_LETTERS))


def _choice(
    ids: list[str] | None,
    stage: str,
    topic: str,
    error: str,
    conversation: str,
    since: str,
    until: str,
    handled: bool,
    everything: bool,
) -> Choice:
    """What is to be changed must be said: by ids, by options, or by --all. Raises InvalidInput."""
    by_options = any((stage, topic, error, conversation, since, until))
    if [bool(ids), by_options, everything].count(True) != 1:
        raise InvalidInput("ID", ids or [], "and options such as --stage, and --all: choose by exactly one of these")
    return Choice(
        frozenset(ids or ()), stage, topic, error, conversation, _moment(since), _moment(until), handled=handled
    )


def _settle(choice: Choice, what: str, dry_run: bool, as_json: bool) -> None:
    letters = choice.of(_letters())
    again = what == REDRIVEN
    if dry_run:
        _report(((letter, letter.obstacle if again else "") for letter in letters), f"would be {what}", as_json)
        return
    profile, by = _profile(), operator()
    with closing(Producer(profile)) as producer:
        _report(redrive(profile, producer, letters, by) if again else discard(producer, letters, by), what, as_json)


def _report(outcomes: Iterable[tuple[Letter, str]], what: str, as_json: bool) -> None:
    """Tell of each letter as it is done; raises ParleyError at the end where some could not be."""
    done = kept = 0
    for letter, problem in outcomes:
        if as_json:
            typer.echo(json_line({"id": letter.id, "outcome": "kept" if problem else what, "problem": problem}))
        elif problem:
            console.print(f"{letter.id} is kept: {problem}", markup=False, soft_wrap=True)
        else:
            typer.echo(line(letter, what))
        done, kept = done + (not problem), kept + bool(problem)
    console.print(f"{done} {what}", markup=False)
    if kept:
        raise ParleyError(f"dead letters: {kept} not {REDRIVEN}; discard them, or send those events anew")


def _moment(text: str) -> datetime | None:
    """A time as people give it; raises InvalidInput."""
    if not text:
        return None
    if ago := re.fullmatch(r"(\d{1,5})([smhd])", text):
        unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[ago[2]]
        return datetime.now(UTC) - timedelta(**{unit: int(ago[1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput("--since, --until", text, "is no time; write 2h, 3d or 2026-11-22T09:30") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
