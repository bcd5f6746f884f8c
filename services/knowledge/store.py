"""The knowledge store: documents and passages with their vectors, on SQLite and PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from services.knowledge.documents import SourceDocument
from services.knowledge.reader import Reader
from services.knowledge.scope import Audience
from services.knowledge.storage import BackgroundRow, DocumentRow, PassageRow, RoleRow, StateRow
from shared.storage.database import Database
from shared.storage.migrate import upgrade

_CHUNK = 500  # values of one IN


@dataclass(frozen=True, slots=True)
class NewPassage:
    """A passage to be stored."""

    passage_id: str
    title: str
    text: str
    terms: tuple[str, ...]
    vector_hash: str
    vector: bytes  # float32, little-endian


@dataclass(frozen=True, slots=True)
class Known:
    """What the store holds of a document."""

    content_hash: str
    origin: str
    deleted: bool


@dataclass(frozen=True, slots=True)
class Vector:
    """A passage's vector and who may find it."""

    id: int
    document_id: str
    audience: Audience
    length: int
    vector: bytes


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened since a revision: forget the passages of `documents`, then add `vectors` (ascending ids)."""

    revision: int
    documents: frozenset[str]
    vectors: tuple[Vector, ...]


class Store:
    """Documents in SQL. Every write grows a counter, by which replicas see what changed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self) -> None:
        """Bring the tables to their newest shape; raises Unavailable where no database answers."""
        upgrade(self._database, "services.knowledge.migrations")

    def close(self) -> None:
        """Give back every connection."""
        self._database.close()

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """Searches that see one state of the store."""
        with self._database.reading() as session:
            yield Reader(session)

    def revision(self) -> int:
        """The counter of changes."""
        with self._database.reading() as session:
            return session.execute(sa.select(StateRow.revision)).scalar_one()

    def changes(self, since: int) -> Changes:
        """What happened after revision `since`."""
        with self._database.reading() as session:
            revision = session.execute(sa.select(StateRow.revision)).scalar_one()
            changed = sa.select(DocumentRow.document_id).where(DocumentRow.revision > since)
            documents = frozenset(session.scalars(changed))
            roles: dict[str, set[str]] = {}
            for role in session.scalars(sa.select(RoleRow).where(RoleRow.document_id.in_(changed))):
                roles.setdefault(role.document_id, set()).add(role.role)
            rows = session.execute(
                sa.select(
                    PassageRow.id,
                    PassageRow.document_id,
                    PassageRow.domain,
                    PassageRow.language,
                    PassageRow.length,
                    PassageRow.vector,
                )
                .where(PassageRow.document_id.in_(changed))
                .order_by(PassageRow.id)
            )
            vectors = tuple(
                Vector(
                    id=row.id,
                    document_id=row.document_id,
                    audience=Audience(row.domain, row.language, frozenset(roles.get(row.document_id, ()))),
                    length=row.length,
                    vector=row.vector,
                )
                for row in rows
                if row.document_id in documents  # else written a moment ago: the next look sees it whole
            )
            return Changes(revision, documents, vectors)

    def known(self) -> dict[str, Known]:
        """Every document the store has heard of, removed ones included."""
        with self._database.reading() as session:
            rows = session.scalars(sa.select(DocumentRow))
            return {row.document_id: Known(row.content_hash, row.origin, row.deleted) for row in rows}

    def known_document(self, document_id: str) -> Known | None:
        """What the store holds of one document."""
        with self._database.reading() as session:
            row = session.get(DocumentRow, document_id)
            return Known(row.content_hash, row.origin, row.deleted) if row else None

    def vectors(self, hashes: Sequence[str]) -> dict[str, bytes]:
        """The vectors the store has already, by the hash of what they were computed from."""
        found: dict[str, bytes] = {}
        with self._database.reading() as session:
            for table in (PassageRow, BackgroundRow):
                for start in range(0, len(hashes), _CHUNK):
                    wanted = hashes[start : start + _CHUNK]
                    rows = session.execute(
                        sa.select(table.vector_hash, table.vector).where(table.vector_hash.in_(wanted))
                    )
                    found.update({row.vector_hash: row.vector for row in rows})
        return found

    def keep_background(self, vectors: Mapping[str, bytes]) -> None:
        """Store vectors of background texts by their hashes, in place of all that were there."""
        with self._database.transaction() as session:
            _lock(session)
            session.execute(sa.delete(BackgroundRow))
            session.add_all(BackgroundRow(vector_hash=key, vector=vector) for key, vector in vectors.items())

    def put(self, document: SourceDocument, content_hash: str, passages: Sequence[NewPassage]) -> bool:
        """Add or replace a document with its passages; False where it is there already, just so."""
        with self._database.transaction() as session:
            state = _lock(session)
            row = session.get(DocumentRow, document.document_id)
            if row is not None and (row.content_hash, row.origin) == (content_hash, document.origin):
                return False
            _forget_passages(session, document.document_id)
            _mark(session, row, document, content_hash, state, deleted=False)
            session.add_all(RoleRow(document_id=document.document_id, role=role) for role in document.roles)
            session.add_all(
                PassageRow(
                    passage_id=passage.passage_id,
                    document_id=document.document_id,
                    title=passage.title,
                    text=passage.text,
                    terms=" ".join(passage.terms),
                    length=len(passage.terms),
                    language=document.language,
                    domain=document.domain,
                    restricted=bool(document.roles),
                    vector_hash=passage.vector_hash,
                    vector=passage.vector,
                )
                for passage in passages
            )
            return True

    def remove(self, document_id: str, origin: str) -> bool:
        """Remove a document, leaving a mark for replicas and for the next start; False where it is removed already."""
        with self._database.transaction() as session:
            state = _lock(session)
            row = session.get(DocumentRow, document_id)
            if row is not None and row.deleted and row.origin == origin:
                return False
            _forget_passages(session, document_id)
            gone = SourceDocument(document_id, "", "", "", "", "", (), origin)
            _mark(session, row, gone, "", state, deleted=True)
            return True


def _lock(session: Session) -> StateRow:
    """Let one writer at a time go on, so that revisions are committed in order."""
    return session.execute(sa.select(StateRow).with_for_update()).scalar_one()


def _forget_passages(session: Session, document_id: str) -> None:
    session.execute(sa.delete(PassageRow).where(PassageRow.document_id == document_id))
    session.execute(sa.delete(RoleRow).where(RoleRow.document_id == document_id))


def _mark(
    session: Session,
    row: DocumentRow | None,
    document: SourceDocument,
    content_hash: str,
    state: StateRow,
    *,
    deleted: bool,
) -> None:
    state.revision += 1
    if row is None:
        row = DocumentRow(document_id=document.document_id)
        session.add(row)
    row.origin = document.origin
    row.content_hash = content_hash
    row.source = document.source
    row.deleted = deleted
    row.revision = state.revision
    session.flush()
