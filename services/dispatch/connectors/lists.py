"""Shopping and to-do lists: a tenant's home shares them, others have their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from parley.v1 import dispatch_pb2
from services.dispatch.connectors.base import Occasion, RecoveryClass, TaskFailed, required, succeeded
from services.dispatch.storage import ListItemRow

_LONGEST_ITEM = 200  # characters
_MOST_ITEMS = 500  # open ones on a list
_MOST_READ = 12  # a longer list is no help to the ear
Values = dict[str, str]


class ListConnector:
    """Adds to lists, ticks off, removes and reads. Results tell `list`, `item` and `count`, the items still open."""

    name = "lists"
    recovery = RecoveryClass.IDEMPOTENT

    def __init__(self) -> None:
        self._run: dict[str, Callable[[dispatch_pb2.Task, Occasion, Session], Values]] = {
            "lists.add": self._add,
            "lists.complete": self._complete,
            "lists.remove": self._remove,
            "lists.read": lambda *_: {},
        }

    @property
    def actions(self) -> frozenset[str]:
        return frozenset(self._run)

    def execute(self, task: dispatch_pb2.Task, occasion: Occasion, session: Session) -> dispatch_pb2.TaskResult:
        """Do what the action says; raises TaskFailed for an item that is not there, or too long, or one too many."""
        values = self._run[task.action](task, occasion, session)
        session.flush()
        left = [row.item for row in _open(task, occasion, session)]
        told = {"list": required(task, "list"), "count": str(len(left)), **values}
        if task.action == "lists.read" and left:
            told["items"] = "; ".join(left[:_MOST_READ])
        return succeeded(told)

    def _add(self, task: dispatch_pb2.Task, occasion: Occasion, session: Session) -> Values:
        item = required(task, "item").strip()
        if not 0 < len(item) <= _LONGEST_ITEM:
            detail = f"item: {len(item)} characters; use 1 to {_LONGEST_ITEM}"
            raise TaskFailed("invalid_value", detail, argument="item")
        there = _open(task, occasion, session)
        if len(there) >= _MOST_ITEMS:
            raise TaskFailed("list_full", f"list: holds {len(there)} open items already, the most there may be")
        if not _named(there, item):
            session.add(
                ListItemRow(
                    task_id=task.task_id,
                    tenant=occasion.principal.tenant,
                    owner=_owner(occasion),
                    list=required(task, "list"),
                    item=item,
                    added_at=occasion.now,
                )
            )
        return {"item": item}

    def _complete(self, task: dispatch_pb2.Task, occasion: Occasion, session: Session) -> Values:
        row = _meant(task, occasion, session)
        row.completed_at = occasion.now
        return {"item": row.item}

    def _remove(self, task: dispatch_pb2.Task, occasion: Occasion, session: Session) -> Values:
        row = _meant(task, occasion, session)
        session.delete(row)
        return {"item": row.item}


def _owner(occasion: Occasion) -> str:
    """Whose list it is: empty for one that a tenant's home shares; else the user's, or a stranger's conversation's."""
    principal = occasion.principal
    if principal.tenant:
        return ""
    return f"user:{principal.user_id}" if principal.user_id else f"conversation:{occasion.turn.conversation_id}"


def _open(task: dispatch_pb2.Task, occasion: Occasion, session: Session) -> Sequence[ListItemRow]:
    query = (
        sa.select(ListItemRow)
        .where(
            ListItemRow.tenant == occasion.principal.tenant,
            ListItemRow.owner == _owner(occasion),
            ListItemRow.list == required(task, "list"),
            ListItemRow.completed_at.is_(None),
        )
        .order_by(ListItemRow.number)
    )
    return session.scalars(query).all()


def _named(rows: Sequence[ListItemRow], item: str) -> ListItemRow | None:
    return next((row for row in rows if row.item.casefold() == item.casefold()), None)


def _meant(task: dispatch_pb2.Task, occasion: Occasion, session: Session) -> ListItemRow:
    row = _named(_open(task, occasion, session), required(task, "item").strip())
    if row is None:
        raise TaskFailed("no_such_item", "item: is not on the list")
    return row
