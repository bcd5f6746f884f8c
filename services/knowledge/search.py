"""One search: the best passages within a scope, by words and by vectors, and the signals the judge goes by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.knowledge.background import Background
from services.knowledge.judge import Signals
from services.knowledge.ranking import Collection, fused
from services.knowledge.reader import Candidate, Reader
from services.knowledge.scope import Scope
from services.knowledge.terms import Question
from services.knowledge.vectors import Snapshot, nearest

_CANDIDATES = 30  # of each kind
_TRANSLATIONS = 5  # passages among which the translation of a foreign one is looked for
_NEAREST_BACKGROUND = 3

Vector = npt.NDArray[np.float32]  # (dimensions,)


@dataclass(frozen=True, slots=True)
class EncodedQuestion:
    """A question, ready to be searched for."""

    words: Question
    vector: Vector
    similarities: Vector  # to each row of the snapshot


@dataclass(frozen=True, slots=True)
class Ranked:
    """A passage with its score."""

    candidate: Candidate
    score: float


@dataclass(frozen=True, slots=True)
class Finding:
    """The best passages within a scope, best first, and what the judge goes by; None where there are no passages."""

    passages: tuple[Ranked, ...]
    signals: Signals | None


_NOTHING = Finding((), None)


class Search:
    """Searches of one state of the store."""

    def __init__(self, reader: Reader, snapshot: Snapshot, background: Background) -> None:
        self._reader = reader
        self._snapshot = snapshot
        self._background = background

    def find(self, asked: EncodedQuestion, scope: Scope) -> Finding:
        """The best passages in `scope`, whether they answer the question or not."""
        visible = self._snapshot.where(scope.sees)
        if not visible.any():
            return _NOTHING
        by_words = self._reader.search(asked.words.terms, scope, _CANDIDATES)
        named = {candidate.id for candidate in by_words}
        by_meaning = self._snapshot.ids[nearest(asked.similarities, visible, _CANDIDATES)].tolist()
        by_meaning = [each for each in by_meaning if each not in named]
        return self._rank(asked, scope, by_words + self._reader.fetch(by_meaning, scope))

    def translated(self, foreign: Finding, own: Finding) -> tuple[Ranked, ...]:
        """The passages of `own` from the translation of the best foreign one on; empty where there is none.

        Two passages are taken for translations of each other where each is the other's nearest in its language.
        """
        original = foreign.passages[0].candidate
        for place, each in enumerate(own.passages[:_TRANSLATIONS]):
            if self._are_translations(original, each.candidate):
                return own.passages[place:]
        return ()

    def _are_translations(self, one: Candidate, other: Candidate) -> bool:
        rows = self._snapshot.rows_of([one.id, other.id])
        return self._nearest(rows[one.id], other.language) == rows[other.id] and (
            self._nearest(rows[other.id], one.language) == rows[one.id]
        )

    def _nearest(self, row: int, language: str) -> int:
        """The row in a language that is nearest to another row."""
        similarities = self._snapshot.matrix @ self._snapshot.matrix[row]
        return nearest(similarities, self._snapshot.where(lambda audience: audience.language == language), 1)[0]

    def _rank(self, asked: EncodedQuestion, scope: Scope, candidates: list[Candidate]) -> Finding:
        rows = self._snapshot.rows_of([candidate.id for candidate in candidates])
        comparable = self._snapshot.where(scope.speaks)  # whoever may see them: rarity and mean are of the language
        collection = Collection(
            passages=int(comparable.sum()),
            mean_length=float(self._snapshot.lengths[comparable].mean()),
            frequencies=self._reader.frequencies(asked.words.terms),
        )
        ranked = [
            Ranked(
                candidate,
                fused(
                    float(asked.similarities[rows[candidate.id]]), collection.words_score(asked.words, candidate.terms)
                ),
            )
            for candidate in candidates
            if candidate.id in rows  # else indexed a moment ago: the next look sees it
        ]
        if not ranked:
            return _NOTHING
        ranked.sort(key=lambda each: (-each.score, each.candidate.id))
        best = ranked[0].candidate
        similarity = float(asked.similarities[rows[best.id]])
        background = self._background.of(scope) @ asked.vector
        elsewhere = np.concatenate([asked.similarities[comparable], background])
        signals = Signals(
            similarity=similarity,
            lead=similarity - float(elsewhere.mean()),
            contrast=similarity - float(np.sort(background)[-_NEAREST_BACKGROUND:].mean()),
            coverage=collection.coverage(asked.words, best.terms),
            unknown=collection.unknown(asked.words),
        )
        return Finding(tuple(ranked), signals)
