"""Effects outside our database: what reached the outside system, and what is said of it, whatever died in between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from parley.v1 import dispatch_pb2, stage_pb2
from services.dispatch import metrics
from services.dispatch.connectors.base import RecoveryClass
from services.dispatch.connectors.webhook import Target, WebhookConnector
from services.dispatch.engine import Dispatcher, occasion_of
from services.dispatch.outside import Later, Outside
from services.dispatch.service import build
from services.dispatch.storage import ErrandRow, TaskRow
from shared.bus.codec import Codecs
from shared.bus.envelope import Wire, encode
from shared.events import Event, Outgoing
from shared.runtime.service import Service
from shared.settings import StorageSettings
from shared.storage.database import Database
from shared.topology import DECISIONS, TASK_RESULTS
from tests.broker import TestBroker, eventually
from tests.dispatching import PACKS, RESIDENT, migrated, task, turn_of
from tests.integration.runtime_doubles import header, hosting, read_turn
from tests.outside_double import HANG_SECONDS, KINDS, SECRET, OutsideDouble, outside_double

pytestmark = pytest.mark.integration
SUCCEEDED, FAILED, UNKNOWN = (
    dispatch_pb2.TASK_OUTCOME_SUCCEEDED,
    dispatch_pb2.TASK_OUTCOME_FAILED,
    dispatch_pb2.TASK_OUTCOME_UNKNOWN,
)
OCCASION = occasion_of(turn_of(RESIDENT), datetime.now(UTC))


class Clock:
    """The time now, and as much later as a test says."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class CrashDouble(BaseException):
    """Stands for the end of the process: nothing of the dispatcher catches it."""


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OutsideDouble]:
    with outside_double(tmp_path_factory.mktemp("outside")) as running:
        yield running


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = migrated(database_url)
    yield opened
    opened.close()


def connector(double: OutsideDouble, kind: str, timeout: float = 1.0, url: str = "") -> WebhookConnector:
    """A webhook to one of the double's systems."""
    status = f"{double.url(kind)}/{{task_id}}" if kind == "reconcilable" else ""
    actions = frozenset({"tickets.complaint"})
    target = Target(kind, url or double.url(kind), SECRET.encode(), actions, RecoveryClass(kind), status, timeout)
    return WebhookConnector(target)


def complaint() -> dispatch_pb2.Task:
    return task("tickets.complaint", {"subject": "late"})


def until_ended(
    outside: Outside, clock: Clock, asked: dispatch_pb2.Task, system: WebhookConnector
) -> dispatch_pb2.TaskResult:
    """Attempt after attempt, each when it is due."""
    for _ in range(20):
        result = outside.carry_out(asked, system, OCCASION)
        if not isinstance(result, Later):
            return result
        clock.ahead += max(timedelta(), result.at - clock())
    raise AssertionError("the task never ends")


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_is_done_once_and_its_result_is_kept(database: Database, double: OutsideDouble, kind: str) -> None:
    clock, asked, system = Clock(), complaint(), connector(double, kind)
    outside = Outside(database, clock, most_attempts=5)

    result = outside.carry_out(asked, system, OCCASION)
    again = outside.carry_out(asked, system, OCCASION)

    assert isinstance(result, dispatch_pb2.TaskResult)
    assert result == again
    assert (result.outcome, result.values["reference"]) == (SUCCEEDED, f"{kind}-{asked.task_id[:8]}")
    assert double.effects(kind).count(asked.task_id) == 1


@pytest.mark.parametrize(
    ("kind", "outcome"), [("idempotent", SUCCEEDED), ("reconcilable", SUCCEEDED), ("at_most_once", UNKNOWN)]
)
@pytest.mark.parametrize("acted", [False, True], ids=["before it acted", "after it acted"])
def test_a_crash_between_started_and_result(
    database: Database,
    double: OutsideDouble,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    outcome: dispatch_pb2.TaskOutcome.ValueType,
    acted: bool,
) -> None:
    clock, asked, system = Clock(), complaint(), connector(double, kind)
    act = WebhookConnector.act

    def crash(self: WebhookConnector, *given: object) -> object:
        if acted:
            act(self, *given)  # type: ignore[arg-type]
        raise CrashDouble

    monkeypatch.setattr(WebhookConnector, "act", crash)
    with pytest.raises(CrashDouble):
        Outside(database, clock, most_attempts=5).carry_out(asked, system, OCCASION)
    monkeypatch.undo()
    heir = Outside(database, clock, most_attempts=5)

    assert isinstance(heir.carry_out(asked, system, OCCASION), Later), "its lease has not run out: it may be alive"
    result = until_ended(heir, clock, asked, system)

    assert result.outcome == outcome
    done = double.effects(kind).count(asked.task_id)
    assert done == (int(acted) if kind == "at_most_once" else 1)


