"""Ranking: what a match of words is worth, and how it joins the nearness of vectors.

Words are weighed by BM25 (Robertson and Zaragoza 2009), computed here so that every database ranks alike. The two
scores are added, not their ranks: on our questions and on XQuAD this convex combination puts the right passage first
more often than reciprocal-rank fusion (Bruch et al. 2023, "An Analysis of Fusion Functions for Hybrid Retrieval").
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from services.knowledge.terms import Question

_K1 = 1.2
_B = 0.75
_WORDS_WEIGHT = 0.012  # of BM25 in units of one rare term, against a cosine whose spread is about 0.03


@dataclass(frozen=True, slots=True)
class Collection:
    """What is known of all passages that could have been found."""

    passages: int
    mean_length: float  # terms
    frequencies: Mapping[str, int]  # passages with a term, for the terms of the question

    def rarity(self, term: str) -> float:
        """Inverse document frequency; a term that stands nowhere is the rarest."""
        frequency = min(self.frequencies.get(term, 0), self.passages)
        return math.log(1 + (self.passages - frequency + 0.5) / (frequency + 0.5))

    def words_score(self, question: Question, terms: Sequence[str]) -> float:
        """BM25 of a passage's `terms`, in units of a term that stands nowhere else."""
        counts = Counter(terms)
        norm = _K1 * (1 - _B + _B * len(terms) / self.mean_length)
        score = sum(
            self.rarity(term) * counts[term] * (_K1 + 1) / (counts[term] + norm)
            for term in question.terms
            if counts[term]
        )
        return score / math.log(1 + 2 * self.passages)

    def coverage(self, question: Question, terms: Sequence[str]) -> float:
        """0 to 1: share of the question's content words, weighed by rarity, that a passage has."""
        present = set(terms)
        return self._share(question, lambda unit: any(term in present for term in unit))

    def unknown(self, question: Question) -> float:
        """0 to 1: share of the question's content words, weighed by rarity, that no passage has."""
        if not question.units:
            return 0.0
        return 1 - self._share(question, lambda unit: any(self.frequencies.get(term) for term in unit))

    def _share(self, question: Question, counts: Callable[[tuple[str, ...]], bool]) -> float:
        weights = [self._weight(unit) for unit in question.units]
        got = sum(weight for weight, unit in zip(weights, question.units, strict=True) if counts(unit))
        return got / sum(weights) if weights else 0.0

    def _weight(self, unit: tuple[str, ...]) -> float:
        known = [term for term in unit if self.frequencies.get(term)]
        return max(self.rarity(term) for term in known or unit)


def fused(similarity: float, words_score: float) -> float:
    """One score of both; higher is better, comparable within one question only."""
    return similarity + _WORDS_WEIGHT * words_score
