"""What the packs' sentence files give to learn from."""

from __future__ import annotations

import random
import re
import shutil
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest
import yaml
from home_assistant_intents import get_intents

from services.nlu.corpus import LANGUAGES, OUT_OF_SCOPE, Example, read_sentences, sample
from services.nlu.corpus.home_assistant import sample_home_assistant
from services.nlu.lexicon import Lexicon
from services.nlu.templates import Templates
from services.nlu.training.ensure import model_version
from services.nlu.values import find, find_bare
from shared.errors import InvalidPack
from shared.packs import Pack, bundled_packs, load_pack

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 22, 17, 30)
PACKS = bundled_packs()
SMART_HOME = next(pack for pack in PACKS if pack.name == "smart_home")


def examples_of(language: str) -> list[Example]:
    sentences = read_sentences(PACKS, language)
    own = sample(PACKS, sentences, per_intent=20, fragments=30, seed=7)
    return own + sample_home_assistant(SMART_HOME, sentences, Lexicon(PACKS), per_intent=10, seed=7)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_intent_has_sentences_in_every_language(language: str) -> None:
    counted = Counter(example.intent for example in examples_of(language))

    assert set(counted) == {intent for pack in PACKS for intent in pack.intents} | {OUT_OF_SCOPE}
    assert min(counted.values()) >= 15
    assert counted[OUT_OF_SCOPE] >= 150


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_slot_of_an_example_names_a_value_of_its_entity(language: str) -> None:
    lexicon = Lexicon(PACKS)
    kinds = {name: entity.kind for pack in PACKS for name, entity in pack.entities.items()}

    for example in examples_of(language):
        for slot in example.slots:
            words = example.text[slot.start : slot.end]
            assert words and words == words.strip(), example
            if kinds[slot.slot] == "list":
                assert words in lexicon.names(slot.slot, language).values, example
            elif kinds[slot.slot] != "text":
                found = find(kinds[slot.slot], f"at {words}", language, NOW) or find_bare(
                    kinds[slot.slot], words, language
                )
                assert found, (example, words)


@pytest.mark.parametrize("language", LANGUAGES)
def test_sampling_is_the_same_every_time(language: str) -> None:
    assert examples_of(language) == examples_of(language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_template_says_the_matcher_understands(language: str) -> None:
    sentences = read_sentences(PACKS, language)
    templates = Templates(PACKS, sentences, Lexicon(PACKS))
    drawn = random.Random(3).sample(sample(PACKS, sentences, per_intent=20, fragments=0, seed=9), 250)
    requests = [example for example in drawn if example.intent != OUT_OF_SCOPE]

    matches = [(example, templates.match(example.text, NOW)) for example in requests]

    # Asides ("dinner is ready") are for the model: no template allows for them.
    matched = [(example, match) for example, match in matches if match is not None]
    assert len(matched) >= 0.75 * len(requests)
    right = [example for example, match in matched if match.intent == example.intent]
    assert len(right) >= 0.98 * len(matched)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_template_takes_what_is_out_of_scope(language: str) -> None:
    sentences = read_sentences(PACKS, language)
    templates = Templates(PACKS, sentences, Lexicon(PACKS))

    for example in sample(PACKS, sentences, per_intent=1, fragments=60, seed=11):
        if example.intent == OUT_OF_SCOPE:
            match = templates.match(example.text, NOW)
            assert match is None or match.intent == OUT_OF_SCOPE, example


def copied_pack(name: str, folder: Path) -> Pack:
    source = next(pack for pack in PACKS if pack.name == name)
    shutil.copytree(source.path, folder / name)
    return load_pack(folder / name)


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        ("en.yaml", "intents: {fly: [fly away]}", "intents.*fly.*not among the intents"),
        ("en.yaml", "- just a list", "sentences.*en.yaml.*not a mapping"),
        ("en.yaml", "intents: [", "sentences.*en.yaml.*not YAML"),
    ],
)
def test_a_sentence_file_that_contradicts_its_pack_is_named(
    tmp_path: Path, file: str, content: str, named: str
) -> None:
    pack = copied_pack("conversation", tmp_path)
    (pack.path / "sentences" / file).write_text(content, encoding="utf-8")

    with pytest.raises(InvalidPack, match=named):
        read_sentences([pack], "en")


def test_the_version_changes_with_the_sentences_and_with_nothing_else(tmp_path: Path) -> None:
    pack = copied_pack("conversation", tmp_path / "one")
    same = copied_pack("conversation", tmp_path / "two")
    changed = copied_pack("conversation", tmp_path / "three")
    file = changed.path / "sentences" / "en.yaml"
    file.write_text(file.read_text(encoding="utf-8") + "\n# one line more\n", encoding="utf-8")

    assert model_version([pack]) == model_version([same])
    assert model_version([pack]) != model_version([changed])


def test_every_intent_of_home_assistant_is_served() -> None:
    plan = yaml.safe_load((SMART_HOME.path / "sentences" / "home_assistant.yaml").read_text(encoding="utf-8"))
    theirs = {name for code in plan["languages"].values() for name in (get_intents(code) or {})["intents"]}
    becomes = {row["from"]: row["becomes"] for row in plan["sentences"]}
    ours = set(SMART_HOME.intents) | {pack.name for pack in PACKS}

    page = (Path(__file__).parents[2] / "docs" / "smart-home.md").read_text(encoding="utf-8")

    assert theirs == set(becomes) | set(plan["served"]) == set(re.findall(r"`(Hass\w+)`", page))
    assert set(becomes.values()) | {each for served in plan["served"].values() for each in served} <= ours


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_of_home_assistant_teach_the_intents_they_become(language: str) -> None:
    plan = yaml.safe_load((SMART_HOME.path / "sentences" / "home_assistant.yaml").read_text(encoding="utf-8"))
    there = set((get_intents(plan["languages"][language]) or {})["intents"])
    sentences = read_sentences(PACKS, language)

    taught = {
        each.intent for each in sample_home_assistant(SMART_HOME, sentences, Lexicon(PACKS), per_intent=10, seed=7)
    }

    assert taught == {row["becomes"] for row in plan["sentences"] if row["from"] in there}
