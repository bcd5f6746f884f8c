"""An HTTP client that speaks to a stack as its development user."""

from __future__ import annotations

import httpx

from shared.principals import development_token
from tests.stack import Stack


def client_of(stack: Stack) -> httpx.Client:
    """A client with a token of the stack's own development key."""
    token = development_token(stack.data_dir)
    # A connection that was idle for longer than the server keeps one may be closed just as it is used again.
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=40, keepalive_expiry=2.0)
    headers = {"authorization": f"Bearer {token}"}
    return httpx.Client(base_url=stack.url, headers=headers, timeout=120, limits=limits, trust_env=False)
