"""Commands that talk: say, turns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from services.cli.client import GatewayClient
from services.cli.output import errors_shown, out
from services.cli.show import show_turn
from services.cli.timeline import show_timeline
from shared.errors import InvalidInput, Unavailable

Gateway = Annotated[str, typer.Option("--gateway", help="URL of the gateway; default: the one on this machine")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object")]
turns_app = typer.Typer(help="Look at turns.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to `parley`."""
    app.command()(say)
    app.add_typer(turns_app, name="turns")
    app.command()(token)


def say(
    text: Annotated[str, typer.Argument(help="What to say")] = "",
    audio: Annotated[Path | None, typer.Option(help="A recording to send instead: WAV, FLAC, OGG or MP3")] = None,
    conversation: Annotated[str, typer.Option(help="Conversation to continue; default: a new one")] = "",
    locale: Annotated[str, typer.Option(help="BCP 47 tag such as en or zh; default: found by the services")] = "",
    anonymous: Annotated[bool, typer.Option(help="Speak without a token")] = False,
    wait: Annotated[float, typer.Option(min=0, max=120, help="Seconds to wait for the reply")] = 30.0,
    as_json: AsJson = False,
    gateway: Gateway = "",
) -> None:
    """Say something, and see what becomes of it, stage by stage."""
    with errors_shown():
        if bool(text) == (audio is not None):
            raise InvalidInput("TEXT", text, "and --audio: give exactly one of them")
        client = GatewayClient(gateway, anonymous=anonymous)
        if audio is not None:
            turn = client.say_audio(audio, conversation=conversation, locale=locale, wait=wait)
        else:
            given = {"text": text, "conversation_id": conversation, "locale": locale}
            turn = client.say({name: value for name, value in given.items() if value}, wait)
        _print(turn, as_json)
        if not (turn.get("reply") or {}).get("text"):
            raise Unavailable(
                f"turn {turn.get('turn_id')}: no reply within {wait:g} s; see `parley turns show {turn.get('turn_id')}`"
            )


def token(
    user: Annotated[str, typer.Option(help="Who the bearer is")] = "dev",
    role: Annotated[list[str] | None, typer.Option(help="A role of theirs; may be repeated")] = None,
    minutes: Annotated[float, typer.Option(min=1, max=1440, help="How long it is valid")] = 60.0,
) -> None:
    """Print a development token for HTTP and gRPC clients, signed with this machine's own key."""
    with errors_shown():
        from shared.principals import development_token
        from shared.settings import StorageSettings

        roles = ["resident"] if role is None else role
        typer.echo(development_token(StorageSettings.load().data_dir, user=user, roles=roles, ttl=minutes * 60))


@turns_app.command("list")
def list_turns(
    conversation: Annotated[str, typer.Option(help="Only this conversation")] = "",
    limit: Annotated[int, typer.Option(min=1, max=500)] = 20,
    as_json: AsJson = False,
    gateway: Gateway = "",
) -> None:
    """The latest turns, newest first."""
    with errors_shown():
        turns = GatewayClient(gateway).turns(conversation, limit)
        if as_json:
            typer.echo(json.dumps(turns, ensure_ascii=False))
            return
        table = Table("opened", "turn", "conversation", "state", "ms", box=None)
        for turn in turns:
            latency = turn.get("latency_ms")
            table.add_row(
                str(turn.get("opened_at", ""))[:19],
                turn["turn_id"],
                turn["conversation_id"],
                turn["state"],
                "" if latency is None else f"{latency:.0f}",
            )
        out.print(table)


@turns_app.command("show")
def show(turn_id: str, as_json: AsJson = False, gateway: Gateway = "") -> None:
    """Explain one turn: every stage, time, version, evidence, task and retry."""
    with errors_shown():
        turn = GatewayClient(gateway).turn(turn_id)
        if as_json:
            typer.echo(json.dumps(turn, ensure_ascii=False))
        else:
            show_timeline(turn)


def _print(turn: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(turn, ensure_ascii=False))
    else:
        show_turn(turn)
