"""A double of the outside systems that webhooks speak to: it does what it is told, and writes down what reached it.

Runs in a process of its own, so that its log outlives whatever is killed around it:
python -m tests.outside_double PORT LOG SECRET [SECONDS]

With SECONDS it takes up to so long before it acts, and again before it answers.

POST /idempotent, /reconcilable, /at_most_once   acts; the first recognises a key it has seen and does nothing again
GET  /reconcilable/<task id>                     200 with the outcome of what was done, 404 where nothing was
POST /faults {"kind": ..., "fault": ...}         what goes wrong with the next requests of a kind, once each:
                                                 "refuse" 422, "fail" 503 before acting, "lose" acts and breaks off,
                                                 "hang" acts and says nothing for a while
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import random
import subprocess
import sys
import threading
import time
import urllib.request
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.broker import free_port

SECRET = "a-secret-of-the-outside-double"
KINDS = ("idempotent", "reconcilable", "at_most_once")
HANG_SECONDS = 3.0
_OLDEST = 300  # seconds a signature is good for


@dataclass
class _Systems:
    """What the outside systems know. `done`: outcomes by key, of those that recognise one."""

    log: Path
    secret: bytes
    slowness: float = 0.0
    done: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: dict[str, deque[str]] = field(default_factory=lambda: defaultdict(deque))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        if self.log.exists():  # started again: what was done is done
            for line in self.log.read_text().splitlines():
                entry = json.loads(line)
                if entry["effect"]:
                    self.done[entry["key"]] = entry["outcome"]

    def act(self, kind: str, key: str, request: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            known = self.done.get(key) if kind == "idempotent" else None
            outcome = known or {"outcome": "succeeded", "values": {"reference": f"{kind}-{key[:8]}"}}
            conversation = request.get("conversation_id", "")
            entry = {"at": time.time(), "kind": kind, "key": key, "action": request["action"], "in": conversation}
            with self.log.open("a") as file:
                file.write(json.dumps({**entry, "effect": known is None, "outcome": outcome}) + "\n")
            self.done[key] = outcome
            return outcome


def _handler(systems: _Systems) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            kind = self.path.strip("/")
            if kind == "faults":
                given = json.loads(body)
                systems.faults[given["kind"]].append(given["fault"])
                return self._answer(204)
            if not self._signed(body):
                return self._answer(401, {"detail": "signature"})
            fault = systems.faults[kind].popleft() if systems.faults[kind] else ""
            if fault in ("refuse", "fail"):
                return self._answer(422 if fault == "refuse" else 503, {"detail": fault})
            time.sleep(random.uniform(0, systems.slowness))
            outcome = systems.act(kind, self.headers["idempotency-key"], json.loads(body))
            time.sleep(random.uniform(0, systems.slowness))
            if fault == "lose":
                self.close_connection = True
                return None
            if fault == "hang":
                time.sleep(HANG_SECONDS)
            return self._answer(200, outcome)

        def do_GET(self) -> None:
            task_id = self.path.rsplit("/", 1)[-1]
            if not self._signed(task_id.encode()):
                return self._answer(401)
            outcome = systems.done.get(task_id)
            return self._answer(200, outcome) if outcome else self._answer(404)

        def _signed(self, body: bytes) -> bool:
            timestamp = self.headers.get("parley-timestamp", "0")
            wanted = hmac.new(systems.secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
            fresh = abs(time.time() - int(timestamp)) < _OLDEST
            return fresh and hmac.compare_digest(f"v1={wanted}", self.headers.get("parley-signature", ""))

        def _answer(self, status: int, document: object = None) -> None:
            body = b"" if document is None else json.dumps(document).encode()
            with contextlib.suppress(ConnectionError):  # who asked may be gone
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@dataclass(frozen=True)
class OutsideDouble:
    """The running double, as a test sees it."""

    port: int
    log: Path

    def url(self, kind: str) -> str:
        """Where a kind of system listens."""
        return f"http://127.0.0.1:{self.port}/{kind}"

    def goes_wrong(self, kind: str, fault: str) -> None:
        """The next request of `kind` meets `fault`."""
        body = json.dumps({"kind": kind, "fault": fault}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/faults", body, method="POST")
        urllib.request.urlopen(request, timeout=5).close()

    def entries(self) -> list[dict[str, Any]]:
        """Every request that reached it and was acted on or recognised, in order."""
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def effects(self, kind: str) -> list[str]:
        """The task ids that had an effect, as often as they had one."""
        return [entry["key"] for entry in self.entries() if entry["kind"] == kind and entry["effect"]]

    def targets(self, actions: dict[str, list[str]]) -> str:
        """The text of a targets file that gives these actions, by kind, to this double."""
        tables = []
        for kind, names in actions.items():
            status = f'status_url = "{self.url(kind)}/{{task_id}}"\n' if kind == "reconcilable" else ""
            tables.append(
                f'[targets.{kind}]\nurl = "{self.url(kind)}"\nrecovery = "{kind}"\n{status}'
                f'secret_env = "OUTSIDE_DOUBLE_SECRET"\ntimeout_s = 2.0\nactions = {json.dumps(names)}\n'
            )
        return "\n".join(tables)


@contextmanager
def outside_double(folder: Path, slowness: float = 0.0) -> Iterator[OutsideDouble]:
    """The double in a process of its own until the block ends; `slowness`: seconds, see above."""
    double = OutsideDouble(free_port(), folder / "outside.jsonl")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.outside_double", str(double.port), str(double.log), SECRET, str(slowness)],
        cwd=Path(__file__).resolve().parents[1],
    )
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{double.port}/", timeout=1)
            except urllib.error.HTTPError:
                break  # it answers
            except OSError as error:
                assert process.poll() is None and time.monotonic() < deadline, f"the double does not start: {error}"
                time.sleep(0.05)
        yield double
    finally:
        process.terminate()
        process.wait(timeout=10)


if __name__ == "__main__":
    port, log, secret, *slowness = sys.argv[1:]
    given = _Systems(Path(log), secret.encode(), float(slowness[0]) if slowness else 0.0)
    ThreadingHTTPServer(("127.0.0.1", int(port)), _handler(given)).serve_forever()
