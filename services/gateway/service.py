"""The gateway, wired."""

from __future__ import annotations

from functools import partial

from parley.v1 import gateway_pb2_grpc, stage_pb2
from services.gateway.admission import Admission
from services.gateway.door import Door
from services.gateway.engine import KeepAudio, Opening
from services.gateway.handler import SUBSCRIPTIONS, LedgerHandler
from services.gateway.http.app import create_app
from services.gateway.http.server import HttpServer
from services.gateway.labels import LabelBook, LabelDesk
from services.gateway.ledger import Ledger
from services.gateway.ledger_reader import LedgerReader
from services.gateway.reception import Reception
from services.gateway.redrive import Redrive
from services.gateway.servicer import SERVICE_NAME, GatewayServicer
from services.gateway.settings import GatewaySettings, JwtSettings
from services.gateway.storage import JOURNAL
from services.gateway.tokens import TokenVerifier
from services.gateway.waiters import Waiters
from shared.blobs import BlobStore
from shared.bus.codec import Codecs
from shared.principals import PrincipalSeal, ensure_keys
from shared.runtime.road_access import Road
from shared.runtime.service import Service
from shared.settings import KafkaSettings, ServerSettings, StorageSettings
from shared.storage.database import Database
from shared.storage.migrate import upgrade
from shared.topology import LABELS, REPLIES

# The record of a turn on its way can wait for the next event of it, and leave the road's stages the processor.
_LINGER_SECONDS = 0.05


def build(storage: StorageSettings) -> Service:
    """The gateway as its settings say; raises InvalidSettings."""
    return assemble(
        Database(storage.database_for("gateway")),
        PrincipalSeal.load(storage, KafkaSettings.load()),
        TokenVerifier(JwtSettings.load(), ensure_keys(storage.data_dir).development_signing.public_key()),
        BlobStore.load(storage).put,
        settings=GatewaySettings.load(),
        server=ServerSettings.load(),
    )


def assemble(
    database: Database,
    seal: PrincipalSeal,
    tokens: TokenVerifier,
    keep_audio: KeepAudio,
    *,
    settings: GatewaySettings,
    server: ServerSettings,
) -> Service:
    """The gateway from its parts."""
    codecs, waiters = Codecs(), Waiters()
    ledger, reader = Ledger(codecs), LedgerReader(database, codecs)
    book = LabelBook(database, codecs)
    labels = LabelDesk(book, reader)
    opening = Opening(seal, keep_audio)
    reception = Reception(ledger, opening)
    redrive = Redrive(ledger, reader, opening, waiters, codecs, settings)
    admission = Admission(settings, partial(reader.open_turns, settings.max_backlog))
    door = Door(reception, admission, reader, waiters, tokens, labels, book, settings)
    http = HttpServer(create_app(door), server.host, server.http_port, waiters)

    def attach(road: Road) -> None:
        reception.attach(road)
        redrive.attach(road)
        labels.attach(road)

    def load() -> None:
        upgrade(database, "services.gateway.migrations")
        http.bind()

    return Service(
        name="gateway",
        stage=stage_pb2.STAGE_GATEWAY,
        subscriptions=SUBSCRIPTIONS,
        stateful_handler=LedgerHandler(ledger, seal, waiters, book),
        database=database,
        journal=JOURNAL,
        reads_everything=True,
        observes=True,
        answers_for=(LABELS,),
        linger=_LINGER_SECONDS,
        urgent=(REPLIES,),
        load=load,
        close=database.close,
        grpc_names=(SERVICE_NAME,),
        add_servicers=(partial(gateway_pb2_grpc.add_GatewayServiceServicer_to_server, GatewayServicer(door)),),
        background=[http, redrive],
        attach=attach,
    )