@pytest.mark.parametrize(
    ("kind", "fault", "outcome", "effects"),
    [
        ("idempotent", "fail", SUCCEEDED, 1),
        ("idempotent", "lose", SUCCEEDED, 1),
        ("idempotent", "hang", SUCCEEDED, 1),
        ("idempotent", "refuse", FAILED, 0),
        ("reconcilable", "fail", SUCCEEDED, 1),
        ("reconcilable", "lose", SUCCEEDED, 1),
        ("reconcilable", "hang", SUCCEEDED, 1),
        ("reconcilable", "refuse", FAILED, 0),
        ("at_most_once", "fail", UNKNOWN, 0),
        ("at_most_once", "lose", UNKNOWN, 1),
        ("at_most_once", "hang", UNKNOWN, 1),
        ("at_most_once", "refuse", FAILED, 0),
    ],
)
def test_what_goes_wrong_outside_is_made_good_or_told(
    database: Database,
    double: OutsideDouble,
    kind: str,
    fault: str,
    outcome: dispatch_pb2.TaskOutcome.ValueType,
    effects: int,
) -> None:
    clock, asked, system = Clock(), complaint(), connector(double, kind)
    assert HANG_SECONDS > 1.0, "the hanging system outlasts the connector's patience"
    double.goes_wrong(kind, fault)

    result = until_ended(Outside(database, clock, most_attempts=5), clock, asked, system)

    assert result.outcome == outcome, result
    assert double.effects(kind).count(asked.task_id) == effects


@pytest.mark.parametrize("kind", KINDS)
def test_a_system_that_cannot_be_reached_has_done_nothing_and_that_is_said(
    database: Database, double: OutsideDouble, kind: str
) -> None:
    clock, asked = Clock(), complaint()
    system = connector(double, kind, url="http://127.0.0.1:1/")

    result = until_ended(Outside(database, clock, most_attempts=3), clock, asked, system)

    assert (result.outcome, result.error_class, result.attempts) == (FAILED, "unreachable", 3)


