"""A process that was asked to end does end, whatever still hangs in a call."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.broker import PATIENCE

pytestmark = pytest.mark.integration

HANGING = """
import threading
from concurrent.futures import ThreadPoolExecutor
from services.cli.hosting import leave

begun = threading.Event()
ThreadPoolExecutor(1).submit(lambda: (begun.set(), threading.Event().wait()))  # as a gRPC call in a model
begun.wait()
print("stopped")
leave()
"""


def test_a_call_that_hangs_does_not_keep_the_process() -> None:
    """Python itself would wait for the pool's threads for ever, and an operator's SIGKILL would come."""
    done = subprocess.run(
        [sys.executable, "-c", HANGING], capture_output=True, text=True, timeout=PATIENCE, check=False
    )

    assert (done.returncode, done.stdout) == (0, "stopped\n")
