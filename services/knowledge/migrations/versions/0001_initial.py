"""Documents, passages, roles, vectors, and full text over the passages' terms."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# Terms are made by us and only need to be told apart by blanks: "ascii" splits at nothing else that occurs in them.
_SQLITE = (
    "CREATE VIRTUAL TABLE knowledge_search USING fts5("
    "terms, content='knowledge_passage', content_rowid='id', tokenize='ascii')",
    "CREATE VIRTUAL TABLE knowledge_vocabulary USING fts5vocab(knowledge_search, row)",
    "CREATE TRIGGER knowledge_passage_added AFTER INSERT ON knowledge_passage BEGIN"
    " INSERT INTO knowledge_search(rowid, terms) VALUES (new.id, new.terms); END",
    "CREATE TRIGGER knowledge_passage_removed AFTER DELETE ON knowledge_passage BEGIN"
    " INSERT INTO knowledge_search(knowledge_search, rowid, terms) VALUES ('delete', old.id, old.terms); END",
)
# The cast reads the terms as they are, where to_tsvector would parse them by the database's locale.
_POSTGRESQL = (
    "ALTER TABLE knowledge_passage ADD COLUMN search tsvector GENERATED ALWAYS AS (terms::tsvector) STORED",
    "CREATE INDEX ix_knowledge_passage_search ON knowledge_passage USING gin (search)",
)


def upgrade() -> None:
    """Create every table, and the full-text index of the database at hand."""
    op.create_table(
        "knowledge_document",
        sa.Column("document_id", sa.String(500), primary_key=True),
        sa.Column("origin", sa.String(20), nullable=False),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("source", sa.String(2048), nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("revision", _BIG, nullable=False, index=True),
    )
    op.create_table(
        "knowledge_passage",
        sa.Column("id", _BIG, primary_key=True, autoincrement=True),
        sa.Column("passage_id", sa.String(600), nullable=False, unique=True),
        sa.Column(
            "document_id",
            sa.String(500),
            sa.ForeignKey("knowledge_document.document_id"),
            nullable=False,
            index=True,
        ),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("terms", sa.Text, nullable=False),
        sa.Column("length", sa.Integer, nullable=False),
        sa.Column("language", sa.String(20), nullable=False),
        sa.Column("domain", sa.String(100), nullable=False),
        sa.Column("restricted", sa.Boolean, nullable=False),
        sa.Column("vector_hash", sa.String(64), nullable=False, index=True),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "knowledge_role",
        sa.Column("document_id", sa.String(500), sa.ForeignKey("knowledge_document.document_id"), primary_key=True),
        sa.Column("role", sa.String(100), primary_key=True),
    )
    op.create_table(
        "knowledge_background",
        sa.Column("vector_hash", sa.String(64), primary_key=True),
        sa.Column("vector", sa.LargeBinary, nullable=False),
    )
    state = op.create_table(
        "knowledge_state",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("revision", _BIG, nullable=False),
    )
    op.bulk_insert(state, [{"id": 1, "revision": 0}])
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL:
        op.execute(statement)


def downgrade() -> None:
    """Drop every table."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE knowledge_vocabulary")
        op.execute("DROP TABLE knowledge_search")
    for table in ("state", "background", "role", "passage", "document"):
        op.drop_table(f"knowledge_{table}")
