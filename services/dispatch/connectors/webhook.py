"""Webhooks: a task as a signed HTTP request to a system of the operator's.

The signature is HMAC-SHA256 over "<timestamp>.<body>" under the target's secret, as hexadecimal digits. A receiver
checks it and refuses old timestamps, so a request that was overheard cannot be sent again later; the idempotency key is
the task id, so a request that is repeated for want of an answer can be recognised.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from parley.v1 import dispatch_pb2
from services.dispatch import metrics
from services.dispatch.connectors.base import Occasion, RecoveryClass, TaskFailed
from services.dispatch.connectors.outside import NotDone, Uncertain

SIGNATURE_HEADER = "parley-signature"
TIMESTAMP_HEADER = "parley-timestamp"
KEY_HEADER = "idempotency-key"
_LARGEST_ANSWER = 64 * 1024
_LONGEST_VALUE = 2000
_OUTCOMES = {
    "succeeded": dispatch_pb2.TASK_OUTCOME_SUCCEEDED,
    "failed": dispatch_pb2.TASK_OUTCOME_FAILED,
}


@dataclass(frozen=True, slots=True)
class Target:
    """One outside system."""

    name: str
    url: str
    secret: bytes
    actions: frozenset[str]
    recovery: RecoveryClass
    status_url: str = ""  # with {task_id} in it; reconcilable targets have one
    timeout: float = 5.0  # seconds, of one request


class WebhookConnector:
    """Sends tasks to one target."""

    def __init__(self, target: Target, now: Callable[[], float] = time.time) -> None:
        self._target = target
        self._now = now
        # The time limit of the whole request: httpx's own limits are of its single steps.
        self._client = httpx.Client(timeout=target.timeout, follow_redirects=False, trust_env=False)

    @property
    def name(self) -> str:
        """The target's name."""
        return self._target.name

    @property
    def recovery(self) -> RecoveryClass:
        """What the operator says of the target."""
        return self._target.recovery

    @property
    def actions(self) -> frozenset[str]:
        """Actions that this target carries out instead of the packs' connectors."""
        return self._target.actions

    @property
    def longest(self) -> float:
        """Connecting, sending and every piece of the answer have the limit each; `_read` bounds the pieces."""
        return self._target.timeout * 4

    def act(self, task: dispatch_pb2.Task, occasion: Occasion) -> dispatch_pb2.TaskResult:
        """See OutsideConnector: 2xx is done, 4xx refused, anything else uncertain."""
        body = json.dumps(_request(task, occasion), ensure_ascii=False, separators=(",", ":")).encode()
        headers = {"content-type": "application/json", KEY_HEADER: task.task_id, **self._signed(body)}
        status, answer = self._call("POST", self._target.url, headers, body)
        if status in (408, 425, 429) or status >= 500 or 300 <= status < 400:
            raise Uncertain(f"http_{status}", f"{self.name}: answered {status}, and may have done it or not")
        if status >= 400:
            raise TaskFailed("refused", f"{self.name}: answered {status}: {answer.get('detail', '')}"[:500])
        return self._told(answer)

    def ask(self, task: dispatch_pb2.Task) -> dispatch_pb2.TaskResult | None:
        """See OutsideConnector: 200 with the outcome is done, 404 is not."""
        url = self._target.status_url.replace("{task_id}", task.task_id)
        status, answer = self._call("GET", url, self._signed(task.task_id.encode()), None)
        if status == 404:
            return None
        if status != 200:
            raise Uncertain(f"http_{status}", f"{self.name}: answered {status} when asked for a task's outcome")
        return self._told(answer)

    def close(self) -> None:
        """Give back connections."""
        self._client.close()

    def _call(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> tuple[int, dict[str, Any]]:
        with metrics.OUTSIDE_SECONDS.labels(self.name).time():
            try:
                with self._client.stream(method, url, headers=headers, content=body) as response:
                    return response.status_code, _document(self._read(response))
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
                raise NotDone("unreachable", f"{self.name}: cannot be reached: {type(error).__name__}") from error
            except httpx.TimeoutException as error:
                raise Uncertain("timeout", f"{self.name}: did not answer in {self._target.timeout:g} s") from error
            except httpx.HTTPError as error:
                raise Uncertain("broken_off", f"{self.name}: broke off: {type(error).__name__}") from error

    def _read(self, response: httpx.Response) -> bytes:
        """The answer, as far as it may go in size and in time."""
        deadline = time.monotonic() + self._target.timeout
        answer = b""
        for piece in response.iter_bytes():
            answer += piece
            if len(answer) > _LARGEST_ANSWER or time.monotonic() > deadline:
                raise Uncertain("endless_answer", f"{self.name}: its answer is too long, or takes too long")
        return answer

    def _signed(self, body: bytes) -> dict[str, str]:
        timestamp = str(int(self._now()))
        digest = hmac.new(self._target.secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        return {TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: f"v1={digest}"}

    def _told(self, answer: dict[str, Any]) -> dispatch_pb2.TaskResult:
        """What the target says: {"outcome": "succeeded" or "failed", "error_class": ..., "values": {...}} or less."""
        outcome = _OUTCOMES.get(str(answer.get("outcome", "succeeded")))
        if outcome is None:
            raise Uncertain("strange_answer", f"{self.name}: outcome is neither succeeded nor failed")
        given = answer.get("values")
        values = given if isinstance(given, dict) else {}
        failed = outcome == dispatch_pb2.TASK_OUTCOME_FAILED
        return dispatch_pb2.TaskResult(
            outcome=outcome,
            values={str(name)[:100]: str(value)[:_LONGEST_VALUE] for name, value in list(values.items())[:64]},
            error_class=str(answer.get("error_class", "refused"))[:100] if failed else "",
            detail=f"{self.name}: {answer.get('detail', '')}"[:500] if failed else "",
        )


def _request(task: dispatch_pb2.Task, occasion: Occasion) -> dict[str, Any]:
    principal = occasion.principal
    return {
        "task_id": task.task_id,
        "action": task.action,
        "arguments": dict(sorted(task.arguments.items())),
        "conversation_id": occasion.turn.conversation_id,
        "principal": {"user_id": principal.user_id, "roles": list(principal.roles), "tenant": principal.tenant},
        "locale": occasion.locale,
    }


def _document(answer: bytes) -> dict[str, Any]:
    """The JSON object of an answer; empty where it holds none."""
    try:
        document = json.loads(answer)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
