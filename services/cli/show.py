"""How a turn looks on a terminal."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from services.cli.output import out

_SECTIONS = {
    "asr": "transcript",
    "nlu": "understanding",
    "dialogue": "decision",
    "knowledge": "evidence",
    "dispatch": "task_results",
    "generation": "reply",
}


def show_turn(turn: dict[str, Any]) -> None:
    """Print a turn stage by stage, each with its time and the model that answered, then the reply."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for stage in _SECTIONS:
        timing = (turn.get("timings_ms") or {}).get(stage)
        if timing is None:
            continue
        models = (turn.get("model_versions") or {}).get(stage, [])
        versions = ", ".join(model["version"] for model in models)
        table.add_row(stage, f"{timing:.0f} ms", Text(summary(stage, turn)), Text(versions, style="dim"))
    out.print(table)
    reply = (turn.get("reply") or {}).get("text")
    out.print(Text(reply, style="bold") if reply else Text("no reply yet", style="yellow"))
    out.print(Text(f"turn {turn.get('turn_id')}  conversation {turn.get('conversation_id')}", style="dim"))


def summary(stage: str, turn: dict[str, Any]) -> str:
    """What a stage found or did, in a line."""
    return _summary(stage, turn.get(_SECTIONS.get(stage, "")))


def _understood(section: dict[str, Any]) -> str:
    slots = ", ".join(f"{slot['name']}={slot['value']}" for slot in section.get("slots", []))
    scope = " (out of scope)" if section.get("out_of_scope") else ""
    return f"{section.get('intent', '')}({slots}) {section.get('confidence', 0):.2f}{scope}"


def _summary(stage: str, section: Any) -> str:
    if not section:
        return ""
    if stage == "asr":
        return str(section.get("text") or section.get("outcome", ""))
    if stage == "nlu":
        parts = [part["understanding"] for part in section.get("parts", [])] or [section]
        heard = f" as {section['text']!r}" if section.get("text") else ""
        return "; ".join(map(_understood, parts)) + heard
    if stage == "dialogue":
        acts = [act["type"].removeprefix("DIALOGUE_ACT_TYPE_").lower() for act in section.get("acts", [])]
        tasks = [task["action"] for task in section.get("tasks", [])]
        return " ".join(acts + tasks + ([section["step"]] if section.get("step") else []))
    if stage == "knowledge":
        passages = section.get("passages", [])
        return (
            f"{len(passages)} passages, {passages[0]['source']}" if section.get("found") and passages else "not found"
        )
    if stage == "dispatch":
        return ", ".join(
            f"{result['action']} {result['outcome'].removeprefix('TASK_OUTCOME_').lower()}" for result in section
        )
    return str(section.get("backend", ""))
