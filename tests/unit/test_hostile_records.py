"""Whatever stands on a topic is read, or refused with a reason that repeats nobody's words; nothing else happens."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.v1 import asr_pb2
from shared.blobs import BlobStore
from shared.bus.codec import Codecs
from shared.bus.envelope import Fetched, decode
from shared.errors import InvalidBlob, InvalidEvent
from shared.runtime.dead_letters import dead_letter, original_headers
from shared.topology import DEAD_LETTERS, TOPICS
from tests.hostile import BODIES, CONTENT_TYPES, HEADERS, KEYS, SECRET_WORDS, fuzzed

pytestmark = pytest.mark.unit
READ = sorted(name for name, topic in TOPICS.items() if topic.body is not None)


@fuzzed(400)
@given(
    topic=st.sampled_from(READ),
    body=st.one_of(st.none(), BODIES),
    content_type=CONTENT_TYPES,
    headers=HEADERS,
    key=KEYS,
    timestamp=st.integers(-1, 2**45),
)
def test_a_record_is_an_event_or_a_dead_letter(
    topic: str,
    body: bytes | None,
    content_type: str,
    headers: list[tuple[str, bytes]],
    key: bytes | None,
    timestamp: int,
) -> None:
    record = Fetched(topic, 1, 7, key, [("content-type", content_type.encode()), *headers], body, timestamp, 1.0)

    try:
        event = decode(record, Codecs())
    except InvalidEvent as error:
        assert error.field
        assert error.remedy
        assert SECRET_WORDS not in str(error)
        letter = dead_letter(record, stage="asr", error=error, attempts=1)
        assert letter.topic == DEAD_LETTERS
        assert letter.body == (body or b"")
        kept = {name.lower() for name in original_headers(letter.headers)}
        assert kept >= {name.lower() for name, _ in headers}
        for name, value in letter.headers.items():  # as the producer writes them
            name.encode("utf-8", "surrogateescape")
            value.encode("utf-8", "surrogateescape")
    else:
        assert event.topic == topic
        assert len(event.id) <= 200
        assert isinstance(event.body, TOPICS[topic].body or object)


_PLACES = [
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "file:///etc/../etc/passwd",
    "file://169.254.169.254/latest/meta-data",
    "http://169.254.169.254/latest/meta-data",
    "https://example.com/recording.wav",
    "ftp://example.com/recording.wav",
    "s3://somebody/recording.wav",
    "memory://recording.wav",
    "data:audio/wav;base64,UklGRg==",
    "simplecache::file:///etc/passwd",
    "zip://recording.wav::file:///etc/passwd",
    "file:////etc/passwd",
    "FILE:///etc/passwd",
    "/etc/passwd",
    "etc/passwd",
    "\\\\host\\share",
    "file:///proc/self/environ",
    "file:///dev/zero",
    "",
]


@fuzzed(200)
@given(place=st.one_of(st.sampled_from(_PLACES), st.text(max_size=80)), inside=st.booleans(), encoded=st.booleans())
def test_a_claim_check_reads_nothing_outside_its_prefix(
    tmp_path_factory: pytest.TempPathFactory, place: str, inside: bool, encoded: bool
) -> None:
    """Digests are right, so only the place can be what refuses; `inside`: as a path that begins below the prefix."""
    folder = tmp_path_factory.getbasetemp() / "claims"
    (folder / "blobs").mkdir(parents=True, exist_ok=True)
    secret = folder / "secret"
    secret.write_text(SECRET_WORDS)
    store = BlobStore((folder / "blobs").as_uri())
    uri = f"{(folder / 'blobs').as_uri()}/../secret" if inside else place
    if encoded:
        uri = uri.replace("..", "%2e%2e").replace("etc", "%65tc")
    target = secret if inside else Path("/etc/passwd")
    digest = hashlib.sha256(target.read_bytes()).hexdigest()

    with pytest.raises(InvalidBlob) as refused:
        store.get(asr_pb2.ClaimCheck(uri=uri, sha256=digest))

    assert SECRET_WORDS not in str(refused.value)
    assert "root:" not in str(refused.value)


def test_a_link_out_of_the_prefix_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    secret = tmp_path / "secret"
    secret.write_text(SECRET_WORDS)
    (tmp_path / "blobs" / "link").symlink_to(secret)
    digest = hashlib.sha256(secret.read_bytes()).hexdigest()

    with pytest.raises(InvalidBlob):
        BlobStore((tmp_path / "blobs").as_uri()).get(
            asr_pb2.ClaimCheck(uri=(tmp_path / "blobs" / "link").as_uri(), sha256=digest)
        )