def test_of_two_replicas_one_acts(database: Database, double: OutsideDouble) -> None:
    clock, asked = Clock(), complaint()
    results: list[object] = []

    def replica() -> None:
        outside = Outside(database, clock, most_attempts=5)
        results.append(outside.carry_out(asked, connector(double, "at_most_once"), OCCASION))

    threads = [threading.Thread(target=replica) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert double.effects("at_most_once").count(asked.task_id) == 1
    assert len(results) == 4


def test_who_was_overtaken_gives_the_word_of_the_one_who_finished(
    database: Database, double: OutsideDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replica that was frozen for longer than its lease wakes up when another has settled the task."""
    clock, asked, system = Clock(), complaint(), connector(double, "idempotent")
    act = WebhookConnector.act
    settled: list[dispatch_pb2.TaskResult] = []

    def frozen(self: WebhookConnector, *given: object) -> object:
        monkeypatch.setattr(WebhookConnector, "act", act)
        clock.ahead += timedelta(minutes=5)
        settled.append(until_ended(Outside(database, clock, most_attempts=5), clock, asked, system))
        return act(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(WebhookConnector, "act", frozen)
    late = Outside(database, clock, most_attempts=5).carry_out(asked, system, OCCASION)

    assert late == settled[0]
    assert double.effects("idempotent").count(asked.task_id) == 1


def test_a_task_that_crashes_every_process_is_given_up(
    database: Database, double: OutsideDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, asked, system = Clock(), complaint(), connector(double, "idempotent")

    def crash(*_: object) -> object:
        raise CrashDouble

    monkeypatch.setattr(WebhookConnector, "act", crash)
    outside = Outside(database, clock, most_attempts=3)
    for _ in range(3):
        with pytest.raises(CrashDouble):
            outside.carry_out(asked, system, OCCASION)
        clock.ahead += timedelta(minutes=5)
    result = outside.carry_out(asked, system, OCCASION)

    assert isinstance(result, dispatch_pb2.TaskResult)
    assert (result.outcome, result.error_class) == (UNKNOWN, "interrupted")


def test_who_may_not_do_it_reaches_no_system(database: Database, double: OutsideDouble) -> None:
    unlock = task("home.unlock", {"door": "front_door"}, confirmed=True)
    target = Target(
        "locks", double.url("idempotent"), SECRET.encode(), frozenset({"home.unlock"}), RecoveryClass.IDEMPOTENT
    )
    dispatcher = Dispatcher(PACKS, [], [WebhookConnector(target)])
    anonymous = occasion_of(turn_of(type(RESIDENT)()), datetime.now(UTC))

    assert dispatcher.outside(unlock, anonymous) is None
    with database.transaction() as session:
        assert dispatcher.execute(unlock, anonymous, session).error_class == "permission_denied"
    assert dispatcher.outside(unlock, OCCASION) is not None


def test_an_answer_without_end_is_not_read_to_its_end(database: Database, endless: Callable[[], str]) -> None:
    target = Target("endless", endless(), SECRET.encode(), frozenset(), RecoveryClass.AT_MOST_ONCE, timeout=1.0)
    began = time.monotonic()

    result = Outside(database, Clock(), most_attempts=1).carry_out(complaint(), WebhookConnector(target), OCCASION)

    assert isinstance(result, dispatch_pb2.TaskResult)
    assert (result.outcome, result.error_class) == (UNKNOWN, "endless_answer")
    assert time.monotonic() - began < 60


@pytest.fixture
def endless() -> Iterator[Callable[[], str]]:
    """A server whose answers never end."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"x" * 1000)
                    time.sleep(0.001)
            except OSError:
                pass  # the client has gone, as it should

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield lambda: f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()


def test_rows_written_before_there_were_outside_systems_are_still_read(database: Database) -> None:
    with database.transaction() as session:
        session.execute(
            TaskRow.__table__.insert(),  # type: ignore[attr-defined]
            {"task_id": "t", "action": "a", "outcome": 1, "result": b"", "started_at": datetime.now(UTC)},
        )
    with database.transaction() as session:
        assert session.get_one(TaskRow, "t").attempts == 1


def test_a_targets_file_that_cannot_be_used_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from services.dispatch.connectors.webhook_targets import load_webhooks
    from shared.errors import InvalidSettings

    monkeypatch.setenv("GOOD_SECRET", "long enough for a secret")
    monkeypatch.setenv("SHORT_SECRET", "0p3n")
    good = (
        'url = "https://shop.example/"\nactions = ["tickets.refund"]\n'
        'recovery = "idempotent"\nsecret_env = "GOOD_SECRET"\n'
    )
    cases = {
        "nothing": ("", "targets.NAME"),
        "no TOML": ("[targets", "TOML"),
        "another table": ("[target.shop]\n" + good, "targets.NAME"),
        "an unknown field": ("[targets.shop]\n" + good + "colour = 1\n", "targets.shop.colour"),
        "no URL": ("[targets.shop]\n" + good.replace("https://shop.example/", "shop"), "targets.shop.url"),
        "an unknown class": ("[targets.shop]\n" + good.replace('"idempotent"', '"maybe"'), "targets.shop.recovery"),
        "an unknown action": ("[targets.shop]\n" + good.replace("tickets.refund", "fly"), "fly"),
        "no status": ("[targets.shop]\n" + good.replace('"idempotent"', '"reconcilable"'), "status_url"),
        "no secret": ("[targets.shop]\n" + good.replace('secret_env = "GOOD_SECRET"\n', ""), "secret_env"),
        "a short secret": ("[targets.shop]\n" + good.replace("GOOD_SECRET", "SHORT_SECRET"), "SHORT_SECRET"),
        "an unset secret": ("[targets.shop]\n" + good.replace("GOOD_SECRET", "NO_SECRET"), "NO_SECRET"),
        "an action twice": ("[targets.shop]\n" + good + "[targets.other]\n" + good, "is carried out by shop"),
    }
    for name, (text, told) in cases.items():
        file = tmp_path / "targets.toml"
        file.write_text(text)
        with pytest.raises(InvalidSettings) as refused:
            load_webhooks(file, PACKS)
        assert told in str(refused.value), name
        assert "0p3n" not in str(refused.value), "a secret is shown to nobody"
    with pytest.raises(InvalidSettings, match="missing"):
        load_webhooks(tmp_path / "missing.toml", PACKS)
    file.write_text("[targets.shop]\n" + good)
    (webhook,) = load_webhooks(file, PACKS)
    assert webhook.actions == {"tickets.refund"}
    webhook.close()


class TestOnTheRoad:
    """The dispatch service as it is hosted, its complaints and locks carried out by outside systems."""

    @pytest.fixture
    def service(self, tmp_path: Path, double: OutsideDouble, monkeypatch: pytest.MonkeyPatch) -> Service:
        file = tmp_path / "targets.toml"
        file.write_text(double.targets({"idempotent": ["tickets.complaint"], "at_most_once": ["home.lock"]}))
        monkeypatch.setenv("OUTSIDE_DOUBLE_SECRET", SECRET)
        monkeypatch.setenv("PARLEY_DISPATCH_WEBHOOKS", str(file))
        return build(StorageSettings(data_dir=tmp_path / "data"))

    def test_a_turn_goes_on_once_all_its_tasks_have_ended_in_order(
        self, broker: TestBroker, service: Service, double: OutsideDouble
    ) -> None:
        tasks = [
            task("home.turn_on", {"device": "light", "area": "kitchen"}),
            complaint(),
            task("home.lock", {"door": "front_door"}),
            task("home.turn_off", {"device": "light", "area": "kitchen"}),
        ]
        with hosting(broker, service):
            wire = decided(*tasks)
            with broker.producer() as producer:
                producer.send([wire, wire])  # the second is a copy
            (record, *_) = broker.read(TASK_RESULTS, 1)
            time.sleep(0.5)
            results = broker.everything(TASK_RESULTS)

        turn = read_turn(record)
        assert [result.task_id for result in turn.task_results] == [asked.task_id for asked in tasks]
        assert {result.outcome for result in turn.task_results} == {SUCCEEDED}
        assert len({header(each, "ce_id") for each in results}) == 1
        assert double.effects("idempotent").count(tasks[1].task_id) == 1
        assert double.effects("at_most_once").count(tasks[2].task_id) == 1

    def test_a_slow_system_holds_up_its_own_turn_alone(
        self, broker: TestBroker, service: Service, double: OutsideDouble
    ) -> None:
        slow, quick = complaint(), task("home.turn_on", {"device": "light", "area": "kitchen"})
        double.goes_wrong("idempotent", "hang")
        with hosting(broker, service), broker.producer() as producer:
            producer.send([decided(slow, conversation="slow")])
            producer.send([decided(quick, conversation="quick")])
            records = broker.read(TASK_RESULTS, 2)

        assert [record.key for record in records] == [b"quick", b"slow"]
        assert double.effects("idempotent").count(slow.task_id) == 1

    def test_turns_that_share_a_transaction_are_all_put_aside_and_committed(self, service: Service) -> None:
        service.load()
        assert service.stateful_handler is not None and service.database is not None
        for number in range(3):
            turn = turn_of(RESIDENT, f"c{number}")
            turn.decision.tasks.append(complaint())
            event = Event(DECISIONS, 0, number, f"c{number}", f"e{number}", "t", "s", datetime.now(UTC), turn)
            with service.database.transaction() as session:
                for copy in (event, replace(event, id=f"{event.id}-again")):
                    assert service.stateful_handler.handle(copy, session) == []
        with service.database.transaction() as session:
            assert session.scalar(sa.select(sa.func.count()).select_from(ErrandRow)) == 6
        service.close()

    def test_what_waited_at_a_stop_is_finished_by_the_next_process(
        self, broker: TestBroker, service: Service, double: OutsideDouble, tmp_path: Path
    ) -> None:
        asked = complaint()
        for _ in range(2):
            double.goes_wrong("idempotent", "fail")
        with hosting(broker, service), broker.producer() as producer:
            producer.send([decided(asked)])
            eventually(lambda: metrics_of("http_503"), "the system has failed once")
        with hosting(broker, build(StorageSettings(data_dir=tmp_path / "data"))):
            (record,) = broker.read(TASK_RESULTS, 1)

        assert read_turn(record).task_results[0].outcome == SUCCEEDED
        assert double.effects("idempotent").count(asked.task_id) == 1


def metrics_of(error_class: str) -> float:
    """How many attempts have failed so in this process."""
    return float(metrics.ATTEMPTS_FAILED.labels("idempotent", error_class)._value.get())


def decided(*tasks: dispatch_pb2.Task, conversation: str = "kitchen") -> Wire:
    """A turn with these tasks, as dialogue sends it to dispatch."""
    turn = turn_of(RESIDENT, conversation)
    turn.decision.tasks.extend(tasks)
    stage = stage_pb2.Stage
    turn.route.next.extend([stage.STAGE_DISPATCH, stage.STAGE_DIALOGUE, stage.STAGE_GENERATION])
    outgoing = Outgoing(DECISIONS, conversation, turn)
    return encode(outgoing, source="dialogue", cause_id=turn.turn_id, inherited={}, codecs=Codecs())


def test_the_documented_receiver_tells_what_is_genuine() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "dispatch.md").read_text(encoding="utf-8")
    code = page.split("```python\n")[1].split("```")[0]
    namespace: dict[str, Any] = {}
    exec(code, namespace)
    body, secret = b'{"task_id": "7"}', SECRET.encode()
    webhook = WebhookConnector(Target("shop", "http://127.0.0.1:1/", secret, frozenset(), RecoveryClass.IDEMPOTENT))
    headers = webhook._signed(body)

    assert namespace["is_genuine"](headers, body, secret)
    assert not namespace["is_genuine"](headers, body + b" ", secret)
    assert not namespace["is_genuine"](headers, body, b"another secret")
    old = {**headers, "parley-timestamp": str(int(headers["parley-timestamp"]) - 3600)}
    assert not namespace["is_genuine"](old, body, secret)
