"""Every API of the WeCom face on one screen."""

from typing import Any

from emulator.api import Api, Call, Face
from emulator.wecom import changes, directory, errors, media, send, tokens

EACH_API = ("wecom.api_minute", "wecom.api_hour")


def _receivers(body: dict[str, Any]) -> set[str]:
    named = body.get("touser") or body.get("userids") or ()
    return set(named.split("|")) if isinstance(named, str) else {str(one) for one in named}


def _subject(call: Call) -> str:
    return f"{call.agent.corp_id} {call.api}"


FACE = Face("wecom", errors.ERRORS, tokens.identify, _subject, _receivers)

APIS = (
    Api("GET", "/cgi-bin/gettoken", tokens.fetch, token=False),
    Api("POST", "/cgi-bin/message/send", send.send, EACH_API),
    Api("POST", "/cgi-bin/message/update_template_card", changes.update_template_card, EACH_API),
    Api("POST", "/cgi-bin/message/recall", changes.recall, EACH_API),
    Api("POST", "/cgi-bin/media/upload", media.upload, EACH_API),
    Api("GET", "/cgi-bin/media/get", media.download, EACH_API),
    Api("GET", "/cgi-bin/user/get", directory.get_user, EACH_API),
    Api("GET", "/cgi-bin/getcallbackip", directory.addresses, EACH_API),
)
