"""Indexing: documents cut, encoded and stored. What has not changed is not encoded again."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.knowledge import passages
from services.knowledge.background import load_background
from services.knowledge.documents import BUNDLED, SourceDocument, of_packs
from services.knowledge.encoder import E5Encoder, Encoder
from services.knowledge.passages import Piece, split
from services.knowledge.settings import KnowledgeSettings
from services.knowledge.store import NewPassage, Store
from services.knowledge.terms import terms
from services.knowledge.vectors import to_bytes
from shared.packs import installed_packs
from shared.settings import StorageSettings
from shared.storage.database import Database

log = structlog.get_logger(__name__)
Report = Callable[[int, int], None]  # passages done, passages in all
_AT_ONCE = 4  # passages encoded between two reports


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What an indexing did."""

    documents: int  # looked at
    changed: int  # of them
    removed: int
    encoded: int  # passages
    seconds: float


class Indexer:
    """Puts documents into a store."""

    def __init__(self, store: Store, encoder: Encoder) -> None:
        self._store = store
        self._encoder = encoder

    def put(self, document: SourceDocument) -> int:
        """Add or replace one document; returns how many passages had to be encoded."""
        content_hash = self._content_hash(document)
        known = self._store.known_document(document.document_id)
        if known and (known.content_hash, known.origin) == (content_hash, document.origin):
            return 0
        return self._store_documents([document], lambda _done, _all: None)

    def remove(self, document_id: str, origin: str) -> bool:
        """Remove one document; False where it is removed already."""
        return self._store.remove(document_id, origin)

    def sync(self, documents: Iterable[SourceDocument], report: Report = lambda _done, _all: None) -> IndexReport:
        """Make `documents` the bundled ones: index what is new or changed, remove what is gone.

        A document that an event replaced or removed stays as the event left it.
        """
        started = time.monotonic()
        wanted = {document.document_id: document for document in documents}
        known = self._store.known()
        overridden = {key for key, entry in known.items() if entry.origin != BUNDLED}
        changed = [
            document
            for key, document in wanted.items()
            if key not in overridden and (key not in known or known[key].content_hash != self._content_hash(document))
        ]
        gone = [
            key for key, entry in known.items() if not entry.deleted and key not in wanted and key not in overridden
        ]
        for document_id in gone:
            self._store.remove(document_id, BUNDLED)
        if changed:
            log.info("indexing documents", changed=len(changed))
        encoded = self._store_documents(changed, report)
        return IndexReport(len(wanted), len(changed), len(gone), encoded, time.monotonic() - started)

    def _store_documents(self, documents: Sequence[SourceDocument], report: Report) -> int:
        pieces = {document.document_id: split(document.text, document.title) for document in documents}
        hashes = {self._vector_hash(piece): piece for each in pieces.values() for piece in each}
        vectors = self._store.vectors(list(hashes))
        missing = [key for key in hashes if key not in vectors]
        left = {document.document_id: document for document in documents}
        for start in range(0, len(missing) + 1, _AT_ONCE):  # once at least: a document may need no new vector
            batch = missing[start : start + _AT_ONCE]
            if batch:
                encoded = self._encoder.passages([(hashes[key].title, hashes[key].text) for key in batch])
                vectors.update(zip(batch, to_bytes(encoded), strict=True))
            for document in list(left.values()):
                if all(self._vector_hash(piece) in vectors for piece in pieces[document.document_id]):
                    self._write(left.pop(document.document_id), pieces[document.document_id], vectors)
            report(min(start + _AT_ONCE, len(missing)), len(missing))
        return len(missing)

    def _write(self, document: SourceDocument, pieces: Sequence[Piece], vectors: dict[str, bytes]) -> None:
        rows = [
            NewPassage(
                passage_id=f"{document.document_id}#{piece.anchor}",
                title=piece.title,
                text=piece.text,
                terms=tuple(terms(f"{piece.title}\n{piece.text}")),
                vector_hash=self._vector_hash(piece),
                vector=vectors[self._vector_hash(piece)],
            )
            for piece in pieces
        ]
        self._store.put(document, self._content_hash(document), rows)

    def _content_hash(self, document: SourceDocument) -> str:
        return document.content_hash(passages.VERSION, self._encoder.name)

    def _vector_hash(self, piece: Piece) -> str:
        return hashlib.sha256(f"{self._encoder.name}\x1f{piece.title}\x1f{piece.text}".encode()).hexdigest()


def ensure_index(storage: StorageSettings, console: Console | None = None) -> IndexReport:
    """Index the bundled documents once; done before, it takes a moment. Shows progress on `console`."""
    settings = KnowledgeSettings.load()
    store = Store(Database(storage.database_for("knowledge")))
    try:
        store.open()
        return index_bundled(store, E5Encoder(), settings, console)
    finally:
        store.close()


def index_bundled(
    store: Store, encoder: Encoder, settings: KnowledgeSettings, console: Console | None = None
) -> IndexReport:
    """Bring an open store up to date with the packs' documents and the background texts."""
    load_background(store, encoder)
    documents = list(of_packs(installed_packs())) if settings.bundled_documents else []
    indexer = Indexer(store, encoder)
    if console is None:
        report = indexer.sync(documents)
    else:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("Reading the documents", total=None)
            report = indexer.sync(documents, lambda done, every: progress.update(task, completed=done, total=every))
    log.info(
        "documents indexed",
        documents=report.documents,
        changed=report.changed,
        removed=report.removed,
        passages_encoded=report.encoded,
        seconds=round(report.seconds, 2),
    )
    return report
