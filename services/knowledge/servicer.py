"""The gRPC API of knowledge."""

from __future__ import annotations

import grpc

from parley.v1 import knowledge_pb2, knowledge_pb2_grpc
from services.knowledge.retriever import Retriever


class KnowledgeServicer(knowledge_pb2_grpc.KnowledgeServiceServicer):
    """Answers one query a call."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever

    def Retrieve(  # noqa: N802 - the name the contract gives
        self, request: knowledge_pb2.RetrieveRequest, context: grpc.ServicerContext
    ) -> knowledge_pb2.RetrieveResponse:
        """Retrieve finds the passages that answer a query, or says that there are none."""
        answer = self._retriever.retrieve(request.query, request.principal)
        return knowledge_pb2.RetrieveResponse(evidence=answer.value)
