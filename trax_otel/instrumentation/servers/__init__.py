# One SERVER span a request, under every server, whatever the framework.
#
#   activation   which servers are hooked, by which names, and when
#   request      what a request's span is: its attributes, its end, and how a framework's instrumentation shares it
#   facts        a request as ASGI's scope, WSGI's environ or a server's own objects tell it
#   names        stable names or old ones, as the user asked
#   settings     excluded URLs, captured headers, known methods
#   routes       the route that a framework matched
#   leaving      clients that went away
#   hooking      how functions of a server are replaced
#   asgi         the call of an ASGI application
#   uvicorn, gunicorn, stdlib …   one module a server
"""Spans for the requests that servers answer."""

from .activation import install_servers

__all__ = ["install_servers"]
