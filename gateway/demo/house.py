"""The demo's folder: its ports, its secrets, and the two files made of them: config.yaml and the emulator's world.yaml."""

import base64
import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from domain.errors import InvalidError

HOST = "127.0.0.1"
BRAND_ID = "linjiancha"
BRAND_NAME = "林间茶"
APP_ID = "wx00000000linjian"
WECHAT_ID = "linjiancha"

_ORIGINAL_ID = "gh_00000linjian"
_CORP_ID = "ww00000000linjian"
_AGENT_ID = 1000002
_PORTS_TRIED = 50
_HEADER = "# Written by `advisor-gateway demo` at each start: changes are lost. The secrets in it are the demo's own.\n"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the demo listens on this machine."""

    public: int
    internal: int
    emulator: int


def free_ports(public: int, emulator: int) -> Ports:
    """The wanted ports, or the next free ones. Raises InvalidError when there is none nearby."""
    first = _free(public, set())
    third = _free(emulator, {first})
    return Ports(first, _free(first + 1, {first, third}), third)


def _free(wanted: int, taken: set[int]) -> int:
    for port in range(wanted, wanted + _PORTS_TRIED):
        if port not in taken and _can_listen(port):
            return port
    raise InvalidError(
        f"no port is free from {wanted} to {wanted + _PORTS_TRIED - 1}: name others with --port and --emulator-port"
    )


def _can_listen(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do it: an address whose last connection is just closing counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class House:
    """Where everything of one demo is."""

    folder: Path
    ports: Ports

    @property
    def config_file(self) -> Path:
        """The gateway's configuration."""
        return self.folder / "config.yaml"

    @property
    def world_file(self) -> Path:
        """What the emulator plays."""
        return self.folder / "world.yaml"

    @property
    def ready_file(self) -> Path:
        """Is there once everything was set up."""
        return self.folder / "ready"

    @property
    def public_url(self) -> str:
        """Callbacks and the API."""
        return f"http://{HOST}:{self.ports.public}"

    @property
    def internal_url(self) -> str:
        """Health and metrics."""
        return f"http://{HOST}:{self.ports.internal}"

    @property
    def emulator_url(self) -> str:
        """The platforms, and the stage in the browser."""
        return f"http://{HOST}:{self.ports.emulator}"


@dataclass(frozen=True, slots=True)
class Keys:
    """The demo's own secrets, made once. `api_token` is empty until the first start has made it."""

    app_secret: str
    app_token: str
    app_key: str
    work_secret: str
    work_token: str
    work_key: str
    api_token: str = ""


def load_keys(folder: Path) -> Keys:
    """The keys of this demo, made at its first start. Raises InvalidError when the file is damaged."""
    path = folder / "secrets.yaml"
    if not path.exists():
        keys = Keys(_word(), _word(), _aes_key(), _word(), _word(), _aes_key())
        save_keys(folder, keys)
        return keys
    try:
        return Keys(**yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, TypeError, yaml.YAMLError) as error:
        raise InvalidError(f"{path} cannot be read: remove the folder {folder} to begin anew") from error


def save_keys(folder: Path, keys: Keys) -> None:
    """Keep the keys for the next start."""
    values = {name: getattr(keys, name) for name in Keys.__dataclass_fields__}
    write_private(folder / "secrets.yaml", yaml.safe_dump(values))


def _word() -> str:
    return secrets.token_hex(16)


def _aes_key() -> str:
    # The consoles show 43 letters and digits: base64 of 32 bytes without its last sign.
    while True:
        key = base64.b64encode(secrets.token_bytes(32)).decode()[:43]
        if key.isalnum():
            return key


def write_files(house: House, keys: Keys, members: Sequence[Mapping[str, str]]) -> None:
    """Write config.yaml and world.yaml for these ports and keys; `members` are the advisors in the work app."""
    _write_yaml(house.config_file, _config(house, keys))
    _write_yaml(house.world_file, _world(house, keys, members))


def _write_yaml(path: Path, values: Mapping[str, Any]) -> None:
    write_private(path, _HEADER + yaml.safe_dump(dict(values), allow_unicode=True, sort_keys=False))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    draft = path.with_name(f"{path.name}.part")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _config(house: House, keys: Keys) -> dict[str, Any]:
    data = house.folder / "gateway"
    return {
        "demo": True,
        "data_dir": str(data),
        "server": {"host": HOST, "port": house.ports.public, "internal_port": house.ports.internal},
        "storage": {"url": f"sqlite:///{data / 'gateway.db'}", "min_free_mb": 50},
        "platform_hosts": [HOST],
        "brands": [{"id": BRAND_ID, "name": BRAND_NAME, "timezone": "Asia/Shanghai"}],
        "accounts": [
            {
                "id": "oa",
                "channel": "wechat",
                "api_base": f"{house.emulator_url}/wechat",
                "app_id": APP_ID,
                "secret": keys.app_secret,
                "token": keys.app_token,
                "encoding_aes_key": keys.app_key,
                "original_id": _ORIGINAL_ID,
                "mode": "safe",
            },
            {
                "id": "work",
                "channel": "wecom",
                "api_base": f"{house.emulator_url}/wecom",
                "corp_id": _CORP_ID,
                "agent_id": _AGENT_ID,
                "secret": keys.work_secret,
                "token": keys.work_token,
                "encoding_aes_key": keys.work_key,
            },
        ],
    }


def _world(house: House, keys: Keys, members: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    account = {
        "app_id": APP_ID,
        "secret": keys.app_secret,
        "original_id": _ORIGINAL_ID,
        "name": BRAND_NAME,
        "wechat_id": WECHAT_ID,
        "token": keys.app_token,
        "encoding_aes_key": keys.app_key,
        "mode": "safe",
        "callback_url": f"{house.public_url}/hooks/oa",
    }
    agent = {
        "agent_id": _AGENT_ID,
        "secret": keys.work_secret,
        "name": "专属顾问",
        "token": keys.work_token,
        "encoding_aes_key": keys.work_key,
        "callback_url": f"{house.public_url}/hooks/work",
    }
    corp = {"corp_id": _CORP_ID, "name": BRAND_NAME, "members": [dict(one) for one in members], "agents": [agent]}
    return {"official_accounts": [account], "corps": [corp]}
