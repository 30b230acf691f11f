"""The whole house on this machine: a gateway and an emulator, each on a socket of its own, and a brand with three advisors.

Nothing is mocked: customers act on the emulator's phones, callbacks are signed and encrypted, answers come back through the
platforms' APIs, and the emulator's ledger tells what was really sent.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from aiohttp import ClientSession, web
from sqlalchemy import Connection, func, select

from domain.access import Role
from domain.calls import DUE_MS, EXPIRES_MS, Command, CommandName, Lane
from domain.ids import AccountId, BrandId, OutboxId, new_id
from emulator import app as emulator_app
from emulator import world as emulator_world
from gateway.app import Gateway
from gateway.config import load
from services import access_tokens
from storage.engine import Database, now
from storage.outbox import Promise, enqueue
from storage.tables.people import advisors, customers, regions, scenes, shops
from storage.tables.queue import inbox, outbox
from tests.configuration import (
    APP_ID,
    APP_SECRET,
    CORP_ID,
    GUIDES,
    ORIGINAL_ID,
    configuration,
    free_port,
    world,
    write_configuration,
)
from tests.driver import Account

T = TypeVar("T")
PATIENCE_S = 20.0
PERSONA = "lan@linjian"


@dataclass(slots=True)
class House:
    """A running gateway and emulator; made by `open_house`."""

    directory: Path
    storage_url: str = ""
    host: str = "127.0.0.1"
    port: int = field(default_factory=free_port)
    internal_port: int = field(default_factory=free_port)
    emulator_port: int = field(default_factory=free_port)
    gateway: Gateway = field(init=False)
    http: ClientSession = field(init=False)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    oa: Account = field(default_factory=lambda: Account(APP_ID, ORIGINAL_ID))
    work: Account = field(default_factory=lambda: Account(CORP_ID, CORP_ID))
    scenes: tuple[str, ...] = ("scene0", "scene1", "scene2")

    @property
    def url(self) -> str:
        """The gateway."""
        return f"http://{self.host}:{self.port}"

    @property
    def stage_url(self) -> str:
        """The emulator, and the page it plays on."""
        return f"http://{self.host}:{self.emulator_port}"

    @property
    def config_path(self) -> Path:
        """The gateway's configuration."""
        return self.directory / "config.yaml"

    @property
    def db(self) -> Database:
        """The gateway's open database."""
        return self.gateway.db

    async def start(self) -> None:
        """Start both, and make the brand."""
        self.http = await self.stack.enter_async_context(ClientSession())
        await self._start_emulator()
        values = configuration(
            self.directory,
            port=self.port,
            internal_port=self.internal_port,
            emulator=self.stage_url,
            storage_url=self.storage_url,
        )
        write_configuration(self.config_path, values)
        await self.start_gateway()
        await self._make_persona()
        await self.db.write(_make_brand)
        self.gateway.wake()
        await self.quiet()

    async def _start_emulator(self) -> None:
        path = self.directory / "world.yaml"
        path.write_text(yaml.safe_dump(world(self.url), allow_unicode=True), "utf-8")
        application = emulator_app.build(emulator_world.load(path), self.directory / "emulator")
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        self.stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, self.host, self.emulator_port).start()

    async def _make_persona(self) -> None:
        base = f"{self.stage_url}/wechat/cgi-bin"
        credentials = {"grant_type": "client_credential", "appid": APP_ID, "secret": APP_SECRET}
        async with self.http.post(f"{base}/stable_token", json=credentials) as answer:
            token = (await answer.json())["access_token"]
        # The platform refuses JSON with \uXXXX in it.
        account = json.dumps({"kf_account": PERSONA, "nickname": GUIDES[0]}, ensure_ascii=False).encode()
        added = self.http.post(f"{base}/../customservice/kfaccount/add?access_token={token}", data=account)
        async with added as answer:
            assert (await answer.json())["errcode"] == 0, await answer.text()

    async def start_gateway(self) -> None:
        """Start the gateway (again)."""
        self.gateway = Gateway(load(self.config_path))
        await self.gateway.start()

    async def stop(self) -> None:
        """Stop both, or whatever of them was started."""
        try:
            if hasattr(self, "gateway"):
                await self.gateway.stop()
        finally:
            await self.stack.aclose()

    async def play(self, path: str, **body: Any) -> dict[str, Any]:
        """Use the emulator's control face."""
        async with self.http.post(f"{self.stage_url}/play/{path}", json=body) as answer:
            assert answer.status < 300, await answer.text()
            played: dict[str, Any] = await answer.json()
            return played

    async def see(self, path: str) -> Any:
        """Look at the emulator's control face."""
        async with self.http.get(f"{self.stage_url}/play/{path}") as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def customer(self, label: str = "") -> str:
        """A new phone; her id on the official account."""
        openid: str = (await self.play("customers", label=label))["openid"]
        return openid

    async def bound(self, guide: int = 0) -> str:
        """A new customer who scanned an advisor's code and agreed."""
        openid = await self.customer()
        await self.play(f"customers/{openid}/scan", scene=self.scenes[guide])
        card = await self.shown(openid, lambda message: bool(message.get("options")))
        await self.play(f"customers/{openid}/tap", message_id=card["id"], option_id=card["options"][0]["id"])
        await self.shown(openid, lambda message: "您在林间茶的专属顾问" in text_of(message))
        return openid

    async def writes(self, openid: str, text: str) -> None:
        """A customer types; returns when the gateway has the callback."""
        await self.play(f"customers/{openid}/type?wait=1", text=text)

    async def answers(self, guide: int, text: str) -> None:
        """An advisor types; returns when the gateway has the callback."""
        await self.play(f"members/guide{guide}/type?wait=1", text=text)

    async def thread(self, openid: str) -> list[dict[str, Any]]:
        """What is on a customer's phone."""
        return _messages(await self.see(f"customers/{openid}/thread"))

    async def work_thread(self, guide: int) -> list[dict[str, Any]]:
        """What is in an advisor's work app."""
        return _messages(await self.see(f"members/guide{guide}/thread"))

    async def shown(self, openid: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until such a message is on the customer's phone."""
        return await self._until(lambda: self.thread(openid), wanted)

    async def told(self, guide: int, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until such a message is in the advisor's work app."""
        return await self._until(lambda: self.work_thread(guide), wanted)

    async def _until(
        self, look: Callable[[], Awaitable[list[dict[str, Any]]]], wanted: Callable[[dict[str, Any]], bool]
    ) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            messages = await look()
            message: dict[str, Any]
            for message in reversed(messages):
                if message["from"] != "me" and wanted(message):
                    return message
            await asyncio.sleep(0.02)  # another process's screen has no signal to wait for
        raise AssertionError(f"never shown; on screen: {[text_of(message) for message in messages]}")

    async def ledger(self, **wanted: str) -> list[dict[str, Any]]:
        """What the platforms accepted, all of it or what has these values."""
        lines: list[dict[str, Any]] = (await self.see("ledger?limit=100000"))["lines"]
        return [line for line in lines if all(line.get(name) == value for name, value in wanted.items())]

    async def texts_to(self, openid: str) -> list[str]:
        """The texts the platform accepted for a customer, in order."""
        lines = await self.ledger(api="message/custom/send", to=openid, msgtype="text")
        return [line["body"]["text"]["content"] for line in lines]

    async def count(self, statement: Any) -> int:
        """A number from the gateway's database."""
        return await self.db.read(lambda tx: int(tx.execute(statement).scalar_one()))

    async def becomes(self, statement: Any, wanted: object) -> None:
        """Wait until a query of one value gives `wanted`."""
        deadline = time.monotonic() + PATIENCE_S
        while await self.db.read(lambda tx: tx.execute(statement).scalar_one_or_none()) != wanted:
            assert time.monotonic() < deadline, f"never became {wanted}"
            await asyncio.sleep(0.01)  # the database has no signal for this

    async def inbox_count(self, state: str = "") -> int:
        """How many events from outside are kept, all or in one state."""
        statement = select(func.count()).select_from(inbox).where(inbox.c.kind != "call_done")
        return await self.count(statement.where(inbox.c.state == state) if state else statement)

    async def customer_count(self) -> int:
        """How many customers there are."""
        return await self.count(select(func.count()).select_from(customers))

    async def quiet(self) -> None:
        """Wait until nothing is left to do in inbox and outbox."""
        busy_in = select(func.count()).select_from(inbox).where(inbox.c.state.in_(["queued", "leased"]))
        busy_out = select(func.count()).select_from(outbox).where(outbox.c.state.in_(["queued", "calling", "retry_at"]))
        deadline = time.monotonic() + PATIENCE_S
        while await self.count(busy_in) or await self.count(busy_out):
            assert time.monotonic() < deadline, "the gateway never came to rest"
            await asyncio.sleep(0.02)  # polls, as an operator would

    async def bearer(self, role: Role = Role.ADMIN) -> dict[str, str]:
        """The header of a fresh API token."""
        made = await self.db.write(
            lambda tx: access_tokens.issue(tx, BrandId("tea"), f"test {time.time_ns()}", role, None, "test", now(tx))
        )
        return {"Authorization": f"Bearer {made.secret}"}

    async def api(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        """Use the gateway's API as an admin."""
        headers = await self.bearer()
        async with self.http.request(method, f"{self.url}/api/v1{path}", json=body, headers=headers) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json()

    async def schedule_push(self, text: str, **draft: Any) -> str:
        """Save a template with this text and schedule it for now, by the API; the campaign's id."""
        code = f"push-{time.time_ns()}"
        body = {"name": code, "body": {"kind": "text", "text": text}}
        await self.api("PUT", f"/templates/{code}", body)
        campaign = {"name": "新茶", "template": code, "audience": {"all_bound": True}, "at": "now", **draft}
        made = await self.api("POST", "/campaigns", campaign, status=201)
        campaign_id: str = made["campaign"]["id"]
        return campaign_id

    async def outcomes(self, campaign: str) -> dict[tuple[str, str], int]:
        """What became of a campaign's recipients when its last run is done: (state, reason) -> how many."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            runs = (await self.api("GET", f"/campaigns/{campaign}"))["runs"]
            if runs and all(run["state"] == "done" for run in runs):
                return {(one["state"], one["reason"]): one["count"] for one in runs[0]["outcomes"]}
            assert time.monotonic() < deadline, runs
            await asyncio.sleep(0.05)  # polls the API, as `campaign status --watch` does

    async def label_posters(self) -> None:
        """What is printed under the codes."""
        for state, name in zip(self.scenes, GUIDES, strict=True):
            await self.play("posters", scene=state, label=f"{name} · 静安店")


def text_of(message: dict[str, Any]) -> str:
    """The words of a message on a screen."""
    return str(message.get("text") or message.get("title") or message.get("type"))


def _messages(answer: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer["thread"]
    return found


def _make_brand(tx: Connection) -> None:
    tx.execute(regions.insert().values(brand="tea", id="r1", code="east", name="华东"))
    tx.execute(shops.insert().values(brand="tea", id="s1", code="jingan", name="静安店", region_id="r1"))
    for number, name in enumerate(GUIDES):
        guide = f"{number:032x}"
        tx.execute(
            advisors.insert().values(
                brand="tea",
                id=guide,
                code=f"g{number}",
                name=name,
                shop_id="s1",
                active=True,
                work_account="work",
                work_id=f"guide{number}",
                # The first has a persona account of the platform; the others sign their texts.
                persona=PERSONA if number == 0 else "",
            )
        )
        tx.execute(
            scenes.insert().values(
                brand="tea",
                state=f"scene{number}",
                kind="advisor",
                label=f"{name}的码",
                account="oa",
                advisor_id=guide,
                shop_id="s1",
                created_at=0,
            )
        )
    at = now(tx)
    enqueue(tx, [_code(f"scene{number}", at) for number in range(len(GUIDES))], at)


def _code(state: str, at: int) -> Promise:
    return Promise(
        brand=BrandId("tea"),
        id=OutboxId(new_id(at)),
        account=AccountId("oa"),
        stream=f"scene:{state}",
        n=0,
        lane=Lane.COMMAND,
        recipient="",
        call=Command(CommandName.MAKE_CODE, {"scene": state}),
        due_by=at + DUE_MS[Lane.COMMAND],
        expires_at=at + EXPIRES_MS[Lane.COMMAND],
        reports=True,
    )
