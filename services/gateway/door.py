"""What both doors, gRPC and HTTP, open on."""

from __future__ import annotations

from dataclasses import dataclass

from parley.v1 import principal_pb2
from services.gateway.admission import Admission
from services.gateway.labels import LabelBook, LabelDesk
from services.gateway.ledger_reader import LedgerReader, Viewer
from services.gateway.reception import Reception
from services.gateway.settings import GatewaySettings
from services.gateway.tokens import TokenVerifier
from services.gateway.waiters import Waiters


@dataclass(frozen=True, slots=True)
class Door:
    """The parts that serve clients."""

    reception: Reception
    admission: Admission
    reader: LedgerReader
    waiters: Waiters
    tokens: TokenVerifier
    labels: LabelDesk
    book: LabelBook
    settings: GatewaySettings

    def viewer(self, principal: principal_pb2.Principal) -> Viewer:
        """What `principal` may see."""
        return Viewer(principal, operator=not set(principal.roles).isdisjoint(self.settings.operator_roles))
