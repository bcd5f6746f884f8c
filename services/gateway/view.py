"""How a turn is shown: one JSON object for HTTP and for `parley say --json`. Field names are the contract's own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

from parley.v1 import generation_pb2, stage_pb2, turn_pb2
from services.gateway.ledger_reader import LedgerEvent, LedgerRecord, LedgerTurn

Json = dict[str, Any]


def turn_view(record: LedgerRecord) -> Json:
    """All that is known of a turn, its progress included."""
    turn, current = record.turn, record.current
    replies = record.replies
    return {
        "turn_id": turn.turn_id,
        "conversation_id": turn.conversation_id,
        "state": turn.state,
        "opened_at": moment(turn.opened_at),
        "answered_at": moment(turn.answered_at) if turn.answered_at else None,
        "latency_ms": None if turn.latency_ms is None else round(turn.latency_ms, 3),
        "drives": turn.drives,
        **sections(current),
        "reply": next((_json(event.turn.reply) for event in replies if event.is_final), None),
        "replies": [_json(event.turn.reply) for event in replies],
        "events": [_timeline(event, turn) for event in record.events],
    }


def turn_summary(record: LedgerRecord) -> Json:
    """One line of a list of turns."""
    turn, current = record.turn, record.current
    return {
        "turn_id": turn.turn_id,
        "conversation_id": turn.conversation_id,
        "state": turn.state,
        "opened_at": moment(turn.opened_at),
        "latency_ms": None if turn.latency_ms is None else round(turn.latency_ms, 3),
        "text": current.transcript.text or current.utterance.text,
        "intent": current.understanding.intent,
        "reply": current.reply.text if current.HasField("reply") else None,
    }


def progress_view(event: LedgerEvent, turn: LedgerTurn) -> Json:
    """One stage's news, and the turn as it left it: the data of one server-sent event."""
    return {
        "turn_id": event.turn_id,
        "event": _timeline(event, turn),
        "final": event.is_final,
        **sections(event.turn),
        "reply": None if event.reply_slot is None else _json(event.turn.reply),
    }


def sections(turn: turn_pb2.Turn) -> Json:
    """What each stage wrote, and what it took; null where a stage has not written."""
    return {
        "utterance": _utterance(turn.utterance),
        "transcript": _section(turn, "transcript"),
        "understanding": _section(turn, "understanding"),
        "decision": _section(turn, "decision"),
        "evidence": _section(turn, "evidence"),
        "task_results": [_json(result) for result in turn.task_results],
        "timings_ms": _sum_ms(turn.route.visits, "stage_time"),
        "engine_ms": _sum_ms(turn.route.visits, "engine_time"),
        "model_versions": _models(turn.route.visits),
    }


def stage_name(stage: stage_pb2.Stage.ValueType) -> str:
    """A stage as people write it, for example "asr"."""
    return stage_pb2.Stage.Name(stage).removeprefix("STAGE_").lower()


def _timeline(event: LedgerEvent, turn: LedgerTurn) -> Json:
    visits = event.turn.route.visits
    last = visits[-1] if visits else turn_pb2.Visit()
    return {
        "stage": stage_name(event.stage),
        "topic": event.topic,
        "seq": event.seq,
        "received_at": moment(event.received_at),
        "elapsed_ms": round((event.received_at - turn.opened_at).total_seconds() * 1000, 3),
        "stage_ms": _ms(last.stage_time.ToNanoseconds()),
        "engine_ms": _ms(last.engine_time.ToNanoseconds()),
        "reply_kind": None if event.reply_slot is None else generation_pb2.ReplyKind.Name(event.turn.reply.kind),
    }


def _utterance(utterance: turn_pb2.Utterance) -> Json:
    """What came in, without the recording itself and without the principal."""
    shown = turn_pb2.Utterance()
    shown.CopyFrom(utterance)
    shown.ClearField("principal")
    size = len(shown.audio.data)
    if size:
        shown.audio.ClearField("source")
    view = json_format.MessageToDict(shown, preserving_proto_field_name=True)
    if size:
        view["audio"] = {**view.get("audio", {}), "size_bytes": size}
    return view


def _section(turn: turn_pb2.Turn, name: str) -> Json | None:
    return _json(getattr(turn, name)) if turn.HasField(name) else None  # type: ignore[arg-type] # a field of Turn


def _json(message: Message) -> Json:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _sum_ms(visits: Iterable[turn_pb2.Visit], field: str) -> dict[str, float]:
    sums: dict[str, int] = defaultdict(int)
    for visit in visits:
        sums[stage_name(visit.stage)] += getattr(visit, field).ToNanoseconds()
    return {stage: _ms(nanoseconds) for stage, nanoseconds in sums.items()}


def _models(visits: Iterable[turn_pb2.Visit]) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = defaultdict(list)
    for visit in visits:
        for model in visit.models:
            shown = {"name": model.name, "version": model.version, "rollout_revision": model.rollout_revision}
            if shown not in found[stage_name(visit.stage)]:
                found[stage_name(visit.stage)].append(shown)
    return dict(found)


def _ms(nanoseconds: int) -> float:
    return round(nanoseconds / 1e6, 3)


def moment(time: datetime) -> str:
    """A time as it is shown: ISO 8601, UTC as Z."""
    return time.isoformat().replace("+00:00", "Z")
