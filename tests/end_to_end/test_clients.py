"""Clients of every kind: plain kafka-python, HTTP, gRPC, and the command line's other commands."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.stack import Stack

pytestmark = pytest.mark.end_to_end
_ROOT = Path(__file__).resolve().parents[2]


def test_the_documented_program_of_a_plain_kafka_client_works(stack: Stack, tmp_path: Path) -> None:
    """No code of Parley's runs on the client's side: the program is the one in docs/clients.md."""
    guide = (_ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
    found = re.search(r"```python\n(.*?)```", guide, re.DOTALL)
    assert found is not None
    program = found.group(1).replace("127.0.0.1:19092", f"127.0.0.1:{stack.kafka_port}")
    (tmp_path / "client.py").write_text(program)

    done = subprocess.run(
        [sys.executable, str(tmp_path / "client.py")], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "kitchen" in done.stdout.lower()


def test_published_files_become_turns(stack: Stack, conversation: Callable[[], str], tmp_path: Path) -> None:
    turn_ids = [str(uuid.uuid4()) for _ in range(2)]
    here = conversation()
    lines = [json.dumps({"turn_id": each, "conversation_id": here, "text": "what time is it"}) for each in turn_ids]
    (tmp_path / "said.jsonl").write_text("\n".join(lines))

    published = stack.run("publish", str(tmp_path / "said.jsonl"))

    assert published.returncode == 0, published.stderr
    for turn_id in turn_ids:
        with httpx.stream("GET", f"{stack.url}/v1/turns/{turn_id}/events", timeout=30, trust_env=False) as events:
            assert events.status_code in (200, 404)
    listed = json.loads(stack.run("turns", "list", "--conversation", here, "--json").stdout)
    assert {turn["turn_id"] for turn in listed} >= set(turn_ids) or len(listed) == len(turn_ids)


def test_the_browser_console_and_the_api_page_are_served(one: Stack) -> None:
    console = httpx.get(one.url, timeout=10, trust_env=False)
    api = httpx.get(f"{one.url}/openapi.json", timeout=10, trust_env=False).json()

    assert console.status_code == 200
    assert "<html" in console.text.lower()
    assert {"/v1/utterances", "/v1/turns/{turn_id}"} <= set(api["paths"])


def test_tail_shows_what_was_given_up_and_why(one: Stack) -> None:
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=f"127.0.0.1:{one.kafka_port}")
    producer.send("parley.utterances", key=b"poison", value=b"\xff\xfe not json").get(10)
    producer.close()

    shown = one.run("tail", "parley.dead-letters", "--from-start", "--limit", "1", "--json")

    letter = json.loads(shown.stdout.splitlines()[0])
    assert letter["headers"]["parley-dead-topic"] == "parley.utterances"
    assert letter["headers"]["parley-dead-error"] == "InvalidEvent"


def test_the_doctor_finds_nothing_wrong_with_a_running_stack(one: Stack) -> None:
    done = one.run("doctor")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "broker" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("say",), "give exactly one"),
        (("say", "hi", "--audio", "missing.wav"), "give exactly one"),
        (("say", "--audio", "missing.wav"), "cannot be read"),
        (("say", "--audio", "letter.txt"), "unknown kind"),
        (("say", "hi", "--locale", "??"), "locale"),
        (("say", "x" * 9000), "text"),
        (("publish", "missing.json"), "cannot be read"),
        (("publish", "--topic", "parley.replies", "x.json"), "no entry topic"),
        (("tail", "nowhere"), "unknown"),
        (("turns", "show", "not-a-uuid"), "turn_id"),
        (("turns", "show", "00000000-0000-4000-8000-000000000000"), "turn"),
        (("serve", "barista"), "unknown"),
        (("serve", "asr", "asr"), "twice"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_bad_input_on_the_command_line_names_the_value_and_the_remedy(
    one: Stack, arguments: tuple[str, ...], told: str
) -> None:
    done = one.run(*arguments)

    assert done.returncode in (1, 2)
    assert told in done.stderr
    assert "Traceback" not in done.stderr
