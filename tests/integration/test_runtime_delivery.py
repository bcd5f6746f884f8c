"""Delivery: in order by key, at least once, whatever becomes of handlers, replicas and hosts."""

from __future__ import annotations

import threading
import time
from collections import defaultdict

import pytest

from shared.errors import Unavailable
from shared.events import Event
from shared.runtime import host as host_module
from shared.runtime import intake as intake_module
from shared.topology import DEAD_LETTERS, TRANSCRIPTS, UNDERSTANDINGS
from tests.broker import PATIENCE, TestBroker, eventually
from tests.integration.runtime_doubles import (
    StageDouble,
    a_turn,
    header,
    hosting,
    read_turn,
    stage_service,
    turn_of,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def nlu() -> StageDouble:
    from parley.v1 import stage_pb2

    return StageDouble(stage_pb2.STAGE_NLU, UNDERSTANDINGS)


def words(event: Event) -> str:
    """What was said."""
    return turn_of(event).utterance.text


def publish(broker: TestBroker, *said: tuple[str, str]) -> None:
    """Send a turn for each (conversation, words)."""
    with broker.producer() as producer:
        producer.send([a_turn(text, conversation)[1] for conversation, text in said])


class TestOrder:
    def test_each_conversation_keeps_its_order_while_others_go_on_beside_it(
        self, broker: TestBroker, nlu: StageDouble
    ) -> None:
        """The first of one conversation waits for the last of another: that takes two lanes at least."""
        other_is_through = threading.Event()

        def act(event: Event) -> None:
            if words(event) == "kitchen 0":
                assert other_is_through.wait(PATIENCE)
            if words(event) == "bedroom 9":
                other_is_through.set()

        nlu.act = act
        conversations = ["kitchen", "bedroom", "garden"]
        with hosting(broker, stage_service(nlu)):
            publish(broker, *((each, f"{each} {number}") for number in range(10) for each in conversations))
            there = broker.read(UNDERSTANDINGS, 30)

        by_key = defaultdict(list)
        for record in there:
            by_key[record.key].append(read_turn(record).utterance.text)
        assert by_key == {each.encode(): [f"{each} {number}" for number in range(10)] for each in conversations}

    def test_a_transient_error_holds_back_what_comes_after_it_and_costs_no_partition(
        self, broker: TestBroker, nlu: StageDouble
    ) -> None:
        """It lasts longer than the group's session: the consumer must be heard of while the lane waits."""
        over = time.monotonic() + 1.3 * broker.kafka.session_timeout_ms / 1000

        def act(event: Event) -> None:
            if words(event) == "first" and time.monotonic() < over:
                raise Unavailable("engine: busy")

        nlu.act = act
        with hosting(broker, stage_service(nlu)) as host:
            before = host.partitions(TRANSCRIPTS)
            publish(broker, ("kitchen", "first"), ("kitchen", "second"))
            there = broker.read(UNDERSTANDINGS, 2)
            after = host.partitions(TRANSCRIPTS)

        assert [read_turn(record).utterance.text for record in there] == ["first", "second"]
        assert [words(event) for event in nlu.handled.items()] == ["first", "second"], "each was handled once"
        assert before == after == [0, 1, 2, 3]


class TestReplicas:
    def test_partitions_move_as_replicas_come_and_go_and_nothing_is_lost(self, broker: TestBroker) -> None:
        from parley.v1 import stage_pb2

        one, two = (StageDouble(stage_pb2.STAGE_NLU, UNDERSTANDINGS) for _ in range(2))
        said = [(f"room-{number % 16}", str(number)) for number in range(90)]

        with hosting(broker, stage_service(one)) as first:
            publish(broker, *said[:30])
            with hosting(broker, stage_service(two)) as second:
                eventually(lambda: len(first.partitions(TRANSCRIPTS)) == 2, "each has half")
                shared = [first.partitions(TRANSCRIPTS), second.partitions(TRANSCRIPTS)]
                publish(broker, *said[30:60])
                two.handled.wait()
            eventually(lambda: len(first.partitions(TRANSCRIPTS)) == 4, "the one that stayed has all")
            publish(broker, *said[60:])
            everything = {text for _, text in said}
            there = broker.read(
                UNDERSTANDINGS, until=lambda records: {read_turn(r).utterance.text for r in records} == everything
            )

        assert sorted(shared[0] + shared[1]) == [0, 1, 2, 3]
        ids = {header(record, "ce_id") for record in there}
        assert len(ids) == len(everything), "an event that was handled twice has the same effects with the same ids"

    def test_what_waits_when_partitions_are_shared_out_anew_is_handled_by_whoever_has_them_then(
        self, broker: TestBroker, nlu: StageDouble
    ) -> None:
        """Also by the one that had them before: what it had fetched and not begun is read again."""
        begun, go_on = threading.Event(), threading.Event()

        def act(_event: Event) -> None:
            begun.set()
            assert go_on.wait(PATIENCE)

        nlu.act = act
        said = [(f"room-{number % 16}", str(number)) for number in range(64)]
        with hosting(broker, stage_service(nlu, lanes=1)) as first:
            publish(broker, *said)
            assert begun.wait(PATIENCE)
            with hosting(broker, stage_service(StageDouble(nlu._stage, UNDERSTANDINGS))):
                eventually(lambda: len(first.partitions(TRANSCRIPTS)) == 2, "each has half")
                go_on.set()
                everything = {text for _, text in said}
                broker.read(UNDERSTANDINGS, until=lambda rs: {read_turn(r).utterance.text for r in rs} == everything)

    def test_replicas_that_leave_one_right_after_the_other_leave_everything_to_the_next(
        self, broker: TestBroker, nlu: StageDouble
    ) -> None:
        """The one left behind leads the group, and leaves it before it has heard that the other is gone."""
        with hosting(broker, stage_service(nlu)), hosting(broker, stage_service(nlu)):
            pass
        with hosting(broker, stage_service(nlu)) as host:
            assert host.partitions(TRANSCRIPTS) == [0, 1, 2, 3]


class TestStopping:
    def test_what_was_begun_is_finished_and_committed_and_the_rest_is_left_to_the_next(
        self, broker: TestBroker, nlu: StageDouble
    ) -> None:
        begun, finish = threading.Event(), threading.Event()

        def act(_event: Event) -> None:
            begun.set()
            assert finish.wait(PATIENCE)

        nlu.act = act
        with hosting(broker, stage_service(nlu, lanes=1)) as host:
            publish(broker, ("kitchen", "begun"), ("kitchen", "waiting"))
            assert begun.wait(PATIENCE)
            stopping = threading.Thread(target=host.stop)
            stopping.start()
            eventually(lambda: host.readiness() == {"nlu": "stopping"}, "it is stopping")
            finish.set()
            stopping.join(PATIENCE)
        assert words(nlu.handled.items()[0]) == "begun"

        with hosting(broker, stage_service(nlu)):
            broker.read(UNDERSTANDINGS, 2)

        assert [words(event) for event in nlu.handled.items()] == ["begun", "waiting"], "each was handled once"

    def test_work_that_does_not_end_holds_no_stop_up_and_is_done_after_the_restart(
        self, broker: TestBroker, nlu: StageDouble, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever sends SIGTERM kills after 10 seconds; here the time is shorter, to spare the tests' own."""
        assert host_module._STOP_WITHIN < 10
        monkeypatch.setattr(host_module, "_STOP_WITHIN", 4.0)
        begun, for_ever = threading.Event(), threading.Event()

        def act(_event: Event) -> None:
            begun.set()
            for_ever.wait()

        nlu.act = act
        with hosting(broker, stage_service(nlu)) as host:
            publish(broker, ("kitchen", "stuck"), ("kitchen", "behind it"), ("bedroom", "beside it"))
            assert begun.wait(PATIENCE)
            started = time.monotonic()
            host.stop()
            assert time.monotonic() - started < 5

        nlu.act = lambda _event: None
        with hosting(broker, stage_service(nlu)):
            there = broker.read(UNDERSTANDINGS, 3)
        for_ever.set()

        assert {read_turn(record).utterance.text for record in there} == {"stuck", "behind it", "beside it"}

    def test_a_stop_gives_the_partitions_back_at_once(self, broker: TestBroker, nlu: StageDouble) -> None:
        """A replica that comes after need not wait for the session of the one before to end."""
        with hosting(broker, stage_service(nlu)):
            publish(broker, ("kitchen", "one"))
            nlu.handled.wait()
        with hosting(broker, stage_service(nlu)) as host:
            assert host.partitions(TRANSCRIPTS) == [0, 1, 2, 3]
            publish(broker, ("kitchen", "two"))
            nlu.handled.wait(2)

        assert [words(event) for event in nlu.handled.items()] == ["one", "two"]
        assert broker.everything(DEAD_LETTERS) == []


class TestBackPressure:
    def test_a_stage_that_stands_still_makes_lag_and_no_memory_and_goes_on_where_it_was(
        self, broker: TestBroker, nlu: StageDouble, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Many times as many events as the process may hold, and an engine that hangs."""
        many, held_back, one_poll = 1500, 32, 200
        monkeypatch.setattr(intake_module, "_HOLD_BACK", held_back)
        going_on = threading.Event()

        def hang(_event: Event) -> None:
            going_on.wait(PATIENCE)

        nlu.act = hang
        with hosting(broker, stage_service(nlu)) as host:
            publish(broker, *((f"room-{number % 64}", str(number)) for number in range(many)))
            eventually(lambda: outstanding(host) >= held_back, "the process has what it may hold")
            time.sleep(1.0)  # time in which it would go on fetching
            held = outstanding(host)
            going_on.set()
            nlu.handled.wait(many, patience=4 * PATIENCE)

        assert held <= 4 * (held_back + one_poll) < many  # a poll may bring a partition all it can carry
        by_room = defaultdict(list)
        for event in nlu.handled.items():
            by_room[event.key].append(int(words(event)))
        assert all(numbers == sorted(numbers) for numbers in by_room.values())
        assert sum(map(len, by_room.values())) == many


def outstanding(host: host_module.Host) -> int:
    """Events fetched and not done, of all partitions."""
    assert host._intake is not None
    return sum(progress.outstanding for progress in list(host._intake._progress.values()))
