"""A client that knows no proto of ours: it learns every API by reflection and speaks JSON-like dictionaries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

_TIMEOUT = 60.0  # seconds

JsonObject = dict[str, Any]


def services(channel: grpc.Channel) -> list[str]:
    """Names of the APIs that a server offers."""
    return sorted(ProtoReflectionDescriptorDatabase(channel).get_services())


def methods(channel: grpc.Channel, service: str) -> list[str]:
    """Names of the methods of an API."""
    described = DescriptorPool(ProtoReflectionDescriptorDatabase(channel)).FindServiceByName(service)
    return [method.name for method in described.methods]


def call(channel: grpc.Channel, service: str, method: str, request: JsonObject) -> JsonObject:
    """Call a method that takes one request and gives one answer; raises grpc.RpcError."""
    described = _find(channel, service, method)
    serialise, parse = _codec(described)
    invoke = channel.unary_unary(f"/{service}/{method}", request_serializer=serialise, response_deserializer=parse)
    answer: JsonObject = invoke(_request(described, request), timeout=_TIMEOUT, wait_for_ready=True)
    return answer


def stream(channel: grpc.Channel, service: str, method: str, requests: Sequence[JsonObject]) -> Iterator[JsonObject]:
    """Call a method that streams both ways; raises grpc.RpcError."""
    described = _find(channel, service, method)
    serialise, parse = _codec(described)
    invoke = channel.stream_stream(f"/{service}/{method}", request_serializer=serialise, response_deserializer=parse)
    messages = [_request(described, request) for request in requests]
    yield from invoke(iter(messages), timeout=_TIMEOUT, wait_for_ready=True)


def violated_fields(error: grpc.RpcError) -> dict[str, str]:
    """Each violated field of a request that was refused, and what is wrong with it."""
    assert isinstance(error, grpc.Call)
    status = rpc_status.from_call(error)
    assert status is not None, error
    bad_request = error_details_pb2.BadRequest()
    for detail in status.details:
        if detail.Unpack(bad_request):
            return {violation.field: violation.description for violation in bad_request.field_violations}
    return {}


def _find(channel: grpc.Channel, service: str, method: str) -> MethodDescriptor:
    pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    described: MethodDescriptor = pool.FindServiceByName(service).FindMethodByName(method)
    return described


def _request(described: MethodDescriptor, request: JsonObject) -> Message:
    return json_format.ParseDict(request, GetMessageClass(described.input_type)())


def _codec(described: MethodDescriptor) -> tuple[Any, Any]:
    answer = GetMessageClass(described.output_type)

    def parse(data: bytes) -> JsonObject:
        found: JsonObject = json_format.MessageToDict(answer.FromString(data), preserving_proto_field_name=True)
        return found

    return lambda message: message.SerializeToString(), parse
