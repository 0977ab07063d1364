"""What a server knows of a request before the application answers it, whichever interface it speaks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from opentelemetry.propagators.textmap import Getter

from ... import semconv
from .settings import OTHER_METHOD, REQUEST_HEADERS_VARIABLE, captured_headers, known_method

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class Facts(NamedTuple):
    """A request. `headers` has names in lower case; `kind` is `http` or `websocket`."""

    method: str
    path: str
    query: str
    scheme: str
    version: str
    headers: list[tuple[str, str]]
    server: tuple[str, int | None] | None = None
    client: tuple[str, int | None] | None = None
    kind: str = "http"

    @property
    def url(self) -> str:
        """The whole URL without its query, for lists of excluded ones."""
        host = self.header("host") or (self.server[0] if self.server else "")
        return f"{self.scheme}://{host}{self.path}"

    def header(self, name: str) -> str:
        """The first header of that name, or an empty text."""
        return next((value for key, value in self.headers if key == name), "")

    @property
    def known_method(self) -> str:
        """The method, or `_OTHER`."""
        return known_method(self.method)

    def attributes(self) -> dict[str, Any]:
        """The span's attributes, by the names that were asked for."""
        method = self.known_method
        host, port = self._host()
        found: dict[str, Any] = {
            semconv.HTTP_REQUEST_METHOD: method,
            semconv.URL_PATH: self.path,
            semconv.URL_SCHEME: self.scheme,
            semconv.SERVER_ADDRESS: host,
            semconv.SERVER_PORT: port,
            semconv.NETWORK_PROTOCOL_VERSION: self.version,
            semconv.URL_QUERY: self.query,
            semconv.USER_AGENT_ORIGINAL: self.header("user-agent"),
        }
        if method == OTHER_METHOD:
            found[semconv.HTTP_REQUEST_METHOD_ORIGINAL] = self.method
        if self.client:
            found[semconv.CLIENT_ADDRESS], found[semconv.CLIENT_PORT] = self.client
        return {
            **_given(found),
            **captured_headers(REQUEST_HEADERS_VARIABLE, semconv.HTTP_REQUEST_HEADER_PREFIX, self.headers),
        }

    def _host(self) -> tuple[str, int | None]:
        address, port = self.server or ("", None)
        named = self.header("host")
        if named:
            address, colon, digits = named.rpartition(":")
            if not colon or digits.endswith("]"):  # no port, or an IPv6 address without one
                address, digits = named, ""
            port = int(digits) if digits.isdecimal() else _DEFAULT_PORTS.get(self.scheme)
        return address.strip("[]"), port


def changed_client(scope: Mapping[str, Any], before: Facts) -> dict[str, Any]:
    """Client and scheme as ASGI's scope has them once the application was called; empty where they are what they were.

    uvicorn writes there what a proxy that it trusts said, on its way to the application.
    """
    if "client" not in scope:
        return {}
    client, scheme = address_of(scope["client"]), scope.get("scheme") or before.scheme
    if client == before.client and scheme == before.scheme:
        return {}
    address, port = client or (None, None)
    return _given({semconv.CLIENT_ADDRESS: address, semconv.CLIENT_PORT: port, semconv.URL_SCHEME: scheme})


def _given(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if value not in ("", None)}


class HeaderGetter(Getter[Facts]):
    """Reads a request's headers for propagators, in whatever case they ask."""

    def get(self, carrier: Facts, key: str) -> list[str] | None:
        """All values of a header."""
        wanted = key.lower()
        return [value for name, value in carrier.headers if name == wanted] or None

    def keys(self, carrier: Facts) -> list[str]:
        """The names of all headers."""
        return [name for name, _ in carrier.headers]


def of_scope(scope: Mapping[str, Any]) -> Facts:
    """A request as ASGI's scope tells it."""
    websocket = scope["type"] == "websocket"
    return Facts(
        "GET" if websocket else scope.get("method", ""),
        scope.get("path", ""),
        _text(scope.get("query_string", b"")),
        scope.get("scheme") or ("ws" if websocket else "http"),
        scope.get("http_version", ""),
        [(_text(name).lower(), _text(value)) for name, value in scope.get("headers") or ()],
        address_of(scope.get("server")),
        address_of(scope.get("client")),
        scope["type"],
    )


def of_environ(environ: Mapping[str, Any]) -> Facts:
    """A request as WSGI's environ tells it."""
    address, port = environ.get("REMOTE_ADDR"), environ.get("REMOTE_PORT")
    return Facts(
        environ.get("REQUEST_METHOD", ""),
        _path(environ),
        environ.get("QUERY_STRING", ""),
        environ.get("wsgi.url_scheme") or "http",
        environ.get("SERVER_PROTOCOL", "").upper().removeprefix("HTTP/"),
        list(_headers(environ)),
        address_of((environ.get("SERVER_NAME"), environ.get("SERVER_PORT"))),
        address_of((address, port)),
    )


def _headers(environ: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in environ.items():
        if name.startswith("HTTP_") and isinstance(value, str):
            yield name[5:].replace("_", "-").lower(), value
        elif name in {"CONTENT_TYPE", "CONTENT_LENGTH"} and value:
            yield name.replace("_", "-").lower(), str(value)


def _path(environ: Mapping[str, Any]) -> str:
    """The path as it was asked for where the server keeps it, else put together."""
    target = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if isinstance(target, str) and target.startswith("/"):
        return target.partition("?")[0]
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return quote(path.encode("latin-1", "replace"), safe="/:@!$&'()*+,;=~")


def address_of(pair: Iterable[Any] | None) -> tuple[str, int | None] | None:
    """Host and port of a pair; None where there is no host."""
    host, port = [*(pair or ()), None, None][:2]
    if not host:
        return None
    text = str(port)
    return str(host), int(text) if text.isdecimal() and text != "0" else None


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
