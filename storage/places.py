"""Is this a safe place to keep data? Checked before anything is opened there."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from storage.errors import Refused

MOUNTS: Final = Path("/proc/self/mountinfo")

# Their locks and their fsync are promises of another machine; SQLite's log also needs memory shared by all users of the file.
_NETWORK_TYPES: Final = frozenset(
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "ncpfs",
        "afs",
        "9p",
        "ceph",
        "lustre",
        "gpfs",
        "beegfs",
        "ocfs2",
        "gfs2",
        "glusterfs",
        "fuse.glusterfs",
        "fuse.sshfs",
        "fuse.s3fs",
        "fuse.rclone",
        "fuse.davfs",
        "davfs",
        "fuse.ceph-fuse",
        "fuse.juicefs",
        "fuse.mfs",
    ]
)


def prepare_directory(directory: Path, *, min_free_mb: int) -> None:
    """Make `directory` if need be, and see that it can be written and has room. Raises Refused."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=directory) as probe:
            probe.write(b"x")
    except OSError as error:
        raise Refused(
            f"data_dir {directory} cannot be written ({error.strerror}): give this user the directory"
        ) from error
    free = free_mb(directory)
    if free < min_free_mb:
        raise Refused(
            f"data_dir {directory} has {free} MiB free, storage.min_free_mb asks for {min_free_mb}: "
            f"free space there, or move data_dir to a larger disk"
        )


def free_mb(directory: Path) -> int:
    """Space this user may still fill under `directory`, in MiB."""
    return shutil.disk_usage(directory).free // (1024 * 1024)


def refuse_network_file_system(path: Path) -> None:
    """Raise Refused when `path` lies on a network file system, as far as the kernel tells (Linux only)."""
    kind = file_system_of(path)
    if kind in _NETWORK_TYPES:
        raise Refused(
            f"{path} is on a network file system ({kind}), where SQLite loses data: "
            f"keep the file on a local disk, or use PostgreSQL (storage.url: postgresql://...)"
        )


def file_system_of(path: Path) -> str | None:
    """The type of the file system under `path` by the kernel's mount table (proc(5), mountinfo), or None."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    real = os.path.realpath(path)
    best, kind = "", None
    for line in lines:
        left, _, right = line.partition(" - ")
        if not right:
            continue
        mount_point = _unescaped(left.split()[4])
        # Later lines lie on top of earlier ones, hence >=.
        if _contains(mount_point, real) and len(mount_point) >= len(best):
            best, kind = mount_point, right.split()[0]
    return kind


def _contains(mount_point: str, path: str) -> bool:
    return path == mount_point or path.startswith(mount_point.rstrip("/") + "/")


def _unescaped(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
