"""Labels, kept: what people and programs say a turn should have been, in SQL as soon as it is received.

The topic carries them on to whoever learns; the table is what remains when a broker loses its memory.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from parley.v1 import labels_pb2
from services.gateway import metrics
from services.gateway.ledger_reader import LedgerReader, Viewer
from services.gateway.refusal import check_contract
from services.gateway.storage import LabelRow, aware
from shared.bus.codec import Codecs
from shared.errors import InvalidInput, Unavailable
from shared.events import Outgoing
from shared.runtime.road_access import Road
from shared.storage.database import Database
from shared.topology import LABELS

_TABLE: Any = LabelRow.__table__
_INSERT = {
    name: insert(_TABLE).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    for name, insert in (("sqlite", sqlite.insert), ("postgresql", postgresql.insert))
}


@dataclass(frozen=True, slots=True)
class KeptLabel:
    """One label as it lies in the table. `number` grows with each, so a reader goes on where it was."""

    number: int
    label: labels_pb2.Label
    verified: bool  # its labeller was proven by a token
    received_at: datetime


class LabelBook:
    """Writes labels within the caller's transaction, and reads them."""

    def __init__(self, database: Database, codecs: Codecs) -> None:
        self._database = database
        self._codecs = codecs

    def keep(self, session: Session, label: labels_pb2.Label, *, tenant: str = "", verified: bool = False) -> bool:
        """Write one label; False where a label of that id is there already: the same label twice counts once."""
        codec = self._codecs.writing
        row: dict[str, Any] = {
            "label_id": label.label_id,
            "turn_id": label.turn_id,
            "labeller": label.labeller,
            "tenant": tenant,
            "verified": verified,
            "received_at": datetime.now(UTC),
            "key_id": codec.key_id,
            "body": codec.encode(label.SerializeToString(deterministic=True)),
        }
        result: Any = session.execute(_INSERT[session.get_bind().dialect.name], row)
        return int(result.rowcount) == 1

    def after(self, number: int, viewer: Viewer, limit: int) -> Sequence[KeptLabel]:
        """Labels with a greater number, in order: all of an operator's tenant, else the viewer's own."""
        me = viewer.principal
        query = sa.select(LabelRow).where(LabelRow.number > number, LabelRow.tenant == me.tenant)
        if not viewer.operator:
            query = query.where(LabelRow.labeller == me.user_id, LabelRow.verified)
        with self._database.reading() as session:
            rows = session.scalars(query.order_by(LabelRow.number).limit(limit)).all()
        return [kept for row in rows if (kept := self._kept(row)) is not None]

    def _kept(self, row: LabelRow) -> KeptLabel | None:
        codec = self._codecs.reader(row.key_id)
        if codec is None:  # erased: its words are gone for good
            return None
        label = labels_pb2.Label.FromString(codec.decode(row.body))
        return KeptLabel(row.number, label, row.verified, aware(row.received_at))


class LabelDesk:
    """Takes labels in at the door, once it is attached to the road."""

    def __init__(self, book: LabelBook, reader: LedgerReader) -> None:
        self._book = book
        self._reader = reader
        self._road: Road | None = None

    def attach(self, road: Road) -> None:
        """Receive the way onto the road."""
        self._road = road

    def accept(self, given: labels_pb2.Label, viewer: Viewer) -> str:
        """Keep a label of the viewer's and send it on; its id. It is in SQL when this returns.

        Who labels is said by the token. Raises InvalidBody, InvalidInput, NotFound for another's turn, or Unavailable.
        """
        if self._road is None:
            raise Unavailable("gateway: is still starting; try again shortly")
        if not viewer.principal.user_id:
            raise InvalidInput("authorization", "", "is needed to label; send 'Bearer' and a token")
        label = labels_pb2.Label()
        label.CopyFrom(given)
        label.labeller = viewer.principal.user_id
        label.label_id = given.label_id or str(uuid.uuid4())
        if not label.HasField("labelled_at"):
            label.labelled_at.GetCurrentTime()
        check_contract(label)
        if label.turn_id:
            self._reader.turn(label.turn_id, viewer)
        with self._road.transaction() as road:
            kept = self._book.keep(road.session, label, tenant=viewer.principal.tenant, verified=True)
            if kept:
                road.send(Outgoing(LABELS, label.label_id, label), cause_id=label.label_id)
        if kept:
            metrics.LABELS_KEPT.labels("gateway").inc()
        return label.label_id
