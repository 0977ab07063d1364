"""Failures that are answers: of servers, of what they call, and of gRPC; each with its code, and told once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.programs import PYTHON, end_of, program, under_run
from support.services import Delivered, free_port, serving, until
from trax_otel.local.filters import Filter
from trax_otel.local.server import Endpoint

pytestmark = pytest.mark.services

CLIENT, SERVER = 3, 2
FALCON = """
import falcon

class Orders:
    def on_get(self, request, response, order):
        if order == "none":
            raise falcon.HTTPNotFound()
        if order == "busy":
            raise falcon.HTTPServiceUnavailable()
        raise LookupError(f"no {order}")

app = falcon.App()
app.add_route("/orders/{order}", Orders())
"""
FASTAPI = """
from fastapi import FastAPI, HTTPException

app = FastAPI()

@app.get("/orders/{order}")
def get(order: str):
    if order == "none":
        raise HTTPException(404)
    if order == "busy":
        raise HTTPException(503)
    raise LookupError(f"no {order}")
"""
FLASK = """
from flask import Flask, abort

app = Flask(__name__)

@app.get("/orders/<order>")
def get(order):
    if order == "none":
        abort(404)
    if order == "busy":
        abort(503)
    raise LookupError(f"no {order}")
"""
DJANGO = """
import os, sys, types
from django.core.wsgi import get_wsgi_application
from django.http import Http404, HttpResponse
from django.urls import path

def get(request, order):
    if order == "none":
        raise Http404()
    if order == "busy":
        return HttpResponse(status=503)
    raise LookupError(f"no {order}")

project = types.ModuleType("project")
project.urlpatterns = [path("orders/<str:order>", get)]
project.SECRET_KEY, project.ALLOWED_HOSTS, project.ROOT_URLCONF = "of tests", ["*"], "project"
sys.modules["project"] = project
os.environ["DJANGO_SETTINGS_MODULE"] = "project"
app = get_wsgi_application()
"""
AIOHTTP = """
import sys
from aiohttp import web

async def get(request):
    order = request.match_info["order"]
    if order == "none":
        raise web.HTTPNotFound()
    if order == "busy":
        raise web.HTTPServiceUnavailable()
    raise LookupError(f"no {order}")

app = web.Application()
app.router.add_get("/orders/{order}", get)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
"""
TORNADO = """
import asyncio, sys
import tornado.web

class Orders(tornado.web.RequestHandler):
    def get(self, order):
        if order == "none":
            raise tornado.web.HTTPError(404)
        if order == "busy":
            raise tornado.web.HTTPError(503)
        raise LookupError(f"no {order}")

async def main():
    tornado.web.Application([(r"/orders/(.*)", Orders)]).listen(int(sys.argv[1]), "127.0.0.1")
    await asyncio.Event().wait()

asyncio.run(main())
"""
RAW = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    status = {"none": 404, "busy": 503}.get(scope["path"].rpartition("/")[2])
    if status is None:
        raise LookupError("no order")
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body"})
"""
ASKING = """
import sys, requests

for order in ("none", "busy", "lost"):
    requests.get(sys.argv[1] + "orders/" + order + "?token=s3cret", timeout=10)
"""
SERVERS = {
    "falcon": (FALCON, [program("waitress-serve"), "--listen=127.0.0.1:{port}", "app:app"]),
    "flask": (FLASK, [program("waitress-serve"), "--listen=127.0.0.1:{port}", "app:app"]),
    "django": (DJANGO, [program("waitress-serve"), "--listen=127.0.0.1:{port}", "app:app"]),
    "aiohttp": (AIOHTTP, [PYTHON, "app.py", "{port}"]),
    "tornado": (TORNADO, [PYTHON, "app.py", "{port}"]),
    "asgi": (RAW, [program("uvicorn"), "--port={port}", "--lifespan=off", "app:app"]),
    "fastapi": (FASTAPI, [program("uvicorn"), "--port={port}", "app:app"]),
}


def status_of(span: dict[str, Any]) -> int:
    """aiohttp's instrumentation does not know what is answered for an exception."""
    return int(span["attributes"].get("http.response.status_code", 500))


