"""The searching side of the knowledge store: candidates by full text and by id, within what the asker may see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from services.knowledge.full_text import full_text_of
from services.knowledge.scope import Scope
from services.knowledge.storage import DocumentRow, PassageRow


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage that a search may return."""

    id: int
    passage_id: str
    document_id: str
    title: str
    text: str
    terms: tuple[str, ...]
    language: str
    domain: str
    source: str


class Reader:
    """Searches within one snapshot of the database."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._full_text = full_text_of(session)

    def search(self, terms: Sequence[str], scope: Scope, limit: int) -> list[Candidate]:
        """At most `limit` passages in `scope` that have any of `terms`, most promising first."""
        if not terms:
            return []
        return self._candidates(self._full_text.matching(terms).where(*scope.conditions()).limit(limit))

    def fetch(self, ids: Iterable[int], scope: Scope) -> list[Candidate]:
        """The passages of these ids that are (still) in `scope`."""
        wanted = list(ids)
        if not wanted:
            return []
        return self._candidates(sa.select(PassageRow).where(PassageRow.id.in_(wanted), *scope.conditions()))

    def frequencies(self, terms: Sequence[str]) -> dict[str, int]:
        """In how many passages of the store each of the terms stands."""
        return self._full_text.frequencies(self._session, terms) if terms else {}

    def _candidates(self, selected: sa.Select[PassageRow]) -> list[Candidate]:
        columns = (
            PassageRow.id,
            PassageRow.passage_id,
            PassageRow.document_id,
            PassageRow.title,
            PassageRow.text,
            PassageRow.terms,
            PassageRow.language,
            PassageRow.domain,
            DocumentRow.source,
        )
        joined = selected.with_only_columns(*columns).join(
            DocumentRow, DocumentRow.document_id == PassageRow.document_id
        )
        return [
            Candidate(
                id=row.id,
                passage_id=row.passage_id,
                document_id=row.document_id,
                title=row.title,
                text=row.text,
                terms=tuple(row.terms.split(" ")),
                language=row.language,
                domain=row.domain,
                source=row.source,
            )
            for row in self._session.execute(joined)
        ]
