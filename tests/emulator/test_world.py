"""World files: what is read, and what each mistake is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emulator import world
from emulator.world import WorldError
from tests.emulator.stand import KEY, make_world

ACCOUNT = {
    "app_id": "wx1",
    "secret": "s",
    "original_id": "gh_1",
    "name": "林间茶",
    "token": "T",
    "encoding_aes_key": KEY,
    "callback_url": "http://127.0.0.1/hooks/oa",
}
AGENT = {"agent_id": 1, "secret": "s", "name": "顾问", "token": "T", "encoding_aes_key": KEY}
CORP = {"corp_id": "ww1", "name": "林间茶", "members": [{"user_id": "lan", "name": "兰"}], "agents": [AGENT]}


def account(**changes: Any) -> dict[str, Any]:
    return {"official_accounts": [{**ACCOUNT, **changes}]}


def corp(**changes: Any) -> dict[str, Any]:
    return {"corps": [{**CORP, **changes}]}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "the document: expected a mapping"),
        ({"acounts": []}, "the document: unknown key 'acounts'"),
        ({"official_accounts": {}}, None),
        ({"official_accounts": "wx1"}, "official_accounts: expected a list"),
        ({"official_accounts": ["wx1"]}, r"official_accounts\[0\]: expected a mapping"),
        (account(app_id=None), r"official_accounts\[0\].app_id: missing"),
        (account(name=["a"]), r"official_accounts\[0\].name: expected text"),
        (account(encoding_aes_key="short"), r"encoding_aes_key: an EncodingAESKey has 43 characters, this one has 5"),
        (account(token="a b"), r"token: 1 to 32 letters or digits"),
        (account(mode="open"), r"mode: one of plain, compatible, safe, found 'open'"),
        (account(callback_url="127.0.0.1"), r"callback_url: must start with http"),
        (account(colour="red"), r"unknown key 'colour'"),
        ({"official_accounts": [ACCOUNT, ACCOUNT]}, "app_id 'wx1' is declared twice"),
        (corp(members=[{"user_id": "lan", "name": "a"}, {"user_id": "LAN", "name": "b"}]), "user_id 'lan' is declared"),
        (corp(agents=[{**AGENT, "agent_id": "x"}]), r"agents\[0\].agent_id: expected a whole number"),
        (corp(agents=[AGENT, {**AGENT, "agent_id": 2}]), "secret 's' is declared twice"),
    ],
)
def test_a_mistake_is_told_with_its_place(document: Any, words: str | None) -> None:
    if words is None:
        assert world.parse(document) == world.World()
        return
    with pytest.raises(WorldError, match=words):
        world.parse(document)


def test_a_file_is_named_in_its_errors(tmp_path: Path) -> None:
    file = tmp_path / "world.yaml"
    with pytest.raises(WorldError, match=r"world.yaml: cannot be read"):
        world.load(file)
    file.write_text("official_accounts: [{app_id: wx1}]")
    with pytest.raises(WorldError, match=r"world.yaml: official_accounts\[0\].secret: missing"):
        world.load(file)
    file.write_text("{")
    with pytest.raises(WorldError, match="cannot be read"):
        world.load(file)


def test_numbers_may_stand_for_text_and_members_are_found_in_any_case() -> None:
    played = world.parse({**account(secret=123), **corp()})
    assert played.official_accounts[0].secret == "123"
    found = played.corps[0].member("LAN")
    assert found is not None
    assert found.user_id == "lan"
    assert played.corps[0].member("nobody") is None


def test_accounts_and_apps_are_found_by_their_names_in_the_ledger() -> None:
    played = make_world("http://127.0.0.1")
    assert [agent.id for agent in played.agents()] == ["ww1/1000002", "ww1/1000003"]
    assert played.agent("ww1/1000003") is not None
    assert played.agent("ww1/7") is None
    assert played.account("wx2") is not None
    assert played.corp("ww9") is None
