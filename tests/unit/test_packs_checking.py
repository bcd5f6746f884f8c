"""What `parley domains` says: of packs as they should be, and of everything that can be wrong with one, all at once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.cli.app import application
from shared.errors import InvalidArtifact, InvalidPack, InvalidSettings
from shared.packs import bundled_packs, installed_packs
from shared.packs.checking import examine

pytestmark = pytest.mark.unit

COFFEE = Path(__file__).resolve().parents[2] / "examples" / "domains" / "coffee"


def parley(*arguments: str) -> Result:
    return CliRunner().invoke(application("domains"), ["domains", *arguments])


@pytest.fixture
def coffee(tmp_path: Path) -> Path:
    """A copy of the example pack, to be damaged."""
    return Path(shutil.copytree(COFFEE, tmp_path / "coffee"))


def damage(file: Path, there: str, instead: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert there in text
    file.write_text(text.replace(there, instead, 1), encoding="utf-8")


@pytest.mark.parametrize("folder", [COFFEE, *(pack.path for pack in bundled_packs())], ids=lambda path: path.name)
def test_the_bundled_packs_and_the_example_are_valid(folder: Path) -> None:
    assert examine(folder)[1] == []


def test_a_new_pack_is_valid_as_it_stands(tmp_path: Path) -> None:
    assert parley("new", str(tmp_path / "tea")).exit_code == 0

    assert parley("validate", str(tmp_path / "tea")).exit_code == 0
    assert parley("new", str(tmp_path / "tea")).exit_code == 2, "nothing is written over"
    assert parley("new", str(tmp_path / "Tea Bar")).exit_code == 2


DAMAGES = {
    # what is wrong: (file, what stands there, what stands there instead, what is said of it)
    "an unknown intent": (
        "sentences/en.yaml",
        "  cancel_drink:\n",
        "  cancel:\n",
        "intents.cancel: 'cancel' is not among",
    ),
    "an intent nobody can say": (
        "sentences/zh.yaml",
        "  ask_barista:\n",
        "  order_tea:\n",
        "'ask_barista' has no sentences",
    ),
    "a bracket too few": (
        "sentences/en.yaml",
        "(drink|coffee|coffee order|drinks order)",
        "(drink|coffee",
        "is no template",
    ),
    "an unknown rule": ("sentences/en.yaml", "[<ask>]", "[<asks>]", "names <asks>, which is not among the rules"),
    "an unknown entity": (
        "sentences/en.yaml",
        "{ticket_id:ticket}]",
        "{number:ticket}]",
        "names {number}, which is neither",
    ),
    "a slot of another intent": (
        "sentences/en.yaml",
        "{ticket_id:ticket}]",
        "{drink}]",
        "slot drink, which its intent has not",
    ),
    "an unknown act": ("replies/en.yaml", "  confirm:\n", "  asking:\n", "'asking' is no dialogue act; use one of"),
    "an open brace": (
        "replies/zh.yaml",
        "{size}{drink}，对吗",
        "{size{drink}，对吗",
        "has a brace without its other half",
    ),
    "an unasked slot": (
        "replies/en.yaml",
        "order_drink/size",
        "order_drink/cup",
        "is required and no question asks for it",
    ),
    "an untold outcome": (
        "replies/en.yaml",
        "    coffee.cancel:\n",
        "    coffee.gone:\n",
        "has no words under `task_done`",
    ),
    "an unknown language": ("pack.yaml", "languages: [en, zh]", "languages: [en]", "is not among the pack's languages"),
    "a missing file": ("pack.yaml", "languages: [en, zh]", "languages: [en, zh, de]", "sentences/de.yaml is missing"),
}


@pytest.mark.parametrize("wrong", DAMAGES)
def test_what_is_wrong_is_said_with_file_and_line(coffee: Path, wrong: str) -> None:
    file, there, instead, says = DAMAGES[wrong]
    damage(coffee / file, there, instead)

    result = parley("validate", str(coffee))

    assert result.exit_code == 2
    line = next((line for line in result.stdout.splitlines() if says in line), "")
    assert line, result.stdout
    assert line.startswith(f"{coffee}/"), line
    assert line.removeprefix(f"{coffee}/").split(":")[1].isdecimal(), line


def test_everything_that_is_wrong_is_said_at_once_and_for_programs(coffee: Path) -> None:
    damage(coffee / "pack.yaml", "connector: tickets, risk: medium", "connector: tickets, risk: grave")
    damage(coffee / "pack.yaml", "amount: {kind: number}", "amount: {kind: numeral}")
    damage(coffee / "pack.yaml", "version: ", "versoin: ")

    told = json.loads(parley("validate", str(coffee), "--json").stdout)

    assert not told["valid"]
    fields = {problem["field"]: problem for problem in told["problems"]}
    assert set(fields) == {"actions.coffee.order.risk", "entities.amount.kind", "versoin"}
    lines = (coffee / "pack.yaml").read_text(encoding="utf-8").splitlines()
    for problem in fields.values():
        assert problem["field"].split(".")[-1] in lines[problem["line"] - 1]
        assert problem["remedy"]


def test_a_pack_is_loaded_from_the_setting_beside_the_bundled_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_PACKS_PATHS", str(COFFEE))
    monkeypatch.setenv("PARLEY_PACKS_OFF", "customer_service")

    assert [pack.name for pack in installed_packs()] == ["conversation", "smart_home", "coffee"]
    listed = json.loads(parley("list", "--json").stdout)
    assert [(pack["name"], len(pack["digest"])) for pack in listed][-1] == ("coffee", 64)
    shown = json.loads(parley("show", "coffee", "--json").stdout)
    assert shown["actions"]["coffee.order"] == {"connector": "tickets", "risk": "medium", "roles": []}
    assert parley("show", "tea").exit_code == 1


def test_what_cannot_be_loaded_is_refused_by_name(coffee: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_PACKS_OFF", "conversation")
    with pytest.raises(InvalidSettings, match="PARLEY_PACKS_OFF: 'conversation' cannot be switched off; use one of"):
        installed_packs()
    monkeypatch.delenv("PARLEY_PACKS_OFF")
    monkeypatch.setenv("PARLEY_PACKS_PATHS", str(coffee / "nowhere"))
    with pytest.raises(InvalidSettings, match=r"PARLEY_PACKS_PATHS: .* is no folder"):
        installed_packs()
    damage(coffee / "pack.yaml", "order_drink:", "turn_on:")
    damage(coffee / "sentences/en.yaml", "order_drink:", "turn_on:")
    damage(coffee / "sentences/zh.yaml", "order_drink:", "turn_on:")
    for language in ("en", "zh"):
        damage(coffee / f"replies/{language}.yaml", "order_drink/drink", "turn_on/drink")
        damage(coffee / f"replies/{language}.yaml", "order_drink/size", "turn_on/size")
    monkeypatch.setenv("PARLEY_PACKS_PATHS", str(coffee))
    with pytest.raises(InvalidPack, match="coffee: intents: 'turn_on' is in pack smart_home too"):
        installed_packs()


def test_a_bundle_is_loaded_by_its_uri_and_refused_once_altered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "coffee-1"
    assert parley("bundle", str(COFFEE), "--out", str(target)).exit_code == 0
    monkeypatch.setenv("PARLEY_PACKS_PATHS", target.as_uri())
    assert installed_packs()[-1].name == "coffee"

    altered = Path(shutil.copytree(target, tmp_path / "altered"))
    damage(altered / "replies" / "en.yaml", "Small, medium or large?", "Give me your password.")
    monkeypatch.setenv("PARLEY_PACKS_PATHS", altered.as_uri())
    with pytest.raises(InvalidArtifact, match="it was altered"):
        installed_packs()
