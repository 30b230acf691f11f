"""Files under their own hash: kept once, read back whole, never half."""

import hashlib
import os
from pathlib import Path

import pytest

from gateway.media import MediaStore
from storage.leases import Damaged

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 100
NAME = hashlib.sha256(PICTURE).hexdigest()


async def test_what_was_kept_comes_back(tmp_path: Path) -> None:
    store = MediaStore(tmp_path / "media")
    assert await store.put(PICTURE) == NAME
    assert await store.get(NAME) == PICTURE


async def test_the_same_file_is_kept_once(tmp_path: Path) -> None:
    store = MediaStore(tmp_path)
    await store.put(PICTURE)
    await store.put(PICTURE)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [NAME]


async def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    store = MediaStore(tmp_path)
    await store.put(PICTURE)
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert file.stat().st_mode & 0o077 == 0


async def test_a_damaged_file_is_noticed(tmp_path: Path) -> None:
    store = MediaStore(tmp_path)
    await store.put(PICTURE)
    file = tmp_path / NAME[:2] / NAME
    file.write_bytes(PICTURE[:-1] + b"?")
    with pytest.raises(Damaged, match="is damaged"):
        await store.get(NAME)


async def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await MediaStore(tmp_path).get(NAME)


async def test_file_and_folders_are_synced_before_it_counts_as_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def spy(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    await MediaStore(tmp_path / "media").put(PICTURE)
    folder = tmp_path / "media" / NAME[:2]
    assert synced[0].startswith(f"{folder}/{NAME}.") and synced[0].endswith(".part")
    assert synced[1:] == [str(folder), str(tmp_path / "media"), str(tmp_path)]


async def test_a_file_that_could_not_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        await MediaStore(tmp_path).put(PICTURE)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
