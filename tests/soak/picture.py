"""The soak as a picture: memory and open files of each process over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from tests.soak.sampling import Sample


def draw(samples: Mapping[str, Sequence[Sample]], warm_up: float, file: Path, title: str) -> None:
    """Write the picture to `file`; `warm_up`: seconds that do not count."""
    figure, (memory, files) = plt.subplots(2, 1, figsize=(9, 6), sharex=True, layout="constrained")
    for name, of_process in samples.items():
        minutes = [each.seconds / 60 for each in of_process]
        memory.plot(minutes, [each.resident_mb for each in of_process], label=f"{name}, resident")
        files.plot(minutes, [each.open_files for each in of_process], label=f"{name}, open files")
    for axis in (memory, files):
        axis.axvspan(0, warm_up / 60, color="0.92", label="warm-up")
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
        axis.legend(loc="lower right", fontsize="small")
    memory.set_ylabel("MB")
    files.set_ylabel("open files")
    files.set_xlabel("minutes")
    figure.suptitle(title)
    figure.savefig(file, dpi=100)
    plt.close(figure)
