"""Keeps the outputs in docs/scaling.md those of the command: each `$ .venv/bin/parley plan ...` is run again."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.stack import PARLEY

_CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = _CHECKOUT / "docs" / "scaling.md"
_BLOCK = re.compile(
    r"(?P<shown>```console\n\$ (?P<command>\.venv/bin/parley plan [^\n]+)\n).*?(?P<end>```\n)", re.DOTALL
)


def rewritten(page: str) -> str:
    """The page with every block's output as it is now."""
    return _BLOCK.sub(lambda block: block["shown"] + _output(block["command"]) + block["end"], page)


def _output(command: str) -> str:
    return subprocess.run(
        command.replace(".venv/bin/parley", str(PARLEY)),
        shell=True,
        cwd=_CHECKOUT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
