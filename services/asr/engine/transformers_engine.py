"""Whisper in Hugging Face's format, by transformers and torch: whatever was fine-tuned or comes in that format.

Nothing else of the service imports torch; this module is imported where the setting asks for it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import WhisperForConditionalGeneration, WhisperProcessor

from services.asr.engine.interface import (
    SAMPLE_RATE,
    UNSPACED,
    Capabilities,
    Clip,
    HeardWord,
    Passage,
    Recognition,
    Samples,
)
from shared.errors import InvalidArtifact

_WINDOW = 30 * SAMPLE_RATE  # what a Whisper encoder takes at once
_EARLIEST_CUT = 20 * SAMPLE_RATE
_CUT_FRAME = SAMPLE_RATE // 20
_SPARE_TOKENS = 40
_TOKENS_A_SECOND = 20  # as with faster-whisper: ends loops early
_NO_SPEECH_TOKENS = ("<|nospeech|>", "<|nocaptions|>")


@dataclass(frozen=True, slots=True)
class _Token:
    text_id: int
    log_probability: float
    end: float  # seconds from the window's start


class TransformersEngine:
    """A Hugging Face Whisper. Beam search without sampling: the same clip always yields the same words.

    It gives the best hypothesis only, and word times where the checkpoint names its alignment heads.
    """

    def __init__(self, folder: Path, version: str, *, beam_size: int, device: str) -> None:
        """Load the checkpoint of `folder`; raises InvalidArtifact where transformers cannot."""
        try:
            model: Any = WhisperForConditionalGeneration.from_pretrained(
                folder, dtype=torch.float32, attn_implementation="eager", local_files_only=True
            )
            self._processor = WhisperProcessor.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            remedy = f"is no Whisper checkpoint with its processor: {error}"
            raise InvalidArtifact("asr.model", str(folder), remedy) from error
        self._model = model.to(device).eval()
        self._device = device
        self._beam_size = beam_size
        self._longest = int(self._model.config.max_target_positions)
        self._lock = threading.Lock()  # generate() changes the generation config while it runs
        tokenizer = self._processor.tokenizer
        known = tokenizer.get_vocab()
        self._end = int(known["<|endoftext|>"])  # text comes before it, everything special after
        self._no_speech = next((known[name] for name in _NO_SPEECH_TOKENS if name in known), None)
        self._times = bool(getattr(self._model.generation_config, "alignment_heads", None))
        by_token = getattr(self._model.generation_config, "lang_to_id", None) or {}
        multilingual = bool(getattr(self._model.generation_config, "is_multilingual", False) and by_token)
        languages = frozenset(token[2:-2] for token in by_token) if multilingual else frozenset({"en"})
        self.capabilities = Capabilities("transformers", version, languages, multilingual)

    def recognise(self, clip: Clip) -> Recognition:
        """Every window's text and words. A clip without a language gets that of its first window."""
        language = clip.language if self.capabilities.multilingual else "en"
        passages = []
        with self._lock, torch.inference_mode():
            for start, end in _windows(clip.samples):
                passage, language = self._hear(clip.samples[start:end], language, start / SAMPLE_RATE)
                if passage is not None:
                    passages.append(passage)
        return Recognition(tuple(passages), language)

    def _hear(self, samples: Samples, language: str, offset: float) -> tuple[Passage | None, str]:
        inputs = self._processor(
            samples, sampling_rate=SAMPLE_RATE, return_tensors="pt", return_attention_mask=True
        ).to(self._device)
        encoded = self._model.get_encoder()(inputs.input_features)
        multilingual = self.capabilities.multilingual
        if multilingual and not language:
            token = int(self._model.detect_language(encoder_outputs=encoded)[0])
            language = str(self._processor.tokenizer.decode([token])).strip("<|>")
        outputs = self._model.generate(
            encoder_outputs=encoded,
            attention_mask=inputs.attention_mask,
            num_beams=self._beam_size,
            do_sample=False,
            return_dict_in_generate=True,
            return_token_timestamps=self._times,
            max_length=min(self._longest, _SPARE_TOKENS + _TOKENS_A_SECOND * len(samples) // SAMPLE_RATE),
            **({"language": language, "task": "transcribe"} if multilingual else {}),
        )
        tokens, mean = self._tokens(outputs, encoded)
        text = self._text([token.text_id for token in tokens])
        if not text:
            return None, language
        words = _words(tokens, self._processor.tokenizer, language, offset) if self._times else ()
        return Passage(text, mean, len(tokens), self._no_speech_probability(encoded), words), language

    def _tokens(self, outputs: Any, encoded: Any) -> tuple[list[_Token], float]:
        """The text tokens of the best sequence, and the mean log-probability of them and the end.

        The probabilities are those of a second pass of the decoder over what it chose: `generate` does not hand them
        out together with times.
        """
        sequence = outputs["sequences"][:1]
        logits = self._model(encoder_outputs=encoded, decoder_input_ids=sequence[:, :-1]).logits
        chosen = sequence[0, 1:]
        probabilities = torch.log_softmax(logits[0].float(), -1).gather(1, chosen[:, None])[:, 0].tolist()
        times = outputs["token_timestamps"][0, 1:].tolist() if self._times else [0.0] * len(chosen)
        scored = [
            _Token(token, log_probability, time)
            for token, log_probability, time in zip(chosen.tolist(), probabilities, times, strict=True)
            if token <= self._end
        ]
        mean = float(np.mean([token.log_probability for token in scored])) if scored else -np.inf
        return [token for token in scored if token.text_id < self._end], mean

    def _no_speech_probability(self, encoded: Any) -> float | None:
        if self._no_speech is None:
            return None
        start = torch.tensor([[self._model.config.decoder_start_token_id]], device=self._device)
        logits = self._model(encoder_outputs=encoded, decoder_input_ids=start).logits[0, 0]
        return float(torch.softmax(logits, -1)[self._no_speech])

    def _text(self, ids: Sequence[int]) -> str:
        return str(self._processor.tokenizer.decode(ids, skip_special_tokens=True)).strip()


def _windows(samples: Samples) -> list[tuple[int, int]]:
    """Windows of at most 30 s, cut where it is quietest."""
    cuts = [0]
    while len(samples) - cuts[-1] > _WINDOW:
        stretch = samples[cuts[-1] + _EARLIEST_CUT : cuts[-1] + _WINDOW]
        frames = stretch[: len(stretch) // _CUT_FRAME * _CUT_FRAME].reshape(-1, _CUT_FRAME)
        quietest = int(np.square(frames).sum(axis=1).argmin())
        cuts.append(cuts[-1] + _EARLIEST_CUT + quietest * _CUT_FRAME + _CUT_FRAME // 2)
    return list(zip(cuts, [*cuts[1:], len(samples)], strict=True))


def _words(tokens: Sequence[_Token], tokenizer: Any, language: str, offset: float) -> tuple[HeardWord, ...]:
    """Tokens grouped into words: a word begins with a blank, or, in unspaced scripts, with every whole character."""
    groups: list[list[_Token]] = []
    whole = True  # False while the bytes of one character are spread over several tokens
    for token in tokens:
        piece = str(tokenizer.decode([token.text_id]))
        begins = whole and (piece.startswith(" ") or (language in UNSPACED and piece.isalnum()))
        if begins or not groups:
            groups.append([token])
        else:
            groups[-1].append(token)
        whole = "�" not in str(tokenizer.decode([each.text_id for each in groups[-1]]))
    words = []
    start = 0.0
    for group in groups:
        text = str(tokenizer.decode([token.text_id for token in group])).strip()
        probability = float(np.exp([token.log_probability for token in group]).mean())
        end = max(start, group[-1].end)
        if text:
            words.append(HeardWord(text, offset + start, offset + end, min(1.0, probability)))
        start = end
    return tuple(words)
