"""Passive replies of an official account: read from the callback's answer, shown on the phone, written to the ledger.

https://developers.weixin.qq.com/doc/subscription/guide/product/message/Passive_user_reply_message.html
A passive reply spends no window and no quota.
"""

from typing import Any

from emulator import crypto, xml
from emulator.api import Refused
from emulator.callbacks import BadAnswer
from emulator.core import Emulator
from emulator.state import Customer
from emulator.wechat import contents
from emulator.world import OfficialAccount

API = "passive_reply"


def read(account: OfficialAccount, openid: str, body: bytes) -> dict[str, Any] | None:
    """The fields of a reply; None for an empty body or `success`. Raises BadAnswer for anything else."""
    if body in (b"", b"success"):
        return None
    try:
        fields = _clear(account, xml.parse(body))
    except (xml.BadXml, crypto.Rejected) as error:
        raise BadAnswer(str(error)) from error
    if fields.get("ToUserName") != openid or fields.get("FromUserName") != account.original_id:
        raise BadAnswer("ToUserName and FromUserName do not answer this sender and this account")
    if not fields.get("MsgType"):
        raise BadAnswer("the reply has no MsgType")
    return fields


def show(emulator: Emulator, account: OfficialAccount, customer: Customer, fields: dict[str, Any]) -> None:
    """Put a reply on the customer's phone; what the platform would drop is written to the ledger as not shown."""
    msgtype = str(fields["MsgType"])
    facts: dict[str, Any] = {"to": customer.openid, "msgtype": msgtype, "body": fields}
    if msgtype == "transfer_customer_service":
        emulator.write(account, API, **facts, shown=False, why_not_shown="handed to the platform's own desk")
        return
    try:
        branch = _branch(msgtype, fields)
        shown = contents.read(emulator, account, msgtype, branch)
    except Refused as refusal:
        emulator.write(account, API, **facts, shown=False, why_not_shown=f"errcode {refusal.errcode}")
        return
    emulator.show(customer.openid, "them", msgtype, text=shown.text, media_url=shown.media_url, content=branch)
    emulator.write(account, API, **facts)
    customer.talked_at = emulator.clock.now()
    emulator.state.customers.put(customer.openid, customer)


def _clear(account: OfficialAccount, fields: dict[str, Any]) -> dict[str, Any]:
    ciphertext = fields.get("Encrypt")
    if ciphertext is None and account.mode == "safe":
        raise BadAnswer("a clear reply in safe mode")
    if ciphertext is None:
        return fields
    if account.mode == "plain":
        raise BadAnswer("an encrypted reply in plain mode")
    signature, timestamp, nonce = (str(fields.get(name) or "") for name in ("MsgSignature", "TimeStamp", "Nonce"))
    return xml.parse(account.envelope.open(signature, timestamp, nonce, str(ciphertext)))


def _branch(msgtype: str, fields: dict[str, Any]) -> dict[str, Any]:
    if msgtype == "text":
        return {"content": fields.get("Content")}
    if msgtype == "news":
        return {"articles": [_article(item) for item in _items(fields)]}
    inner = fields.get(msgtype.capitalize())
    found = inner if isinstance(inner, dict) else {}
    names = {
        "MediaId": "media_id",
        "ThumbMediaId": "thumb_media_id",
        "MusicUrl": "musicurl",
        "HQMusicUrl": "hqmusicurl",
    }
    return {names.get(name, name.lower()): value for name, value in found.items()}


def _items(fields: dict[str, Any]) -> list[dict[str, Any]]:
    articles = fields.get("Articles")
    items = articles.get("item") if isinstance(articles, dict) else None
    found = items if isinstance(items, list) else [items]
    return [item for item in found if isinstance(item, dict)]


def _article(item: dict[str, Any]) -> dict[str, Any]:
    names = {"Title": "title", "Description": "description", "PicUrl": "picurl", "Url": "url"}
    return {names[name]: value for name, value in item.items() if name in names}
