"""A model of one's own: trained by the command line, measured by it, and served."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.cli.app import application
from services.nlu.artifact import TASK, load_models
from services.nlu.engine import Request
from services.nlu.service import load_engine
from services.nlu.settings import NluSettings
from shared.artifacts import load_artifact
from shared.settings import StorageSettings
from tests.nlu_labelled import order, rows, write_rows

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

KEYS = {"intent_accuracy", "slot_f1", "frame_accuracy", "oos_recall", "in_scope_rejected", "oos_f1", "ece", "p50_ms",
        "utterances_per_s"}  # fmt: skip


def parley(*arguments: object) -> Result:
    """Run the command line."""
    return CliRunner().invoke(application(str(arguments[0])), [str(each) for each in arguments])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("labelled") / "coffee.jsonl", rows())


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained once, by all of the encoder."""
    folder = tmp_path_factory.mktemp("models") / "coffee"
    result = parley("train", "nlu", "--data", data, "--out", folder, "--epochs", 25)
    assert result.exit_code == 0, result.output
    return folder


def test_what_was_trained_is_an_artifact_that_says_what_it_learnt_from(model: Path, data: Path) -> None:
    artifact = load_artifact(model, task=TASK)

    assert artifact.description.lineage["data"] == data.name
    assert artifact.description.lineage["examples"] == {"en": 40}
    assert set(load_models(artifact).readers) == {"en"}
    assert "<svg" in (model / "report.html").read_text() or "Nothing is taken" in (model / "report.html").read_text()


def test_evaluation_gives_every_figure_and_a_report(model: Path, tmp_path: Path) -> None:
    unseen = [order("bring me a {} now", drink) for drink in ("latte", "mocha")]
    unseen += [{"text": "when do you close", "intent": "ask_hours", "slots": []}, {"text": "it snows", "oos": True}]
    wrong = {"text": "one <b>latte</b> please", "intent": "ask_hours", "slots": []}
    held = write_rows(tmp_path / "unseen.jsonl", [*unseen, wrong])

    result = parley("evaluate", "nlu", "--model", model, "--data", held, "--report", tmp_path / "r.html", "--json")

    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert set(figures) == KEYS
    assert figures["intent_accuracy"] >= 0.5
    assert all(0 <= figures[name] <= 1 for name in KEYS - {"p50_ms", "utterances_per_s"})
    page = (tmp_path / "r.html").read_text()
    assert "ask_hours taken for" in page
    assert "<svg" in page
    assert "<b>" not in page


def test_the_service_answers_with_it(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_NLU_ARTIFACT", str(model))
    engine = load_engine(NluSettings.load(), StorageSettings.load())
    engine.warm_up()

    understood, other = engine.understand_batch([Request("One Latte, please!"), Request("打开厨房的灯")])

    assert (understood.intent, understood.domain, understood.decided_by) == ("order_drink", "coffee", "model")
    assert [(slot.name, slot.text) for slot in understood.slots] == [("drink", "Latte")]
    assert other.out_of_scope


def test_the_same_seed_gives_the_same_model(data: Path, tmp_path: Path) -> None:
    for name in "ab":
        options = ("--epochs", 1, "--seed", 7, "--method", "head")
        assert parley("train", "nlu", "--data", data, "--out", tmp_path / name, *options).exit_code == 0

    first, second = (load_artifact(tmp_path / name, task=TASK) for name in "ab")
    assert first.files["en/model.safetensors"] == second.files["en/model.safetensors"]
    assert first.version == second.version


def test_adapters_are_merged_so_that_nothing_but_the_weights_differs(data: Path, model: Path, tmp_path: Path) -> None:
    result = parley("train", "nlu", "--data", data, "--out", tmp_path / "lora", "--method", "lora", "--epochs", 2)

    assert result.exit_code == 0, result.output
    assert set(load_artifact(tmp_path / "lora", task=TASK).files) == set(load_artifact(model, task=TASK).files)


def test_chinese_sentences_train_the_chinese_reader(tmp_path: Path) -> None:
    drinks = ("拿铁", "美式", "摩卡", "热茶")
    orders = [
        {"text": f"来一杯{drink}{end}", "intent": "order_drink",
         "slots": [{"slot": "drink", "start": 3, "end": 5, "value": drink}]}
        for drink in drinks for end in ("", "吧", "谢谢")
    ]  # fmt: skip
    hours = [{"text": text, "intent": "ask_hours"} for text in ("几点开门", "几点关门", "今天营业吗", "周日开不开")]
    data = write_rows(tmp_path / "zh.jsonl", [*orders, *hours])

    result = parley("train", "nlu", "--data", data, "--out", tmp_path / "zh")

    assert result.exit_code == 0, result.output
    models = load_models(load_artifact(tmp_path / "zh", task=TASK))
    (reading,) = models.readers["zh"].read(["来一杯美式"])
    assert models.labels.intents[int(reading.logits.argmax())] == "order_drink"
    assert [(span.slot, span.start, span.end) for span in reading.spans] == [("drink", 3, 5)]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda tmp: {"--method": "magic"}, "--method: 'magic'"),
        (lambda tmp: {"--base": tmp}, "lacks config.json"),
        (lambda tmp: {"--language": "fr"}, "--language: 'fr'"),
        (lambda tmp: {"--out": tmp}, "name a new folder"),
        (lambda tmp: {"--data": tmp / "none.jsonl"}, "cannot be read"),
        (lambda tmp: {"--data": write_rows(tmp / "one.jsonl", [{"text": "a", "intent": "x"}])}, "at least two intents"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_the_remedy(
    change: Callable[[Path], dict[str, object]], told: str, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "something").write_text("here")
    options: dict[str, object] = {"--data": data, "--out": tmp_path / "new", "--method": "head"}
    options |= change(tmp_path)

    result = parley("train", "nlu", *(part for option in options.items() for part in option))

    assert result.exit_code == 2
    assert told in result.output
    assert not (tmp_path / "new").exists()
