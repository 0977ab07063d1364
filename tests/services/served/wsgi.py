"""WSGI applications of several frameworks in one: the first part of a path says which."""

from __future__ import annotations

import logging
import os

APPLICATIONS = {}


def app(environ, start_response):
    return APPLICATIONS[environ["PATH_INFO"].split("/")[1]](environ, start_response)


def raw(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/raw/fail":
        raise ValueError("broken")
    logging.getLogger("served").warning("served %s", path)
    start_response("503 No" if path == "/raw/refuse" else "200 OK", [("x-answer", "yes")])
    return half() if path == "/raw/half" else [b"one", b"two"]


def half():
    yield b"one" * 10_000  # more than any server keeps back
    raise RuntimeError("half")


APPLICATIONS["raw"] = raw
KINDS = os.environ.get("SERVED", "raw").split(",")

if "flask" in KINDS:
    from flask import Flask, Response

    APPLICATIONS["flask"] = flask = Flask(__name__)

    @flask.get("/flask/item/<int:number>")
    def flask_item(number):
        return {"number": number}

    @flask.get("/flask/fail")
    def flask_fail():
        raise ValueError("broken")

    @flask.get("/flask/refuse")
    def flask_refuse():
        return "no", 503

    @flask.get("/flask/half")
    def flask_half():
        return Response(half())


if "bottle" in KINDS:
    import bottle

    APPLICATIONS["bottle"] = bottles = bottle.Bottle()

    @bottles.get("/bottle/item/<number:int>")
    def bottle_item(number):
        return {"number": number}

    @bottles.get("/bottle/fail")
    def bottle_fail():
        raise ValueError("broken")

    @bottles.get("/bottle/refuse")
    def bottle_refuse():
        return bottle.HTTPResponse("no", 503)


if "falcon" in KINDS:
    import falcon

    class Item:
        def on_get(self, request, response, number):
            response.media = {"number": number}

    class Fail:
        def on_get(self, request, response):
            raise ValueError("broken")

    class Refuse:
        def on_get(self, request, response):
            raise falcon.HTTPServiceUnavailable

    APPLICATIONS["falcon"] = falcons = falcon.App()
    falcons.add_route("/falcon/item/{number}", Item())
    falcons.add_route("/falcon/fail", Fail())
    falcons.add_route("/falcon/refuse", Refuse())

if "pyramid" in KINDS:
    from pyramid.config import Configurator
    from pyramid.response import Response as PyramidResponse

    def pyramid_item(request):
        return PyramidResponse(request.matchdict["number"])

    def pyramid_fail(request):
        raise ValueError("broken")

    def pyramid_refuse(request):
        return PyramidResponse("no", status=503)

    with Configurator() as config:
        for name, view in {"item/{number}": pyramid_item, "fail": pyramid_fail, "refuse": pyramid_refuse}.items():
            config.add_route(name, f"/pyramid/{name}")
            config.add_view(view, route_name=name)
        APPLICATIONS["pyramid"] = config.make_wsgi_app()

if "django" in KINDS:
    import djangos
    from django.core.wsgi import get_wsgi_application

    assert djangos.urlpatterns
    APPLICATIONS["django"] = get_wsgi_application()

application = app
