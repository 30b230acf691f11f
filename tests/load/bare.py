"""What ours is compared with: an aiohttp handler that only says "success", and wechatpy behind the same server.

Its own process: `python -m tests.load.bare PORT`. Any path is answered bare, except /wechatpy, which decrypts and parses the
callback with wechatpy and keeps nothing.
"""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web
from wechatpy import parse_message
from wechatpy.crypto import WeChatCrypto

from tests.configuration import APP_ID
from tests.driver import KEY, TOKEN
from tests.load import loops

_crypto = WeChatCrypto(TOKEN, KEY, APP_ID)


async def bare(_request: web.Request) -> web.Response:
    """The least that aiohttp can do."""
    return web.Response(text="success")


async def with_wechatpy(request: web.Request) -> web.Response:
    """What a bot of a few lines does: verify, decrypt, parse, and say success without keeping anything."""
    query = request.query
    body = (await request.read()).decode()
    message = parse_message(_crypto.decrypt_message(body, query["msg_signature"], query["timestamp"], query["nonce"]))
    return web.Response(text="success" if message.content else "")


async def serve(port: int) -> None:
    """Serve for ever."""
    app = web.Application()
    app.add_routes([web.post("/wechatpy", with_wechatpy), web.post("/{path:.*}", bare)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    loops.run(serve(int(sys.argv[1])))
