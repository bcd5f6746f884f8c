"""What asr measures beside what the runtime does."""

from __future__ import annotations

from prometheus_client import Counter

HEARD = Counter(
    "parley_asr_heard", "Recordings heard, by the hypothesis chosen: plain, biased, without_context", ("chosen",)
)
