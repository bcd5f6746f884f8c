"""A consumer that reads and never commits, for a test to kill.

python -m tests.integration.dying_consumer SERVERS GROUP
"""

from __future__ import annotations

import sys

from shared.bus.consumer import Consumer
from shared.bus.profile import BrokerProfile
from shared.settings import KafkaSettings
from shared.topology import TRANSCRIPTS


def main(servers: str, group: str) -> None:
    """Read for ever, and say how many records came."""
    kafka = KafkaSettings.load(bootstrap_servers=servers, session_timeout_ms=1500)
    consumer = Consumer(
        BrokerProfile.of(kafka),
        group,
        [TRANSCRIPTS],
        on_assigned=lambda _won: None,
        on_revoked=lambda _leaving: None,
        on_lost=lambda _lost: None,
    )
    while True:
        for record in consumer.poll(100):
            print(record.offset, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
