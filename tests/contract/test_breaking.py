"""`make lint` fails where a contract no longer fits what was built on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.contract

CHECKOUT = Path(__file__).resolve().parents[2]
BUF = Path(sys.executable).with_name("buf")
THING = """syntax = "proto3";
package parley.v1;
message Thing {
  string name = 1;
  string colour = 2;
}
"""
WITHOUT_COLOUR = THING.replace("  string colour = 2;\n", "")
WITH_SIZE = THING.replace("}", "  uint32 size = 3;\n}")


@dataclass(frozen=True)
class Repository:
    """A checkout with Parley's own check and settings of buf, and one contract."""

    folder: Path

    def write(self, thing: str, *, third_party: bool = False) -> None:
        """Set the contract."""
        file = "third_party/protos/other/v1/thing.proto" if third_party else "protos/parley/v1/thing.proto"
        (self.folder / file).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / file).write_text(thing.replace("parley.v1", "other.v1") if third_party else thing)

    def git(self, *arguments: str) -> None:
        """Run git, as nobody in particular."""
        alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        someone = ["-c", "user.name=someone", "-c", "user.email=someone@example.org", "-c", "init.defaultBranch=main"]
        subprocess.run(
            ["git", *someone, *arguments], cwd=self.folder, env={**os.environ, **alone}, check=True, capture_output=True
        )

    def commit(self, thing: str) -> None:
        """Commit the contract."""
        self.write(thing)
        self.git("add", "-A")
        self.git("commit", "--allow-empty", "-m", "a change")

    def check(self) -> tuple[bool, str]:
        """Whether the check passes, and what it says."""
        done = subprocess.run(
            [str(CHECKOUT / ".ci" / "breaking")],
            cwd=self.folder,
            env={**os.environ, "PATH": f"{BUF.parent}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def unversioned(tmp_path: Path) -> Repository:
    """The files alone."""
    if not BUF.is_file() or shutil.which("git") is None:
        pytest.skip(f"needs git, and buf at {BUF}, which `make install` brings")
    repository = Repository(tmp_path / "checkout")
    repository.write(THING)
    repository.write(THING, third_party=True)
    shutil.copy(CHECKOUT / "buf.yaml", repository.folder)
    return repository


@pytest.fixture
def repository(unversioned: Repository) -> Repository:
    """A repository with one commit."""
    unversioned.git("init")
    unversioned.commit(THING)
    return unversioned


def test_a_field_more_breaks_nothing(repository: Repository) -> None:
    repository.commit(WITH_SIZE)
    passes, said = repository.check()
    assert passes, said
    assert "skipped" not in said


@pytest.mark.parametrize("committed", [True, False], ids=["committed", "not yet committed"])
def test_a_field_less_is_named_and_fails(repository: Repository, committed: bool) -> None:
    repository.commit(THING)
    repository.commit(WITHOUT_COLOUR) if committed else repository.write(WITHOUT_COLOUR)

    passes, said = repository.check()

    assert not passes
    assert '"colour" on message "Thing" was deleted' in said


def test_what_was_released_is_kept_however_long_ago_it_went(repository: Repository) -> None:
    repository.git("tag", "v1.0.0")
    repository.commit(WITHOUT_COLOUR)
    repository.commit(WITHOUT_COLOUR)

    passes, said = repository.check()

    assert not passes
    assert "v1.0.0" in said


def test_what_was_never_released_is_compared_with_the_commit_before(repository: Repository) -> None:
    repository.git("tag", "nightly")
    repository.commit(WITHOUT_COLOUR)
    repository.commit(WITHOUT_COLOUR)

    passes, said = repository.check()

    assert passes, said
    assert "skipped" not in said


def test_the_contracts_of_others_are_theirs_to_break(repository: Repository) -> None:
    repository.commit(THING)
    repository.write(WITHOUT_COLOUR, third_party=True)

    passes, said = repository.check()

    assert passes, said


def test_without_history_the_check_says_that_it_is_skipped(unversioned: Repository, tmp_path: Path) -> None:
    assert unversioned.check()[0]
    assert "skipped: this is no git checkout" in unversioned.check()[1]

    unversioned.git("init")
    unversioned.commit(THING)
    assert "skipped: neither a release" in unversioned.check()[1]

    unversioned.commit(WITHOUT_COLOUR)
    unversioned.git("clone", "--depth", "1", f"file://{unversioned.folder}", str(tmp_path / "shallow"))
    passes, said = Repository(tmp_path / "shallow").check()
    assert passes
    assert "skipped: neither a release" in said


def test_lint_runs_the_check() -> None:
    recipe = subprocess.run(["make", "-n", "lint"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    assert "check .ci/breaking" in recipe
