"""The environ that a WSGI server makes of one request, which has a parent."""

from __future__ import annotations

from typing import Any

TRACE, PARENT = "0123456789abcdef0123456789abcdef", "0123456789abcdef"


def environ(**changes: Any) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/orders/7", "QUERY_STRING": "page=2",
        "wsgi.url_scheme": "http", "SERVER_NAME": "0.0.0.0", "SERVER_PORT": "8000", "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "10.0.0.9", "REMOTE_PORT": "4711", "HTTP_HOST": "shop.test:8080", "HTTP_USER_AGENT": "curl/8",
        "HTTP_TRACEPARENT": f"00-{TRACE}-{PARENT}-01", "HTTP_COOKIE": "a=b", **changes,
    }  # fmt: skip
