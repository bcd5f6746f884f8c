"""Knowledge in tests: the real encoder, small documents, and questions in short."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from parley.v1 import knowledge_pb2, principal_pb2
from services.knowledge.documents import EVENT, SourceDocument
from services.knowledge.encoder import E5Encoder, Vectors
from services.knowledge.engine import Engine
from services.knowledge.ingest import Indexer
from services.knowledge.judge import Judge
from services.knowledge.settings import KnowledgeSettings
from services.knowledge.store import Store
from shared.storage.database import Database

RETURNS = """# Returns

## Time limit

You can return an item within 30 days of delivery.

## Opened items

Opened headphones cannot be returned once the seal is broken.
"""
SHIPPING = """# Shipping

## Costs

| Method | Time | Cost |
|---|---|---|
| Standard | 3 to 5 working days | 4.90 euros |
| Express | 1 working day | 9.90 euros |
"""
SHIPPING_ZH = """# 配送

## 费用

| 方式 | 时间 | 费用 |
|---|---|---|
| 标准配送 | 3 到 5 个工作日 | 4.90 欧元 |
| 加急配送 | 1 个工作日 | 9.90 欧元 |
"""
WARRANTY_ZH = """# 保修

## 保修期

新手机保修 24 个月，电池保修 6 个月。

## 申请保修

请把订单号和故障照片发给我们，我们会在一个工作日内答复。
"""
STAFF = """# Goodwill

## Credit for complaints

An agent may grant up to 20 euros of goodwill credit for each complaint.
"""


class RememberingEncoder:
    """The real encoder, which encodes no passage twice in a test run: each store needs the background texts."""

    def __init__(self) -> None:
        self._real = E5Encoder()
        self._passages: dict[tuple[str, str], Vectors] = {}

    @property
    def name(self) -> str:
        return self._real.name

    @property
    def dimensions(self) -> int:
        return self._real.dimensions

    def questions(self, texts: Sequence[str]) -> Vectors:
        return self._real.questions(texts)

    def passages(self, titled: Sequence[tuple[str, str]]) -> Vectors:
        new = [each for each in dict.fromkeys(titled) if each not in self._passages]
        if new:
            self._passages.update(zip(new, self._real.passages(new), strict=True))
        return np.stack([self._passages[each] for each in titled])


class CountingEncoder:
    """The real encoder, which keeps what it was given."""

    def __init__(self) -> None:
        self._real = real_encoder()
        self.encoded: list[tuple[str, str]] = []

    @property
    def name(self) -> str:
        return self._real.name

    @property
    def dimensions(self) -> int:
        return self._real.dimensions

    def questions(self, texts: Sequence[str]) -> Vectors:
        return self._real.questions(texts)

    def passages(self, titled: Sequence[tuple[str, str]]) -> Vectors:
        self.encoded.extend(titled)
        return self._real.passages(titled)


@functools.cache
def real_encoder() -> RememberingEncoder:
    """The encoder, loaded once."""
    return RememberingEncoder()


def opened(database: Database) -> Store:
    """The knowledge store on a database, its tables made."""
    store = Store(database)
    store.open()
    return store


def document(
    document_id: str,
    text: str,
    *,
    language: str = "en",
    domain: str = "shop",
    roles: tuple[str, ...] = (),
    origin: str = EVENT,
) -> SourceDocument:
    """A document with a source made from its id."""
    source = f"https://help.example/{document_id}"
    return SourceDocument(document_id, domain, language, "", text, source, roles, origin)


def filled(store: Store, *documents: SourceDocument) -> Indexer:
    """An indexer that has put the documents into the store."""
    indexer = Indexer(store, real_encoder())
    for each in documents:
        indexer.put(each)
    return indexer


def engine_on(store: Store, **settings: float) -> Engine:
    """An engine with these settings; unless they say otherwise, it looks for changes before every question."""
    return Engine(store, real_encoder(), Judge.load(), KnowledgeSettings.load(**{"refresh_seconds": 0, **settings}))


def ask(
    engine: Engine,
    text: str,
    *,
    language: str = "",
    domains: Sequence[str] = (),
    roles: Sequence[str] = (),
    limit: int = 0,
) -> knowledge_pb2.Evidence:
    """The engine's evidence for a question."""
    query = knowledge_pb2.KnowledgeQuery(text=text, language=language, domains=domains, limit=limit)
    return engine.retrieve(query, principal_pb2.Principal(roles=roles))


def found_in(evidence: knowledge_pb2.Evidence) -> list[str]:
    """The ids of the documents found, best first, each once."""
    return list(dict.fromkeys(passage.document_id for passage in evidence.passages))
