"""Services with state: an event changes it once, and what it sends is sent, whatever fails in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from parley.v1 import turn_pb2
from shared.bus.codec import Codecs
from shared.bus.envelope import Fetched
from shared.errors import NotFound, Unavailable
from shared.events import Event, Outgoing, derived_id
from shared.runtime.publisher import Outbox, Publisher
from shared.runtime.road_access import Road
from shared.runtime.service import Tick
from shared.storage.database import Database
from shared.topology import DEAD_LETTERS, REPLIES
from tests.broker import Mailbox, TestBroker, eventually, own_broker
from tests.integration.runtime_doubles import (
    TALLY_JOURNAL,
    Base,
    TallyDouble,
    TallyRow,
    a_turn,
    header,
    hosting,
    read_turn,
    tally,
    tally_service,
    turn_of,
)
from tests.postgres import new_postgres_database

pytestmark = pytest.mark.integration


@dataclass
class Running:
    """One service, its database and its broker, shared by tests that each have a conversation of their own."""

    broker: TestBroker
    database: Database
    counting: TallyDouble
    road: Road

    def publish(self, words: str, conversation: str) -> None:
        """A turn; the same words in the same conversation are the same event."""
        with self.broker.producer() as producer:
            producer.send([a_turn(words, conversation, cause=f"{conversation} {words}")[1]])

    def replies(self, conversation: str, count: int) -> list[Fetched]:
        """The replies of a conversation, once there are `count`."""
        return self._of(REPLIES, conversation, count)

    def letter(self, conversation: str) -> Fetched:
        """The dead letter of a conversation."""
        return self._of(DEAD_LETTERS, conversation, 1)[0]

    def _of(self, topic: str, conversation: str, count: int) -> list[Fetched]:
        def mine(records: list[Fetched]) -> list[Fetched]:
            return [record for record in records if record.key == conversation.encode()]

        return mine(self.broker.read(topic, until=lambda records: len(mine(records)) >= count))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    file = tmp_path_factory.mktemp("tally") / "tally.sqlite3"
    database = Database(f"sqlite:///{file}" if request.param == "sqlite" else new_postgres_database())
    counting = TallyDouble()
    roads: list[Road] = []
    service = tally_service(counting, database)
    service.attach = roads.append
    with own_broker() as broker:
        broker.prepare()
        with hosting(broker, service):
            yield Running(broker, database, counting, roads[0])
    database.close()


@pytest.fixture
def counting() -> TallyDouble:
    return TallyDouble()


def counts(database: Database) -> dict[str, int]:
    with database.reading() as session:
        return tally(session)


def publish(broker: TestBroker, *words: str, conversation: str = "kitchen") -> None:
    """A turn for each word, all in one batch."""
    with broker.producer() as producer:
        producer.send([a_turn(word, conversation, cause=word)[1] for word in words])


def a_reply(text: str, conversation: str = "kitchen") -> Outgoing:
    """An event that no event causes."""
    turn = turn_pb2.Turn(turn_id=derived_id(text), conversation_id=conversation)
    turn.utterance.text = text
    turn.route.SetInParent()
    turn.reply.text = text
    return Outgoing(REPLIES, conversation, turn, discriminator=text)


def texts(broker: TestBroker, count: int) -> list[str]:
    return [read_turn(record).reply.text for record in broker.read(REPLIES, count)]


def test_an_event_seen_twice_changes_state_once_and_its_stored_results_are_sent_again(running: Running) -> None:
    running.publish("hello", "seen-twice")
    running.replies("seen-twice", 1)
    running.publish("hello", "seen-twice")
    first, again = running.replies("seen-twice", 2)

    assert counts(running.database)["seen-twice"] == 1
    assert len([event for event in running.counting.handled.items() if event.key == "seen-twice"]) == 1
    assert (header(again, "ce_id"), again.body) == (header(first, "ce_id"), first.body)


def test_a_copy_in_the_same_batch_is_a_copy_too(broker: TestBroker, database: Database, counting: TallyDouble) -> None:
    publish(broker, "hello", "hello", "and now")

    with hosting(broker, tally_service(counting, database)):
        broker.read(REPLIES, until=lambda records: {read_turn(each).reply.text for each in records} == {"1", "2"})

    assert counts(database) == {"kitchen": 2}


def test_a_handler_that_fails_in_the_middle_of_a_batch_undoes_its_own_event_alone(
    broker: TestBroker, database: Database, counting: TallyDouble
) -> None:
    def act(event: Event) -> None:
        if turn_of(event).utterance.text == "poison":
            raise NotFound("device: 'x' is unknown")

    counting.act = act
    publish(broker, "one", "poison", "two")

    with hosting(broker, tally_service(counting, database)):
        assert texts(broker, 2) == ["1", "2"]
        (letter,) = broker.read(DEAD_LETTERS)

    assert counts(database) == {"kitchen": 2}
    assert turn_pb2.Turn.FromString(letter.body or b"").utterance.text == "poison"
    with database.reading() as session:
        inbox = session.execute(sa.select(sa.func.count()).select_from(TALLY_JOURNAL.inbox)).scalar_one()
    assert inbox == 2, "a dead-lettered event leaves no inbox row, so a redrive gets through"


def test_an_event_that_was_given_up_gets_through_when_it_is_driven_again(running: Running) -> None:
    def refuse(event: Event) -> None:
        if event.key == "driven-again":
            raise NotFound("device: 'x' is unknown")

    running.counting.act = refuse
    running.publish("hello", "driven-again")
    running.letter("driven-again")
    running.counting.act = lambda _event: None
    running.publish("hello", "driven-again")

    (reply,) = running.replies("driven-again", 1)
    assert read_turn(reply).reply.text == "1"


def test_a_transient_failure_undoes_the_batch_and_it_is_done_again_in_order(
    broker: TestBroker, database: Database, counting: TallyDouble
) -> None:
    failures = iter([True, True])

    def act(event: Event) -> None:
        if turn_of(event).utterance.text == "two" and next(failures, False):
            raise Unavailable("connector: does not answer")

    counting.act = act
    publish(broker, "one", "two", "three")

    with hosting(broker, tally_service(counting, database)):
        assert texts(broker, 3) == ["1", "2", "3"]

    assert counts(database) == {"kitchen": 3}


def test_words_the_database_cannot_hold_cost_their_event_and_not_the_partition(running: Running) -> None:
    """PostgreSQL takes no NUL in a text; tried again, it would refuse it for ever."""
    running.publish("before", "nul")
    running.publish("nul \x00", "nul")
    running.publish("after", "nul")

    if running.database.is_sqlite:
        running.replies("nul", 3)
    else:
        assert [read_turn(each).utterance.text for each in running.replies("nul", 2)] == ["before", "after"]
        assert header(running.letter("nul"), "parley-dead-error") == "DataError"


def test_what_a_crash_between_commit_and_publishing_left_is_sent_before_anything_newer(
    broker: TestBroker, database: Database, counting: TallyDouble
) -> None:
    """What such a crash leaves is a committed outbox row that nobody sent."""
    Base.metadata.create_all(database.engine)
    with broker.producer() as producer:
        outbox = Outbox(database, TALLY_JOURNAL, Publisher("tally", producer, Codecs()))
        with database.transaction() as session:
            outbox.store(session, a_reply("left behind"), cause_id="cause", inherited={})

    publish(broker, "hello")
    with hosting(broker, tally_service(counting, database)):
        assert texts(broker, 2) == ["left behind", "1"]


def test_a_crash_after_the_commit_is_made_good_when_the_event_comes_again(
    broker: TestBroker, database: Database, counting: TallyDouble
) -> None:
    """The event's offset was not committed either, so it is read again: its state stays, its results go out."""
    Base.metadata.create_all(database.engine)
    _, wire = a_turn("hello", cause="hello")
    with broker.producer() as producer:
        outbox = Outbox(database, TALLY_JOURNAL, Publisher("tally", producer, Codecs()))
        with database.transaction() as session:
            TALLY_JOURNAL.record(session, wire.headers["ce_id"])
            session.add(TallyRow(conversation_id="kitchen", count=1))
            outbox.store(session, a_reply("1"), cause_id=wire.headers["ce_id"], inherited={})
        producer.send([wire])

    with hosting(broker, tally_service(counting, database)):
        sent = broker.read(REPLIES, 1)  # by the relay, and perhaps once more for the event that came again

    assert {read_turn(record).reply.text for record in sent} == {"1"}
    assert len({header(record, "ce_id") for record in sent}) == 1
    assert counts(database) == {"kitchen": 1}
    assert counting.handled.items() == []


