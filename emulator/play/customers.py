"""Acting as a customer: following, scanning, writing, tapping."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from emulator import xml
from emulator.core import Emulator, Message
from emulator.play.common import EMULATOR, PlayError, Request, answer, answer_deed, official_account, read
from emulator.play.deeds import SAYINGS, Said
from emulator.state import Customer, QrCode, Trigger, random_text
from emulator.told import Told
from emulator.wechat import codes, inbound, windows
from emulator.world import OfficialAccount

MOST_AT_ONCE = 100_000


@dataclass(frozen=True, slots=True)
class Deed:
    """One act of a customer."""

    request: Request
    emulator: Emulator
    account: OfficialAccount
    customer: Customer

    def tell(self, fields: dict[str, Any], bubble: Message | None = None, *, notice: bool = True) -> Told:
        """Save the customer and tell the account."""
        self.emulator.keep_customer(self.customer)
        return inbound.tell(self.emulator, self.account, self.customer, fields, bubble=bubble, notice=notice)


async def create(request: web.Request) -> web.Response:
    """`POST /play/customers`: one customer, or `count` of them; `following` and `grant` skip the acts that lead there."""
    play = await read(request)
    account = official_account(play.emulator, play.optional("account"))
    count = play.whole("count") if "count" in play.fields else 0
    if not 0 <= count <= MOST_AT_ONCE:
        raise PlayError(400, "bad_field", f"count: 1 to {MOST_AT_ONCE}, found {count}")
    made = [_make(play, account) for _ in range(count or 1)]
    await play.emulator.commit()
    return answer({"openids": [one.openid for one in made]} if count else {"openid": made[0].openid})


async def act(request: web.Request) -> web.Response:
    """`POST /play/customers/{openid}/{action}`."""
    play = await read(request)
    customer = find(play.emulator, request.match_info["openid"])
    name = request.match_info["action"]
    action = ACTIONS.get(name)
    if action is None:
        known = ", ".join(ACTIONS)
        raise PlayError(404, "unknown_action", f"{name}: a customer can {known}")
    account = official_account(play.emulator, customer.account)
    told = action(Deed(play, play.emulator, account, customer))
    return await answer_deed(request, play.emulator, told)


async def thread(request: web.Request) -> web.Response:
    """`GET /play/customers/{openid}/thread`."""
    emulator = request.app[EMULATOR]
    customer = find(emulator, request.match_info["openid"])
    return answer({"thread": [message.shown() for message in emulator.messages(customer.openid)]})


def find(emulator: Emulator, openid: str) -> Customer:
    """The customer. Raises PlayError 404."""
    customer = emulator.state.customers.get(openid)
    if customer is None:
        raise PlayError(404, "unknown_customer", f"no customer {openid!r}; POST /play/customers makes one")
    return customer


def scan(deed: Deed) -> Told:
    """Scan a code: a follower's scan is SCAN, another's makes him follow with `qrscene_`."""
    code = _code(deed)
    if deed.customer.following:
        windows.grant(deed.emulator, deed.customer, "scan")
        return deed.tell({"MsgType": "event", "Event": "SCAN", "EventKey": code.scene, "Ticket": code.ticket})
    _start_following(deed)
    deed.customer.scene = code.scene
    event = {"MsgType": "event", "Event": "subscribe", "EventKey": f"qrscene_{code.scene}", "Ticket": code.ticket}
    return deed.tell(event)


def follow(deed: Deed) -> Told:
    """Follow the account without a code."""
    if deed.customer.following:
        raise PlayError(409, "following", "already following; unfollow first")
    _start_following(deed)
    deed.customer.scene = ""
    return deed.tell({"MsgType": "event", "Event": "subscribe", "EventKey": ""})


def unfollow(deed: Deed) -> Told:
    """Stop following: everything granted is gone."""
    _need_following(deed)
    deed.customer.following = False
    deed.customer.grants.clear()
    return deed.tell({"MsgType": "event", "Event": "unsubscribe", "EventKey": ""}, notice=False)


def say(name: str) -> Callable[[Deed], Told]:
    """The act of sending one kind of message."""

    def send(deed: Deed) -> Told:
        _need_following(deed)
        said = SAYINGS[name](deed.request, deed.account.app_id)
        return _send(deed, said, "message")

    return send


def press_menu(deed: Deed) -> Told:
    """Press a line of the account's menu: CLICK for a key, VIEW for an address."""
    _need_following(deed)
    key = deed.request.text("key")
    if key.startswith(("http://", "https://")):
        return deed.tell({"MsgType": "event", "Event": "VIEW", "EventKey": key})
    windows.grant(deed.emulator, deed.customer, "menu")
    return deed.tell({"MsgType": "event", "Event": "CLICK", "EventKey": key})


