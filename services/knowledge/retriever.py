"""The engine, loaded and batched: what the handler and the servicer share."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from parley.v1 import knowledge_pb2, models_pb2, principal_pb2
from services.knowledge.documents import EVENT, from_event
from services.knowledge.encoder import E5Encoder, Encoder
from services.knowledge.engine import Ask, Engine
from services.knowledge.ingest import Indexer, index_bundled
from services.knowledge.judge import Judge
from services.knowledge.settings import KnowledgeSettings
from services.knowledge.store import Store
from shared.errors import Unavailable
from shared.runtime.batcher import Batcher, Timed
from shared.runtime.metrics import observe_engine

log = structlog.get_logger(__name__)


class Retriever:
    """Retrieval and indexing over one store; Unavailable until `load` is done."""

    def __init__(
        self, store: Store, settings: KnowledgeSettings, make_encoder: Callable[[], Encoder] = E5Encoder
    ) -> None:
        self._make_encoder = make_encoder
        self._store = store
        self._settings = settings
        self._engine: Engine | None = None
        self._indexer: Indexer | None = None
        self._batcher: Batcher[Ask, knowledge_pb2.Evidence] | None = None

    def load(self) -> None:
        """Open the store, index what is new among the bundled documents, read every vector; raises ParleyError."""
        self._store.open()
        encoder = self._make_encoder()
        index_bundled(self._store, encoder, self._settings)
        engine = Engine(self._store, encoder, Judge.load(), self._settings)
        self._indexer = Indexer(self._store, encoder)
        self._batcher = Batcher(
            engine.retrieve_all, name="knowledge", max_batch=self._settings.max_batch, observe=_observe
        )
        self._engine = engine
        log.info("knowledge loaded", passages=engine.passages, encoder=engine.model)

    def close(self) -> None:
        """Answer what is waiting, then close the store."""
        if self._batcher is not None:
            self._batcher.close()
        self._store.close()

    @property
    def model(self) -> models_pb2.ModelVersion:
        """The encoder that answers."""
        return models_pb2.ModelVersion(name="knowledge-encoder", version=self._loaded().model)

    def retrieve(
        self, query: knowledge_pb2.KnowledgeQuery, principal: principal_pb2.Principal
    ) -> Timed[knowledge_pb2.Evidence]:
        """Evidence for one query, and the seconds of its engine call."""
        if self._batcher is None:
            raise _not_loaded()
        return self._batcher.submit(Ask(query, principal))

    def apply(self, document: knowledge_pb2.Document) -> None:
        """Add, replace or remove one document; done twice, it changes nothing. Raises InvalidInput."""
        if self._indexer is None:
            raise _not_loaded()
        if document.deleted:
            removed = self._indexer.remove(document.document_id, EVENT)
            log.info("document removed", document_id=document.document_id, was_there=removed)
        else:
            encoded = self._indexer.put(from_event(document))
            log.info("document indexed", document_id=document.document_id, passages_encoded=encoded)
        self._loaded().refresh()

    def _loaded(self) -> Engine:
        if self._engine is None:
            raise _not_loaded()
        return self._engine


def _not_loaded() -> Unavailable:
    return Unavailable("knowledge is still loading its documents; try again in a moment")


def _observe(size: int, seconds: float) -> None:
    observe_engine("knowledge", size, seconds)