def test_a_restart_sends_nothing_again(broker: TestBroker, database: Database, counting: TallyDouble) -> None:
    publish(broker, "one", "two")
    with hosting(broker, tally_service(counting, database)):
        texts(broker, 2)
    publish(broker, "three")
    with hosting(broker, tally_service(counting, database)):
        texts(broker, 3)

    assert [read_turn(record).reply.text for record in broker.everything(REPLIES)] == ["1", "2", "3"]


def test_a_tick_commits_what_it_changes_and_sends_together_or_comes_again(
    broker: TestBroker, database: Database, counting: TallyDouble
) -> None:
    ticks: Mailbox[int] = Mailbox()

    def once(session: Session) -> Sequence[Outgoing]:
        if session.get(TallyRow, "ticked") is not None:
            return []
        session.add(TallyRow(conversation_id="ticked", count=1))
        return [a_reply("due now")]

    def fails_twice(session: Session) -> Sequence[Outgoing]:
        number = len(ticks.items())
        ticks.put(number)
        session.merge(TallyRow(conversation_id=f"tick {number}", count=1))
        if number < 2:
            raise ZeroDivisionError("a bug")
        return []

    with hosting(broker, tally_service(counting, database, (Tick(0.05, once), Tick(0.05, fails_twice)))):
        assert texts(broker, 1) == ["due now"]
        ticks.wait(4)

    assert {"ticked", "tick 2"} <= counts(database).keys()
    assert not {"tick 0", "tick 1"} & counts(database).keys()
    assert len(broker.everything(REPLIES)) == 1


