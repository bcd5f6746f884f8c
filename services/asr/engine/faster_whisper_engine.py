"""Whisper on CTranslate2, by faster-whisper: int8 on a CPU, no torch."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from faster_whisper import WhisperModel

from services.asr.engine.biased_decoding import EncodedClip, SuppressedTokens
from services.asr.engine.context.rescoring import Weights, weigh
from services.asr.engine.interface import (
    BIASED,
    PLAIN,
    SAMPLE_RATE,
    Candidate,
    Capabilities,
    Clip,
    Expected,
    HeardWord,
    Passage,
    Recognition,
    Weighing,
)
from shared.errors import InvalidArtifact

# A window of speech holds about 7 tokens a second in English and 15 in Chinese. The limit ends loops early: without it
# a decoder that repeats itself does so for 448 tokens, some seconds on a CPU.
_TOKENS_A_SECOND = 20
_SPARE_TOKENS = 40
_MOST_TOKENS = 440
_MOST_BIASED_TOKENS = 200  # a prompt takes the other half
_FRAME = 160  # samples
_WINDOW_FRAMES = 3000


@dataclass(frozen=True, slots=True)
class Decoding:
    """How the decoder searches."""

    beam_size: int = 5
    threads: int = 4
    workers: int = 1  # clips decoded at the same time
    compute_type: str = "int8"
    device: str = "cpu"


class FasterWhisperEngine:
    """A CTranslate2 Whisper. The search is a beam at temperature 0: the same clip always yields the same words."""

    def __init__(self, folder: Path, version: str, decoding: Decoding) -> None:
        """Load the model of `folder`; raises InvalidArtifact where CTranslate2 cannot."""
        try:
            self._model = WhisperModel(
                str(folder),
                device=decoding.device,
                compute_type=decoding.compute_type,
                cpu_threads=decoding.threads,
                num_workers=decoding.workers,
                local_files_only=True,
            )
        except (RuntimeError, ValueError) as error:
            remedy = f"is no CTranslate2 Whisper for {decoding.device} {decoding.compute_type}: {error}"
            raise InvalidArtifact("asr.model", str(folder), remedy) from error
        self._beams = _Beams(self._model.model, decoding.beam_size)
        self._model.model = self._beams
        self._beam_size = decoding.beam_size
        self._weights = Weights()
        self._suppressed: SuppressedTokens = {}
        languages = frozenset(self._model.supported_languages)
        multilingual = bool(self._beams.is_multilingual)
        self.capabilities = Capabilities("faster-whisper", version, languages, multilingual, biasing=True)

    def recognise(self, clip: Clip) -> Recognition:
        """Every window's text, words and alternatives; one window is heard again where something is expected."""
        plain = self._recognise(clip)
        if clip.expected is None:
            return plain
        encoded = self._beams.encoded()
        if len(plain.passages) != 1 or len(encoded) != 1:
            text = " ".join(passage.text for passage in plain.passages)
            reason = "no words were heard" if not plain.passages else "longer than one window"
            return replace(plain, weighing=Weighing(PLAIN, reason, text))
        return self._again(clip, plain, clip.expected, encoded[0])

    def _again(self, clip: Clip, plain: Recognition, expected: Expected, encoded: Any) -> Recognition:
        """The same clip, encoded once, with what is expected of it."""
        (passage,) = plain.passages
        decoder = EncodedClip(
            self._model,
            encoded,
            language=plain.language,
            frames=min(_WINDOW_FRAMES, len(clip.samples) // _FRAME),
            beam_size=self._beam_size,
            suppressed=self._suppressed,
            most_tokens=min(_MOST_BIASED_TOKENS, _most_tokens(clip)),
        )
        weighing = weigh(passage, decoder, expected, self._weights)
        if weighing.chosen == BIASED:
            passage = decoder.passage(weighing.weighed[0], passage.no_speech_probability)
        return Recognition((passage,), plain.language, weighing)

    def _recognise(self, clip: Clip) -> Recognition:
        self._beams.forget()
        segments, info = self._model.transcribe(
            clip.samples,
            language=clip.language or None,
            beam_size=self._beam_size,
            temperature=0.0,
            word_timestamps=True,
            condition_on_previous_text=False,
            no_speech_threshold=None,  # what is no speech is judged by the caller, who knows more of the recording
            max_new_tokens=_most_tokens(clip),
        )
        windows = [list(window) for _, window in itertools.groupby(segments, key=lambda segment: segment.seek)]
        results = self._beams.results()
        passages = tuple(_passage(window) for window in windows)
        if len(passages) == 1 and len(results) == 1:
            passages = (replace(passages[0], alternatives=self._alternatives(results[0], passages[0].text)),)
        return Recognition(passages, info.language)

    def _alternatives(self, result: Any, best: str) -> tuple[Candidate, ...]:
        """The runners-up that differ in their words, not in case or punctuation alone."""
        end_of_text = self._model.hf_tokenizer.token_to_id("<|endoftext|>")
        found: dict[str, Candidate] = {}
        for tokens, score in zip(result.sequences_ids, result.scores, strict=True):
            text = self._model.hf_tokenizer.decode([token for token in tokens if token < end_of_text]).strip()
            # The score is a mean without the end token; the mean with it is what Whisper's thresholds are about.
            found.setdefault(_letters(text), Candidate(text, score * len(tokens) / (len(tokens) + 1)))
        return tuple(found[letters] for letters in found if letters not in ("", _letters(best)))


class _Beams:
    """A CTranslate2 Whisper that keeps the runners-up of its beam search, which faster-whisper throws away."""

    def __init__(self, model: Any, hypotheses: int) -> None:
        self._model = model
        self._hypotheses = hypotheses
        self._heard = threading.local()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def forget(self) -> None:
        """Begin a clip."""
        self._heard.results = []
        self._heard.encoded = []

    def results(self) -> list[Any]:
        """What this thread has decoded since `forget`, one result a window."""
        return list(self._heard.results)

    def encoded(self) -> list[Any]:
        """What this thread has encoded since `forget`, one a window."""
        return list(self._heard.encoded)

    def encode(self, features: Any, **options: Any) -> Any:
        """As CTranslate2's."""
        encoded = self._model.encode(features, **options)
        self._heard.encoded.append(encoded)
        return encoded

    def generate(self, features: Any, prompts: Any, **options: Any) -> Any:
        """As CTranslate2's, with several hypotheses."""
        results = self._model.generate(features, prompts, **{"num_hypotheses": self._hypotheses, **options})
        self._heard.results.extend(results)
        return results


def _most_tokens(clip: Clip) -> int:
    seconds = len(clip.samples) / SAMPLE_RATE
    return min(_MOST_TOKENS, int(_SPARE_TOKENS + _TOKENS_A_SECOND * min(seconds, 30.0)))


def _letters(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def _passage(window: Sequence[Any]) -> Passage:
    words = tuple(
        HeardWord(word.word.strip(), float(word.start), float(word.end), min(1.0, max(0.0, float(word.probability))))
        for segment in window
        for word in segment.words or ()
    )
    return Passage(
        text="".join(segment.text for segment in window).strip(),
        log_probability=float(window[0].avg_logprob),
        tokens=sum(len(segment.tokens) for segment in window),
        no_speech_probability=float(window[0].no_speech_prob),
        words=words,
    )
