"""An HTTP client that speaks to a stack as its development user."""

from __future__ import annotations

import httpx

from shared.principals import development_token
from tests.stack import Stack


def client_of(stack: Stack) -> httpx.Client:
    """A client with a token of the stack's own development key."""
    token = development_token(stack.data_dir)
    return httpx.Client(base_url=stack.url, headers={"authorization": f"Bearer {token}"}, timeout=120, trust_env=False)
