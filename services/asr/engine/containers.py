"""Does a file hold as much as its header announces?

Decoders hide it: libsndfile reads what is left of a WAV, AIFF, Ogg or MP3 that breaks off, and says nothing. Half a
command must not pass for a whole one ("turn off the light" of "turn off the light in ten minutes").

Sources: RIFF/WAVE and RF64 (EBU Tech 3306), AIFF-C, Sun .snd, RFC 9639 (FLAC), RFC 3533 (Ogg), ISO 11172-3 (MPEG
audio), the Xing/Info tag as LAME writes it.
"""

from __future__ import annotations

import struct

# Writers to a pipe cannot know the length: they announce zero or (about) the largest number of the field.
_STREAMED = 0x7FFF_0000
_PAGE_HEADER = 27  # bytes of an Ogg page before its segment table
_LAST_PAGE = 0x04  # Ogg header flag
_MP3_BITRATES = {  # kbit/s of layer III by MPEG version
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MP3_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


def shortfall(data: bytes) -> str:
    """What is missing from an encoded file, for people; empty where it is whole or does not announce its length."""
    if data[:4] in (b"RIFF", b"RIFX", b"RF64", b"FORM"):
        return _chunks(data)
    if data[:4] == b".snd":
        return _announced(data, *struct.unpack_from(">II", data.ljust(12, b"\0"), 4))
    if data[:4] == b"fLaC":
        return _flac(data)
    if data[:4] == b"OggS":
        return _ogg(data)
    if data[:3] == b"ID3" or _mp3_frame_length(data, 0):
        return _mp3(data)
    return ""


def _announced(data: bytes, start: int, size: int) -> str:
    if size == 0 or size >= _STREAMED or start + size <= len(data):
        return ""
    return f"{size} bytes of samples are announced, {max(0, len(data) - start)} are there"


def _chunks(data: bytes) -> str:
    """WAV, RF64 and AIFF: the chunk that holds the samples, or the whole form where that chunk is not reached."""
    order = ">" if data[:4] in (b"RIFX", b"FORM") else "<"
    (form,) = struct.unpack_from(f"{order}I", data.ljust(8, b"\0"), 4)
    at, wide = 12, 0
    while at + 8 <= len(data):
        name = data[at : at + 4]
        (size,) = struct.unpack_from(f"{order}I", data, at + 4)
        if name == b"ds64" and at + 24 <= len(data):
            (wide,) = struct.unpack_from("<Q", data, at + 16)
        if name in (b"data", b"SSND"):
            if size == 0xFFFF_FFFF and wide:
                return "" if at + 8 + wide <= len(data) else f"{wide} bytes of samples are announced"
            return _announced(data, at + 8, size)
        at += 8 + size + size % 2
    return _announced(data, 8, form) or ("the file ends within its header" if at > len(data) else "")


def _flac(data: bytes) -> str:
    """The metadata; frames are counted while they are decoded."""
    at = 4
    while at + 4 <= len(data):
        last, size = data[at] & 0x80, int.from_bytes(data[at + 1 : at + 4], "big")
        at += 4 + size
        if last:
            break
    return "" if at <= len(data) and at > 4 else "the file ends within its header"


def _ogg(data: bytes) -> str:
    at = 0
    flags = 0
    while at < len(data) and data[at : at + 4] == b"OggS":
        segments = data[at + 26] if at + _PAGE_HEADER <= len(data) else 255
        body = at + _PAGE_HEADER + segments
        if body > len(data) or body + sum(data[at + _PAGE_HEADER : body]) > len(data):
            return "the last page is cut off"
        flags = data[at + 5]
        at = body + sum(data[at + _PAGE_HEADER : body])
    return "" if flags & _LAST_PAGE else "the page that ends the stream is missing"


def _mp3_frame_length(data: bytes, at: int) -> int:
    """Bytes of the MPEG layer III frame at `at`; 0 where there is none."""
    if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] & 0xE6 != 0xE2:
        return 0
    version, bitrate, rate = data[at + 1] >> 3 & 3, data[at + 2] >> 4, data[at + 2] >> 2 & 3
    if version == 1 or bitrate in (0, 15) or rate == 3:
        return 0
    kilobits = _MP3_BITRATES[1 if version == 3 else 2][bitrate]
    return (144 if version == 3 else 72) * kilobits * 1000 // _MP3_RATES[version][rate] + (data[at + 2] >> 1 & 1)


def _mp3(data: bytes) -> str:
    """The size the Xing/Info tag announces; without one, whether the last frame is whole."""
    at = 0
    if data[:3] == b"ID3" and len(data) >= 10:
        at = 10 + sum((byte & 0x7F) << 7 * place for place, byte in enumerate(reversed(data[6:10])))
    start, length = at, _mp3_frame_length(data, at)
    tag = max(data.find(b"Xing", start, start + length), data.find(b"Info", start, start + length))
    if tag > 0 and tag + 16 <= len(data) and data[tag + 7] & 3 == 3:
        return _announced(data, start, int.from_bytes(data[tag + 12 : tag + 16], "big"))
    while length:
        at += length
        if at > len(data):
            return "the last frame is cut off"
        length = _mp3_frame_length(data, at)
    return "the file ends within its header" if start >= len(data) else ""
