"""Tickets: requests that people will look at. Any action of a pack that names this connector opens one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from parley.v1 import dispatch_pb2
from services.dispatch.connectors.base import Occasion, RecoveryClass, TaskFailed, required, succeeded
from services.dispatch.storage import TicketRow
from shared.packs import Pack
from shared.packs.model import Required

_FIRST = 1000  # the first ticket is T1001
_TICKET_ID = re.compile(r"T?0*(\d{1,15})")
_SEES_ALL = "agent"  # role that sees every ticket of its tenant
_OWN = "tickets."  # actions whose tickets are of a kind without it: "refund"
_STATUS = "tickets.status"
_COLUMNS = ("order_id", "subject")  # arguments that have one


@dataclass(frozen=True, slots=True)
class _Opening:
    """What an action opens a ticket for, and the arguments it cannot do without."""

    kind: str
    needs: tuple[str, ...]


class TicketConnector:
    """Opens tickets and tells how they stand; a user sees the ones they opened, an agent all of the tenant."""

    name = "tickets"
    recovery = RecoveryClass.IDEMPOTENT

    def __init__(self, packs: Sequence[Pack]) -> None:
        self._opens = {
            action.name: _Opening(action.name.removeprefix(_OWN), _needs(pack, action.name))
            for pack in packs
            for action in pack.actions.values()
            if action.connector == self.name and action.name != _STATUS
        }

    @property
    def actions(self) -> frozenset[str]:
        return frozenset({*self._opens, _STATUS})

    def execute(self, task: dispatch_pb2.Task, occasion: Occasion, session: Session) -> dispatch_pb2.TaskResult:
        """Open a ticket, or tell of one; raises TaskFailed where an argument is missing or no such ticket is seen."""
        if task.action == _STATUS:
            return _told(_seen(required(task, "ticket_id"), occasion, session))
        opening = self._opens[task.action]
        for argument in opening.needs:
            required(task, argument)
        told = {name: value.strip() for name, value in task.arguments.items()}
        ticket = TicketRow(
            task_id=task.task_id,
            kind=opening.kind,
            status="open",
            order_id=told.get("order_id", ""),
            subject=told.get("subject", ""),
            arguments={name: value for name, value in told.items() if value and name not in _COLUMNS},
            tenant=occasion.principal.tenant,
            user_id=occasion.principal.user_id,
            conversation_id=occasion.turn.conversation_id,
            opened_at=occasion.now,
        )
        session.add(ticket)
        session.flush()  # the database gives the number
        return _told(ticket)


def _needs(pack: Pack, action: str) -> tuple[str, ...]:
    """The slots that every intent of an action requires."""
    required_by = [
        {use.name for use in intent.slots.values() if use.required is Required.ALWAYS}
        for intent in pack.intents.values()
        if intent.action == action
    ]
    return tuple(sorted(set.intersection(*required_by))) if required_by else ()


def _seen(ticket_id: str, occasion: Occasion, session: Session) -> TicketRow:
    match = _TICKET_ID.fullmatch(re.sub(r"[\s#-]", "", ticket_id).upper())
    ticket = session.get(TicketRow, int(match[1]) - _FIRST) if match else None
    principal = occasion.principal
    # A ticket of somebody else is answered like one that does not exist: its number tells nothing.
    if ticket is None or ticket.tenant != principal.tenant or not _may_see(ticket, occasion):
        detail = f"ticket_id: {ticket_id!r} is not among your tickets; use the id you were given, such as T1001"
        raise TaskFailed("no_such_ticket", detail, ticket_id=ticket_id)
    return ticket


def _may_see(ticket: TicketRow, occasion: Occasion) -> bool:
    return ticket.user_id == occasion.principal.user_id or _SEES_ALL in occasion.principal.roles


def _told(ticket: TicketRow) -> dispatch_pb2.TaskResult:
    return succeeded(
        {
            "ticket_id": f"T{_FIRST + ticket.number}",
            "kind": ticket.kind,
            "status": ticket.status,
            "order_id": ticket.order_id,
            "subject": ticket.subject,
            "opened_at": ticket.opened_at.isoformat(timespec="seconds"),
            **ticket.arguments,
        }
    )


def tickets(session: Session, tenant: str = "") -> dict[str, str]:
    """Status of every ticket of a tenant by its id."""
    rows = session.scalars(sa.select(TicketRow).where(TicketRow.tenant == tenant).order_by(TicketRow.number))
    return {f"T{_FIRST + row.number}": row.status for row in rows}
