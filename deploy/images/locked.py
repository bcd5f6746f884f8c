"""Prints the part of a lock file that one root needs: `locked.py requirements.lock ROOT`.

ROOT is a package, or the requirements file that the lock's comments name ("# via -r requirements.in"). Standard library
alone: it runs before anything is installed.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

_PACKAGE = re.compile(r"^([a-z0-9][a-z0-9._-]*)(\[[^]]*\])?==")


def entries(lock: str) -> dict[str, tuple[str, frozenset[str]]]:
    """(text, who asks for it) of each package of a lock that pip-compile wrote."""
    blocks: list[list[str]] = []
    for line in lock.splitlines():
        if _PACKAGE.match(line):
            blocks.append([])
        if blocks:
            blocks[-1].append(line)
    found = {}
    for block in blocks:
        match = _PACKAGE.match(block[0])
        assert match is not None
        comments = [line.strip().removeprefix("#").strip() for line in block if line.strip().startswith("#")]
        askers = {comment.removeprefix("via").strip() for comment in comments} - {""}
        found[match[1]] = ("\n".join(block), frozenset(askers))
    return found


def needed(lock: str, root: str) -> dict[str, str]:
    """Text by package: all that `root` needs, itself included where it is a package."""
    packages = entries(lock)
    asked = f"-r {root}" if root.endswith(".in") else root
    kept = {name for name, (_, askers) in packages.items() if name == root or asked in askers}
    if not kept:
        raise SystemExit(f"{root}: nothing in the lock is there for its sake; run `make lock`")
    while more := {name for name, (_, askers) in packages.items() if askers & kept} - kept:
        kept |= more
    return {name: packages[name][0] for name in sorted(kept)}


if __name__ == "__main__":
    sys.stdout.write("\n".join(needed(Path(sys.argv[1]).read_text(encoding="utf-8"), sys.argv[2]).values()) + "\n")
