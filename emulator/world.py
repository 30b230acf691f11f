"""The world file: which official accounts, corps, members and apps exist. Read once, never changed while running."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from emulator import crypto

T = TypeVar("T")
Mode = Literal["plain", "compatible", "safe"]
MODES: tuple[Mode, ...] = ("plain", "compatible", "safe")
TOKEN = re.compile(r"[A-Za-z0-9]{1,32}\Z")


class WorldError(ValueError):
    """A world file that cannot be played; the message names the place and how to mend it."""


@dataclass(frozen=True, slots=True)
class OfficialAccount:
    """A WeChat service account and its callback settings."""

    app_id: str
    secret: str
    original_id: str
    name: str
    token: str
    encoding_aes_key: str
    callback_url: str = ""
    wechat_id: str = ""
    mode: Mode = "safe"

    platform = "wechat"

    @property
    def id(self) -> str:
        """The name of this account in the ledger."""
        return self.app_id

    @property
    def envelope(self) -> crypto.Envelope:
        """Seals callbacks and opens passive replies."""
        return crypto.Envelope(self.token, crypto.read_key(self.encoding_aes_key), self.app_id)


@dataclass(frozen=True, slots=True)
class Member:
    """An employee of a corp; user ids are compared without regard to case, as WeCom does."""

    user_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Agent:
    """A self-built WeCom app."""

    corp_id: str
    agent_id: int
    secret: str
    name: str
    token: str
    encoding_aes_key: str
    callback_url: str = ""

    platform = "wecom"

    @property
    def id(self) -> str:
        """The name of this app in the ledger."""
        return f"{self.corp_id}/{self.agent_id}"

    @property
    def envelope(self) -> crypto.Envelope:
        """Seals callbacks and opens passive replies."""
        return crypto.Envelope(self.token, crypto.read_key(self.encoding_aes_key), self.corp_id)


@dataclass(frozen=True, slots=True)
class Corp:
    """A WeCom corp with its members and apps."""

    corp_id: str
    name: str
    members: tuple[Member, ...] = ()
    agents: tuple[Agent, ...] = ()

    def member(self, user_id: str) -> Member | None:
        """The member of this id in any case, or None."""
        wanted = user_id.casefold()
        return next((one for one in self.members if one.user_id.casefold() == wanted), None)


@dataclass(frozen=True, slots=True)
class World:
    """Everything the world file declares."""

    official_accounts: tuple[OfficialAccount, ...] = ()
    corps: tuple[Corp, ...] = ()

    def account(self, app_id: str) -> OfficialAccount | None:
        """The official account of this app id, or None."""
        return next((one for one in self.official_accounts if one.app_id == app_id), None)

    def corp(self, corp_id: str) -> Corp | None:
        """The corp of this id, or None."""
        return next((one for one in self.corps if one.corp_id == corp_id), None)

    def agents(self) -> Iterator[Agent]:
        """Every app of every corp."""
        return (agent for corp in self.corps for agent in corp.agents)

    def agent(self, name: str) -> Agent | None:
        """The app called `corp_id/agent_id`, or None."""
        return next((one for one in self.agents() if one.id == name), None)


def load(path: Path) -> World:
    """Read and check a world file. Raises WorldError."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise WorldError(f"{path}: cannot be read: {error}") from error
    try:
        return parse(document)
    except WorldError as error:
        raise WorldError(f"{path}: {error}") from None


def parse(document: Any) -> World:
    """Check a document read from YAML. Raises WorldError."""
    top = _Table(document, "the document")
    world = World(
        official_accounts=top.each("official_accounts", _official_account),
        corps=top.each("corps", _corp),
    )
    top.end()
    _unique("official_accounts: app_id", [one.app_id for one in world.official_accounts])
    _unique("corps: corp_id", [one.corp_id for one in world.corps])
    return world


class _Table:
    """One mapping of the document: hands its values out and knows which were never asked for."""

    def __init__(self, values: Any, where: str) -> None:
        if not isinstance(values, dict):
            raise WorldError(f"{where}: expected a mapping, found {type(values).__name__}")
        self._left = dict(values)
        self.where = where

    def text(self, key: str, default: str | None = None) -> str:
        value = self._left.pop(key, default)
        if value is None:
            raise WorldError(f"{self.where}.{key}: missing")
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise WorldError(f"{self.where}.{key}: expected text, found {value!r}")
        return str(value)

    def number(self, key: str) -> int:
        text = self.text(key)
        if not text.isdigit():
            raise WorldError(f"{self.where}.{key}: expected a whole number, found {text!r}")
        return int(text)

    def each(self, key: str, read: Callable[["_Table"], T]) -> tuple[T, ...]:
        values = self._left.pop(key, None) or []
        if not isinstance(values, list):
            raise WorldError(f"{self.where}.{key}: expected a list, found {values!r}")
        return tuple(read(_Table(value, f"{key}[{index}]")) for index, value in enumerate(values))

    def end(self) -> None:
        if self._left:
            raise WorldError(f"{self.where}: unknown key {min(map(str, self._left))!r}")


def _official_account(table: _Table) -> OfficialAccount:
    account = OfficialAccount(
        app_id=table.text("app_id"),
        secret=table.text("secret"),
        original_id=table.text("original_id"),
        name=table.text("name"),
        token=_token(table),
        encoding_aes_key=_key(table),
        callback_url=_url(table),
        wechat_id=table.text("wechat_id", ""),
        mode=_mode(table),
    )
    table.end()
    return account


def _corp(table: _Table) -> Corp:
    corp_id = table.text("corp_id")
    corp = Corp(
        corp_id=corp_id,
        name=table.text("name"),
        members=table.each("members", _member),
        agents=table.each("agents", lambda agent: _agent(agent, corp_id)),
    )
    table.end()
    _unique(f"corp {corp_id}: user_id", [member.user_id.casefold() for member in corp.members])
    _unique(f"corp {corp_id}: agent_id", [str(agent.agent_id) for agent in corp.agents])
    _unique(f"corp {corp_id}: secret", [agent.secret for agent in corp.agents])
    return corp


def _member(table: _Table) -> Member:
    member = Member(user_id=table.text("user_id"), name=table.text("name"))
    table.end()
    return member


def _agent(table: _Table, corp_id: str) -> Agent:
    agent = Agent(
        corp_id=corp_id,
        agent_id=table.number("agent_id"),
        secret=table.text("secret"),
        name=table.text("name"),
        token=_token(table),
        encoding_aes_key=_key(table),
        callback_url=_url(table),
    )
    table.end()
    return agent


def _token(table: _Table) -> str:
    token = table.text("token")
    if not TOKEN.match(token):
        raise WorldError(f"{table.where}.token: 1 to 32 letters or digits, found {token!r}")
    return token


def _key(table: _Table) -> str:
    key = table.text("encoding_aes_key")
    try:
        crypto.read_key(key)
    except ValueError as error:
        raise WorldError(f"{table.where}.encoding_aes_key: {error}") from None
    return key


def _url(table: _Table) -> str:
    url = table.text("callback_url", "")
    if url and not url.startswith(("http://", "https://")):
        raise WorldError(f"{table.where}.callback_url: must start with http:// or https://, found {url!r}")
    return url


def _mode(table: _Table) -> Mode:
    mode = table.text("mode", "safe")
    for known in MODES:
        if mode == known:
            return known
    raise WorldError(f"{table.where}.mode: one of {', '.join(MODES)}, found {mode!r}")


def _unique(what: str, ids: list[str]) -> None:
    twice = {one for one in ids if ids.count(one) > 1}
    if twice:
        raise WorldError(f"{what} {min(twice)!r} is declared twice")
