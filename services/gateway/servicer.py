"""The gateway's gRPC API."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import grpc

from parley.v1 import gateway_pb2, gateway_pb2_grpc, principal_pb2, turn_pb2
from services.gateway import metrics
from services.gateway.door import Door
from services.gateway.ledger_reader import LedgerRecord
from services.gateway.reception import Accepted
from services.gateway.stream import TurnStream
from shared.errors import Overloaded
from shared.runtime import tracing

SERVICE_NAME = gateway_pb2.DESCRIPTOR.services_by_name["GatewayService"].full_name


class GatewayServicer(gateway_pb2_grpc.GatewayServiceServicer):
    """GatewayService over the reception and the ledger; the token comes as metadata `authorization`."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._streams = threading.Semaphore(door.settings.max_streams)

    def Converse(  # noqa: N802
        self, request_iterator: Iterator[gateway_pb2.ConverseRequest], context: grpc.ServicerContext
    ) -> Iterator[gateway_pb2.ConverseResponse]:
        """Take utterances and stream back every stage of their turns."""
        principal = self._principal(context)
        if not self._streams.acquire(blocking=False):
            raise Overloaded(
                f"gateway.max_streams: {self._door.settings.max_streams} are open; try again shortly", retry_after=1.0
            )
        try:
            with metrics.STREAMS.labels("grpc").track_inprogress():
                yield from self._converse(request_iterator, principal, context)
        finally:
            self._streams.release()

    def Publish(  # noqa: N802
        self, request: gateway_pb2.PublishRequest, context: grpc.ServicerContext
    ) -> gateway_pb2.PublishResponse:
        """Accept one utterance and return at once."""
        principal = self._principal(context)
        self._door.admission.admit(principal, _address(context))
        accepted = self._door.reception.accept(request.utterance, principal, trace=tracing.passed_on(_trace(context)))
        return gateway_pb2.PublishResponse(turn_id=accepted.turn_id, conversation_id=accepted.conversation_id)

    def GetTurn(  # noqa: N802
        self, request: gateway_pb2.GetTurnRequest, context: grpc.ServicerContext
    ) -> gateway_pb2.GetTurnResponse:
        """All that is known of a turn."""
        turn = self._door.reader.turn(request.turn_id, self._door.viewer(self._principal(context)))
        record: LedgerRecord = self._door.reader.record(turn)
        replies = [event.turn for event in record.replies]
        return gateway_pb2.GetTurnResponse(turn=record.current, replies=replies)

    def _converse(
        self,
        requests: Iterator[gateway_pb2.ConverseRequest],
        principal: principal_pb2.Principal,
        context: grpc.ServicerContext,
    ) -> Iterator[gateway_pb2.ConverseResponse]:
        door, named, address = self._door, _trace(context), _address(context)
        # Of a stream that names no trace, each utterance begins one of its own.
        trace = tracing.passed_on(named) if named else {}

        def accept(utterance: turn_pb2.Utterance) -> Accepted:
            door.admission.admit(principal, address)
            return door.reception.accept(utterance, principal, trace=trace)

        stream = TurnStream(
            accept,
            door.reader,
            door.waiters,
            max_open=door.settings.max_open_turns,
            follow_seconds=door.settings.follow_s,
        )
        if not context.add_callback(stream.close):
            return
        threading.Thread(target=stream.take, args=(requests,), name="converse-in", daemon=True).start()
        try:
            yield from stream.responses()
        finally:
            stream.close()

    def _principal(self, context: grpc.ServicerContext) -> principal_pb2.Principal:
        return self._door.tokens.principal(_metadata(context, "authorization"))


def _address(context: grpc.ServicerContext) -> str:
    """Where the client is, without its port: "ipv4:10.0.0.7"."""
    return str(context.peer()).rpartition(":")[0]


def _trace(context: grpc.ServicerContext) -> dict[str, str]:
    found = {name: _metadata(context, name) for name in tracing.HEADERS}
    return {name: value for name, value in found.items() if value}


def _metadata(context: grpc.ServicerContext, name: str) -> str:
    value = dict(context.invocation_metadata()).get(name, "")
    return value if isinstance(value, str) else ""
