"""Complete configurations for tests: one brand, an official account and a WeCom app, both pointed at an emulator."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import yaml

from tests.driver import KEY, TOKEN

APP_ID = "wx0000000000000001"
ORIGINAL_ID = "gh_000000000001"
CORP_ID = "ww0000000000000001"
AGENT_ID = 1000002
APP_SECRET = "app-secret-for-tests"
WORK_SECRET = "work-secret-for-tests"
GUIDES = ("小兰", "小梅", "小竹")


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def configuration(
    data_dir: Path, *, port: int, internal_port: int, emulator: str, storage_url: str = ""
) -> dict[str, Any]:
    """What config.yaml holds."""
    return {
        "data_dir": str(data_dir),
        "secrets_key": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "server": {"host": "127.0.0.1", "port": port, "internal_port": internal_port},
        "storage": {"url": storage_url or f"sqlite:///{data_dir / 'gateway.db'}", "min_free_mb": 1},
        "platform_hosts": ["127.0.0.1"],
        "brands": [{"id": "tea", "name": "林间茶", "timezone": "Asia/Shanghai"}],
        "accounts": [
            {
                "id": "oa",
                "brand": "tea",
                "channel": "wechat",
                "api_base": f"{emulator}/wechat",
                "app_id": APP_ID,
                "secret": APP_SECRET,
                "token": TOKEN,
                "encoding_aes_key": KEY,
                "original_id": ORIGINAL_ID,
                "mode": "safe",
            },
            {
                "id": "work",
                "brand": "tea",
                "channel": "wecom",
                "api_base": f"{emulator}/wecom",
                "corp_id": CORP_ID,
                "agent_id": AGENT_ID,
                "secret": WORK_SECRET,
                "token": TOKEN,
                "encoding_aes_key": KEY,
            },
        ],
    }


def write_configuration(path: Path, values: dict[str, Any]) -> Path:
    """Keep it as a file that only its owner may read, since it holds secrets."""
    path.write_text(yaml.safe_dump(values, allow_unicode=True), "utf-8")
    path.chmod(0o600)
    return path


def world(gateway: str) -> dict[str, Any]:
    """The same accounts as the emulator plays them, calling back to `gateway`."""
    return {
        "official_accounts": [
            {
                "app_id": APP_ID,
                "secret": APP_SECRET,
                "original_id": ORIGINAL_ID,
                "name": "林间茶",
                "wechat_id": "linjian",
                "token": TOKEN,
                "encoding_aes_key": KEY,
                "mode": "safe",
                "callback_url": f"{gateway}/hooks/oa",
            }
        ],
        "corps": [
            {
                "corp_id": CORP_ID,
                "name": "林间茶",
                "members": [{"user_id": f"guide{number}", "name": name} for number, name in enumerate(GUIDES)],
                "agents": [
                    {
                        "agent_id": AGENT_ID,
                        "secret": WORK_SECRET,
                        "name": "专属顾问",
                        "token": TOKEN,
                        "encoding_aes_key": KEY,
                        "callback_url": f"{gateway}/hooks/work",
                    }
                ],
            }
        ],
    }
