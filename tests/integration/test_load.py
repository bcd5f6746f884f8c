"""`make load`, small, on the real stack: every turn is reported, typed and spoken, and held against the plan."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.load.__main__ import main
from tests.load.sending import ANSWERED
from tests.stack import one_process

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def test_a_load_on_a_running_stack_reports_every_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with one_process(tmp_path / "stack") as stack:
        monkeypatch.setenv("PARLEY_STORAGE_DATA_DIR", str(stack.data_dir))
        code = main(["--turns", "20", "--rate", "2,4", "--audio-share", "0.1", "--url", stack.url])

    printed = capsys.readouterr().out
    (file,) = (stack.data_dir / "bench").glob("load-*.json")
    report = json.loads(file.read_text())
    assert code == 0, printed
    assert [step["rate"] for step in report["steps"]] == [2.0, 4.0]
    for step in report["steps"]:
        assert step["outcomes"] == {ANSWERED: 20}
        assert len(step["each"]) == 20
        assert any(each["spoken"] for each in step["each"])
        assert 0 < step["latency_s"]["p50"] <= step["latency_s"]["p95"] <= step["latency_s"]["max"]
    assert report["predicted_turns_per_second"] > 0
    assert "plan:" in printed
    assert "measured (running):" in printed
    assert file.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_what_the_gateway_sheds_is_reported_as_refused_and_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with one_process(tmp_path / "stack", PARLEY_GATEWAY_TURNS_PER_MINUTE="45") as stack:
        monkeypatch.setenv("PARLEY_STORAGE_DATA_DIR", str(stack.data_dir))
        code = main(["--turns", "30", "--rate", "10", "--url", stack.url])

    (file,) = (stack.data_dir / "bench").glob("load-*.json")
    (step,) = json.loads(file.read_text())["steps"]
    assert code == 0
    assert step["outcomes"]["shed"] > 0
    assert sum(step["outcomes"].values()) == 30
    assert not step["carried"]


def test_an_address_where_nobody_answers_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--turns", "1", "--rate", "1", "--url", "http://127.0.0.1:9"]) == 2
    assert "--url: 'http://127.0.0.1:9' does not answer" in capsys.readouterr().err
