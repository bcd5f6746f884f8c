"""`parley turns show`: a turn explained, from the JSON the gateway answers with."""

from __future__ import annotations

from typing import Any

import pytest

from services.cli.timeline import show_timeline

pytestmark = pytest.mark.unit


def event(stage: str, elapsed: float, **more: Any) -> dict[str, Any]:
    return {"stage": stage, "elapsed_ms": elapsed, "stage_ms": 4.0, "engine_ms": 3.0, "reply_kind": None, **more}


TURN: dict[str, Any] = {
    "turn_id": "turn-1",
    "conversation_id": "talk-1",
    "state": "answered",
    "latency_ms": 81.4,
    "drives": 2,
    "utterance": {"text": "what is your return policy"},
    "understanding": {"intent": "ask_returns", "confidence": 0.93, "slots": [], "out_of_scope": False},
    "decision": {"acts": [], "tasks": [], "step": "", "reason": "an intent that is answered from documents"},
    "evidence": {"found": True, "passages": [{"source": "returns.md", "score": 0.81}]},
    "task_results": [
        {
            "action": "tickets.open",
            "outcome": "TASK_OUTCOME_FAILED",
            "attempts": 3,
            "error_class": "unavailable",
            "detail": "crm does not answer",
        }
    ],
    "reply": {"text": "Thirty days.", "backend": "template"},
    "model_versions": {"nlu": [{"name": "parley-nlu", "version": "5-abc"}]},
    "events": [
        event("gateway", 0.0),
        event("nlu", 12.0),
        event("knowledge", 40.0),
        event("generation", 81.4, reply_kind="REPLY_KIND_FINAL"),
    ],
}


def test_every_stage_time_version_evidence_task_and_retry_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    show_timeline(TURN)
    told = " ".join(capsys.readouterr().out.split())
    for part in (
        "what is your return policy",
        "12 ms nlu 4 ms 3 ms ask_returns() 0.93 parley-nlu 5-abc",
        "decided because: an intent that is answered from documents",
        "evidence: returns.md (score 0.81)",
        "task: tickets.open failed, tried 3 times (unavailable: crm does not answer)",
        "final reply: template",
        "Thirty days.",
        "answered, after 81 ms, driven again 2 times; turn turn-1 conversation talk-1",
    ):
        assert part in told


def test_a_turn_that_only_began_is_shown_too(capsys: pytest.CaptureFixture[str]) -> None:
    show_timeline({"turn_id": "t", "conversation_id": "c", "state": "open", "events": [event("gateway", 0.0)]})
    told = capsys.readouterr().out
    assert "no reply yet" in told and "open; turn t" in told
