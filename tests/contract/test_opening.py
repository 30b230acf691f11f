"""What is checked before a database is opened, and who may open it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from storage.engine import Database
from storage.errors import Corrupt, Locked, Refused, Unavailable
from storage.lock import FILE_NAME, Holder, boot_id
from storage.places import file_system_of
from storage.postgres import unsafe_setting
from tests.postgres import Server

ROOT = Path(__file__).parents[2]
HOLD = """
import asyncio, sys
from pathlib import Path
from storage.engine import Database
async def main():
    database = await Database.open(sys.argv[1], data_dir=Path(sys.argv[2]), min_free_mb=1)
    print("open", flush=True)
    sys.stdin.read()
    await database.close()
asyncio.run(main())
"""


def one(tx: Connection) -> int:
    value: int = tx.execute(text("SELECT 1")).scalar_one()
    return value


async def open_sqlite(url: str, data_dir: Path) -> Database:
    return await Database.open(url, data_dir=data_dir, min_free_mb=1)


def holding_process(url: str, data_dir: Path) -> subprocess.Popen[str]:
    """Another process that has the database open until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, url, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    return process


def end(process: subprocess.Popen[str], *, kill: bool = False) -> None:
    if kill:
        process.send_signal(signal.SIGKILL)
    process.communicate(timeout=20)


async def test_a_second_process_is_refused_and_told_who_holds_the_file(sqlite_url: str, tmp_path: Path) -> None:
    process = holding_process(sqlite_url, tmp_path)
    try:
        with pytest.raises(Locked, match=f"in use by process {process.pid} on .*stop that node first") as refusal:
            await open_sqlite(sqlite_url, tmp_path)
        assert str(tmp_path) in str(refusal.value)
    finally:
        end(process)
    async with await open_sqlite(sqlite_url, tmp_path) as database:
        assert not any("did not close" in note for note in database.notes)


async def test_one_file_cannot_be_opened_under_two_data_directories(sqlite_url: str, tmp_path: Path) -> None:
    async with await open_sqlite(sqlite_url, tmp_path):
        with pytest.raises(Locked):
            await open_sqlite(sqlite_url, tmp_path / "elsewhere")


async def test_a_refused_start_lets_go_of_everything(sqlite_url: str, tmp_path: Path) -> None:
    async with await open_sqlite(sqlite_url, tmp_path):
        with pytest.raises(Locked):
            await open_sqlite(sqlite_url, tmp_path / "elsewhere")
        other = await open_sqlite(f"sqlite:///{tmp_path / 'elsewhere' / 'other.db'}", tmp_path / "elsewhere")
        await other.close()


async def test_a_killed_holder_does_not_keep_the_lock(sqlite_url: str, tmp_path: Path) -> None:
    process = holding_process(sqlite_url, tmp_path)
    end(process, kill=True)
    async with await open_sqlite(sqlite_url, tmp_path) as database:
        assert any(f"process {process.pid}" in note and "it was killed" in note for note in database.notes)


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (json.dumps({"pid": os.getpid(), "host": "h", "boot_id": boot_id(), "since": 1}), "it was killed"),
        (json.dumps({"pid": 1, "host": "h", "boot_id": "another", "since": 1}), "the machine was restarted"),
        ("", None),
        ("no json", None),
        ('{"pid": 1}', None),
    ],
    ids=["pid in use again", "after a reboot", "closed", "foreign text", "half written"],
)
async def test_a_stale_lock_file_is_recognised(
    left: str, expected: str | None, sqlite_url: str, tmp_path: Path
) -> None:
    (tmp_path / FILE_NAME).write_text(left)
    async with await open_sqlite(sqlite_url, tmp_path) as database:
        stale = [note for note in database.notes if "did not close" in note]
        assert len(stale) == (expected is not None)
        assert expected is None or expected in stale[0]
        holder = Holder.parse((tmp_path / FILE_NAME).read_text())
        assert holder is not None and holder.pid == os.getpid()
    assert (tmp_path / FILE_NAME).read_text() == ""


async def test_reading_beside_a_running_node_takes_no_lock(sqlite_url: str, tmp_path: Path) -> None:
    async with await open_sqlite(sqlite_url, tmp_path) as node:
        await node.write(lambda tx: tx.execute(text("CREATE TABLE test_t (a TEXT)")).close())
        await node.write(lambda tx: tx.execute(text("INSERT INTO test_t VALUES ('x')")).close())
        async with await Database.open_readonly(sqlite_url) as beside:
            assert await beside.read(lambda tx: tx.execute(text("SELECT a FROM test_t")).scalar_one()) == "x"
            with pytest.raises(Unavailable, match="reading only") as refusal:
                await beside.write(one)
            assert not refusal.value.retryable


async def test_reading_with_no_node_running_changes_nothing(sqlite_url: str, tmp_path: Path) -> None:
    before = (tmp_path / "gateway.db").read_bytes()
    async with await Database.open_readonly(sqlite_url) as alone:
        assert await alone.read(one) == 1
    assert (tmp_path / "gateway.db").read_bytes() == before
    assert not (tmp_path / FILE_NAME).exists()


@pytest.mark.postgres
async def test_reading_only_on_postgres(postgres_url: str) -> None:
    async with await Database.open_readonly(postgres_url) as database:
        assert await database.read(one) == 1
        with pytest.raises(Unavailable, match="reading only"):
            await database.write(one)
        with pytest.raises(Unavailable, match="only reads"):
            await database.read(lambda tx: tx.execute(text("CREATE TABLE test_t (a text)")).close())


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("mysql://localhost/x", "only sqlite and postgresql"),
        ("gateway.db", "cannot be read"),
    ],
)
async def test_urls_that_would_lose_data_are_refused(url: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=message):
        await open_sqlite(url, tmp_path)


