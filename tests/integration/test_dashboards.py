"""Every query of every dashboard, asked of a real Prometheus that watches the running stack under load."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import yaml
from kafka import KafkaProducer

from deploy.watching.rules import groups
from parley.v1 import nlu_pb2, nlu_pb2_grpc
from shared.principals import development_token
from shared.topology import UTTERANCES
from tests.deployment.prometheus_tools import metrics_of, queries, tool
from tests.stack import Stack, free_port, one_process

pytestmark = pytest.mark.integration
_EXPORTER = Path(__file__).with_name("kafka_exporter.prom")
_ANSWERS_WITHIN = 240.0  # seconds
_SAYINGS = (
    "turn on the kitchen light",
    "what is your return policy",
    "把厨房的灯关掉",
    "i want to talk to a human",
    "who won the football match yesterday",
)


class Recorded(BaseHTTPRequestHandler):
    """A Kafka exporter's recorded answer: none runs beside the embedded broker. Its counters go on growing."""

    written = 0

    def do_GET(self) -> None:
        Recorded.written += 10
        body = _EXPORTER.read_text(encoding="utf-8").replace("WRITTEN", str(1000 + Recorded.written)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Scrapes are not news."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with one_process(tmp_path_factory.mktemp("dashboards") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def exporter() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Recorded)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


@pytest.fixture(scope="module")
def prometheus(stack: Stack, exporter: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Prometheus with our rules, scraping the stack each second; its URL."""
    folder = tmp_path_factory.mktemp("prometheus")
    port = free_port()
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": groups()}), encoding="utf-8")
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [
            {"job_name": "parley", "static_configs": [{"targets": [f"127.0.0.1:{stack.metrics_port}"]}]},
            {"job_name": "kafka-exporter", "static_configs": [{"targets": [f"127.0.0.1:{exporter}"]}]},
        ],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                tool("prometheus"),
                f"--config.file={folder / 'prometheus.yaml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def ask(url: str, expr: str) -> Any:
    """The result of one instant query, or why there is none."""
    query = urllib.parse.urlencode({"query": expr})
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=10) as response:
            return json.load(response)["data"]["result"]
    except urllib.error.HTTPError as error:
        return error.read().decode()


def load(stack: Stack) -> None:
    """One round of what people do, typed and spoken, and an event nobody can read. Nobody waits for the replies."""
    token = development_token(stack.data_dir, roles=("resident", "customer"))
    with httpx.Client(
        base_url=stack.url, headers={"authorization": f"Bearer {token}"}, timeout=60, trust_env=False
    ) as client:
        for saying in _SAYINGS:
            turn = client.post("/v1/utterances", json={"text": saying}).raise_for_status().json()
            with client.stream("GET", f"/v1/turns/{turn['turn_id']}/events") as followed:
                next(followed.iter_bytes())  # a stream is open; nobody listens to its end
        recording = (Path(__file__).parents[1] / "audio" / "turn_on_the_kitchen_light.flac").read_bytes()
        client.post("/v1/utterances", content=recording, headers={"content-type": "audio/flac"}).raise_for_status()
    producer = KafkaProducer(bootstrap_servers=f"127.0.0.1:{stack.kafka_port}")
    producer.send(UTTERANCES, key=b"poison", value=b"no utterance").get(timeout=30)
    producer.close()


def call_grpc(stack: Stack) -> None:
    """One RPC, so that there is one to measure."""
    with grpc.insecure_channel(f"127.0.0.1:{stack.grpc_port}") as channel:
        nlu_pb2_grpc.NluServiceStub(channel).Understand(nlu_pb2.UnderstandRequest(text="hello"), timeout=30)


def test_no_query_of_a_dashboard_is_in_error_or_empty(stack: Stack, prometheus: str) -> None:
    asked = dict(queries())
    wrong: dict[str, Any] = dict.fromkeys(asked)
    deadline = time.monotonic() + _ANSWERS_WITHIN
    while wrong and time.monotonic() < deadline:
        load(stack)
        call_grpc(stack)
        answers = {name: ask(prometheus, asked[name]) for name in wrong}
        wrong = {name: answer for name, answer in answers.items() if not isinstance(answer, list) or not answer}
        time.sleep(2)
    assert wrong == {}


def test_every_rule_is_evaluated_without_error(prometheus: str, stack: Stack) -> None:
    deadline = time.monotonic() + 30
    while True:
        with urllib.request.urlopen(f"{prometheus}/api/v1/rules", timeout=10) as response:
            rules = [rule for group in json.load(response)["data"]["groups"] for rule in group["rules"]]
        if all(rule["health"] == "ok" for rule in rules) or time.monotonic() > deadline:
            break
        time.sleep(1)
    assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] != "ok"} == {}
    assert len(rules) == sum(len(group["rules"]) for group in groups())


def test_what_is_recorded_of_the_exporter_is_what_the_dashboards_ask() -> None:
    recorded = _EXPORTER.read_text(encoding="utf-8")
    asked = {metric for _, expr in queries() for metric in metrics_of(expr) if metric.startswith("kafka_")}
    assert asked and all(f"# TYPE {metric} gauge" in recorded for metric in asked)
