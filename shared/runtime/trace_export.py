"""Spans to an OTLP collector over HTTP: the OpenTelemetry SDK, imported only where an endpoint is set.

https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

import threading

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Tracer

from shared.runtime.road import INSTANCE
from shared.settings import TracingSettings

_PATH = "/v1/traces"
_LAST_BATCH = 1.0  # seconds to send what is left when stopping; whoever sent SIGTERM waits for 10


class OtlpExport:
    """Hands out a tracer a service, all into one bounded queue; what does not fit is dropped, never waited for.

    Each service has a provider of its own: in one process, too, it is seen as `parley.<service>`.
    """

    def __init__(self, settings: TracingSettings) -> None:
        base = settings.otlp_endpoint.rstrip("/")
        self._exporter = OTLPSpanExporter(endpoint=base if base.endswith(_PATH) else base + _PATH)
        self._processor = BatchSpanProcessor(self._exporter)
        self._sampler = ParentBased(TraceIdRatioBased(settings.sample_ratio))
        self._tracers: dict[str, Tracer] = {}
        self._lock = threading.Lock()

    def tracer(self, service: str) -> Tracer:
        """The tracer whose spans say `parley.<service>`."""
        tracer = self._tracers.get(service)
        if tracer is not None:
            return tracer
        with self._lock:
            if service not in self._tracers:
                self._tracers[service] = self._provider(service).get_tracer("parley")
            return self._tracers[service]

    def close(self) -> None:
        """Send what is left; a collector that does not answer holds nobody up."""
        closing = threading.Thread(target=self._processor.shutdown, name="trace-export-close", daemon=True)
        closing.start()
        closing.join(_LAST_BATCH)
        if closing.is_alive():
            self._exporter.shutdown()  # type: ignore[no-untyped-call] # try no more

    def _provider(self, service: str) -> TracerProvider:
        resource = Resource.create(
            {"service.name": f"parley.{service}", "service.namespace": "parley", "service.instance.id": INSTANCE}
        )
        provider = TracerProvider(sampler=self._sampler, resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(self._processor)
        return provider