async def test_a_missing_file_is_not_made_by_reading(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="there is no database at"):
        await Database.open_readonly(f"sqlite:///{tmp_path}/none.db")


async def test_a_data_directory_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Refused, match="cannot be written"):
        await open_sqlite(f"sqlite:///{tmp_path}/a.db", tmp_path / "file")


async def test_a_disk_without_room_is_refused(db_url: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"MiB free, storage.min_free_mb asks for 1000000000"):
        await Database.open(db_url, data_dir=tmp_path, min_free_mb=1_000_000_000)


def mounted(tmp_path: Path, kind: str) -> str:
    """A mount table in which `tmp_path` lies twice, the later mount covering the earlier one."""
    escaped = str(tmp_path).replace(" ", "\\040")
    lines = (
        f"39 22 0:49 / {escaped} rw - tmpfs tmpfs rw",
        f"40 22 0:50 / {escaped} rw - {kind} server:/export rw",
        "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw",
        "41 22 0:51 / /somewhere/else rw - tmpfs tmpfs rw",
        "a line of another kind",
    )
    return "\n".join(lines)


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "9p", "fuse.sshfs"])
async def test_a_network_file_system_is_refused(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(mounted(tmp_path, kind))
    monkeypatch.setattr("storage.places.MOUNTS", table)
    with pytest.raises(Refused, match=rf"network file system \({kind}\).*postgresql://"):
        await open_sqlite(f"sqlite:///{tmp_path}/a.db", tmp_path)


def test_the_mount_nearest_to_a_path_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spaced = tmp_path / "with space"
    table = tmp_path / "mountinfo"
    table.write_text(mounted(spaced, "nfs"))
    monkeypatch.setattr("storage.places.MOUNTS", table)
    assert file_system_of(spaced / "a.db") == "nfs"
    assert file_system_of(tmp_path / "a.db") == "ext4"
    assert file_system_of(Path(f"{spaced}er")) == "ext4", "a name that only begins alike"
    monkeypatch.setattr("storage.places.MOUNTS", tmp_path / "absent")
    assert file_system_of(spaced) is None


def overwrite(path: Path) -> None:
    path.write_bytes(b"this is not a database, whatever its name says" * 100)


def flip_pages(path: Path) -> None:
    """Fill a table, then damage its pages in the closed file."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE test_big (a TEXT PRIMARY KEY)")
        connection.executemany("INSERT INTO test_big VALUES (?)", [(f"{n:04}" + "x" * 500,) for n in range(500)])
        connection.commit()
    content = bytearray(path.read_bytes())
    for page in range(len(content) // 4096 // 2, len(content) // 4096):
        content[page * 4096 : page * 4096 + 16] = b"\xff" * 16
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [overwrite, flip_pages])
async def test_a_damaged_file_is_refused(damage: Callable[[Path], None], sqlite_url: str, tmp_path: Path) -> None:
    damage(tmp_path / "gateway.db")
    with pytest.raises(Corrupt, match=r"damaged.*restore the latest backup"):
        await open_sqlite(sqlite_url, tmp_path)


async def test_nobody_else_may_read_the_file(tmp_path: Path) -> None:
    async with await open_sqlite(f"sqlite:///{tmp_path}/new/a.db", tmp_path / "new") as database:
        await database.write(lambda tx: tx.execute(text("CREATE TABLE test_t (a TEXT)")).close())
        modes = {path.name: path.stat().st_mode & 0o077 for path in (tmp_path / "new").iterdir()}
    assert modes == {"a.db": 0, "a.db-wal": 0, "a.db-shm": 0, FILE_NAME: 0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fsync": "off"}, "fsync=off"),
        ({"synchronous_commit": "off"}, "synchronous_commit=off"),
        ({"encoding": "SQL_ASCII"}, "ENCODING 'UTF8'"),
        ({"standby": True}, "standby"),
        ({"synchronous_commit": "remote_apply"}, None),
        ({}, None),
    ],
)
def test_servers_that_would_lose_data_are_refused(change: dict[str, object], message: str | None) -> None:
    settings = {"fsync": "on", "synchronous_commit": "on", "encoding": "UTF8", "standby": False}
    problem = unsafe_setting(**(settings | change))  # type: ignore[arg-type]
    assert (problem is None) if message is None else (problem is not None and message in problem)


@pytest.mark.postgres
async def test_a_server_that_would_lose_data_is_refused_at_the_start(
    postgres_url: str, postgres_server: Server, tmp_path: Path
) -> None:
    async with await Database.open(postgres_url, data_dir=tmp_path, min_free_mb=1) as database:
        name = await database.read(lambda tx: tx.execute(text("SELECT current_database()")).scalar_one())
        await database.write(lambda tx: tx.execute(text(f"ALTER DATABASE {name} SET synchronous_commit=off")).close())
    with pytest.raises(Refused, match="synchronous_commit=off"):
        await Database.open(postgres_url, data_dir=tmp_path, min_free_mb=1)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://nobody:secret@127.0.0.1:1/none",
        "postgresql://nobody:secret@/none?host=/nonexistent",
    ],
    ids=["no server", "no socket"],
)
async def test_a_server_that_is_not_there_is_named_without_its_password(url: str, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be reached") as refusal:
        await Database.open(url, data_dir=tmp_path, min_free_mb=1)
    assert "secret" not in str(refusal.value)
