"""Acting as a member of a corp: writing to an app, pressing a card, opening the app."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from emulator import xml
from emulator.core import Emulator, Message
from emulator.play.common import EMULATOR, PlayError, Request, answer, answer_deed, read
from emulator.play.deeds import SAYINGS, Said
from emulator.told import Told
from emulator.wecom import inbound
from emulator.wecom.send import give_response_code, thread_of
from emulator.world import Agent, Corp, Member

# Fields WeCom adds to what an official account gets.
MORE_FIELDS = {"location": {"AppType": "wxwork"}, "link": {"PicUrl": ""}}


@dataclass(frozen=True, slots=True)
class Deed:
    """One act of a member towards one app."""

    request: Request
    emulator: Emulator
    agent: Agent
    member: Member

    def tell(self, fields: dict[str, Any], bubble: Message | None = None) -> Told:
        """Tell the app."""
        return inbound.tell(self.emulator, self.agent, self.member, fields, bubble=bubble)


async def act(request: web.Request) -> web.Response:
    """`POST /play/members/{user_id}/{action}`."""
    play = await read(request)
    corp, member = find(play.emulator, request.match_info["user_id"], play.optional("corp"))
    agent = _agent(corp, play.optional("agent_id"))
    name = request.match_info["action"]
    action = ACTIONS.get(name)
    if action is None:
        raise PlayError(404, "unknown_action", f"{name}: a member can {', '.join(ACTIONS)}")
    told = action(Deed(play, play.emulator, agent, member))
    return await answer_deed(request, play.emulator, told)


async def thread(request: web.Request) -> web.Response:
    """`GET /play/members/{user_id}/thread?corp=&agent_id=`."""
    emulator = request.app[EMULATOR]
    corp, member = find(emulator, request.match_info["user_id"], request.query.get("corp", ""))
    agent = _agent(corp, request.query.get("agent_id", ""))
    messages = emulator.messages(thread_of(agent, member.user_id))
    return answer({"thread": [message.shown() for message in messages]})


def find(emulator: Emulator, user_id: str, corp_id: str) -> tuple[Corp, Member]:
    """A member and his corp; `corp_id` empty is the only corp that has him. Raises PlayError 404."""
    corps = [corp for corp in emulator.world.corps if corp_id in ("", corp.corp_id)]
    found = [(corp, member) for corp in corps if (member := corp.member(user_id))]
    if not found:
        raise PlayError(404, "unknown_member", f"the world file has no member {user_id!r} in {corp_id or 'any corp'}")
    if len(found) > 1:
        raise PlayError(400, "bad_field", f"corp: {user_id!r} is a member of several, say which")
    return found[0]


def say(name: str) -> Callable[[Deed], Told]:
    """The act of sending one kind of message."""

    def send(deed: Deed) -> Told:
        said = SAYINGS[name](deed.request, deed.agent.corp_id)
        return _send(deed, said)

    return send


def press(deed: Deed) -> Told:
    """Press a button of a card; `selected` may hold chosen option ids by question key."""
    message = deed.emulator.message(deed.request.whole("message_id"))
    if message is None or message.thread != thread_of(deed.agent, deed.member.user_id) or not message.buttons:
        raise PlayError(404, "unknown_message", "message_id: no card with buttons on this phone")
    key = deed.request.optional("key")
    button = next((one for one in message.buttons if one["key"] == key), None)
    if button is None:
        known = ", ".join(one["key"] for one in message.buttons)
        raise PlayError(404, "unknown_button", f"key: one of {known}, found {key!r}")
    if button["done"]:
        raise PlayError(409, "button_done", "key: this button was changed after a press and is switched off")
    code = give_response_code(deed.emulator, deed.agent, message.ref, deed.member.user_id)
    fields: dict[str, Any] = {
        "MsgType": "event",
        "Event": "template_card_event",
        "EventKey": key,
        "TaskId": message.content.get("task_id", ""),
        "CardType": message.content.get("card_type", ""),
        "ResponseCode": code,
    }
    return deed.tell({**fields, **_selected(deed.request)}, message)


def enter(deed: Deed) -> Told:
    """Open the app."""
    return deed.tell({"MsgType": "event", "Event": "enter_agent", "EventKey": ""})


def join(deed: Deed) -> Told:
    """Become one of those the app is visible to."""
    return deed.tell({"MsgType": "event", "Event": "subscribe", "EventKey": ""})


def press_menu(deed: Deed) -> Told:
    """Press a line of the app's menu."""
    return deed.tell({"MsgType": "event", "Event": "click", "EventKey": deed.request.text("key")})


def raw(deed: Deed) -> Told:
    """Send any fields, to play what this emulator does not know."""
    fields = deed.request.raw_fields()
    try:
        if fields["MsgType"] == "event":
            return deed.tell(fields)
        return _send(deed, Said(str(fields["MsgType"]), fields, str(fields.get("Content", fields["MsgType"]))))
    except xml.BadXml as error:
        raise PlayError(400, "bad_field", f"fields: {error}") from error


def _selected(request: Request) -> dict[str, Any]:
    selected = request.fields.get("selected")
    if not isinstance(selected, dict) or not selected:
        return {}
    items = [{"QuestionKey": question, "OptionIds": {"OptionId": ids}} for question, ids in selected.items()]
    return {"SelectedItems": {"SelectedItem": items}}


def _send(deed: Deed, said: Said) -> Told:
    thread_name = thread_of(deed.agent, deed.member.user_id)
    bubble = deed.emulator.show(
        thread_name, "me", said.type, text=said.text, media_url=said.media_url, content=said.content
    )
    return deed.tell({**said.fields, **MORE_FIELDS.get(said.type, {})}, bubble)


def _agent(corp: Corp, agent_id: str) -> Agent:
    agents = [agent for agent in corp.agents if agent_id in ("", str(agent.agent_id))]
    if len(agents) == 1:
        return agents[0]
    known = ", ".join(str(agent.agent_id) for agent in corp.agents) or "none"
    raise PlayError(404, "unknown_agent", f"agent_id: corp {corp.corp_id} has {known}, found {agent_id!r}")


ACTIONS: dict[str, Callable[[Deed], Told]] = {
    **{name: say(name) for name in SAYINGS},
    "press": press,
    "open": enter,
    "subscribe": join,
    "menu": press_menu,
    "raw": raw,
}
