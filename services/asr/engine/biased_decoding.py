"""A clip that CTranslate2 has encoded once, decoded again with a prompt, and asked how likely a text is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_suppressed_tokens

from services.asr.engine.context.prompting import prompt_tokens
from services.asr.engine.interface import Candidate, HeardWord, Passage, Prompt, Weighed

_LEAST_PROBABILITY = 1e-10
_UNTHINKABLE = -100.0
_MARKS = (".", ",", "?", "%", "'s", "'m", "'d", "'t", "'ll", *(f" {number}" for number in range(101)))
_MOST_VOCABULARIES = 64

SuppressedTokens = dict[frozenset[str], list[int]]  # vocabulary -> all the tokens that are not its own


class EncodedClip:
    """One window of at most 30 s, as `services.asr.engine.context.rescoring` wants it."""

    def __init__(
        self,
        model: Any,
        encoded: Any,
        *,
        language: str,
        frames: int,
        beam_size: int,
        most_tokens: int,
        suppressed: SuppressedTokens,
    ) -> None:
        """`model`: a faster_whisper.WhisperModel; `encoded`: what its encoder made of the clip of `frames` frames.

        `suppressed` is kept by the caller from clip to clip.
        """
        self._model = model
        self._encoded = encoded
        self._frames = frames
        self._beam_size = beam_size
        self._most_tokens = most_tokens
        self._tokens_of = suppressed
        multilingual = bool(model.model.is_multilingual)
        self._tokenizer = Tokenizer(
            model.hf_tokenizer, multilingual, task="transcribe" if multilingual else None, language=language or None
        )

    def hypotheses(self, prompt: Prompt, vocabulary: frozenset[str] = frozenset()) -> Sequence[Candidate]:
        """What a beam search finds after the prompt, best first; the score is the mean, the end counted.

        `vocabulary`: the search has no other words (nor, to be exact, others made of the same tokens).
        """
        tokenizer = self._tokenizer
        start = [
            tokenizer.sot_prev,
            *prompt_tokens(prompt, tokenizer.encode),
            *tokenizer.sot_sequence,
            tokenizer.no_timestamps,
        ]
        result = self._model.model.generate(
            self._encoded,
            [start],
            beam_size=self._beam_size,
            num_hypotheses=self._beam_size,
            return_scores=True,
            suppress_tokens=self._others(vocabulary) if vocabulary else self._suppressed,
            max_length=len(start) + self._most_tokens,
        )[0]
        return [
            Candidate(self._text(tokens), score * len(tokens) / (len(tokens) + 1))
            for tokens, score in zip(result.sequences_ids, result.scores, strict=True)
        ]

    def acoustic(self, text: str) -> float:
        """Sum over the tokens of their probabilities in the sound, nothing having been said before."""
        tokens = self._tokenizer.encode(f" {text.strip()}")
        if not tokens:
            return _UNTHINKABLE
        aligned = self._model.model.align(self._encoded, list(self._tokenizer.sot_sequence), [tokens], self._frames)
        return float(np.log(np.maximum(aligned[0].text_token_probs, _LEAST_PROBABILITY)).sum())

    def passage(self, text: Weighed, no_speech_probability: float | None) -> Passage:
        """The text as a passage, with the times of its words."""
        tokens = self._tokenizer.encode(f" {text.text.strip()}")
        (found,) = self._model.find_alignment(self._tokenizer, [tokens], self._encoded, self._frames)
        words = tuple(
            HeardWord(word["word"].strip(), float(word["start"]), float(word["end"]), min(1.0, word["probability"]))
            for word in found
            if word["word"].strip()
        )
        return Passage(text.text, text.log_probability, len(tokens), no_speech_probability, words)

    @cached_property
    def _suppressed(self) -> list[int]:
        return list(get_suppressed_tokens(self._tokenizer, [-1]))

    def _others(self, vocabulary: frozenset[str]) -> list[int]:
        """All tokens of text but those of the vocabulary."""
        known = self._tokens_of.get(vocabulary)
        if known is None:
            spelled = {form for word in vocabulary for form in (f" {word}", f" {word.capitalize()}")}
            kept = {token for form in (*spelled, *_MARKS) for token in self._tokenizer.encode(form)}
            known = sorted(set(range(self._tokenizer.eot)) - kept | {each for each in self._suppressed if each >= 0})
            if len(self._tokens_of) >= _MOST_VOCABULARIES:
                self._tokens_of.clear()
            self._tokens_of[vocabulary] = known
        return known

    def _text(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode([token for token in tokens if token < self._tokenizer.eot])).strip()
