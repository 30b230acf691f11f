"""What a WeCom app is told: the XML of messages and events, always encrypted.

https://developer.work.weixin.qq.com/document/path/90239
https://developer.work.weixin.qq.com/document/path/90240
"""

import secrets
from typing import Any

from emulator import xml
from emulator.callbacks import Callback, Sealed
from emulator.core import Emulator, Message
from emulator.told import Told
from emulator.wecom import replies
from emulator.world import Agent, Member


def tell(
    emulator: Emulator, agent: Agent, member: Member, fields: dict[str, Any], *, bubble: Message | None = None
) -> Told:
    """Send a message or event to the app's callback address.

    `bubble` is the member's own message, or the card he pressed; an own message nothing takes is marked as failed.
    """
    create_time = emulator.clock.outside() // 1000
    whole = _whole(emulator, agent, member, fields, create_time)
    msg_id = str(whole["MsgId"]) if "MsgId" in whole else None
    if not agent.callback_url:
        return Told(msg_id, create_time, None)
    body = xml.build(whole)

    def failed() -> None:
        if bubble is not None and bubble.sender == "me":
            bubble.state = "failed"
            emulator.save(bubble)

    callback = Callback(
        platform="wecom",
        account=agent.id,
        url=agent.callback_url,
        sender=member.user_id,
        what=f"event {whole['Event']}" if whole["MsgType"] == "event" else whole["MsgType"],
        seal=lambda: seal(emulator, agent, body),
        read=lambda answer: replies.read(agent, member, answer),
        answered=lambda reply: replies.show(emulator, agent, member, reply, bubble),
        failed=failed,
    )
    return Told(msg_id, create_time, emulator.courier.post(callback))


def seal(emulator: Emulator, agent: Agent, body: str) -> Sealed:
    """One request with a fresh timestamp, nonce and ciphertext."""
    timestamp, nonce = str(emulator.clock.outside() // 1000), str(secrets.randbelow(10**10))
    ciphertext = agent.envelope.encrypt(body.encode())
    signature = agent.envelope.sign(timestamp, nonce, ciphertext)
    fields = {"ToUserName": agent.corp_id, "AgentID": str(agent.agent_id), "Encrypt": ciphertext}
    return Sealed(
        {"msg_signature": signature, "timestamp": timestamp, "nonce": nonce},
        xml.build(fields).encode(),
    )


def verification(emulator: Emulator, agent: Agent) -> tuple[dict[str, str], bytes]:
    """The query of the GET verification and the body that answers it rightly: the echostr, decrypted."""
    timestamp, nonce = str(emulator.clock.outside() // 1000), str(secrets.randbelow(10**10))
    echo = str(secrets.randbelow(10**19)).encode()
    ciphertext = agent.envelope.encrypt(echo)
    signature = agent.envelope.sign(timestamp, nonce, ciphertext)
    query = {"msg_signature": signature, "timestamp": timestamp, "nonce": nonce, "echostr": ciphertext}
    return query, echo


def _whole(
    emulator: Emulator, agent: Agent, member: Member, fields: dict[str, Any], create_time: int
) -> dict[str, Any]:
    whole = {"ToUserName": agent.corp_id, "FromUserName": member.user_id, "CreateTime": create_time, **fields}
    if whole.get("MsgType") != "event" and "MsgId" not in whole:
        whole["MsgId"] = emulator.state.next_msg_id(emulator.clock.now())
    return {**whole, "AgentID": agent.agent_id}
