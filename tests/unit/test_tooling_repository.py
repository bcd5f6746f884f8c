"""What is in the repository: nothing of one machine, nothing heavy, modules that say what they are, an honest lock."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = pytest.mark.unit

CHECKOUT = Path(__file__).resolve().parents[2]
LARGEST_FILE_BYTES = 1_000_000
MACHINE_WORDS = re.compile(
    r"(?<![\w.-])/(?:root|work)/"  # folders of one machine
    r"|/home/[a-z]\w*/"
    r"|pypi\.org|pythonhosted\.org|registry\.npmjs"  # package registries, which each machine configures for itself
    r"|--(?:extra-)?index-url|--find-links|--trusted-host"
)
LOCKED = re.compile(r"([a-z0-9][a-z0-9-]*)==([\w.+!]+)( ; [^\\]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


def tracked_files() -> list[Path]:
    """Every file git keeps that is there, or a skip where this is no git checkout."""
    if shutil.which("git") is None or not (CHECKOUT / ".git").exists():
        pytest.skip("not a git checkout, so what is tracked cannot be told")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, check=True, capture_output=True, text=True)
    return [CHECKOUT / name for name in listed.stdout.split("\0") if name and (CHECKOUT / name).is_file()]


def required(file: str) -> Iterator[Requirement]:
    """The requirements of a requirements*.in."""
    for line in (CHECKOUT / file).read_text(encoding="utf-8").splitlines():
        wanted = line.partition("#")[0].strip()
        if wanted:
            yield Requirement(wanted)


def locked_versions() -> dict[str, str]:
    """Version by package name, as requirements.lock pins them."""
    matches = map(LOCKED.fullmatch, (CHECKOUT / "requirements.lock").read_text(encoding="utf-8").splitlines())
    return {match[1]: match[2] for match in matches if match}


def test_no_tracked_file_names_a_machine_or_a_package_registry() -> None:
    found = []
    for path in tracked_files():
        if path == Path(__file__).resolve():  # it has to name what it looks for
            continue
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:  # a recording
            continue
        found += [
            f"{path.relative_to(CHECKOUT)}:{number}: {line.strip()[:120]}"
            for number, line in enumerate(lines, start=1)
            if MACHINE_WORDS.search(line)
        ]
    assert found == []


def test_no_tracked_file_is_large() -> None:
    sizes = {str(path.relative_to(CHECKOUT)): path.stat().st_size for path in tracked_files()}
    assert {name: size for name, size in sizes.items() if size > LARGEST_FILE_BYTES} == {}


def test_generated_code_and_local_state_are_not_tracked() -> None:
    made_here = {"gen", "var", "build", ".venv"}
    tracked = {path.relative_to(CHECKOUT) for path in tracked_files()}
    assert {str(path) for path in tracked if path.parts[0] in made_here or path.suffix == ".pyc"} == set()


def test_every_module_says_what_it_is() -> None:
    modules = [path for path in tracked_files() if path.suffix == ".py"]
    assert modules
    silent = [
        str(path.relative_to(CHECKOUT))
        for path in modules
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_the_lock_holds_versions_with_hashes_and_nothing_else() -> None:
    lines = (CHECKOUT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [number for number, line in enumerate(lines) if LOCKED.fullmatch(line)]
    strange = [line for line in lines if not (LOCKED.fullmatch(line) or HASH.fullmatch(line) or re.match(r" *#", line))]
    assert pins
    assert strange == []
    assert [lines[number] for number in pins if not HASH.fullmatch(lines[number + 1])] == []


def test_the_lock_leaves_torch_to_the_machine() -> None:
    brought_by_torch = re.compile(r"torch|triton|nvidia-.*|cuda-.*")
    assert [name for name in locked_versions() if brought_by_torch.fullmatch(name)] == []
    assert [canonicalize_name(wanted.name) for wanted in required("requirements-torch.in")] == ["torch"]


@pytest.mark.parametrize("file", ["requirements.in", "requirements-dev.in"])
def test_the_lock_satisfies_what_is_required(file: str) -> None:
    locked = locked_versions()
    wanting = {
        str(wanted): locked.get(canonicalize_name(wanted.name), "not locked")
        for wanted in required(file)
        if canonicalize_name(wanted.name) not in locked
        or not wanted.specifier.contains(locked[canonicalize_name(wanted.name)], prereleases=True)
    }
    assert wanting == {}, "run `make lock`"


def test_make_help_has_a_line_for_every_target() -> None:
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    targets = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert targets
    helped = subprocess.run(["make", "-s", "help"], cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout
    assert {line.split()[1] for line in helped.splitlines()} == set(targets[1].split())
