"""Packs: what a deployment can talk about, and what is said of one that does not hold together."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import InvalidPack
from shared.packs import Listening, Pack, bundled_packs, load_pack
from shared.packs.model import Required
from shared.packs.sentences import sentence_file

pytestmark = pytest.mark.unit

HOME = """
name: tiny_home
version: 3
languages: [en, zh]
entities:
  device:
    values:
      - {value: light, en: [light, lamp], zh: [灯]}
  area:
    values:
      - {value: kitchen, en: [kitchen], zh: [厨房]}
  level: {kind: percentage}
actions:
  home.turn_on: {connector: home, risk: medium, roles: [resident]}
intents:
  turn_on:
    action: home.turn_on
    slots:
      device: {required: always}
      area: {required: unless_unique}
      brightness: {entity: level, default: 100}
  ask: {knowledge: true}
devices:
  - {id: kitchen_light, device: light, area: kitchen}
"""


def pack_of(folder: Path, text: str) -> Pack:
    (folder / "pack.yaml").write_text(text, encoding="utf-8")
    return load_pack(folder)


def test_a_pack_is_read_with_its_defaults(tmp_path: Path) -> None:
    pack = pack_of(tmp_path, HOME)

    assert (pack.name, pack.version, pack.languages) == ("tiny_home", "3", ("en", "zh"))
    slots = pack.intents["turn_on"].slots
    assert [slots[name].required for name in ("device", "area", "brightness")] == [
        Required.ALWAYS,
        Required.UNLESS_UNIQUE,
        Required.NEVER,
    ]
    assert (slots["brightness"].entity, slots["brightness"].default) == ("level", "100")
    assert pack.entities["device"].values[0].forms == {"en": ("light", "lamp"), "zh": ("灯",)}
    assert (pack.actions["home.turn_on"].risk, pack.actions["home.turn_on"].roles) == ("medium", ("resident",))
    assert pack.intents["ask"].knowledge
    assert pack.devices[0].id == "kitchen_light"


@pytest.mark.parametrize("pack", bundled_packs(), ids=lambda pack: pack.name)
def test_the_bundled_packs_hold_together(pack: Pack) -> None:
    assert pack.intents
    assert {"en", "zh"} <= set(pack.languages)
    for entity in pack.entities.values():
        for value in entity.values:
            assert all(value.forms.get(language) for language in pack.languages), f"{entity.name}.{value.value}"


def test_an_intent_belongs_to_one_bundled_pack() -> None:
    names = [name for pack in bundled_packs() for name in pack.intents]
    assert len(set(names)) == len(names)


WRONG = {
    # what is wrong: (what stands in the pack, what stands there instead, what the error says)
    "no name": ("name: tiny_home", "", ["pack.yaml:1: name", "is missing; write `name: ...`"]),
    "no YAML": ("name: tiny_home", "name: [", ["pack.yaml:4", "is not YAML"]),
    "a list of entities": ("entities:", "entities: [light]\nunused:", [":5: entities", "['light']", "is no mapping"]),
    "an entity that is a word": (
        "level: {kind: percentage}",
        "level: percentage",
        [":12: entities.level", "no mapping"],
    ),
    "an unknown kind": (
        "percentage",
        "permille",
        [":12: entities.level.kind", "'permille'", "use one of list, percent"],
    ),
    "a closed entity without values": ("level: {kind: percentage}", "level:", [":12: entities.level", "has no values"]),
    "a value without a name": ("{value: light,", "{", [":8: entities.device.values.0.value", "is missing"]),
    "forms that are a word": ("en: [light, lamp]", "en: light", [":8: entities.device.values.0.en", "is no list"]),
    "a form that YAML takes for a truth": (
        "[light, lamp]",
        "[on, lamp]",
        [":8", "True", "is no text; put it in quotes"],
    ),
    "a value nobody can say": (", zh: [灯]", "", [":8: entities.device.values.0", "'light'", "has no words in zh"]),
    "an unknown risk": (
        "risk: medium",
        "risk: huge",
        [":14: actions.home.turn_on.risk", "use one of low, medium, high"],
    ),
    "an unknown need": (
        "required: always",
        "required: often",
        [":19: intents.turn_on.slots.device.required", "'often'"],
    ),
    "an unknown field": ("knowledge: true", "knowledg: true", [":22: intents.ask.knowledg", "is unknown here"]),
    "a field twice": ("version: 3", "version: 3\nname: other", ["pack.yaml:4: name", "twice, on line 2 too"]),
    "a slot of no entity": (
        "entity: level",
        "entity: volume",
        [":21: intents.turn_on.slots.brightness.entity", "volume"],
    ),
    "an intent of no action": ("action: home.turn_on", "action: fly", [":17: intents.turn_on.action", "'fly'"]),
    "a device without an area": (", area: kitchen}\n", "}\n", [":24: devices.0.area", "is missing"]),
    "a device nowhere": ("area: kitchen}\n", "area: attic}\n", [":24: devices.0.area", "'attic'", "entity area"]),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_pack_that_does_not_hold_together_is_refused_where_it_is_wrong(tmp_path: Path, wrong: str) -> None:
    there, instead, says = WRONG[wrong]
    assert HOME.count(there) == 1

    with pytest.raises(InvalidPack) as refusal:
        pack_of(tmp_path, HOME.replace(there, instead))

    assert all(part in str(refusal.value) for part in says), str(refusal.value)


def test_a_folder_without_a_pack_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidPack, match=r"pack\.yaml:1: .* a pack is a folder with a pack\.yaml"):
        load_pack(tmp_path)


def test_a_pack_says_by_language_what_to_listen_for(tmp_path: Path) -> None:
    asked = "listen:\n  en: {words: [flat white], sentences: [one flat white please]}\n"

    pack = pack_of(tmp_path, HOME + asked)

    assert pack.listening("en") == Listening(("flat white",), ("one flat white please",))
    assert pack.listening("zh") == Listening()


@pytest.mark.parametrize("wrong", ["- a list", "intents: [", "just words"])
def test_a_sentence_file_that_is_no_mapping_is_refused_by_its_path(tmp_path: Path, wrong: str) -> None:
    pack = pack_of(tmp_path, HOME)
    (tmp_path / "sentences").mkdir()
    (tmp_path / "sentences" / "en.yaml").write_text(wrong, encoding="utf-8")

    with pytest.raises(InvalidPack, match=r"en\.yaml.* is not"):
        sentence_file(pack, "en")

    assert sentence_file(pack, "zh") == {}, "a file that is not there is an empty one"
