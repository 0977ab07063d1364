"""ASGI applications of several frameworks in one: the first part of a path says which."""

from __future__ import annotations

import logging
import os

APPLICATIONS = {}


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    await APPLICATIONS[scope["path"].split("/")[1]](scope, receive, send)


async def lifespan(receive, send):
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def raw(scope, receive, send):
    path = scope["path"]
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "hello"})
        await receive()
        return
    if path == "/raw/fail":
        raise ValueError("broken")
    logging.getLogger("served").warning("served %s", path)
    status = 503 if path == "/raw/refuse" else 200
    await send({"type": "http.response.start", "status": status, "headers": [(b"x-answer", b"yes")]})
    await send({"type": "http.response.body", "body": b"one", "more_body": True})
    if path == "/raw/half":
        raise RuntimeError("half")
    await send({"type": "http.response.body", "body": b"two"})


APPLICATIONS["raw"] = raw
KINDS = os.environ.get("SERVED", "raw").split(",")

if "fastapi" in KINDS:
    from fastapi import FastAPI, HTTPException
    from fastapi.responses import StreamingResponse

    APPLICATIONS["fastapi"] = fast = FastAPI()

    @fast.get("/fastapi/item/{number}")
    async def fast_item(number: int):
        return {"number": number}

    @fast.get("/fastapi/fail")
    async def fast_fail():
        raise ValueError("broken")

    @fast.get("/fastapi/refuse")
    async def fast_refuse():
        raise HTTPException(503)

    @fast.get("/fastapi/half")
    async def fast_half():
        async def body():
            yield b"one"
            raise RuntimeError("half")

        return StreamingResponse(body())


if "starlette" in KINDS:
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route

    async def star_item(request):
        return PlainTextResponse(request.path_params["number"])

    async def star_fail(request):
        raise ValueError("broken")

    async def star_refuse(request):
        return PlainTextResponse("no", 503)

    routes = [Route("/item/{number}", star_item), Route("/fail", star_fail), Route("/refuse", star_refuse)]
    APPLICATIONS["starlette"] = Starlette(routes=[Mount("/starlette", routes=routes)])

if "litestar" in KINDS:
    from litestar import Litestar, get
    from litestar.exceptions import ServiceUnavailableException

    @get("/litestar/item/{number:int}")
    async def lite_item(number: int) -> dict[str, int]:
        return {"number": number}

    @get("/litestar/fail")
    async def lite_fail() -> None:
        raise ValueError("broken")

    @get("/litestar/refuse")
    async def lite_refuse() -> None:
        raise ServiceUnavailableException

    APPLICATIONS["litestar"] = Litestar([lite_item, lite_fail, lite_refuse])

if "quart" in KINDS:
    from quart import Quart

    APPLICATIONS["quart"] = quart = Quart(__name__)

    @quart.get("/quart/item/<int:number>")
    async def quart_item(number):
        return {"number": number}

    @quart.get("/quart/fail")
    async def quart_fail():
        raise ValueError("broken")

    @quart.get("/quart/refuse")
    async def quart_refuse():
        return "no", 503


if "falcon" in KINDS:
    import falcon.asgi

    class Item:
        async def on_get(self, request, response, number):
            response.media = {"number": number}

    class Fail:
        async def on_get(self, request, response):
            raise ValueError("broken")

    class Refuse:
        async def on_get(self, request, response):
            raise falcon.HTTPServiceUnavailable

    APPLICATIONS["falcon"] = falcons = falcon.asgi.App()
    falcons.add_route("/falcon/item/{number}", Item())
    falcons.add_route("/falcon/fail", Fail())
    falcons.add_route("/falcon/refuse", Refuse())

if "django" in KINDS:
    import djangos
    from django.core.asgi import get_asgi_application

    assert djangos.urlpatterns
    APPLICATIONS["django"] = get_asgi_application()
