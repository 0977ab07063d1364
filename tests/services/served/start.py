"""Starts those servers that have no command of their own: `start.py SERVER PORT`."""

from __future__ import annotations

import sys

name, port = sys.argv[1], int(sys.argv[2])

if name == "gevent":
    from gevent import monkey

    monkey.patch_all()
    from gevent.pywsgi import WSGIServer
    from wsgi import app

    WSGIServer(("127.0.0.1", port), app).serve_forever()
elif name == "eventlet":
    import eventlet

    eventlet.monkey_patch()
    from eventlet import wsgi as server
    from wsgi import app

    server.server(eventlet.listen(("127.0.0.1", port)), app)
elif name == "werkzeug":
    from werkzeug.serving import run_simple
    from wsgi import app

    run_simple("127.0.0.1", port, app, threaded=True)
elif name == "wsgiref":
    from wsgiref.simple_server import make_server

    from wsgi import app

    make_server("127.0.0.1", port, app).serve_forever()
elif name == "sanic":
    from sanics import app

    app.run("127.0.0.1", port, single_process=True)
elif name == "tornado":
    import asyncio
    import logging

    import tornado.web

    logging.basicConfig(level="INFO")

    class Item(tornado.web.RequestHandler):
        def get(self, number):
            self.write({"number": number})

    class Fail(tornado.web.RequestHandler):
        async def get(self):
            raise ValueError("broken")

    async def main():
        handlers = [("/tornado/item/([0-9]+)", Item), ("/tornado/fail", Fail)]
        tornado.web.Application(handlers).listen(port, "127.0.0.1")
        await asyncio.Event().wait()

    asyncio.run(main())
elif name == "aiohttp":
    import logging

    from aiohttp import web

    logging.basicConfig(level="INFO")

    async def item(request):
        return web.json_response({"number": request.match_info["number"]})

    async def fail(request):
        raise ValueError("broken")

    application = web.Application()
    application.add_routes([web.get("/aiohttp/item/{number}", item), web.get("/aiohttp/fail", fail)])
    web.run_app(application, host="127.0.0.1", port=port)
