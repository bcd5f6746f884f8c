"""Full text on SQLite (FTS5) and PostgreSQL (tsvector), over the same terms (see `services.knowledge.terms`).

The databases find candidates and count in how many passages a term stands; what a match is worth is computed from that
by `services.knowledge.ranking`, alike for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from services.knowledge.storage import PassageRow


class FullText(Protocol):
    """What the two databases do differently. Terms hold letters and digits alone."""

    def matching(self, terms: Sequence[str]) -> sa.Select[PassageRow]:
        """Passages with any of the terms, most promising first."""

    def frequencies(self, session: Session, terms: Sequence[str]) -> dict[str, int]:
        """In how many passages each of the terms stands."""


class SqliteFullText:
    """FTS5 over knowledge_passage.terms."""

    _search = sa.table("knowledge_search", sa.column("rowid", sa.Integer), sa.column("rank", sa.Float))
    _vocabulary = sa.table("knowledge_vocabulary", sa.column("term", sa.Text), sa.column("doc", sa.Integer))

    def matching(self, terms: Sequence[str]) -> sa.Select[PassageRow]:
        """See FullText."""
        wanted = " OR ".join(f'"{term}"' for term in terms)
        return (
            sa.select(PassageRow)
            .join(self._search, self._search.c.rowid == PassageRow.id)
            .where(sa.literal_column("knowledge_search").op("MATCH", is_comparison=True)(wanted))
            .order_by(self._search.c.rank, PassageRow.id)
        )

    def frequencies(self, session: Session, terms: Sequence[str]) -> dict[str, int]:
        """See FullText."""
        table = self._vocabulary.c
        rows = session.execute(sa.select(table.term, table.doc).where(table.term.in_(list(terms))))
        return {row.term: row.doc for row in rows}


class PostgresFullText:
    """A generated tsvector column over knowledge_passage.terms."""

    _column = sa.literal_column("knowledge_passage.search", postgresql.TSVECTOR)

    def matching(self, terms: Sequence[str]) -> sa.Select[PassageRow]:
        """See FullText."""
        query = sa.cast(" | ".join(f"'{term}'" for term in terms), postgresql.TSQUERY)
        return (
            sa.select(PassageRow)
            .where(self._column.op("@@", is_comparison=True)(query))
            .order_by(sa.func.ts_rank(self._column, query).desc(), PassageRow.id)
        )

    def frequencies(self, session: Session, terms: Sequence[str]) -> dict[str, int]:
        """See FullText."""
        counted = sa.text(
            "SELECT term, (SELECT count(*) FROM knowledge_passage WHERE search @@ quote_literal(term)::tsquery) AS rows"
            " FROM unnest(CAST(:terms AS text[])) AS term"
        )
        return {row.term: row.rows for row in session.execute(counted, {"terms": list(terms)})}


def full_text_of(session: Session) -> FullText:
    """Full text of the session's database."""
    return SqliteFullText() if session.get_bind().dialect.name == "sqlite" else PostgresFullText()
