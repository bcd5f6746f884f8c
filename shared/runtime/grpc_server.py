"""One gRPC server a process: health, reflection, validation and error codes for every service it hosts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import protovalidate
import structlog
from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status
from opentelemetry.trace import Span

from shared.bus.envelope import field_path
from shared.errors import (
    InvalidInput,
    NotFound,
    Overloaded,
    ParleyError,
    PermanentError,
    TransientError,
    Unauthenticated,
)
from shared.runtime import metrics, tracing
from shared.runtime.service import Service

log = structlog.get_logger(__name__)
# Health checks' name for "this process answers": serving from the first moment on, whatever the services wait for.
LIVE = "live"
_LARGEST_MESSAGE = 20 * 1024 * 1024
_FREE_PREFIXES = ("/grpc.health.", "/grpc.reflection.")
# Codes that say that the server failed, not its caller: https://opentelemetry.io/docs/specs/semconv/rpc/grpc/
_OUR_FAULTS = {
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
}


class GrpcServer:
    """Serves the APIs of the hosted services; an API answers UNAVAILABLE until its service is ready."""

    def __init__(self, host: str, port: int, threads: int, ready: Callable[[str], bool]) -> None:
        self._ready = ready
        self._owner: dict[str, str] = {}
        self._server = grpc.server(
            ThreadPoolExecutor(threads, thread_name_prefix="grpc"),
            interceptors=[_Edge(self._serves, self._owner_of)],
            options=[
                ("grpc.max_receive_message_length", _LARGEST_MESSAGE),
                ("grpc.max_send_message_length", _LARGEST_MESSAGE),
                ("grpc.so_reuseport", 0),
            ],
            maximum_concurrent_rpcs=threads * 4,
        )
        self._health = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        try:
            self.port = self._server.add_insecure_port(f"{host}:{port}")
        except RuntimeError as error:
            raise TransientError(
                f"server.grpc_port: {port} is taken; stop its process or set PARLEY_SERVER_GRPC_PORT"
            ) from error

    def start(self, services: Sequence[Service]) -> None:
        """Register the services' APIs and listen."""
        names = [health.SERVICE_NAME, reflection.SERVICE_NAME]
        for service in services:
            for add in service.add_servicers:
                add(self._server)
            names.extend(service.grpc_names)
            for name in service.grpc_names:
                self._owner[name] = service.name
        for name in ("", *self._owner):
            self._health.set(name, health_pb2.HealthCheckResponse.NOT_SERVING)
        self._health.set(LIVE, health_pb2.HealthCheckResponse.SERVING)
        reflection.enable_server_reflection(names, self._server)
        self._server.start()

    def set_serving(self, service: Service, serving: bool) -> None:
        """Tell health checks about one service."""
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in service.grpc_names:
            self._health.set(name, status)

    def set_all_serving(self, serving: bool) -> None:
        """Tell health checks about the process."""
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        self._health.set("", status)

    def stop(self, grace: float) -> None:
        """Refuse new calls at once and give those under way `grace` seconds."""
        self._health.enter_graceful_shutdown()
        self._server.stop(grace).wait(grace + 1)

    def _serves(self, method: str) -> bool:
        owner = self._owner_of(method)
        return not owner or self._ready(owner)

    def _owner_of(self, method: str) -> str:
        return self._owner.get(method.split("/")[1], "")


