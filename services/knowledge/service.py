"""Knowledge, wired: settings, store, engine, handler, servicer."""

from __future__ import annotations

from parley.v1 import knowledge_pb2_grpc, stage_pb2
from services.knowledge.handler import KnowledgeHandler
from services.knowledge.retriever import Retriever
from services.knowledge.servicer import KnowledgeServicer
from services.knowledge.settings import KnowledgeSettings
from services.knowledge.store import Store
from shared import topology
from shared.runtime.service import Service
from shared.settings import StorageSettings
from shared.storage.database import Database


def build(storage: StorageSettings) -> Service:
    """The knowledge service on its own database; raises InvalidSettings."""
    retriever = Retriever(Store(Database(storage.database_for("knowledge"))), KnowledgeSettings.load())
    servicer = KnowledgeServicer(retriever)
    return Service(
        name="knowledge",
        stage=stage_pb2.STAGE_KNOWLEDGE,
        subscriptions=(topology.DECISIONS, topology.DOCUMENTS),
        handler=KnowledgeHandler(retriever),
        load=retriever.load,
        close=retriever.close,
        grpc_names=("parley.v1.KnowledgeService",),
        add_servicers=[lambda server: knowledge_pb2_grpc.add_KnowledgeServiceServicer_to_server(servicer, server)],
    )