def test_a_transaction_of_the_service_itself_that_raises_sends_nothing(running: Running) -> None:
    with pytest.raises(ZeroDivisionError), running.road.transaction() as road:
        road.session.add(TallyRow(conversation_id="undone", count=1))
        road.send(a_reply("never said", "by-itself"), cause_id="1")
        raise ZeroDivisionError
    with running.road.transaction() as road:
        road.send(a_reply("said", "by-itself"), cause_id="2")

    assert [read_turn(each).reply.text for each in running.replies("by-itself", 1)] == ["said"]
    assert "undone" not in counts(running.database)
    assert running.road.reply_partition() is None, "it reads no replies"


def test_what_is_sent_while_the_broker_is_away_is_committed_and_goes_out_in_order_when_it_is_back(
    tmp_path: Path, counting: TallyDouble
) -> None:
    """As the gateway takes utterances in: accepted means in the ledger."""
    roads: list[Road] = []
    service = tally_service(counting, Database(f"sqlite:///{tmp_path / 'tally.sqlite3'}"))
    service.attach = roads.append
    with own_broker() as broker, hosting(broker, service) as host:
        assert broker.embedded is not None
        broker.embedded.kill()
        with roads[0].transaction() as road:
            road.send(a_reply("said while it was away"), cause_id="1")
        broker.embedded.start()
        eventually(lambda: host.readiness() == {"tally": "ready"}, "it is ready again")
        with roads[0].transaction() as road:
            road.send(a_reply("said after"), cause_id="2")

        assert texts(broker, 2) == ["said while it was away", "said after"]
