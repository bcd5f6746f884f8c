"""Dispatch, wired: settings, connectors, handler, servicer, ticks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from parley.v1 import dispatch_pb2_grpc, stage_pb2
from services.dispatch.connectors.base import Connector
from services.dispatch.connectors.clock import ClockConnector, LocalTime
from services.dispatch.connectors.home import HomeConnector
from services.dispatch.connectors.lists import ListConnector
from services.dispatch.connectors.reminders import ReminderConnector
from services.dispatch.connectors.tickets import TicketConnector
from services.dispatch.connectors.virtual_home import furnish
from services.dispatch.connectors.webhook_targets import load_webhooks
from services.dispatch.due import fire_due
from services.dispatch.engine import Dispatcher
from services.dispatch.errands import Errands
from services.dispatch.executor import ErrandExecutor
from services.dispatch.handler import DispatchHandler
from services.dispatch.outside import Outside
from services.dispatch.servicer import DispatchServicer
from services.dispatch.settings import DispatchSettings
from services.dispatch.storage import journal
from shared import topology
from shared.events import Outgoing
from shared.packs import installed_packs
from shared.runtime.service import Service, Tick
from shared.settings import StorageSettings
from shared.storage.database import Database
from shared.storage.migrate import upgrade


def build(storage: StorageSettings) -> Service:
    """The dispatch service on its own database; raises InvalidSettings or InvalidPack."""
    settings = DispatchSettings.load()
    packs = installed_packs()
    local = LocalTime(ZoneInfo(settings.time_zone) if settings.time_zone else None)
    home = HomeConnector(packs)
    webhooks = load_webhooks(settings.webhooks, packs)
    connectors: list[Connector] = [
        home,
        TicketConnector(packs),
        ReminderConnector(local),
        ClockConnector(local),
        ListConnector(),
    ]
    dispatcher = Dispatcher(packs, connectors, webhooks)
    database = Database(storage.database_for("dispatch"))
    outside = Outside(database, _now, most_attempts=settings.outside_attempts)
    errands = Errands(dispatcher, outside, _now)
    executor = ErrandExecutor(errands, database, settings.outside_workers, seldom=not webhooks)

    def load() -> None:
        upgrade(database, "services.dispatch.migrations")
        with database.transaction() as session:
            furnish(session, "", home.home)

    def tick(session: Session) -> Sequence[Outgoing]:
        return fire_due(session, _now(), local)

    def close() -> None:
        for webhook in webhooks:
            webhook.close()
        database.close()

    servicer = DispatchServicer(dispatcher, database, _now, outside)
    return Service(
        name="dispatch",
        stage=stage_pb2.STAGE_DISPATCH,
        subscriptions=(topology.DECISIONS, topology.EVIDENCE),
        stateful_handler=DispatchHandler(dispatcher, _now, errands, executor.wake),
        database=database,
        journal=journal,
        lanes=1,
        load=load,
        close=close,
        grpc_names=("parley.v1.DispatchService",),
        add_servicers=[lambda server: dispatch_pb2_grpc.add_DispatchServiceServicer_to_server(servicer, server)],
        background=[executor],
        attach=executor.attach,
        ticks=(Tick(settings.tick_seconds, tick),),
    )


def _now() -> datetime:
    return datetime.now(UTC)
