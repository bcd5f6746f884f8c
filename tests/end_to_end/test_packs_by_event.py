"""A pack is published to a running deployment: learnt, served everywhere, kept over restarts, and taken away again."""

from __future__ import annotations

import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.nlu.training import model_version
from shared.packs import bundled_packs
from tests.stack import Stack, one_process, wait_ready

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(900)]

COFFEE = Path(__file__).parents[2] / "examples" / "domains" / "coffee"
ORDER = "a large cappuccino with a double shot please"


class Talker(threading.Thread):
    """Somebody who greets again and again while things change, and counts what is accepted and what is answered."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.accepted: list[str] = []
        self.answered = 0
        self.done = threading.Event()
        self._url = url

    def run(self) -> None:
        while not self.done.is_set():
            conversation = f"talker-{uuid.uuid4()}"
            try:
                asked = {"text": "hello", "conversation_id": conversation}
                answer = httpx.post(f"{self._url}/v1/utterances", json=asked, timeout=60)
            except httpx.TransportError:  # nobody listens while the host changes over
                time.sleep(0.2)
                continue
            if answer.status_code < 300:
                self.accepted.append(answer.json()["turn_id"])
            time.sleep(0.2)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("packs")
    with one_process(folder / "data", PARLEY_PACKS_OFF="smart_home,customer_service") as stack:
        yield stack


def understood(stack: Stack, text: str) -> dict[str, Any]:
    turn = stack.say(text, "--conversation", f"c-{uuid.uuid4()}")
    understanding: dict[str, Any] = turn["understanding"]
    return understanding


def waited_for(stack: Stack, times: int) -> None:
    """Until the deployment is ready for the `times`-th time."""
    deadline = time.monotonic() + 120
    while stack.output("up").count("Parley is up") < times:
        assert time.monotonic() < deadline, stack.output("up")[-3000:]
        time.sleep(0.2)
    wait_ready(stack)


def test_a_published_pack_is_served_and_no_accepted_turn_is_lost(stack: Stack) -> None:
    waited_for(stack, 1)
    assert understood(stack, ORDER).get("out_of_scope")
    talker = Talker(stack.url)
    talker.start()

    done = stack.run("domains", "publish", str(COFFEE), timeout=600)
    waited_for(stack, 2)
    talker.done.set()
    talker.join(70)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "published coffee 1" in done.stdout
    order = understood(stack, ORDER)
    assert order["intent"] == "order_drink"
    assert {slot["name"]: slot["value"] for slot in order["slots"]}["drink"] == "cappuccino"
    assert len(talker.accepted) > 5
    for turn_id in talker.accepted:
        turn = httpx.get(f"{stack.url}/v1/turns/{turn_id}", timeout=30).json()
        assert turn["reply"]["text"], turn


def test_it_is_served_after_a_restart_though_the_broker_has_forgotten(stack: Stack) -> None:
    stack.stop()
    stack.processes.clear()
    stack.logs.clear()
    images = stack.data_dir / "models" / "nlu" / model_version(bundled_packs())
    stack.start("up", "up", PARLEY_NLU_ARTIFACT=str(images))  # as in an image, which brings the bundled packs' model
    waited_for(stack, 3)

    assert understood(stack, ORDER)["intent"] == "order_drink"


def test_a_version_never_changes(stack: Stack, tmp_path: Path) -> None:
    stack.run("domains", "publish", str(COFFEE), timeout=600)
    other = shutil.copytree(COFFEE, tmp_path / "coffee")
    (other / "pack.yaml").write_text((other / "pack.yaml").read_text() + "\n# changed\n")

    refused = stack.run("domains", "publish", str(other))

    assert refused.returncode == 2
    assert "version" in refused.stderr
    assert "higher" in refused.stderr


def test_a_pack_that_does_not_go_with_the_others_is_refused_and_nothing_changes(stack: Stack, tmp_path: Path) -> None:
    twin = shutil.copytree(COFFEE, tmp_path / "tea")
    (twin / "pack.yaml").write_text((twin / "pack.yaml").read_text().replace("name: coffee", "name: tea", 1))

    refused = stack.run("domains", "publish", str(twin))

    assert refused.returncode == 2
    assert "is refused" in refused.stderr
    assert "is in pack coffee too" in refused.stderr
    listed = stack.run("domains", "published").stdout
    assert "served" in listed
    assert "rename one" in " ".join(listed.split())
    assert understood(stack, ORDER)["intent"] == "order_drink"


def test_a_withdrawn_pack_is_served_no_more(stack: Stack) -> None:
    unknown = stack.run("domains", "withdraw", "juice")
    done = stack.run("domains", "withdraw", "coffee", timeout=600)

    assert unknown.returncode == 2
    assert "published are" in unknown.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    waited_for(stack, 4)
    assert understood(stack, ORDER).get("out_of_scope")
