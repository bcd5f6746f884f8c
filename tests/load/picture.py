"""A load as a picture: each turn's latency over time, and the latency by percentile for each rate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from tests.load.result import OBJECTIVE_P95, Step, percentile
from tests.load.sending import ANSWERED

_PERCENTILES = (0.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9)


def draw(steps: Sequence[Step], file: Path, title: str) -> None:
    """Write the picture to `file`."""
    figure, (each_turn, by_percentile) = plt.subplots(2, 1, figsize=(9, 7.5), layout="constrained")
    begins = 0.0
    for number, step in enumerate(steps):
        colour = f"C{number % 10}"
        answered = [each for each in step.outcomes if each.outcome == ANSWERED]
        others = [each for each in step.outcomes if each.outcome != ANSWERED]
        name = f"{step.rate:g} turns/s"
        each_turn.scatter(
            [begins + each.due for each in answered], [each.seconds for each in answered], s=7, color=colour, label=name
        )
        each_turn.scatter(
            [begins + each.due for each in others],
            [max(each.seconds, 0.001) for each in others],
            s=24,
            color=colour,
            marker="x",
            label=f"{name}, refused or failed" if others else None,
        )
        latencies = step.seconds
        if latencies:
            by_percentile.plot(
                range(len(_PERCENTILES)),
                [percentile(latencies, wanted) for wanted in _PERCENTILES],
                marker="o",
                color=colour,
                label=name,
            )
        begins += max((each.due for each in step.outcomes), default=0.0) + 1.0
    for axis in (each_turn, by_percentile):
        axis.axhline(
            OBJECTIVE_P95, color="0.4", linestyle="--", linewidth=1, label=f"objective, p95: {OBJECTIVE_P95:g} s"
        )
        axis.set_yscale("log")
        axis.set_ylabel("seconds from the moment due")
        axis.grid(alpha=0.3, which="both")
        axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize="small")  # beside, where no turn is
    each_turn.set_xlabel("seconds of load")
    by_percentile.set_xticks(range(len(_PERCENTILES)), ["min", *(f"p{wanted:g}" for wanted in _PERCENTILES[1:])])
    figure.suptitle(title)
    figure.savefig(file, dpi=100)
    plt.close(figure)
