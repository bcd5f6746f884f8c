"""`parley`: every command, in one place."""

from __future__ import annotations

import sys
from importlib import import_module

import typer

# A command's module is imported when the command is called: `say` needs neither Kafka nor SQL.
_MODULES = {
    "host_commands": ("up", "serve", "broker", "demo", "doctor"),
    "storage_commands": ("migrate",),
    "talk_commands": ("say", "turns", "token"),
    "bus_commands": ("publish", "tail"),
    "training_commands": ("train",),
    "dead_letter_commands": ("dead-letters",),
    "domain_commands": ("domains",),
    "evaluate_commands": ("evaluate",),
    "plan_commands": ("plan",),
}


def application(command: str = "") -> typer.Typer:
    """The command line: with the commands of `command`'s module alone, or all of them where it is none."""
    app = typer.Typer(
        name="parley",
        help="Parley: an event-driven voice assistant and customer-service platform.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    wanted = [module for module, commands in _MODULES.items() if command in commands] or list(_MODULES)
    for module in wanted:
        import_module(f"services.cli.{module}").register(app)
    app.callback()(lambda: None)  # keeps the name of a command in front of it even where it is the only one
    return app


def main() -> None:
    """Run the command line."""
    application(sys.argv[1] if len(sys.argv) > 1 else "")()


if __name__ == "__main__":
    main()
