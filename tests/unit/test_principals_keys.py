"""The keys of a first run: made once, private, the same for everybody over one data folder."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.errors import InvalidSettings
from shared.principals import PrincipalSeal, ensure_keys
from shared.settings import KafkaSettings, StorageSettings
from tests.unit.test_principals_seal import ADA, published, said

pytestmark = pytest.mark.unit


def test_keys_are_made_once_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    made, found = ensure_keys(tmp_path), ensure_keys(tmp_path)

    assert made.seal == found.seal
    assert made.development_signing.private_bytes_raw() == found.development_signing.private_bytes_raw()
    files = sorted((tmp_path / "keys").iterdir())
    assert [file.name for file in files] == ["development-jwt.pem", "principal-seal.key"]  # and no draft is left
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_services_that_start_at_once_agree_on_the_keys(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as starting:
        keys = list(starting.map(ensure_keys, [tmp_path] * 16))

    assert len({each.seal for each in keys}) == 1
    assert len({each.development_signing.private_bytes_raw() for each in keys}) == 1


def test_each_data_folder_has_keys_of_its_own(tmp_path: Path) -> None:
    assert ensure_keys(tmp_path / "one").seal != ensure_keys(tmp_path / "two").seal


@pytest.mark.parametrize("name", ["development-jwt.pem", "principal-seal.key"])
def test_a_spoilt_key_file_is_named_with_what_to_do(tmp_path: Path, name: str) -> None:
    ensure_keys(tmp_path)
    (tmp_path / "keys" / name).write_bytes(b"spoilt")

    with pytest.raises(InvalidSettings, match=f"{name}.*delete it"):
        ensure_keys(tmp_path)


def test_services_on_several_machines_share_one_seal_by_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "seal").write_bytes(os.urandom(32))
    monkeypatch.setenv("PARLEY_PRINCIPAL_SEAL_KEY_FILE", str(tmp_path / "seal"))
    gateway = PrincipalSeal.load(StorageSettings(data_dir=tmp_path / "here"), KafkaSettings())
    asr = PrincipalSeal.load(StorageSettings(data_dir=tmp_path / "there"), KafkaSettings())

    assert asr.verify(published(ADA, gateway.seal(said(ADA)))) == ADA


@pytest.mark.parametrize(("content", "told"), [(b"short", "too short"), (None, "cannot be read")])
def test_a_seal_file_that_is_no_key_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, told: str
) -> None:
    file = tmp_path / "seal"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("PARLEY_PRINCIPAL_SEAL_KEY_FILE", str(file))

    with pytest.raises(InvalidSettings, match=f"PARLEY_PRINCIPAL_SEAL_KEY_FILE.*{told}"):
        PrincipalSeal.load(StorageSettings(data_dir=tmp_path), KafkaSettings())