def tap(deed: Deed) -> Told:
    """Tap a line of a msgmenu: arrives as text with `bizmsgmenuid`, grants what a menu grants."""
    _need_following(deed)
    message = deed.emulator.message(deed.request.whole("message_id"))
    if message is None or message.thread != deed.customer.openid or not message.options:
        raise PlayError(404, "unknown_message", "message_id: no message with options on this phone")
    wanted = deed.request.text("option_id")
    option = next((one for one in message.options if one["id"] == wanted), None)
    if option is None:
        known = ", ".join(one["id"] for one in message.options)
        raise PlayError(404, "unknown_option", f"option_id: one of {known}, found {wanted!r}")
    fields = {"MsgType": "text", "Content": option["content"], "bizmsgmenuid": option["id"]}
    return _send(deed, Said("text", fields, option["content"]), "menu")


def raw(deed: Deed) -> Told:
    """Send any fields, to play what this emulator does not know."""
    fields = deed.request.raw_fields()
    try:
        if fields["MsgType"] == "event":
            return deed.tell(fields, notice=False)
        text = str(fields.get("Content", fields["MsgType"]))
        return _send(deed, Said(str(fields["MsgType"]), fields, text), "message")
    except xml.BadXml as error:
        raise PlayError(400, "bad_field", f"fields: {error}") from error


ACTIONS: dict[str, Callable[[Deed], Told]] = {
    "scan": scan,
    "follow": follow,
    "unfollow": unfollow,
    **{name: say(name) for name in SAYINGS},
    "menu": press_menu,
    "tap": tap,
    "raw": raw,
}


def _send(deed: Deed, said: Said, trigger: Trigger) -> Told:
    windows.grant(deed.emulator, deed.customer, trigger)
    deed.customer.talked_at = deed.emulator.clock.now()
    bubble = deed.emulator.show(
        deed.customer.openid, "me", said.type, text=said.text, media_url=said.media_url, content=said.content
    )
    return deed.tell(said.fields, bubble)


def _start_following(deed: Deed) -> None:
    deed.customer.following = True
    deed.customer.subscribed_at = deed.emulator.clock.now()
    windows.grant(deed.emulator, deed.customer, "follow")


def _need_following(deed: Deed) -> None:
    if not deed.customer.following:
        raise PlayError(409, "not_following", "not following this account; follow or scan first")


def _code(deed: Deed) -> QrCode:
    code = deed.emulator.state.codes.get(deed.request.optional("ticket"))
    if code is None and deed.request.optional("scene"):
        code = codes.find(deed.emulator, deed.account, deed.request.text("scene"))
    if code is None or code.account != deed.account.app_id:
        hint = "make it with qrcode/create, or with POST /play/posters"
        raise PlayError(404, "unknown_code", f"no code with this scene or ticket; {hint}")
    if code.until and code.until <= deed.emulator.clock.now():
        raise PlayError(410, "code_expired", "this temporary code has expired; make a new one")
    return code


def _make(play: Request, account: OfficialAccount) -> Customer:
    openid = play.optional("openid") or f"o{random_text(27)}"
    if play.emulator.state.customers.get(openid) is not None:
        raise PlayError(409, "customer_exists", f"openid: {openid!r} exists already")
    label = play.optional("label") or f"顾客 {len(play.emulator.state.customers) + 1}"
    customer = Customer(openid, account.app_id, label)
    if play.fields.get("following") is True:
        customer.following = True
        customer.subscribed_at = play.emulator.clock.now()
    trigger = play.optional("grant")
    if trigger:
        _grant(play.emulator, customer, trigger)
    play.emulator.keep_customer(customer)
    return customer


def _grant(emulator: Emulator, customer: Customer, trigger: str) -> None:
    triggers: tuple[Trigger, ...] = ("message", "menu", "follow", "scan")
    for known in triggers:
        if trigger == known:
            windows.grant(emulator, customer, known)
            return
    raise PlayError(400, "bad_field", f"grant: one of {', '.join(triggers)}, found {trigger!r}")
