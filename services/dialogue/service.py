"""Dialogue, wired: settings, engine, floor, handler, servicer, sweep."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from parley.v1 import dialogue_pb2_grpc, stage_pb2
from services.dialogue.engine import DialogueEngine
from services.dialogue.floor import Floor
from services.dialogue.handler import DialogueHandler
from services.dialogue.servicer import DialogueServicer
from services.dialogue.settings import DialogueSettings
from services.dialogue.storage import JOURNAL
from shared import topology
from shared.packs import installed_packs
from shared.runtime.service import Service, Tick
from shared.settings import StorageSettings
from shared.storage.database import Database
from shared.storage.migrate import upgrade


def build(storage: StorageSettings) -> Service:
    """The dialogue service on its own database; raises InvalidSettings or InvalidPack."""
    settings = DialogueSettings.load()
    database = Database(storage.database_for("dialogue"))
    floor = Floor(
        DialogueEngine(installed_packs(), settings.policy()),
        _now,
        open_turn_timeout=timedelta(seconds=settings.open_turn_timeout_s),
        max_waiting=settings.max_waiting,
    )
    handler = DialogueHandler(floor)
    servicer = DialogueServicer(floor, database)
    return Service(
        name="dialogue",
        stage=stage_pb2.STAGE_DIALOGUE,
        subscriptions=(topology.UNDERSTANDINGS, topology.TASK_RESULTS, topology.REPLIES),
        stateful_handler=handler,
        database=database,
        journal=JOURNAL,
        always_reads=(topology.REPLIES,),
        lanes=1,
        load=lambda: upgrade(database, "services.dialogue.migrations"),
        close=database.close,
        grpc_names=("parley.v1.DialogueService",),
        add_servicers=[lambda server: dialogue_pb2_grpc.add_DialogueServiceServicer_to_server(servicer, server)],
        ticks=(Tick(settings.sweep_interval_s, handler.sweep),),
    )


def _now() -> datetime:
    return datetime.now(UTC)
