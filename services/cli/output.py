"""What the command line shows: one console for people, plain standard output for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.markup import escape

from shared.errors import ParleyError

console = Console(stderr=True, highlight=False)
out = Console(highlight=False, soft_wrap=True)


@contextmanager
def errors_shown() -> Iterator[None]:
    """Turn Parley's errors into one line on standard error and exit status 1 (2 for input the user can correct)."""
    from shared.errors import InvalidInput

    try:
        yield
    except ParleyError as error:
        console.print(f"[red]parley:[/red] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(2 if isinstance(error, InvalidInput) else 1) from error
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        raise typer.Exit(130) from None
