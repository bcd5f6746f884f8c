"""What the gateway measures, for Prometheus. Labels are bounded; never a user's words."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

TURNS_ACCEPTED = Counter("parley_turns_accepted", "Utterances taken in", ("content",))
TURNS_REFUSED = Counter("parley_turns_refused", "Utterances refused for want of room", ("reason",))
TURNS_DRIVEN_AGAIN = Counter("parley_turns_driven_again", "Turns sent again for want of a final reply")
TURNS_GIVEN_UP = Counter("parley_turns_given_up", "Turns whose final reply never came")
TURN_SECONDS = Histogram(
    "parley_turn_seconds",
    "Time from opening a turn to its final reply",
    buckets=(0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 6.0, 12.0, 30.0, 60.0, 180.0),
)
LABELS_KEPT = Counter("parley_labels_kept", "Labels stored, by the way they came", ("via",))
STREAMS = Gauge("parley_gateway_streams", "Streams open now", ("kind",))
