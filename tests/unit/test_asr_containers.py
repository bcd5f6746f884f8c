"""A recording that breaks off is told from a whole one, in every container that says how long it is."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.asr.engine.containers import shortfall
from tests.asr_sounds import encoded, silence, white_noise

pytestmark = pytest.mark.unit

_SOUND = white_noise(1, 0.1)
FILES = {
    "WAV": encoded(_SOUND, subtype="PCM_16"),
    "WAV, 24 bit": encoded(_SOUND, container="WAVEX", subtype="PCM_24"),
    "WAV, floating point": encoded(_SOUND, subtype="FLOAT"),
    "WAV, telephone": encoded(_SOUND, 8000, subtype="ULAW"),
    "RF64": encoded(_SOUND, container="RF64"),
    "AIFF": encoded(_SOUND, container="AIFF"),
    "AU": encoded(_SOUND, container="AU"),
    "OGG Vorbis": encoded(_SOUND, container="OGG"),
    "OGG Opus": encoded(_SOUND, container="OGG", subtype="OPUS"),
    "MP3": encoded(_SOUND, container="MP3"),
}


@pytest.mark.parametrize("container", FILES)
def test_a_whole_file_lacks_nothing(container: str) -> None:
    assert shortfall(FILES[container]) == ""


@pytest.mark.parametrize("container", FILES)
@pytest.mark.parametrize("share", [0.99, 0.5, 0.1])
def test_a_file_that_breaks_off_is_told(container: str, share: float) -> None:
    data = FILES[container]

    assert shortfall(data[: int(len(data) * share)])


@pytest.mark.parametrize("container", [*FILES, "FLAC"])
def test_a_file_that_breaks_off_within_its_header_is_told(container: str) -> None:
    data = encoded(_SOUND, container="FLAC") if container == "FLAC" else FILES[container]

    assert shortfall(data[:41])


def test_an_mp3_without_a_tag_that_tells_its_size_breaks_off_in_its_last_frame() -> None:
    tagged = FILES["MP3"]
    second = tagged.index(tagged[:2], 4)
    bare = tagged[second:]

    assert shortfall(bare) == ""
    assert shortfall(bare[:-20])


def test_a_wav_written_to_a_pipe_announces_no_length() -> None:
    data = FILES["WAV"]
    at = data.index(b"data") + 4
    for unknown in (0xFFFF_FFFF, 0x7FFF_F000, 0):
        piped = data[:4] + struct.pack("<I", unknown) + data[8:at] + struct.pack("<I", unknown) + data[at + 4 :]

        assert shortfall(piped) == ""


def test_chunks_after_the_samples_are_no_matter() -> None:
    assert shortfall(FILES["WAV"] + b"LIST\x04\x00\x00\x00INFO") == ""
    assert shortfall(FILES["MP3"] + b"TAG" + bytes(125)) == ""


def test_a_file_without_samples_is_whole() -> None:
    assert shortfall(encoded(silence(0))) == ""


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"RIFF", b"FORM", b"fLaC", b"OggS", b"ID3", b".snd", b"\xff\xfb"])
)
@settings(max_examples=300, deadline=None)
def test_no_bytes_break_the_reading_of_headers(rest: bytes, magic: bytes) -> None:
    assert isinstance(shortfall(magic + rest), str)