@pytest.mark.parametrize("framework", SERVERS)
def test_a_request_that_failed_tells_why_on_both_sides(
    framework: str, endpoint: Endpoint, delivered: Delivered, tmp_path: Path
) -> None:
    source, words = SERVERS[framework]
    (tmp_path / "app.py").write_text(source)
    (tmp_path / "asking.py").write_text(ASKING)
    port = free_port()
    command = [word.format(port=port) for word in words]
    client = Delivered(delivered.queries, f"{delivered.service}-client")
    with serving(under_run(endpoint.url, delivered.service, command), tmp_path, port) as server:
        ended = end_of(under_run(endpoint.url, client.service, [PYTHON, "asking.py", server.url]), tmp_path)
        assert (ended.status, ended.err) == (0, "")
        server.stop()
    served = until(lambda: len(spans := delivered.spans(SERVER)) == 3 and spans, "three requests")
    codes = {status_of(span): span["attributes"].get("trax.error.code") for span in served}
    assert codes == {404: None, 503: "TRAX-012", 500: "TRAX-017"}
    failed = next(span for span in served if status_of(span) == 500)
    assert failed["attributes"]["error.type"] == "LookupError"
    rows = delivered.queries.errors(Filter(service=delivered.service))
    assert [row.count for row in rows] == [1, 1], "the 503 and the LookupError"
    assert "LookupError" in {row.type for row in rows}
    assert delivered.total("trax.errors") == 2
    asked = client.spans(CLIENT)
    assert {span["attributes"]["trax.error.code"] for span in asked} == {"TRAX-009", "TRAX-012", "TRAX-029"}
    assert client.total("trax.errors") == 3
    assert "s3cret" not in str(asked) + str(served)


GRPC = """
from concurrent import futures
import grpc

def echo(request, context):
    return request
def refuse(request, context):
    context.abort(grpc.StatusCode.NOT_FOUND, "no such order")
def lose(request, context):
    context.abort(grpc.StatusCode.DATA_LOSS, "gone")
def crash(request, context):
    raise LookupError("no order")

handlers = {name: grpc.unary_unary_rpc_method_handler(globals()[name]) for name in ("echo", "refuse", "lose", "crash")}
server = grpc.server(futures.ThreadPoolExecutor(2))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("Orders", handlers),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
    for name in handlers:
        try:
            channel.unary_unary(f"/Orders/{name}")(b"1", timeout=10)
        except grpc.RpcError as error:
            print(name, error.code().name)
server.stop(None)
"""
GRPC_ASYNC = """
import asyncio
import grpc

async def echo(request, context):
    return request
async def refuse(request, context):
    await context.abort(grpc.StatusCode.NOT_FOUND, "no such order")
async def lose(request, context):
    await context.abort(grpc.StatusCode.DATA_LOSS, "gone")
async def crash(request, context):
    raise LookupError("no order")

async def main():
    names = ("echo", "refuse", "lose", "crash")
    handlers = {name: grpc.unary_unary_rpc_method_handler(globals()[name]) for name in names}
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("Orders", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        for name in names:
            try:
                await channel.unary_unary(f"/Orders/{name}")(b"1", timeout=10)
            except grpc.RpcError as error:
                print(name, error.code().name)
    await server.stop(None)

asyncio.run(main())
"""
GRPC_PROGRAMS = {"threads": GRPC, "asyncio": GRPC_ASYNC}


@pytest.mark.parametrize("kind", GRPC_PROGRAMS)
def test_grpcs_statuses_are_codes_and_abort_is_no_exception(
    kind: str, endpoint: Endpoint, delivered: Delivered, tmp_path: Path
) -> None:
    (tmp_path / "program.py").write_text(GRPC_PROGRAMS[kind])
    ended = end_of(under_run(endpoint.url, delivered.service, [PYTHON, "program.py"]), tmp_path)
    assert (ended.status, ended.out) == (0, "refuse NOT_FOUND\nlose DATA_LOSS\ncrash UNKNOWN\n"), ended.err

    def told(kind: int) -> dict[str, Any]:
        spans = delivered.spans(kind)
        return {span["name"].rpartition("/")[2]: span["attributes"].get("trax.error.code") for span in spans}

    assert told(CLIENT) == {"echo": None, "refuse": "TRAX-009", "lose": "TRAX-029", "crash": "TRAX-029"}
    served = told(SERVER)
    assert served == {"echo": None, "refuse": None, "lose": "TRAX-029", "crash": served["crash"]}
    (crash,) = [span["attributes"] for span in delivered.spans(SERVER) if span["name"].endswith("crash")]
    assert (crash["error.type"], crash["rpc.grpc.status_code"]) == ("LookupError", 2)
    failed = delivered.queries.rows(
        "SELECT s.name FROM span s JOIN resource r ON r.id = s.resource_id WHERE r.service = ? AND s.kind = 2 AND s.status = 2",
        (delivered.service,),
    )
    assert sorted(name.rpartition("/")[2] for (name,) in failed) == ["crash", "lose"]
