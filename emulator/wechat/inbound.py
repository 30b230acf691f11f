"""What an official account is told: the XML of messages and events, sealed as its mode asks.

https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Receiving_standard_messages.html
https://developers.weixin.qq.com/doc/service/Account_Management/Wechat_Accreditation_Event_Push.html
"""

import secrets
from typing import Any

from emulator import crypto, xml
from emulator.callbacks import Callback, Sealed
from emulator.core import Emulator, Message
from emulator.state import Customer
from emulator.told import Told
from emulator.wechat import replies
from emulator.world import OfficialAccount

NOTICE = "该公众号提供的服务出现故障，请稍后再试"


def tell(
    emulator: Emulator,
    account: OfficialAccount,
    customer: Customer,
    fields: dict[str, Any],
    *,
    bubble: Message | None = None,
    notice: bool = True,
) -> Told:
    """Send a message or event to the account's callback address.

    `bubble` is the customer's own message, marked as failed when nothing takes it; with `notice` the phone then shows
    the platform's notice too. Raises xml.BadXml for a field name XML cannot carry.
    """
    create_time = emulator.clock.outside() // 1000
    whole = _whole(emulator, account, customer, fields, create_time)
    msg_id = str(whole["MsgId"]) if "MsgId" in whole else None
    if not account.callback_url:
        return Told(msg_id, create_time, None)
    body = xml.build(whole)

    def failed() -> None:
        if bubble is not None:
            bubble.state = "failed"
            emulator.save(bubble)
        if notice:
            emulator.show(customer.openid, "system", "notice", text=NOTICE)

    callback = Callback(
        platform="wechat",
        account=account.id,
        url=account.callback_url,
        sender=customer.openid,
        what=_what(whole),
        seal=lambda: seal(emulator, account, customer.openid, body),
        read=lambda answer: replies.read(account, customer.openid, answer),
        answered=lambda reply: replies.show(emulator, account, customer, reply),
        failed=failed,
    )
    return Told(msg_id, create_time, emulator.courier.post(callback))


def seal(emulator: Emulator, account: OfficialAccount, openid: str, body: str) -> Sealed:
    """One request with a fresh timestamp and nonce, plain, compatible or safe."""
    timestamp, nonce = str(emulator.clock.outside() // 1000), str(secrets.randbelow(10**10))
    query = {
        "signature": crypto.sign(account.token, timestamp, nonce),
        "timestamp": timestamp,
        "nonce": nonce,
        "openid": openid,
    }
    if account.mode == "plain":
        return Sealed(query, body.encode())
    ciphertext = account.envelope.encrypt(body.encode())
    query |= {"encrypt_type": "aes", "msg_signature": account.envelope.sign(timestamp, nonce, ciphertext)}
    encrypted = f"<Encrypt>{xml.cdata(ciphertext)}</Encrypt></xml>"
    if account.mode == "compatible":
        return Sealed(query, (body.removesuffix("</xml>") + encrypted).encode())
    receiver = f"<xml><ToUserName>{xml.cdata(account.original_id)}</ToUserName>"
    return Sealed(query, (receiver + encrypted).encode())


def verification(emulator: Emulator, account: OfficialAccount) -> tuple[dict[str, str], bytes]:
    """The query of the GET verification and the body that answers it rightly: the bare echostr, in every mode."""
    timestamp, nonce = str(emulator.clock.outside() // 1000), str(secrets.randbelow(10**10))
    echo = str(secrets.randbelow(10**19))
    signature = crypto.sign(account.token, timestamp, nonce)
    return {"signature": signature, "timestamp": timestamp, "nonce": nonce, "echostr": echo}, echo.encode()


def _whole(
    emulator: Emulator, account: OfficialAccount, customer: Customer, fields: dict[str, Any], create_time: int
) -> dict[str, Any]:
    whole = {"ToUserName": account.original_id, "FromUserName": customer.openid, "CreateTime": create_time, **fields}
    if whole.get("MsgType") != "event" and "MsgId" not in whole:
        whole["MsgId"] = emulator.state.next_msg_id(emulator.clock.now())
    return whole


def _what(fields: dict[str, Any]) -> str:
    return f"event {fields.get('Event')}" if fields.get("MsgType") == "event" else str(fields.get("MsgType"))
