"""Commands for what a deployment can talk about: domains list, show, validate, new, bundle."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from services.cli import domain_publishing
from services.cli.domain_skeleton import write_skeleton
from services.cli.output import console, errors_shown, out
from shared.errors import InvalidInput, NotFound
from shared.packs import Pack, installed_packs
from shared.packs.bundle import bundle
from shared.packs.checking import examine
from shared.packs.problems import Problem, refuse

domains_app = typer.Typer(help="See, check and begin domain packs.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output")]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The pack's folder: the one that holds pack.yaml")]


def register(app: typer.Typer) -> None:
    """Add the commands to `parley`."""
    domain_publishing.register(domains_app)
    app.add_typer(domains_app, name="domains")


@domains_app.command("list")
def list_domains(as_json: AsJson = False) -> None:
    """The packs of this deployment, as PARLEY_PACKS_PATHS and PARLEY_PACKS_OFF say."""
    with errors_shown():
        packs = installed_packs()
        if as_json:
            typer.echo(json.dumps([_summary(pack) for pack in packs], ensure_ascii=False))
            return
        table = _table("name", "version", "content", "languages", "intents", "actions", "folder")
        for pack in packs:
            counts = (str(len(pack.intents)), str(len(pack.actions)))
            table.add_row(pack.name, pack.version, pack.digest[:12], " ".join(pack.languages), *counts, str(pack.path))
        out.print(table)


@domains_app.command()
def show(name: Annotated[str, typer.Argument(help="The pack's name")], as_json: AsJson = False) -> None:
    """One pack: its intents with their slots and actions, who may do them, and how it is heard."""
    with errors_shown():
        pack = next((each for each in installed_packs() if each.name == name), None)
        if pack is None:
            known = ", ".join(each.name for each in installed_packs())
            raise NotFound(f"domain {name!r} is not loaded; loaded are {known}")
        if as_json:
            typer.echo(json.dumps(_details(pack), ensure_ascii=False))
            return
        out.print(escape(f"{pack.name} {pack.version}  {pack.digest[:12]}  {pack.description}\n{pack.path}\n"))
        table = _table("intent", "slots (! is asked for)", "done by", "risk", "roles")
        for intent in pack.intents.values():
            slots = ", ".join(f"{use.name}{'' if use.required == 'never' else '!'}" for use in intent.slots.values())
            action = pack.actions.get(intent.action)
            done = f"{action.connector}: {action.name}" if action else ("documents" if intent.knowledge else "")
            risk, roles = (action.risk, ", ".join(action.roles) or "anyone") if action else ("", "")
            table.add_row(intent.name, slots, done, risk, roles)
        out.print(table)


@domains_app.command()
def validate(folder: Folder, as_json: AsJson = False) -> None:
    """Check a pack: every problem with file, line, field, value and remedy. Exit status 0, or 2 where there are any."""
    with errors_shown():
        if not folder.is_dir():
            raise InvalidInput("DIR", str(folder), "is no folder; name the one that holds pack.yaml")
        pack, problems = examine(folder)
        if as_json:
            found = {"valid": not problems, "problems": [_told(problem) for problem in problems]}
            typer.echo(json.dumps(found | ({"pack": _summary(pack)} if pack else {}), ensure_ascii=False))
        else:
            for problem in problems:
                typer.echo(f"{folder}/{problem.place}: {problem.shown} {problem.remedy}")
            if problems:
                console.print(f"{len(problems)} to correct")
            elif pack is not None:
                console.print(f"{pack.name} {pack.version} is valid: {len(pack.intents)} intents, {pack.digest[:12]}")
    if problems:
        raise typer.Exit(2)


@domains_app.command()
def new(folder: Folder) -> None:
    """Write the skeleton of a pack into a new folder; its name is the folder's. It is valid as it stands."""
    with errors_shown():
        for file in write_skeleton(folder):
            typer.echo(str(file))
        console.print(f"Change it, then: parley domains validate {folder}")


@domains_app.command("bundle")
def bundle_domain(
    folder: Folder, target: Annotated[Path, typer.Option("--out", help="A new folder for the bundle")]
) -> None:
    """Write a pack with a manifest of every file's SHA-256, to be loaded from any store by its URI."""
    with errors_shown():
        if target.exists():
            raise InvalidInput("--out", str(target), "is there already; name a new folder")
        pack, problems = examine(folder)
        refuse(folder, problems)
        assert pack is not None  # without a pack there is a problem
        artifact = bundle(pack, target)
        typer.echo(f"{artifact.path}  {pack.name} {artifact.version}  {len(artifact.files)} files")


def _table(*columns: str) -> Table:
    table = Table(box=None)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _told(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.file,
        "line": problem.line,
        "field": problem.field,
        "value": problem.shown,
        "remedy": problem.remedy,
    }


def _summary(pack: Pack) -> dict[str, Any]:
    return {
        "name": pack.name,
        "version": pack.version,
        "digest": pack.digest,
        "description": pack.description,
        "languages": list(pack.languages),
        "intents": list(pack.intents),
        "actions": list(pack.actions),
        "folder": str(pack.path),
    }


def _details(pack: Pack) -> dict[str, Any]:
    slots = {
        intent.name: {use.name: {"entity": use.entity, "required": use.required.value} for use in intent.slots.values()}
        for intent in pack.intents.values()
    }
    actions = {
        action.name: {"connector": action.connector, "risk": action.risk, "roles": list(action.roles)}
        for action in pack.actions.values()
    }
    heard = {language: asdict(pack.listening(language)) for language in pack.languages}
    entities = {entity.name: entity.kind for entity in pack.entities.values()}
    return _summary(pack) | {"slots": slots, "actions": actions, "entities": entities, "listen": heard}
