"""Passage vectors in memory: exact search, and cheap to keep up with the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.knowledge.encoder import Vectors
from services.knowledge.scope import Audience
from services.knowledge.store import Changes

Mask = npt.NDArray[np.bool_]
_STORED = np.dtype("<f4")


def to_bytes(vectors: Vectors) -> list[bytes]:
    """Each vector as it is stored."""
    return [vector.astype(_STORED).tobytes() for vector in vectors]


def from_bytes(stored: Sequence[bytes], dimensions: int) -> Vectors:
    """Stored vectors as a matrix."""
    flat = np.frombuffer(b"".join(stored), dtype=_STORED).astype(np.float32)
    return flat.reshape(len(stored), dimensions)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every passage's vector at one revision of the store. Rows are in ascending order of passage ids."""

    revision: int
    ids: npt.NDArray[np.int64]
    matrix: Vectors
    lengths: npt.NDArray[np.int32]  # terms
    documents: npt.NDArray[np.object_]
    audience_of: npt.NDArray[np.int32]  # index into `audiences`
    audiences: tuple[Audience, ...]

    @classmethod
    def empty(cls, dimensions: int) -> Snapshot:
        """No passages, at revision -1."""
        return cls(
            revision=-1,
            ids=np.empty(0, np.int64),
            matrix=np.empty((0, dimensions), np.float32),
            lengths=np.empty(0, np.int32),
            documents=np.empty(0, np.object_),
            audience_of=np.empty(0, np.int32),
            audiences=(),
        )

    def with_changes(self, changes: Changes) -> Snapshot:
        """The snapshot after `changes`; this one stays as it is for whoever searches it."""
        kept = np.array([document not in changes.documents for document in self.documents], dtype=np.bool_)
        audiences = dict.fromkeys((*self.audiences, *(vector.audience for vector in changes.vectors)))
        codes = {audience: code for code, audience in enumerate(audiences)}
        new = changes.vectors
        return Snapshot(
            revision=changes.revision,
            ids=np.concatenate([self.ids[kept], np.array([vector.id for vector in new], np.int64)]),
            matrix=np.concatenate(
                [self.matrix[kept], from_bytes([vector.vector for vector in new], self.matrix.shape[1])]
            ),
            lengths=np.concatenate([self.lengths[kept], np.array([vector.length for vector in new], np.int32)]),
            documents=np.concatenate(
                [self.documents[kept], np.array([vector.document_id for vector in new], np.object_)]
            ),
            audience_of=np.concatenate(
                [self.audience_of[kept], np.array([codes[vector.audience] for vector in new], np.int32)]
            ),
            audiences=tuple(codes),
        )

    def where(self, holds: Callable[[Audience], bool]) -> Mask:
        """Rows of those audiences of which `holds` is true."""
        seen = np.array([holds(audience) for audience in self.audiences], dtype=np.bool_)
        return seen[self.audience_of] if seen.size else np.zeros(0, np.bool_)

    def rows_of(self, ids: Sequence[int]) -> dict[int, int]:
        """Row by passage id; ids that are not here are left out."""
        wanted = np.array(ids, np.int64)
        places = np.searchsorted(self.ids, wanted)
        return {
            int(each): int(place)
            for each, place in zip(wanted, places, strict=True)
            if place < len(self.ids) and self.ids[place] == each
        }


def nearest(similarities: npt.NDArray[np.float32], visible: Mask, limit: int) -> list[int]:
    """Rows of the most similar visible passages, best first."""
    rows = np.flatnonzero(visible)
    if rows.size > limit:
        rows = rows[np.argpartition(-similarities[rows], limit)[:limit]]
    return [int(row) for row in rows[np.argsort(-similarities[rows], kind="stable")]]
