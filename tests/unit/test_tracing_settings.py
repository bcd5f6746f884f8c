"""Where spans go, as the operator says it."""

from __future__ import annotations

import pytest

from shared.errors import InvalidSettings
from shared.runtime import tracing
from shared.settings import TracingSettings

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "value", ["localhost:4318", "grpc://localhost:4317", "http://", "http://a b", "http:///v1/traces"]
)
def test_an_endpoint_that_is_no_address_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PARLEY_TRACING_OTLP_ENDPOINT", value)

    with pytest.raises(InvalidSettings, match=r"PARLEY_TRACING_OTLP_ENDPOINT.*http://localhost:4318"):
        TracingSettings.load()


@pytest.mark.parametrize("value", ["-0.1", "1.1", "half"])
def test_a_ratio_is_a_share(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PARLEY_TRACING_SAMPLE_RATIO", value)

    with pytest.raises(InvalidSettings, match=f"PARLEY_TRACING_SAMPLE_RATIO.*{value}"):
        TracingSettings.load()


def test_nothing_is_exported_unless_it_is_asked_for() -> None:
    with tracing.exported(TracingSettings.load()):
        assert not tracing.exporting()


@pytest.mark.parametrize(
    ("given", "passed_on"),
    [
        ({"traceparent": f"00-{'a' * 32}-{'b' * 16}-00", "tracestate": "x=1"}, {"traceparent", "tracestate"}),
        ({"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "tracestate": "x=1," * 200}, {"traceparent"}),
        ({"traceparent": f"ff-{'a' * 32}-{'b' * 16}-01", "tracestate": "x=1"}, set()),
        ({"traceparent": f"00-{'A' * 32}-{'b' * 16}-01"}, set()),
        ({"tracestate": "x=1"}, set()),
    ],
)
def test_only_a_valid_trace_is_passed_on(given: dict[str, str], passed_on: set[str]) -> None:
    carried = tracing.passed_on({**given, "authorization": "Bearer t"})

    assert carried == {name: given[name] for name in passed_on}
