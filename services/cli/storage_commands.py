"""Commands about what is stored: migrate."""

from __future__ import annotations

import typer

from services.cli.output import errors_shown, out


def register(app: typer.Typer) -> None:
    """Add the commands to `parley`."""
    app.command()(migrate)


def migrate() -> None:
    """Bring every service's tables to the newest shape; does nothing where they have it. Each start does so too."""
    with errors_shown():
        from services.cli.hosting import migrated
        from shared.runtime import logs
        from shared.settings import LogSettings, StorageSettings

        logs.configure(LogSettings.load())
        for service in migrated(StorageSettings.load()):
            out.print(f"{service}: tables are current", markup=False)
