"""`parley plan`: the arithmetic from measured costs to what a load needs, and what it says to bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.cli.app import application
from services.cli.hosting import SERVICES
from services.cli.planning.costs import Costs, load_costs
from services.cli.planning.needs import MOST_PARTITIONS, Load, machine_capacity, plan, process_capacity
from shared.errors import InvalidInput
from shared.topology import ROAD, TOPICS
from tests.benchmarks.scaling_page import PAGE, rewritten

pytestmark = pytest.mark.unit


def costs(**changed: Any) -> Costs:
    """Round figures: 10 ms a typed turn for each service, 1 s a recording in asr, 1,000 bytes in two topics."""
    part = {
        "cpu_s_per_typed_turn": 0.01,
        "cpu_s_per_spoken_turn": 0.01,
        "cpu_s_per_further_speech_s": 0.0,
        "idle_cores": 0.0,
        "memory_mb": 100,
    }
    parts = {name: dict(part) for name in (*SERVICES, "broker", "database")}
    parts["asr"] |= {"cpu_s_per_typed_turn": 0.0, "cpu_s_per_spoken_turn": 1.0, "cpu_s_per_further_speech_s": 0.2}
    topic = {"bytes_per_typed_turn": 1000, "bytes_per_spoken_turn": 3000}
    given = {
        "measured": {"at": "2026-01-01", "machine": "one", "how": "by hand", "renew": "again", "speech_s": 2.0},
        "parts": parts,
        "topics": {"parley.utterances": topic, "parley.replies": topic, "parley.contexts": topic},
        "audio_bytes_per_speech_s": 10_000,
        "database": {"commits_per_turn": 10, "bytes_per_typed_turn": 2000, "bytes_per_spoken_turn": 4000},
    }
    return Costs.of({**given, **changed})


def load(turns_per_second: float, **changed: Any) -> Load:
    """At a steady load, with replicas busy to the half: easy to work out by hand."""
    chosen = {"peak_factor": 1.0, "utilisation": 0.5, "growth": 2.0, "speech_seconds": 2.0, "least_replicas": 1}
    return Load(turns_per_second, **{**chosen, **changed})


def test_replicas_are_the_processor_time_of_the_peak_over_the_share_a_replica_may_be_busy() -> None:
    # 300 a second at the peak, 10 ms each: 3 cores busy, and 6 where each is busy to the half.
    needs = plan(load(100, peak_factor=3.0), costs())

    assert needs.services["nlu"].replicas == 6
    assert needs.services["nlu"].cores == pytest.approx(3.0)
    assert needs.services["nlu"].memory_gb == pytest.approx(0.6)
    assert needs.services["asr"].replicas == 1  # nobody speaks
    assert needs.replicas == 6 * (len(SERVICES) - 1) + 1


def test_a_share_of_speech_costs_by_its_length() -> None:
    short, longer = (plan(load(10, audio_share=0.5, speech_seconds=seconds), costs()) for seconds in (2.0, 7.0))

    assert short.services["asr"].cpu_s_per_turn == pytest.approx(0.5)
    assert short.services["asr"].replicas == 10  # 10 a second, 0.5 s each, busy to the half
    assert longer.services["asr"].cpu_s_per_turn == pytest.approx(0.5 * (1.0 + 5 * 0.2))
    assert longer.services["asr"].replicas == 20


def test_a_gpu_hears_in_the_processors_place() -> None:
    needs = plan(load(100, audio_share=0.5, gpu_recordings_per_second=25), costs())

    assert needs.gpus == needs.services["asr"].replicas == 4  # 50 recordings a second, 25 a GPU, busy to the half
    assert needs.services["asr"].cores == 0.0
    assert plan(load(100), costs()).gpus == 0


def test_a_turns_cost_may_be_given_for_another_model() -> None:
    assert plan(load(100, turn_costs={"nlu": 0.1}), costs()).services["nlu"].replicas == 20


def test_there_are_partitions_for_every_replica_and_for_growth() -> None:
    needs = plan(load(100, peak_factor=3.0), costs())

    assert needs.partitions == 12  # six replicas, two partitions for each, in whole dozens
    assert plan(load(100, peak_factor=3.0, growth=3.0), costs()).partitions == 24
    assert needs.settings["PARLEY_KAFKA_ROAD_PARTITIONS"] == "12"


@pytest.mark.parametrize("turns_per_second", [0.01, 1, 10, 137, 1_000, 12_345, 100_000, 1_000_000])
@pytest.mark.parametrize("growth", [1.0, 1.5, 2.0, 7.0])
def test_no_service_ever_has_more_replicas_than_partitions(turns_per_second: float, growth: float) -> None:
    needs = plan(load(turns_per_second, growth=growth, audio_share=0.2), costs())

    assert max(each.replicas for each in needs.services.values()) <= needs.partitions <= MOST_PARTITIONS
    for service in needs.services.values():
        busy = service.cpu_s_per_turn * turns_per_second / needs.cells
        assert busy <= service.replicas * 0.5 + 1e-6  # what was planned carries the load


def test_what_one_cell_cannot_carry_is_parted_into_cells() -> None:
    one = plan(load(1_400), costs())
    # 14,001 commits and more need a third database, 15,001 a fourth, which no cell has.
    more = plan(load(1_600), costs())
    spoken = plan(load(1_400, audio_share=1.0), costs())

    assert (one.cells, one.cells_because, one.database_primaries) == (1, "", 3)
    assert more.cells == 2
    assert "transactions" in more.cells_because
    assert more.services["nlu"].replicas == 16  # 800 a second in each cell
    assert plan(load(1_600, primary_transactions=20_000.0), costs()).cells == 1  # a faster disk
    assert spoken.cells == 6  # 2,800 replicas of asr, at most 500 in a cell
    assert "asr" in spoken.cells_because


def test_brokers_follow_what_is_written_or_the_partitions_or_the_copies() -> None:
    small = plan(load(10), costs())
    # 2 topics of 30,000 bytes, 3 copies, 1,400 a second: 252 MB/s, 50 a broker.
    written = plan(
        load(1_400),
        costs(topics={key: {"bytes_per_typed_turn": 30000.0, "bytes_per_spoken_turn": 0} for key in ROAD[:2]}),
    )

    assert (small.brokers, small.brokers_because) == (3, "3 copies of everything")
    assert written.brokers == 6
    assert "MB/s" in written.brokers_because


def test_storage_is_the_mean_load_over_the_retention_and_leaves_out_what_is_compacted() -> None:
    needs = plan(load(10, peak_factor=5.0, retention_days=2.0, replication=3), costs())

    turns = 10 * 86_400 * 2
    assert TOPICS["parley.contexts"].compacted
    assert needs.kafka_storage_gb == pytest.approx(turns * 2000 * 3 / 1e9)
    assert needs.database_storage_gb == pytest.approx(turns * 2000 / 1e9)


def test_recordings_are_stored_by_their_length() -> None:
    needs = plan(load(10, audio_share=1.0, speech_seconds=3.0, retention_days=1.0, replication=1), costs())

    assert needs.kafka_storage_gb == pytest.approx(10 * 86_400 * (2 * 3000 + 10_000) / 1e9)


def test_the_gateway_is_told_how_many_turns_will_be_open() -> None:
    assert plan(load(10), costs()).settings["PARLEY_GATEWAY_MAX_BACKLOG"] == "500"  # its default is enough
    assert plan(load(1_000), costs()).settings["PARLEY_GATEWAY_MAX_BACKLOG"] == "3000"


def test_a_machine_is_full_when_all_parts_together_fill_its_cores() -> None:
    # six services of 10 ms, the broker and the database: 80 ms a turn
    assert machine_capacity(costs(), 2) == pytest.approx(25.0)
    assert machine_capacity(costs(), 2, audio_share=1.0) == pytest.approx(2 / 1.08)


def test_one_interpreter_is_full_when_its_services_fill_a_core_while_native_code_hears() -> None:
    assert process_capacity(costs(), audio_share=1.0) == pytest.approx(1 / 0.06)


def test_the_bundled_costs_can_be_planned_with_and_say_how_they_were_measured() -> None:
    bundled = load_costs()

    assert set(SERVICES) <= set(bundled.parts)
    assert set(bundled.topics) <= set(TOPICS)
    assert "make bench" in bundled.measured.renew
    assert bundled.parts["asr"].cpu_s_per_spoken_turn > 10 * bundled.parts["asr"].cpu_s_per_typed_turn


def told(*arguments: str) -> tuple[int, str]:
    """Exit code and everything printed by `parley plan`."""
    result = CliRunner().invoke(application("plan"), ["plan", *arguments])
    return result.exit_code, " ".join(result.output.split())


def test_the_answer_holds_what_it_assumes_and_where_the_costs_come_from() -> None:
    code, output = told("--turns-per-second", "1000", "--audio-share", "0.3")

    assert code == 0
    for expected in (
        "replicas",
        "partitions",
        "brokers",
        "GPUs",
        "storage",
        "--utilisation",
        "--peak-factor",
        "make bench",
    ):
        assert expected in output


def test_the_answer_as_json_holds_the_same() -> None:
    code, output = told("--turns-per-second", "1000", "--audio-share", "0.3", "--model-turn-cost", "nlu=0.5", "--json")

    answer = json.loads(output)
    assert code == 0
    assert answer["load"]["turn_costs"] == {"nlu": 0.5}
    assert answer["plan"]["services"]["nlu"]["cpu_s_per_turn"] == 0.5
    assert answer["plan"]["partitions"] >= answer["plan"]["services"]["nlu"]["replicas"]
    assert answer["assumptions"]
    assert answer["measured"]["at"]


@pytest.mark.parametrize(
    ("option", "value", "remedy"),
    [
        ("--turns-per-second", "0", "0.001"),
        ("--turns-per-second", "-5", "for example 10"),
        ("--turns-per-second", "nan", "for example 10"),
        ("--turns-per-second", "inf", "for example 10"),
        ("--audio-share", "1.1", "from 0 to 1"),
        ("--audio-share", "30", "for example 0.3"),
        ("--speech-seconds", "0", "for example 3"),
        ("--peak-factor", "0.5", "from 1 to 100"),
        ("--utilisation", "1", "0.95"),
        ("--growth", "0", "from 1 to 100"),
        ("--retention-days", "-1", "for example 7"),
        ("--replication", "0", "from 1 to 9"),
        ("--least-replicas", "0", "for example 2"),
        ("--primary-transactions", "0", "for example 5000"),
        ("--gpu", "-1", "recordings one GPU hears"),
        ("--gpu", "40", "--audio-share"),
        ("--model-turn-cost", "nlu", "nlu=0.02"),
        ("--model-turn-cost", "nlu=fast", "nlu=0.02"),
        ("--model-turn-cost", "nlu=nan", "nlu=0.02"),
        ("--model-turn-cost", "nul=0.1", "generation"),
        ("--costs", "/nowhere/costs.json", "make bench"),
    ],
)
def test_bad_input_is_told_by_option_value_and_remedy(option: str, value: str, remedy: str) -> None:
    rate = () if option == "--turns-per-second" else ("--turns-per-second", "10")
    code, output = told(*rate, option, value)

    assert code == 2
    assert option in output
    assert value.lstrip("-") in output
    assert remedy in output


def test_a_service_is_given_one_cost() -> None:
    code, output = told("--turns-per-second", "1", "--model-turn-cost", "nlu=1", "--model-turn-cost", "nlu=2")

    assert code == 2
    assert "second time" in output


@pytest.mark.parametrize(
    ("text", "named"),
    [("{", "not JSON"), ("[]", "no JSON object"), ("{}", "measured"), ('{"surprise": 1}', "measured")],
)
def test_a_costs_file_that_cannot_be_used_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "costs.json"
    file.write_text(text)

    with pytest.raises(InvalidInput, match=named) as refused:
        load_costs(file)
    assert str(file) in str(refused.value)


def test_a_negative_cost_is_refused_by_its_field() -> None:
    given = costs().as_dict()
    given["parts"]["nlu"]["cpu_s_per_typed_turn"] = -1.0

    with pytest.raises(InvalidInput, match=r"parts\.nlu\.cpu_s_per_typed_turn"):
        Costs.of(given)


def test_the_page_on_scaling_shows_what_the_command_answers() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert page.count("$ .venv/bin/parley plan ") == 3
    assert page == rewritten(page), "run .venv/bin/python -m tests.benchmarks.scaling_page"
