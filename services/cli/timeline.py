"""A turn explained, for `parley turns show`: what each stage did, when, with which model, on what evidence."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from services.cli.output import out
from services.cli.show import summary

Json = dict[str, Any]


def show_timeline(turn: Json) -> None:
    """Print every event of a turn in order, then what the answer rests on, then how the turn ended."""
    table = Table("at", "stage", "took", "engine", "what", "model", box=None, padding=(0, 2, 0, 0))
    for event in turn.get("events", []):
        stage = str(event["stage"])
        table.add_row(
            f"{event['elapsed_ms']:.0f} ms",
            stage,
            _ms(event.get("stage_ms")),
            _ms(event.get("engine_ms")),
            Text(_what(event, turn)),
            Text(_models(turn, stage), style="dim"),
        )
    out.print(table)
    for line in (*_decision(turn), *_evidence(turn), *_tasks(turn)):
        out.print(Text(line))
    reply = (turn.get("reply") or {}).get("text")
    out.print(Text(reply, style="bold") if reply else Text("no reply yet", style="yellow"))
    out.print(Text(_end(turn), style="dim"))


def _what(event: Json, turn: Json) -> str:
    """What an event brought: the section its stage wrote; for replies their kind too."""
    stage = event["stage"]
    if stage == "gateway":
        return str((turn.get("utterance") or {}).get("text") or "a recording")
    kind = event.get("reply_kind")
    prefix = f"{kind.removeprefix('REPLY_KIND_').lower()} reply: " if kind else ""
    return prefix + summary(stage, turn)


def _decision(turn: Json) -> list[str]:
    reason = (turn.get("decision") or {}).get("reason")
    return [f"decided because: {reason}"] if reason else []


def _evidence(turn: Json) -> list[str]:
    passages = (turn.get("evidence") or {}).get("passages", [])
    return [f"evidence: {each['source']} (score {each.get('score', 0):.2f})" for each in passages]


def _tasks(turn: Json) -> list[str]:
    lines = []
    for result in turn.get("task_results", []):
        outcome = result["outcome"].removeprefix("TASK_OUTCOME_").lower()
        tried = f", tried {result['attempts']} times" if result.get("attempts", 0) > 1 else ""
        why = f" ({result['error_class']}: {result['detail']})" if result.get("error_class") else ""
        lines.append(f"task: {result['action']} {outcome}{tried}{why}")
    return lines


def _end(turn: Json) -> str:
    """State, whole time, how often it was driven again, and its ids (logs carry the same)."""
    latency = turn.get("latency_ms")
    parts = [str(turn.get("state", ""))]
    if latency is not None:
        parts.append(f"after {latency:.0f} ms")
    if turn.get("drives"):
        parts.append(f"driven again {turn['drives']} times")
    return f"{', '.join(parts)}; turn {turn.get('turn_id')}  conversation {turn.get('conversation_id')}"


def _models(turn: Json, stage: str) -> str:
    models = (turn.get("model_versions") or {}).get(stage, [])
    return ", ".join(f"{model['name']} {model['version']}" for model in models)


def _ms(value: float | None) -> str:
    return "" if not value else f"{value:.0f} ms"
