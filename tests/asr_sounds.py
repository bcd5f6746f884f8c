"""Sounds for the tests of hearing: speech of the project's own, and everything that is no speech."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

RATE = 16_000
Sound = NDArray[np.float32]
_CLIPS = Path(__file__).resolve().parent / "audio"


def clip(name: str) -> bytes:
    """One of the project's own recordings, a FLAC file."""
    return (_CLIPS / f"{name}.flac").read_bytes()


def spoken(name: str) -> Sound:
    """Its samples."""
    samples, _ = soundfile.read(_CLIPS / f"{name}.flac", dtype="float32")
    return np.asarray(samples, np.float32)


def encoded(
    samples: NDArray[np.float32], rate: int = RATE, container: str = "WAV", subtype: str | None = None
) -> bytes:
    """The samples, shape (frames,) or (frames, channels), as a file."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=container, subtype=subtype)
    return file.getvalue()


def silence(seconds: float) -> Sound:
    """Digital silence."""
    return np.zeros(int(seconds * RATE), np.float32)


def white_noise(seconds: float, level: float, seed: int = 0) -> Sound:
    """Gaussian noise of the given standard deviation."""
    return _sound(level * np.random.default_rng(seed).standard_normal(int(seconds * RATE)))


def hum(hertz: float, seconds: float, harmonics: int) -> Sound:
    """What a mains supply sounds like through a bad cable."""
    time = np.arange(int(seconds * RATE)) / RATE
    return _sound(0.3 * sum(np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, harmonics + 1)))


def melody(notes: Sequence[int], seconds_a_note: float = 0.3, harmonics: int = 6) -> Sound:
    """Plucked notes, numbered as in MIDI."""
    time = np.arange(int(seconds_a_note * RATE)) / RATE
    envelope = np.minimum(1, time / 0.02) * np.exp(-3 * time)
    pitches = [440 * 2 ** ((note - 69) / 12) for note in notes]
    return np.concatenate([_sound(envelope * hum(pitch, seconds_a_note, harmonics)) for pitch in pitches])


def siren(seconds: float, carrier: float = 220, rate: float = 4) -> Sound:
    """A tone that swells and fades."""
    time = np.arange(int(seconds * RATE)) / RATE
    return _sound(0.4 * np.sin(2 * np.pi * carrier * time) * (1 + np.sin(2 * np.pi * rate * time)) / 2)


def without_speech() -> Mapping[str, Sound]:
    """Sounds nobody speaks in."""
    scale = [60, 62, 64, 65, 67, 69, 71, 72]
    clicks = silence(2)
    clicks[::4000] = 0.8
    rumble = np.cumsum(white_noise(3, 0.02, seed=1))
    gusts = white_noise(3, 0.2, seed=2) * np.abs(np.sin(2 * np.pi * 2 * np.arange(3 * RATE) / RATE))
    return {
        "white noise": white_noise(3, 0.2),
        "faint noise": white_noise(3, 0.003),
        "a burst of noise": white_noise(0.2, 0.3),
        "gusts": _sound(gusts),
        "rumble": _sound(0.5 * rumble / np.abs(rumble).max()),
        "mains hum at 50 Hz": hum(50, 3, 8),
        "mains hum at 60 Hz": hum(60, 3, 20),
        "a transformer": hum(120, 3, 20),
        "a tone": hum(220, 3, 3),
        "a beep": hum(1000, 1, 1),
        "a siren": siren(3),
        "a slow siren": siren(3, carrier=150, rate=2),
        "a scale": melody(scale),
        "a bass line": melody([48, 50, 52, 53, 55, 57], 0.5, 20),
        "a chord": _sound((hum(262, 3, 5) + hum(330, 3, 5) + hum(392, 3, 5)) / 3),
        "a melody in noise": _sound(melody(scale) + white_noise(2.4, 0.03, seed=3)),
        "clicks": clicks,
    }


def _sound(samples: object) -> Sound:
    return np.clip(np.asarray(samples, np.float32), -1, 1)
