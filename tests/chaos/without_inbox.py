"""`parley`, but it forgets what it has handled: for the test that shows that the audit would notice.

Never a setting: nothing that can be switched on by mistake may switch this off.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from services.cli.app import main
from services.dispatch import engine, outside
from services.dispatch.storage import Base, TaskRow, insert_unless_present
from shared.storage.journal import Journal


def forget_everything() -> None:
    """No event was seen before, and no task carried out."""

    def seen(self: Journal, session: Session, event_ids: Sequence[str]) -> set[str]:
        return set()

    def record(self: Journal, session: Session, event_id: str) -> bool:
        return True

    def insert(session: Session, row: type[Base], keys: list[str], values: list[dict[str, object]]) -> int:
        if row is TaskRow:
            for value in values:
                known = session.get(TaskRow, value["task_id"])
                if known is not None:
                    session.delete(known)
            session.flush()
        return insert_unless_present(session, row, keys, values)

    Journal.seen = seen  # type: ignore[method-assign]
    Journal.record = record  # type: ignore[method-assign]
    engine.insert_unless_present = insert  # type: ignore[attr-defined]
    outside.insert_unless_present = insert  # type: ignore[attr-defined]


if __name__ == "__main__":
    forget_everything()
    main()
