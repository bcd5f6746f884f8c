"""Inbox and outbox: what is done stays done, what is to be sent is not forgotten, on SQLite and PostgreSQL alike."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import alembic.operations
import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext

from shared.bus.codec import Codecs
from shared.bus.envelope import Wire
from shared.bus.producer import Producer, RecordsTooLarge
from shared.bus.profile import BrokerProfile
from shared.errors import Unavailable
from shared.runtime.publisher import Outbox, Publisher
from shared.settings import KafkaSettings
from shared.storage.database import Database
from shared.storage.journal import Journal, Stored, create_journal, drop_journal
from shared.topology import DEAD_LETTERS, REPLIES
from tests.broker import PATIENCE

pytestmark = pytest.mark.integration

METADATA = sa.MetaData()
JOURNAL = Journal("double", METADATA)
AT_ONCE = timedelta(0)


class ProducerDouble(Producer):
    """A broker that can be away, and that takes no body of more than 1,000 bytes."""

    def __init__(self) -> None:
        super().__init__(BrokerProfile.of(KafkaSettings()))
        self.away = False
        self.sent: list[str] = []

    def send(self, records: Sequence[Wire]) -> None:
        """Take what can be taken."""
        if self.away:
            raise Unavailable("kafka: not acknowledged")
        large = [index for index, record in enumerate(records) if len(record.body) > 1000]
        self.sent.extend(
            f"{record.topic}:{record.body.decode()}" for index, record in enumerate(records) if index not in large
        )
        if large:
            raise RecordsTooLarge(large, Exception("MESSAGE_SIZE_TOO_LARGE"))


@pytest.fixture
def journal(database: Database) -> Journal:
    METADATA.create_all(database.engine)
    return JOURNAL


@pytest.fixture
def producer() -> ProducerDouble:
    return ProducerDouble()


def an_outbox(database: Database, producer: ProducerDouble) -> Outbox:
    """The outbox of a process that has just started."""
    return Outbox(database, JOURNAL, Publisher("double", producer, Codecs()))


def committed(database: Database, journal: Journal, *bodies: str, cause: str = "cause", key: str = "k") -> list[Stored]:
    """Rows of the outbox that are committed and not sent, as a crash leaves them."""
    with database.transaction() as session:
        return [
            journal.publish(session, Stored(0, REPLIES, key, None, {"ce_id": body}, body.encode()), cause_id=cause)
            for body in bodies
        ]


def sent(*bodies: str) -> list[str]:
    return [f"{REPLIES}:{body}" for body in bodies]


class TestInbox:
    def test_an_event_is_seen_once_its_effects_are_committed(self, database: Database, journal: Journal) -> None:
        with database.transaction() as session:
            assert journal.seen(session, ["one", "two"]) == set()
            assert journal.record(session, "one")
        with database.transaction() as session:
            assert journal.seen(session, ["one", "two"]) == {"one"}
            assert not journal.record(session, "one")

    def test_effects_that_are_rolled_back_were_never_seen(self, database: Database, journal: Journal) -> None:
        with pytest.raises(ZeroDivisionError), database.transaction() as session:
            journal.record(session, "one")
            raise ZeroDivisionError
        with database.transaction() as session:
            assert journal.record(session, "one")

    def test_of_two_replicas_with_the_same_event_one_acts(self, database: Database, journal: Journal) -> None:
        """As when a partition changes hands while its last event is being handled."""
        acting, outcome = threading.Event(), []

        def other_replica() -> None:
            assert acting.wait(PATIENCE)
            with database.transaction() as session:
                outcome.append(journal.record(session, "one"))

        other = threading.Thread(target=other_replica)
        other.start()
        with database.transaction() as session:
            assert journal.record(session, "one")
            acting.set()
        other.join(PATIENCE)

        assert outcome == [False]

    def test_events_too_old_to_come_again_are_forgotten(self, database: Database, journal: Journal) -> None:
        with database.transaction() as session:
            journal.record(session, "old")
        rows = committed(database, journal, "sent", "unsent")
        with database.transaction() as session:
            journal.mark_sent(session, [rows[0].id])
            journal.forget(session, timedelta(days=1))
            assert journal.seen(session, ["old"]) == {"old"}

            journal.forget(session, -timedelta(seconds=1))

            assert journal.seen(session, ["old"]) == set()
            assert [row.body for row in journal.of_cause(session, "cause")] == [b"unsent"], "it must still be sent"


class TestOutbox:
    def test_what_is_stored_is_given_back_as_it_was(self, database: Database, journal: Journal) -> None:
        stored = Stored(0, REPLIES, "küche", 3, {"ce_id": "1", "note": "灯"}, b"\x00\xff")
        with database.transaction() as session:
            kept = journal.publish(session, stored, cause_id="cause")
        with database.transaction() as session:
            assert journal.of_cause(session, "cause") == [kept]
        assert (kept.topic, kept.key, kept.partition, kept.headers, kept.body) == (
            REPLIES,
            "küche",
            3,
            {"ce_id": "1", "note": "灯"},
            b"\x00\xff",
        )

    def test_what_is_sent_is_not_sent_again(
        self, database: Database, journal: Journal, producer: ProducerDouble
    ) -> None:
        outbox = an_outbox(database, producer)
        outbox.publish(committed(database, journal, "1"))
        outbox.publish(committed(database, journal, "2"))

        assert outbox.relay(AT_ONCE) == 0
        assert producer.sent == sent("1", "2")

    def test_what_a_crash_left_goes_before_anything_newer(
        self, database: Database, journal: Journal, producer: ProducerDouble
    ) -> None:
        committed(database, journal, "left 1", "left 2")
        restarted = an_outbox(database, producer)

        restarted.publish(committed(database, journal, "new"))

        assert producer.sent == sent("left 1", "left 2", "new")

    def test_what_a_lost_broker_left_goes_before_anything_newer(
        self, database: Database, journal: Journal, producer: ProducerDouble
    ) -> None:
        outbox = an_outbox(database, producer)
        outbox.publish(committed(database, journal, "before"))
        producer.away = True
        with pytest.raises(Unavailable):
            outbox.publish(committed(database, journal, "while away"))
        producer.away = False

        outbox.publish(committed(database, journal, "after"))

        assert producer.sent == sent("before", "while away", "after")

    def test_the_relay_sends_what_nobody_publishes_after(
        self, database: Database, journal: Journal, producer: ProducerDouble
    ) -> None:
        committed(database, journal, *(str(number) for number in range(1200)))

        assert an_outbox(database, producer).relay(timedelta(seconds=5)) == 1200
        assert producer.sent == sent(*(str(number) for number in range(1200)))

    def test_the_relay_leaves_what_another_replica_is_just_sending(
        self, database: Database, journal: Journal, producer: ProducerDouble
    ) -> None:
        outbox = an_outbox(database, producer)
        outbox.relay(AT_ONCE)  # it has caught up with what was there at its start

        committed(database, journal, "in another replica's hands")

        assert outbox.relay(timedelta(seconds=5)) == 0

    def test_a_row_the_broker_never_takes_goes_to_the_dead_letters_and_stands_in_nobodys_way(
        self, database: Database, journal: Journal, producer: ProducerDouble
    ) -> None:
        outbox = an_outbox(database, producer)

        outbox.publish(committed(database, journal, "1", "2" * 2000, "3"))

        assert producer.sent == [*sent("1", "3"), f"{DEAD_LETTERS}:"]
        assert outbox.relay(AT_ONCE) == 0

    def test_what_was_sent_before_a_stop_is_not_sent_again_after_it(
        self, database: Database, journal: Journal, producer: ProducerDouble
    ) -> None:
        stopping = an_outbox(database, producer)
        stopping.publish(committed(database, journal, "1"))
        stopping.close()

        assert an_outbox(database, producer).relay(AT_ONCE) == 0
        assert producer.sent == sent("1")

    def test_an_acknowledgement_survives_a_transaction_that_does_not(
        self, database: Database, journal: Journal, producer: ProducerDouble
    ) -> None:
        outbox = an_outbox(database, producer)
        outbox.publish(committed(database, journal, "1"))

        with pytest.raises(ZeroDivisionError), outbox.marking():
            raise ZeroDivisionError

        assert outbox.relay(AT_ONCE) == 0
        assert producer.sent == sent("1")


def test_the_migration_makes_the_tables_the_journal_works_with(database: Database) -> None:
    def tables(connection: sa.Connection) -> dict[str, object]:
        inspector = sa.inspect(connection)
        return {
            name: (
                {column["name"]: (str(column["type"]), column["nullable"]) for column in inspector.get_columns(name)},
                sorted(tuple(index["column_names"]) for index in inspector.get_indexes(name)),
                inspector.get_pk_constraint(name)["constrained_columns"],
            )
            for name in inspector.get_table_names()
        }

    with database.engine.begin() as connection:
        METADATA.create_all(connection)
        declared = tables(connection)
        METADATA.drop_all(connection)
        operations = alembic.operations.Operations(MigrationContext.configure(connection))
        create_journal(operations, "double")
        migrated = tables(connection)
        drop_journal(operations, "double")
        left = tables(connection)

    assert migrated == declared
    assert set(migrated) == {"double_inbox", "double_outbox"}
    assert left == {}


def test_the_oldest_unsent_event_is_known_until_it_is_sent(database: Database, journal: Journal) -> None:
    with database.reading() as session:
        assert journal.oldest_unsent(session) is None
    before = datetime.now(UTC)
    first, _ = committed(database, journal, "first", "second")
    with database.reading() as session:
        oldest = journal.oldest_unsent(session)
    assert oldest is not None and before <= oldest <= datetime.now(UTC)
    with database.transaction() as session:
        journal.mark_sent(session, [first.id])
    with database.reading() as session:
        later = journal.oldest_unsent(session)
    assert later is not None and later >= oldest
