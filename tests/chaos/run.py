"""One part under fire: a load, kills at seeded random moments, quiet, the audit."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from parley.v1 import dispatch_pb2, turn_pb2
from services.dispatch.storage import ErrandRow, TicketRow
from services.gateway.ledger import FINAL_SLOT
from services.gateway.storage import EventRow, ReplyRow, TurnRow
from shared.errors import Unavailable
from tests.chaos.audit import Answer, Evidence, Result, Verdict, audit
from tests.chaos.deployment import BROKER, Deployment
from tests.chaos.load import OUTSIDE, Asked, Load, plan
from tests.chaos.witness import Witness

Tell = Callable[[str], None]
_QUIET_WITHIN = 240.0  # seconds after the load until every turn has its final reply
_SETTLE = 3.0  # seconds for what comes a second time


@dataclass
class Outcome:
    """What one part's run came to."""

    part: str
    verdict: Verdict
    kills: list[str] = field(default_factory=list)
    seconds: float = 0.0
    quiet_after: float = 0.0  # seconds from the last turn sent to the last one answered


def under_fire(
    deployment: Deployment,
    parts: Sequence[str],
    *,
    turns: int,
    rate: float,
    kills: int,
    seed: int,
    by_kafka: float = 0.0,
    again: float = 0.1,
    tell: Tell,
) -> Outcome:
    """Send `turns` turns while `parts` are killed in turn, `kills` times in all; the audit of what came of it."""
    part = "+".join(parts) or "nothing"
    asked = plan(turns, seed, name=f"{part}-{seed}", by_kafka=by_kafka)
    witness = Witness(deployment.kafka, again=again, seed=seed)
    ledger = Ledger(deployment)
    load = Load(
        deployment.gateways, deployment.kafka, ledger.known, lambda sent: tell(f"{part}: {sent}/{turns} turns sent")
    )
    before = len(deployment.kills)
    began = time.monotonic()
    witness.start()
    killer = threading.Thread(
        target=_fire, args=(deployment, parts, witness, turns / rate, kills, random.Random(f"{part}-{seed}"), tell)
    )
    killer.start()
    missing = load.send(asked, rate, within=90)
    killer.join()
    sent = time.monotonic()
    deployment.wait_ready()
    ledger.wait_until_answered(asked, part, tell)
    quiet = time.monotonic() - sent
    witness.wait_until_repeated()
    time.sleep(_SETTLE)
    ledger.wait_until_answered(asked, part, tell)
    evidence = ledger.evidence(asked, missing, witness)
    witness.stop()
    verdict = audit(evidence)
    verdict.figures |= {"repeated_events": witness.repeated, "sent_again_by_clients": load.resent}
    return Outcome(part, verdict, deployment.kills[before:], time.monotonic() - began, quiet)


def _fire(
    deployment: Deployment,
    parts: Sequence[str],
    witness: Witness,
    seconds: float,
    kills: int,
    chance: random.Random,
    tell: Tell,
) -> None:
    """Kill `parts` in turn at moments spread over `seconds`, each somewhere in its share of them."""
    began = time.monotonic()
    for number in range(kills):
        moment = seconds * (number + chance.uniform(0.15, 0.85)) / kills
        time.sleep(max(0.0, began + moment - time.monotonic()))
        part = parts[number % len(parts)]
        deployment.kill(part, chance)
        if part == BROKER:
            witness.broker_was_killed()
        tell(f"{part}: killed {deployment.kills[-1]}")


class Ledger:
    """Looks into the databases as an auditor does; a database that is down is looked into later."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._gateway = deployment.database("gateway")
        self._dispatch = deployment.database("dispatch")

    def known(self, turn_ids: Sequence[str]) -> set[str]:
        """Which turns the ledger has."""
        return self._of_turns(sa.select(TurnRow.turn_id), turn_ids)

    def answered(self, turn_ids: Sequence[str]) -> set[str]:
        """Which turns have their final reply."""
        return self._of_turns(sa.select(ReplyRow.turn_id).where(ReplyRow.slot == FINAL_SLOT), turn_ids)

    def wait_until_answered(self, asked: Sequence[Asked], part: str, tell: Tell) -> None:
        """Wait until all are answered and no errand is open, or patience ends; the audit says what is missing."""
        deadline = time.monotonic() + _QUIET_WITHIN
        turn_ids = [turn.turn_id for turn in asked]
        while time.monotonic() < deadline:
            answered = len(self.answered(turn_ids))
            tell(f"{part}: {answered}/{len(asked)} answered")
            if answered == len(asked) and not self._errands():
                return
            time.sleep(0.5)

    def evidence(self, asked: Sequence[Asked], missing: Sequence[Asked], witness: Witness) -> Evidence:
        """All there is to know about a load."""
        turn_ids = {turn.turn_id for turn in asked}
        conversations = {turn.conversation_id for turn in asked}
        effects: dict[str, Counter[str]] = {system: Counter() for system in OUTSIDE}
        effects_in: dict[str, Counter[str]] = {system: Counter() for system in OUTSIDE}
        for entry in self._deployment.double.entries():
            if entry["effect"] and entry["in"] in conversations:
                effects[entry["kind"]][entry["key"]] += 1
                effects_in[entry["kind"]][entry["in"]] += 1
        effects["in_database"], effects_in["in_database"] = self._tickets(conversations)
        return Evidence(
            asked=asked,
            not_taken=frozenset(turn.turn_id for turn in missing),
            answers=self._answers(turn_ids),
            finals={turn_id: events for turn_id, events in witness.finals().items() if turn_id in turn_ids},
            effects=effects,
            effects_in=effects_in,
            dead_letters=witness.dead_letters,
        )

    def _answers(self, turn_ids: set[str]) -> dict[str, Answer]:
        query = (
            sa.select(EventRow.turn_id, EventRow.body)
            .join(ReplyRow, ReplyRow.event_id == EventRow.event_id)
            .where(ReplyRow.slot == FINAL_SLOT)
        )
        with self._gateway.reading() as session:
            rows = [row for row in session.execute(query) if row.turn_id in turn_ids]
        return {row.turn_id: _answer(turn_pb2.Turn.FromString(row.body)) for row in rows}

    def _tickets(self, conversations: set[str]) -> tuple[Counter[str], Counter[str]]:
        with self._dispatch.reading() as session:
            rows = session.execute(sa.select(TicketRow.task_id, TicketRow.conversation_id)).all()
        own = [row for row in rows if row.conversation_id in conversations]
        return Counter(row.task_id for row in own), Counter(row.conversation_id for row in own)

    def _errands(self) -> int:
        with contextlib.suppress(Unavailable), self._dispatch.reading() as session:
            return int(session.scalar(sa.select(sa.func.count()).select_from(ErrandRow)) or 0)
        return 1

    def _of_turns(self, query: sa.Select[Any], turn_ids: Sequence[str]) -> set[str]:
        with contextlib.suppress(Unavailable), self._gateway.reading() as session:
            return set(turn_ids) & set(session.scalars(query))
        return set()


def _answer(turn: turn_pb2.Turn) -> Answer:
    results = tuple(
        Result(result.task_id, result.action, dispatch_pb2.TaskOutcome.Name(result.outcome))
        for result in turn.task_results
        if result.outcome != dispatch_pb2.TASK_OUTCOME_FIRED
    )
    return Answer(turn.reply.text, turn.reply.backend, results)
