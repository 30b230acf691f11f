"""The web application: every route on one screen."""

import logging
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from aiohttp import web

from emulator import limits as limits_file
from emulator.api import LARGEST_BODY, serve
from emulator.core import Emulator
from emulator.limits import Limits
from emulator.play import control, customers, members, stream, views
from emulator.play.common import EMULATOR, errors
from emulator.wechat import face as wechat
from emulator.wecom import face as wecom
from emulator.world import World

log = logging.getLogger(__name__)

PAGE = Path(__file__).with_name("page")


def build(
    world: World, data_dir: Path, clock: Callable[[], float] = time.time, limits: Limits | None = None
) -> web.Application:
    """The emulator as an application. `clock` gives seconds; `limits` replaces the numbers of limits.toml, for tests.

    Raises OSError when `data_dir` cannot be used.
    """
    emulator = Emulator(world, data_dir, clock, limits or limits_file.load())
    app = web.Application(middlewares=[errors], client_max_size=LARGEST_BODY)
    app[EMULATOR] = emulator
    app.cleanup_ctx.append(_run)
    app.on_shutdown.append(_end_streams)
    app.add_routes(play_routes())
    for api in wechat.APIS:
        app.router.add_route("*", f"/wechat{api.path}", serve(emulator, wechat.FACE, api))
    for api in wecom.APIS:
        app.router.add_route("*", f"/wecom{api.path}", serve(emulator, wecom.FACE, api))
    app.router.add_route("*", "/{face:wechat|wecom}/{path:.*}", unknown)
    app.router.add_get("/{file:.*}", page)
    return app


def play_routes() -> list[web.RouteDef]:
    """The control face."""
    return [
        web.get("/play/state", views.state),
        web.get("/play/ledger", views.ledger),
        web.get("/play/deliveries", views.deliveries),
        web.get("/play/media/{id}", views.media),
        web.get("/play/events", stream.events),
        web.post("/play/customers", customers.create),
        web.get("/play/customers/{openid}/thread", customers.thread),
        web.post("/play/customers/{openid}/{action}", customers.act),
        web.get("/play/members/{user_id}/thread", members.thread),
        web.post("/play/members/{user_id}/{action}", members.act),
        web.post("/play/posters", control.label_poster),
        web.post("/play/faults", control.order_fault),
        web.delete("/play/faults", control.take_back_fault),
        web.delete("/play/faults/{id}", control.take_back_fault),
        web.post("/play/clock", control.move_clock),
        web.post("/play/reset", control.forget),
        web.post("/play/accounts/{id:.+}/verify", control.verify),
    ]


async def unknown(request: web.Request) -> web.Response:
    """A path no platform has: 404 with an empty body, and a line in the log for whoever mistyped it."""
    log.warning("no platform has %s %s", request.method, request.path)
    return web.Response(status=404)


async def page(request: web.Request) -> web.StreamResponse:
    """The phone in the browser: `/` and the files beside it."""
    file = (PAGE / (request.match_info["file"] or "index.html")).resolve()
    if not file.is_relative_to(PAGE) or not file.is_file():
        return web.Response(status=404)
    return web.FileResponse(file, headers={"Cache-Control": "no-cache"})


async def _run(app: web.Application) -> AsyncIterator[None]:
    emulator = app[EMULATOR]
    await emulator.start()
    yield
    await emulator.stop()


async def _end_streams(app: web.Application) -> None:
    app[EMULATOR].events.close()
