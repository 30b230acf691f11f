"""Every API of the official account face on one screen."""

from typing import Any

from emulator.api import Api, Call, Face
from emulator.wechat import codes, errors, media, menus, personas, send, service, templates, tokens, users
from emulator.wechat.service import QUOTAS


def _receivers(body: dict[str, Any]) -> set[str]:
    return {str(body["touser"])} if "touser" in body else set()


def _subject(call: Call) -> str:
    return call.account.app_id


FACE = Face("wechat", errors.ERRORS, tokens.identify, _subject, _receivers, raw_unicode=True)

# The two token endpoints spend their own limits: only they know the account without a token.
APIS = (
    Api("GET", "/cgi-bin/token", tokens.fetch, token=False),
    Api("POST", "/cgi-bin/stable_token", tokens.fetch_stable, token=False),
    Api("POST", "/cgi-bin/message/custom/send", send.custom_send, QUOTAS["/cgi-bin/message/custom/send"]),
    Api("POST", "/cgi-bin/message/custom/typing", send.typing),
    Api("POST", "/cgi-bin/message/template/send", templates.send, QUOTAS["/cgi-bin/message/template/send"]),
    Api("POST", "/cgi-bin/qrcode/create", codes.create, QUOTAS["/cgi-bin/qrcode/create"]),
    Api("GET", "/cgi-bin/showqrcode", codes.show, token=False),
    Api("GET", "/cgi-bin/user/info", users.info, QUOTAS["/cgi-bin/user/info"]),
    Api("POST", "/cgi-bin/media/upload", media.upload, QUOTAS["/cgi-bin/media/upload"]),
    Api("GET", "/cgi-bin/media/get", media.download, QUOTAS["/cgi-bin/media/get"]),
    Api("POST", "/customservice/kfaccount/add", personas.add),
    Api("POST", "/customservice/kfaccount/uploadheadimg", personas.upload_avatar),
    Api("GET", "/cgi-bin/customservice/getkflist", personas.list_all),
    Api("POST", "/cgi-bin/menu/create", menus.create, QUOTAS["/cgi-bin/menu/create"]),
    Api("GET", "/cgi-bin/getcallbackip", service.addresses),
    Api("GET", "/cgi-bin/get_api_domain_ip", service.addresses),
    Api("POST", "/cgi-bin/openapi/quota/get", service.quota),
)
