"""The demonstration of `make run`: one recorded command goes all the way through."""

from __future__ import annotations

import uuid
from pathlib import Path

from services.cli.client import GatewayClient
from services.cli.output import console
from services.cli.show import show_turn
from shared.errors import ParleyError

RECORDING = Path(__file__).parent / "demo" / "turn_on_the_kitchen_light.flac"
_ACTION = "home.turn_on"


def demonstrate() -> None:
    """Send the recording down the road and show each stage; raises ParleyError unless its task was really done."""
    client = GatewayClient()
    conversation = f"demo-{uuid.uuid4()}"
    console.print(f"\n[bold]A recorded command[/bold] ({RECORDING.name}) goes down the road:\n")
    turn = client.say_audio(RECORDING, conversation=conversation, locale="en", wait=60)
    show_turn(turn)
    done = [
        result
        for result in turn.get("task_results") or []
        if result["action"] == _ACTION and result["outcome"] == "TASK_OUTCOME_SUCCEEDED"
    ]
    if not done or done[0].get("values", {}).get("area") != "kitchen":
        raise ParleyError(
            f"demonstration: the kitchen light was not turned on; see `parley turns show {turn['turn_id']}`"
        )
    if not (turn.get("reply") or {}).get("text"):
        raise ParleyError(f"demonstration: no reply; see `parley turns show {turn['turn_id']}`")
