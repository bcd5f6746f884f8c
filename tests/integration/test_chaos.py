"""`make chaos`, small: parts are killed under load and nothing is lost or done twice; without an inbox it shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.deployment import BROKER, deployed
from tests.chaos.run import under_fire

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

# The services without state share a process and are not killed here; typed words need no asr.
SMALL = {
    "gateway": ("gateway",),
    "dialogue": ("dialogue",),
    "dispatch": ("dispatch",),
    "stages": ("nlu", "knowledge", "generation"),
}
STAGES = frozenset({"stages"})
ONE_PROCESS = {"everything": tuple(name for services in SMALL.values() for name in services)}


def test_killing_dispatch_dialogue_and_the_broker_loses_nothing_and_does_nothing_twice(tmp_path: Path) -> None:
    with deployed(tmp_path, SMALL, single=STAGES) as deployment:
        outcome = under_fire(
            deployment, ["dispatch", "dialogue", BROKER], turns=40, rate=4, kills=3, seed=7, again=0.2, tell=print
        )

    figures = outcome.verdict.figures
    assert outcome.verdict.violations == []
    assert [name.partition("-")[0] for name in outcome.kills] == ["dispatch", "dialogue", BROKER]
    assert (figures["answered"], figures["not_understood"], figures["apologies"]) == (40, 0, 0)
    assert figures["effects"] >= 25 - figures["outcomes_unknown"]  # five of the eight kinds act
    assert figures["repeated_events"] > 0


def test_the_audit_fails_where_the_inbox_is_switched_off(tmp_path: Path) -> None:
    with deployed(tmp_path, ONE_PROCESS, replicas=1, on_postgres=False, inbox=False) as deployment:
        outcome = under_fire(deployment, [], turns=16, rate=4, kills=0, seed=3, again=1.0, tell=print)

    assert any("done 2 times" in violation for violation in outcome.verdict.violations), outcome.verdict
