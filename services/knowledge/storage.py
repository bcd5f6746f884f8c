"""Tables of knowledge: documents, their passages with vectors, and the counter by which replicas see changes."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite autoincrements INTEGER alone


class Base(DeclarativeBase):
    """Base of the tables below."""


class DocumentRow(Base):
    """One document, or what is left of a removed one: the mark that tells replicas to forget it."""

    __tablename__ = "knowledge_document"

    document_id: Mapped[str] = mapped_column(sa.String(500), primary_key=True)
    origin: Mapped[str] = mapped_column(sa.String(20))  # "bundled" or "event"; an event overrides what was bundled
    content_hash: Mapped[str] = mapped_column(sa.String(64))
    source: Mapped[str] = mapped_column(sa.String(2048))
    deleted: Mapped[bool]
    revision: Mapped[int] = mapped_column(BIG, index=True)  # the counter when it was last written


class PassageRow(Base):
    """One passage. Domain, language and whether it is restricted are repeated here, so that one table is searched."""

    __tablename__ = "knowledge_passage"

    id: Mapped[int] = mapped_column(BIG, primary_key=True, autoincrement=True)
    passage_id: Mapped[str] = mapped_column(sa.String(600), unique=True)
    document_id: Mapped[str] = mapped_column(
        sa.String(500), sa.ForeignKey("knowledge_document.document_id"), index=True
    )
    title: Mapped[str] = mapped_column(sa.Text)
    text: Mapped[str] = mapped_column(sa.Text)
    terms: Mapped[str] = mapped_column(sa.Text)  # of title and text, separated by blanks: what full text is indexed on
    length: Mapped[int]  # number of terms
    language: Mapped[str] = mapped_column(sa.String(20))
    domain: Mapped[str] = mapped_column(sa.String(100))
    restricted: Mapped[bool]  # True where roles are needed
    vector_hash: Mapped[str] = mapped_column(sa.String(64), index=True)  # of what the vector was computed from
    vector: Mapped[bytes]  # float32, little-endian


class RoleRow(Base):
    """A role that may see a restricted document."""

    __tablename__ = "knowledge_role"

    document_id: Mapped[str] = mapped_column(
        sa.String(500), sa.ForeignKey("knowledge_document.document_id"), primary_key=True
    )
    role: Mapped[str] = mapped_column(sa.String(100), primary_key=True)


class BackgroundRow(Base):
    """The vector of one background text (see `services.knowledge.background`)."""

    __tablename__ = "knowledge_background"

    vector_hash: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    vector: Mapped[bytes]


class StateRow(Base):
    """One row: the counter that grows with every change."""

    __tablename__ = "knowledge_state"

    id: Mapped[int] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(BIG)
