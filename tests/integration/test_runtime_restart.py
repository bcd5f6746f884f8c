"""A broker that ends and comes back empty: services find their way back by themselves."""

from __future__ import annotations

import pytest
from kafka.errors import KafkaError

from shared.errors import Unavailable
from shared.topology import REPLIES, TOPICS
from tests.broker import TestBroker, eventually, own_broker
from tests.integration.runtime_doubles import RoadDouble, a_turn, hosting, turn_of
from tests.integration.test_bus_topics import partition_counts

pytestmark = pytest.mark.integration


def test_after_a_broker_has_restarted_empty_turns_go_all_the_way_again() -> None:
    """Topics, groups and producers are gone with its memory; clients publish again until an answer comes."""
    doubles = RoadDouble()

    def answered(broker: TestBroker) -> bool:
        turn_id, record = a_turn()
        try:
            with broker.producer() as producer:
                producer.send([record])
        except (Unavailable, KafkaError):
            return False
        try:
            doubles.gateway.came.wait(
                until=lambda events: any(turn_of(e).turn_id == turn_id for e in events), patience=2
            )
        except AssertionError:
            return False
        return True

    with own_broker() as broker:
        broker.prepare()
        with hosting(broker, *doubles.services()) as host:
            eventually(lambda: answered(broker), "a turn is answered before")
            for _ in range(2):
                assert broker.embedded is not None
                broker.embedded.kill()
                broker.embedded.start()
                eventually(lambda: answered(broker), "a turn is answered after")
            assert set(host.readiness().values()) == {"ready"}
            eventually(lambda: partition_counts(broker).keys() == TOPICS.keys(), "every topic is there again")
            assert partition_counts(broker)[REPLIES] == broker.kafka.road_partitions


def test_a_service_that_starts_before_its_broker_is_ready_once_the_broker_is() -> None:
    doubles = RoadDouble()
    with own_broker() as broker:
        assert broker.embedded is not None
        broker.embedded.stop()
        with hosting(broker, *doubles.services(), ready=False) as host:
            eventually(lambda: "no broker answers" in host.readiness()["nlu"], "readiness says what it waits for")
            broker.embedded.start()
            eventually(lambda: set(host.readiness().values()) == {"ready"}, "all are ready")
