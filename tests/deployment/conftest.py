"""Every test of manifests runs on every overlay."""

from __future__ import annotations

import pytest

from tests.deployment.rendered import OVERLAYS, Manifest, render


@pytest.fixture(params=OVERLAYS)
def manifests(request: pytest.FixtureRequest) -> tuple[Manifest, ...]:
    """What one overlay renders to."""
    return render(request.param)