class _Edge(grpc.ServerInterceptor):  # type: ignore[type-arg] # not subscriptable at run time
    """Checks every request against its contract and turns Parley's errors into gRPC's."""

    def __init__(self, serves: Callable[[str], bool], owner_of: Callable[[str], str]) -> None:
        self._serves = serves
        self._owner_of = owner_of

    def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Any], details: grpc.HandlerCallDetails
    ) -> Any:
        handler = continuation(details)
        if handler is None or details.method.startswith(_FREE_PREFIXES):
            return handler
        if handler.request_streaming and handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(
                self._streaming(details.method, handler.stream_stream),
                _reader(handler.request_deserializer),
                handler.response_serializer,
            )
        return grpc.unary_unary_rpc_method_handler(
            self._unary(details.method, handler.unary_unary),
            _reader(handler.request_deserializer),
            handler.response_serializer,
        )

    def _unary(self, method: str, behaviour: Callable[..., Any]) -> Callable[..., Any]:
        def call(request: Message, context: grpc.ServicerContext) -> Any:
            with self._served(method, context):
                self._admit(method)
                _validate(request)
                return behaviour(request, context)

        return call

    def _streaming(self, method: str, behaviour: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        def call(requests: Iterator[Message], context: grpc.ServicerContext) -> Iterator[Any]:
            with self._served(method, context):
                self._admit(method)
                yield from behaviour(_validated(requests), context)

        return call

    @contextmanager
    def _served(self, method: str, context: grpc.ServicerContext) -> Iterator[None]:
        """A span around the call, and within it what ends and measures it."""
        carrier = {name: value for name, value in context.invocation_metadata() if isinstance(value, str)}
        name = method.removeprefix("/")
        attributes = {"rpc.system.name": "grpc", "rpc.method": name}
        with (
            tracing.serving(self._owner_of(method), name, carrier, attributes) as span,
            _measured(method, context, span),
        ):
            yield

    def _admit(self, method: str) -> None:
        if not self._serves(method):
            raise TransientError(f"{method}: the service is not ready yet; try again shortly")


@contextmanager
def _measured(method: str, context: grpc.ServicerContext, span: Span) -> Iterator[None]:
    """Ends the call with the code that fits what was raised inside, and measures it."""
    started = time.perf_counter()
    code = grpc.StatusCode.OK
    failure: Exception | None = None
    try:
        yield
    except ParleyError as error:
        failure = error
        status = _status(error)
        code = grpc_code(status)
        context.abort_with_status(rpc_status.to_status(status))
    except GeneratorExit:
        code = grpc.StatusCode.CANCELLED
        raise
    except Exception as error:
        ended: grpc.StatusCode | None = context.code()  # type: ignore[attr-defined] # its stubs lack it
        code = ended or grpc.StatusCode.INTERNAL
        failure = error if ended is None else None
        if ended is None:  # nobody ended the call on purpose; the caller is not told what our bug says
            log.error("rpc failed", method=method, exc_info=error)
            context.abort(code, f"{method}: failed inside; its log says why")
        raise
    finally:
        metrics.RPC_SECONDS.labels(method, code.name).observe(time.perf_counter() - started)
        span.set_attribute("rpc.response.status_code", code.name)
        if code is not grpc.StatusCode.OK:
            error_type = type(failure).__name__ if failure is not None else code.name
            tracing.mark_failed(span, error_type, ours=code in _OUR_FAULTS)


def _validated(requests: Iterator[Message]) -> Iterator[Message]:
    for request in requests:
        _validate(request)
        yield request


class _Violations(InvalidInput):
    """A request that breaks its contract, with every violated field."""

    def __init__(self, kind: str, violations: list[tuple[str, str]]) -> None:
        text = "; ".join(f"{field}: {message}" for field, message in violations)
        super().__init__(violations[0][0], kind, f"breaks its contract: {text}")
        self.violations = violations


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """Stands for a request that is no message of the method's; grpc itself would call that our fault."""

    size: int


def _reader(deserialize: Callable[[bytes], Message]) -> Callable[[bytes], Message | _Unreadable]:
    def read(body: bytes) -> Message | _Unreadable:
        try:
            return deserialize(body)
        except DecodeError:
            return _Unreadable(len(body))

    return read


def _validate(request: Message | _Unreadable) -> None:
    if isinstance(request, _Unreadable):
        raise InvalidInput("request", f"{request.size} bytes", "is no protobuf of the method's request message")
    found = protovalidate.collect_violations(request)
    if found:
        raise _Violations(
            request.DESCRIPTOR.full_name, [(field_path(each.proto.field), each.proto.message) for each in found]
        )


def _status(error: ParleyError) -> status_pb2.Status:
    """Google's rich error model: https://google.aip.dev/193"""
    code = code_pb2.INTERNAL
    detail: Message | None = None
    if isinstance(error, InvalidInput):
        code = code_pb2.INVALID_ARGUMENT
        fields = error.violations if isinstance(error, _Violations) else [(error.field, str(error))]
        detail = error_details_pb2.BadRequest(
            field_violations=[
                error_details_pb2.BadRequest.FieldViolation(field=field, description=text) for field, text in fields
            ]
        )
    elif isinstance(error, Unauthenticated):
        code = code_pb2.UNAUTHENTICATED
    elif isinstance(error, NotFound):
        code = code_pb2.NOT_FOUND
    elif isinstance(error, Overloaded):
        code = code_pb2.RESOURCE_EXHAUSTED
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(round(error.retry_after * 1000))
        detail = retry
    elif isinstance(error, TransientError):
        code = code_pb2.UNAVAILABLE
    elif isinstance(error, PermanentError):
        code = code_pb2.FAILED_PRECONDITION
    status = status_pb2.Status(code=code, message=str(error))
    if detail is not None:
        status.details.add().Pack(detail)
    return status


def grpc_code(status: status_pb2.Status) -> grpc.StatusCode:
    """The gRPC code of a status."""
    return next(code for code in grpc.StatusCode if code.value[0] == status.code)
