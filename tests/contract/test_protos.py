"""The protos themselves: linted by buf, and complete in what the generated package offers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.contract

ROOT = Path(__file__).resolve().parents[2]
BUF = Path(sys.executable).with_name("buf")


@pytest.mark.parametrize("check", [["lint"], ["format", "--diff", "--exit-code"]], ids=["lint", "format"])
def test_buf_finds_nothing_to_mend(check: list[str]) -> None:
    if not BUF.is_file():
        pytest.skip(f"needs buf, and there is none at {BUF}; `make install` brings it")

    found = subprocess.run([str(BUF), *check], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)

    assert found.returncode == 0, found.stdout + found.stderr


def test_every_proto_is_generated() -> None:
    """Else what clients see is not what the folder says; `make protos` mends it."""
    protos = {file.stem for file in (ROOT / "protos" / "parley" / "v1").glob("*.proto")}
    generated = {file.stem.removesuffix("_pb2") for file in (ROOT / "gen" / "parley" / "v1").glob("*_pb2.py")}
    assert protos == generated
