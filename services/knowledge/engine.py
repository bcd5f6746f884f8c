"""The knowledge engine: a question in, evidence with its sources out, or an honest "not found".

Passages are found by their words and by their vectors, within what the asker may see, and a judge says whether the best
one answers. Passages in the question's language are searched first, the others only where these do not answer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from parley.v1 import knowledge_pb2, principal_pb2
from services.knowledge.background import Background, load_background
from services.knowledge.documents import primary_subtag
from services.knowledge.encoder import Encoder
from services.knowledge.judge import Judge
from services.knowledge.scope import Scope
from services.knowledge.search import EncodedQuestion, Finding, Ranked, Search
from services.knowledge.settings import KnowledgeSettings
from services.knowledge.store import Store
from services.knowledge.terms import guess_language, question
from services.knowledge.vectors import Snapshot
from shared.errors import InvalidInput

_LONGEST_QUESTION = 400  # characters that are read; more tell little and keep everyone behind them waiting


@dataclass(frozen=True, slots=True)
class Ask:
    """One question, and who asks."""

    query: knowledge_pb2.KnowledgeQuery
    principal: principal_pb2.Principal

    def scope(self) -> Scope:
        """What it may find in its own language; raises InvalidInput for a language that is none."""
        return Scope(
            roles=frozenset(self.principal.roles),
            domains=frozenset(self.query.domains),
            language=primary_subtag(self.query.language) or guess_language(self.query.text),
        )


class Engine:
    """Retrieval over one open store. May be used from several threads."""

    def __init__(self, store: Store, encoder: Encoder, judge: Judge, settings: KnowledgeSettings) -> None:
        """Reads every vector of the store; raises Unavailable where no database answers."""
        self._store = store
        self._encoder = encoder
        self._judge = judge
        self._settings = settings
        self._background: Background = load_background(store, encoder)
        self._snapshot = Snapshot.empty(encoder.dimensions)
        self._refreshing = threading.Lock()
        self._looked_at = 0.0
        self.refresh()

    @property
    def model(self) -> str:
        """Name and version of the encoder."""
        return self._encoder.name

    @property
    def passages(self) -> int:
        """How many passages can be found."""
        return len(self._snapshot.ids)

    def refresh(self) -> None:
        """See at once what was indexed or removed since the last look, by whichever replica."""
        with self._refreshing:
            self._looked_at = time.monotonic()
            if self._store.revision() != self._snapshot.revision:
                self._snapshot = self._snapshot.with_changes(self._store.changes(self._snapshot.revision))

    def retrieve(
        self, query: knowledge_pb2.KnowledgeQuery, principal: principal_pb2.Principal
    ) -> knowledge_pb2.Evidence:
        """Find the passages that answer `query`, as far as `principal` may see them."""
        (evidence,) = self.retrieve_all([Ask(query, principal)])
        if isinstance(evidence, InvalidInput):
            raise evidence
        return evidence

    def retrieve_all(self, asks: Sequence[Ask]) -> list[knowledge_pb2.Evidence | InvalidInput]:
        """Answer several questions with one call of the encoder; one that cannot be read has its error returned."""
        scopes = [_scope_or_error(ask) for ask in asks]
        snapshot = self._current()
        encoded = self._encode(asks, snapshot)
        with self._store.reader() as reader:
            search = Search(reader, snapshot, self._background)
            return [
                self._answer(search, ask.query, asked, scope) if isinstance(scope, Scope) else scope
                for ask, asked, scope in zip(asks, encoded, scopes, strict=True)
            ]

    def examine(self, ask: Ask, *, other_languages: bool = False) -> Finding:
        """The best passages in the question's language, or in the others, and the signals, without a judgement."""
        scope = ask.scope()
        snapshot = self._current()
        (asked,) = self._encode([ask], snapshot)
        with self._store.reader() as reader:
            search = Search(reader, snapshot, self._background)
            return search.find(asked, scope.in_other_languages() if other_languages else scope)

    def _current(self) -> Snapshot:
        if time.monotonic() - self._looked_at >= self._settings.refresh_seconds:
            self.refresh()
        return self._snapshot

    def _encode(self, asks: Sequence[Ask], snapshot: Snapshot) -> list[EncodedQuestion]:
        texts = [ask.query.text[:_LONGEST_QUESTION] for ask in asks]
        vectors = self._encoder.questions(texts)
        similarities = snapshot.matrix @ vectors.T
        return [
            EncodedQuestion(question(text), vectors[place], similarities[:, place]) for place, text in enumerate(texts)
        ]

    def _answer(
        self, search: Search, query: knowledge_pb2.KnowledgeQuery, asked: EncodedQuestion, scope: Scope
    ) -> knowledge_pb2.Evidence:
        own = search.find(asked, scope)
        if self._is_answer(own, other_language=False):
            passages = own.passages
        else:
            foreign = search.find(asked, scope.in_other_languages())
            if not self._is_answer(foreign, other_language=True):
                return knowledge_pb2.Evidence(query=query, found=False)
            # What a foreign passage answers its translation answers too, and that is what the asker can read.
            passages = search.translated(foreign, own) or foreign.passages
        best = passages[: query.limit or self._settings.passages]
        return knowledge_pb2.Evidence(query=query, found=True, passages=[_passage(each) for each in best])

    def _is_answer(self, finding: Finding, *, other_language: bool) -> bool:
        if finding.signals is None:
            return False
        settings = self._settings
        threshold = settings.cross_language_threshold if other_language else settings.threshold
        return self._judge.certainty(finding.signals, other_language=other_language) >= threshold


def _scope_or_error(ask: Ask) -> Scope | InvalidInput:
    try:
        return ask.scope()
    except InvalidInput as error:
        return error


def _passage(ranked: Ranked) -> knowledge_pb2.Passage:
    found = ranked.candidate
    return knowledge_pb2.Passage(
        passage_id=found.passage_id,
        document_id=found.document_id,
        title=found.title,
        text=found.text,
        source=found.source,
        score=ranked.score,
        language=found.language,
        domain=found.domain,
    )
