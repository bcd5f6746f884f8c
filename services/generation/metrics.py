"""What generation measures."""

from __future__ import annotations

from prometheus_client import Counter

LATE_REPLIES = Counter("parley_late_replies", "Replies kept back because the gateway had given their turn up")
