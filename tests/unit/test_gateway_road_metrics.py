"""What the gateway counts of the turns that pass."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from parley.v1 import asr_pb2, dispatch_pb2, models_pb2, stage_pb2, turn_pb2
from services.gateway.road_metrics import observe
from shared.topology import DECISIONS, TASK_RESULTS, TRANSCRIPTS, UNDERSTANDINGS

pytestmark = pytest.mark.unit


def counted(metric: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(metric, labels) or 0.0


def test_a_stage_is_measured_by_the_model_that_answered() -> None:
    turn = turn_pb2.Turn()
    visit = turn.route.visits.add(stage=stage_pb2.STAGE_NLU, models=[models_pb2.ModelVersion(name="m", version="7")])
    visit.stage_time.FromMilliseconds(250)
    labels = {"stage": "nlu", "model": "m@7"}
    before, seconds = counted("parley_stage_seconds_count", **labels), counted("parley_stage_seconds_sum", **labels)

    observe(UNDERSTANDINGS, turn)

    assert counted("parley_stage_seconds_count", **labels) == before + 1
    assert counted("parley_stage_seconds_sum", **labels) == pytest.approx(seconds + 0.25)


def test_what_was_heard_and_understood_is_counted_once() -> None:
    turn = turn_pb2.Turn()
    turn.transcript.outcome = asr_pb2.TRANSCRIPT_OUTCOME_TYPED
    turn.understanding.out_of_scope = True
    turn.understanding.language = "en"
    typed = counted("parley_transcripts_total", outcome="typed")
    out = counted("parley_understandings_total", scope="out")

    for topic in (TRANSCRIPTS, UNDERSTANDINGS, DECISIONS):  # the sections travel on with the turn
        observe(topic, turn)

    assert counted("parley_transcripts_total", outcome="typed") == typed + 1
    assert counted("parley_understandings_total", scope="out") == out + 1


def test_results_of_an_earlier_decision_are_not_counted_again() -> None:
    turn = turn_pb2.Turn()
    turn.task_results.add(task_id="old", action="home.turn_on", outcome=dispatch_pb2.TASK_OUTCOME_SUCCEEDED)
    turn.task_results.add(task_id="new", action="home.turn_on", outcome=dispatch_pb2.TASK_OUTCOME_FAILED)
    turn.decision.tasks.add(task_id="new", action="home.turn_on")
    done = counted("parley_task_results_total", action="home.turn_on", outcome="succeeded")
    failed = counted("parley_task_results_total", action="home.turn_on", outcome="failed")

    observe(TASK_RESULTS, turn)

    assert counted("parley_task_results_total", action="home.turn_on", outcome="succeeded") == done
    assert counted("parley_task_results_total", action="home.turn_on", outcome="failed") == failed + 1
