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
