"""Messages to members: receivers, duplicates, and the silent drop beyond 30 a minute and 1000 an hour.

https://developer.work.weixin.qq.com/document/path/90236
"""

import hashlib
from dataclasses import replace
from typing import Any

import orjson

from emulator.api import Call, Refused
from emulator.core import Emulator
from emulator.state import Once, ResponseCode, random_text
from emulator.wecom import cards, contents
from emulator.world import Agent, Corp, Member


def send(call: Call) -> dict[str, Any]:
    """`POST message/send`: errcode 0 even when some receivers are bad or the message is dropped unseen."""
    check_agent(call)
    corp = corp_of(call)
    members, unknown = _receivers(call, corp)
    msgtype = call.text("msgtype", 40008)
    branch: Any = call.body.get(msgtype)
    shown = contents.read(call.emulator, call.agent, msgtype, branch)
    card: dict[str, Any] = branch if msgtype == "template_card" else {}  # read() has checked that it is an object
    content = _content_name(call, msgtype, branch)
    repeated = content is not None and _is_known(call.emulator, content)
    if not repeated:
        _check_task_id(call, card)
    _spend_person_times(call, corp, len(members))
    _remember(call, card, content)
    msgid = random_text(66)
    for member in members:
        why = "duplicate" if repeated else _why_dropped(call.emulator, call.agent, member)
        if why is None:
            _show(call, member, msgtype, shown, branch, msgid)
        facts = {"to": member.user_id, "msgtype": msgtype, "body": call.body}
        call.write(call.agent, **facts, shown=why is None, why_not_shown=why)
    answer = {"errcode": 0, "errmsg": "ok", "invaliduser": "|".join(unknown).lower(), "msgid": msgid}
    if card.get("card_type") in cards.INTERACTIVE:
        answer["response_code"] = give_response_code(call.emulator, call.agent, msgid, "")
    return answer


def check_agent(call: Call) -> None:
    """The body's agentid must be the app whose token is used. Raises Refused."""
    agent_id = call.body.get("agentid")
    if isinstance(agent_id, bool) or not str(agent_id).isdigit():
        raise Refused(40056)
    if int(str(agent_id)) != call.agent.agent_id:
        raise Refused(301002)


def corp_of(call: Call) -> Corp:
    """The corp of the calling app."""
    corp = call.emulator.world.corp(call.agent.corp_id)
    if corp is None:
        raise Refused(40013)
    return corp


def thread_of(agent: Agent, user_id: str) -> str:
    """The thread of an app on a member's phone."""
    return f"{agent.id}/{user_id}"


def give_response_code(emulator: Emulator, agent: Agent, msgid: str, user_id: str) -> str:
    """A new right to change a card once; `user_id` empty is for everyone who got it."""
    until = emulator.clock.now() + emulator.limit("wecom.response_code_life").value * 1000
    code = ResponseCode(random_text(43), agent.id, msgid, user_id, until)
    return emulator.state.response_codes.put(code.code, code).code


def _receivers(call: Call, corp: Corp) -> tuple[list[Member], list[str]]:
    """The members addressed, each once, and the ids that name nobody. Raises Refused when nobody is left."""
    touser = call.body.get("touser") or ""
    if not isinstance(touser, str):
        raise Refused(40035, "touser is text, ids joined by |")
    if touser == "@all":
        return list(corp.members), []
    ids = [one for one in touser.split("|") if one]
    if len(ids) > call.emulator.limit("wecom.receivers").value:
        raise Refused(call.emulator.limit("wecom.receivers").errcode, "touser")
    found = {member.user_id: member for one in ids if (member := corp.member(one))}
    if not found:
        raise Refused(81013)
    return list(found.values()), [one for one in ids if corp.member(one) is None]


def _spend_person_times(call: Call, corp: Corp, persons: int) -> None:
    per_seat = call.emulator.limit("wecom.agent_day_per_seat")
    limit = replace(per_seat, value=per_seat.value * len(corp.members))
    now = call.emulator.clock.now()
    if call.emulator.counters.left(limit, call.agent.id, now) < persons:
        raise Refused(limit.errcode)
    for _ in range(persons):
        call.emulator.counters.spend(limit, call.agent.id, now)


def _content_name(call: Call, msgtype: str, branch: Any) -> str | None:
    """What identical content to the same receivers is known by; None when the call asks for no duplicate check."""
    if call.body.get("enable_duplicate_check") != 1:
        return None
    _duplicate_interval(call)
    same = [call.agent.id, call.body.get("touser"), msgtype, branch]
    return "content " + hashlib.sha256(orjson.dumps(same, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _duplicate_interval(call: Call) -> int:
    interval = call.body.get("duplicate_check_interval", call.emulator.limit("wecom.duplicate_interval").value)
    longest = call.emulator.limit("wecom.duplicate_interval_longest")
    if not isinstance(interval, int) or not 0 < interval <= longest.value:
        raise Refused(longest.errcode, "duplicate_check_interval")
    return interval


def _is_known(emulator: Emulator, name: str) -> bool:
    before = emulator.state.once.get(name)
    return before is not None and (before.until == 0 or before.until > emulator.clock.now())


def _task_name(call: Call, card: dict[str, Any]) -> str | None:
    return f"task {call.agent.id} {card['task_id']}" if "task_id" in card else None


def _check_task_id(call: Call, card: dict[str, Any]) -> None:
    name = _task_name(call, card)
    if name is not None and _is_known(call.emulator, name):
        raise Refused(call.emulator.limit("wecom.task_id").errcode, "task_id was used before")


def _remember(call: Call, card: dict[str, Any], content: str | None) -> None:
    """Keep the task id for ever, and the content until its interval has passed since it was first sent."""
    task = _task_name(call, card)
    if task is not None:
        call.emulator.state.once.put(task, Once(task, 0))
    if content is not None and not _is_known(call.emulator, content):
        until = call.emulator.clock.now() + _duplicate_interval(call) * 1000
        call.emulator.state.once.put(content, Once(content, until))


def _why_dropped(emulator: Emulator, agent: Agent, member: Member) -> str | None:
    """Why the platform drops this message unseen, or None; a message that is shown is counted."""
    now, subject = emulator.clock.now(), f"{agent.id}/{member.user_id}"
    minute, hour = emulator.limit("wecom.member_minute"), emulator.limit("wecom.member_hour")
    if emulator.counters.left(minute, subject, now) < 1:
        return f"member {minute.value}/min"
    if emulator.counters.left(hour, subject, now) < 1:
        return f"member {hour.value}/h"
    emulator.counters.spend(minute, subject, now)
    emulator.counters.spend(hour, subject, now)
    return None


def _show(call: Call, member: Member, msgtype: str, shown: contents.Shown, branch: Any, msgid: str) -> None:
    call.emulator.show(
        thread_of(call.agent, member.user_id),
        "them",
        msgtype,
        text=shown.text,
        media_url=shown.media_url,
        buttons=shown.buttons,
        content=branch,
        ref=msgid,
    )
