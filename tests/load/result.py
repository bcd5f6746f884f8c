"""What one rate of load came to: how each turn ended, how long they took, and how much got through."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.load.sending import ANSWERED, SHED, Outcome

PERCENTILES = (50.0, 90.0, 95.0, 99.0)
OBJECTIVE_P95 = 1.5  # seconds, as docs/metrics.md promises
_LEAST_ANSWERED = 0.99


@dataclass(frozen=True, slots=True)
class Step:
    """The turns of one rate."""

    rate: float  # turns a second, as planned
    outcomes: Sequence[Outcome]

    @property
    def counts(self) -> Mapping[str, int]:
        """Turns by what became of them; every turn is in it once."""
        return Counter(each.outcome for each in self.outcomes)

    @property
    def answered(self) -> int:
        """Turns with a reply."""
        return self.counts.get(ANSWERED, 0)

    @property
    def failed(self) -> int:
        """Turns that were neither answered nor refused for want of room."""
        return len(self.outcomes) - self.answered - self.counts.get(SHED, 0)

    @property
    def seconds(self) -> list[float]:
        """Latencies of the answered turns, each from the moment it was due, sorted."""
        return sorted(each.seconds for each in self.outcomes if each.outcome == ANSWERED)

    @property
    def answered_per_second(self) -> float:
        """Replies a second, from the first turn due to the last reply."""
        ends = [each.ended for each in self.outcomes if each.outcome == ANSWERED]
        return len(ends) / (max(ends) - min(each.due for each in self.outcomes)) if ends else 0.0

    @property
    def most_late(self) -> float:
        """Seconds by which the generator itself sent late, at the most; it is in the latencies."""
        return max((each.sent - each.due for each in self.outcomes), default=0.0)

    @property
    def carried(self) -> bool:
        """Whether the system kept up: nearly all answered, within the objective."""
        latencies = self.seconds
        enough = self.answered >= _LEAST_ANSWERED * len(self.outcomes)
        return bool(latencies) and enough and percentile(latencies, 95.0) <= OBJECTIVE_P95

    def as_dict(self) -> dict[str, Any]:
        """For the saved report, every turn included."""
        latencies = self.seconds
        return {
            "rate": self.rate,
            "turns": len(self.outcomes),
            "outcomes": dict(self.counts),
            "answered_per_second": round(self.answered_per_second, 3),
            "latency_s": {
                **{f"p{wanted:g}": _rounded(percentile(latencies, wanted)) for wanted in PERCENTILES},
                "max": _rounded(max(latencies, default=math.nan)),
            },
            "generator_late_s": round(self.most_late, 4),
            "carried": self.carried,
            "each": [asdict(each) for each in self.outcomes],
        }


def percentile(ordered: Sequence[float], wanted: float) -> float:
    """The smallest value that `wanted` percent of the sorted values do not exceed; nan where there is none."""
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(wanted / 100 * len(ordered)) - 1)]


def capacity(steps: Sequence[Step]) -> float | None:
    """The highest rate that was carried, or None."""
    return max((step.rate for step in steps if step.carried), default=None)


def _rounded(seconds: float) -> float | None:
    return None if math.isnan(seconds) else round(seconds, 4)
