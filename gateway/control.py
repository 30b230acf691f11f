"""The control socket: the API for whoever operates this machine, at `<data_dir>/control.sock`, readable by its owner alone.

The command line uses it while a node holds the data directory.
"""

import os
import pwd
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from aiohttp import web

FILE_NAME = "control.sock"

_PEER = struct.Struct("3i")


@contextmanager
def short_path(data_dir: Path) -> Iterator[str]:
    """An address of the control socket that fits: a socket's path has at most 107 bytes (unix(7)), a data_dir may be longer.

    Good for binding and connecting as long as the context is open.
    """
    directory = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{FILE_NAME}"
    finally:
        os.close(directory)


def operator_of(request: web.Request) -> str | None:
    """The operator behind a local connection, by what the kernel says of the peer; None for another user than ours and root."""
    user = _peer_user(request)
    return f"local:{_user_name(user)}" if user in {0, os.geteuid()} else None


def _peer_user(request: web.Request) -> int:
    peer = request.get_extra_info("socket")
    _, user, _ = _PEER.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return int(user)


def local_operator() -> str:
    """The name in the audit of a command that works without a node."""
    return f"local:{_user_name(os.geteuid())}"


def _user_name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


class ControlSocket:
    """Serves `routes` on the socket between `start` and `stop`. The data directory must be held: a file found there is a dead node's."""

    def __init__(self, data_dir: Path, routes: Sequence[web.RouteDef]) -> None:
        self._path = data_dir / FILE_NAME
        application = web.Application()
        application.add_routes(routes)
        self._runner = web.AppRunner(application, access_log=None)

    async def start(self) -> None:
        """Bind and serve."""
        await self._runner.setup()
        await web.SockSite(self._runner, self._bound()).start()

    def _bound(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX)
        try:
            with suppress(FileNotFoundError):
                self._path.unlink()
            with short_path(self._path.parent) as address:
                listener.bind(address)
            # Before it listens nobody can connect, so nobody slips in under the wider mode of the umask.
            self._path.chmod(0o600)
        except BaseException:
            listener.close()
            raise
        return listener

    async def stop(self) -> None:
        """Finish the requests in hand, then take the socket away."""
        await self._runner.cleanup()
        with suppress(FileNotFoundError):
            self._path.unlink()
