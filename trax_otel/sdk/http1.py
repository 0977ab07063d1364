"""One kept-alive HTTP/1.1 connection for requests with a body, on sockets that no monkey patch reaches.

`http.client` asks `socket` and `ssl` for its connections, which gevent and eventlet replace by ones that switch greenlets; the
exporter works on a native thread, where nothing may switch. So this speaks HTTP over the C module's socket itself. TLS is
OpenSSL's, fed through memory, and is imported only where it is asked for. A deadline holds for a whole exchange.
"""

from __future__ import annotations

import _socket
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..lifecycle import Deadline

if TYPE_CHECKING:
    import ssl

MAX_HEAD: Final = 65_536
"""Bytes of an answer's status line and headers."""
_CHUNK: Final = 65_536
_FORBIDDEN_IN_TARGET: Final = re.compile(r"[\x00-\x20\x7f]")
_FORBIDDEN_IN_HEADER: Final = re.compile(r"[\x00\r\n]")


class DisconnectedError(ConnectionResetError):
    """The other side closed the connection instead of answering."""


class BadAnswerError(Exception):
    """What came is no HTTP/1 answer."""


class Response(NamedTuple):
    """An answer. Header names are in lower case; `body` is cut at the limit that was given."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Tunnel(NamedTuple):
    """Where a proxy is asked to connect to, and what it is told with it."""

    host: str
    port: int
    headers: Mapping[str, str]


class Connection:
    """A connection that is opened by the first request and by the first one after `close`. For one thread at a time."""

    def __init__(
        self, host: str, port: int, *, tls: ssl.SSLContext | None = None, tunnel: Tunnel | None = None
    ) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._tunnel = tunnel
        self._stream: _Plain | _Tls | None = None
        self._rest = b""
        self.sock: Any = None

    def post(
        self, target: str, body: bytes, headers: Mapping[str, str], timeout: float, limit: int
    ) -> tuple[Response, bool]:
        """Send a request and read its answer, up to `limit` bytes of it; whether the connection may be kept.

        Raises OSError (TimeoutError after `timeout` seconds, DisconnectedError), BadAnswerError, ValueError for a header or
        target that cannot be sent.
        """
        deadline = Deadline(timeout)
        origin = self._tunnel or self
        head = _head("POST", target, {"Host": _authority(origin), "Content-Length": str(len(body)), **headers})
        stream = self._stream or self._opened(deadline)
        stream.send(head + body, deadline)
        return self._answer(stream, deadline, limit)

    def close(self) -> None:
        """Close it without a word to the other side."""
        sock, self.sock, self._stream, self._rest = self.sock, None, None, b""
        if sock is not None:
            sock.close()

    @property
    def host(self) -> str:
        """Whom it connects to."""
        return self._host

    @property
    def port(self) -> int:
        """At which port."""
        return self._port

    # --- Opening -----------------------------------------------------------------------------------------------------

    def _opened(self, deadline: Deadline) -> _Plain | _Tls:
        self.sock = _connect(self._host, self._port, deadline)
        plain = _Plain(self.sock)
        if self._tunnel is not None:
            self._ask_for_tunnel(plain, self._tunnel, deadline)
        host = (self._tunnel or self).host
        self._stream = plain if self._tls is None else _Tls(self.sock, self._tls, host, deadline)
        return self._stream

    def _ask_for_tunnel(self, stream: _Plain, tunnel: Tunnel, deadline: Deadline) -> None:
        authority = _authority(tunnel, always_port=True)
        stream.send(_head("CONNECT", authority, {"Host": authority, **tunnel.headers}), deadline)
        status, reason, _ = self._read_head(stream, deadline)
        if status != 200:
            raise OSError(f"Tunnel connection failed: {status} {reason}".rstrip())

    # --- Reading -----------------------------------------------------------------------------------------------------

    def _answer(self, stream: _Plain | _Tls, deadline: Deadline, limit: int) -> tuple[Response, bool]:
        status, _, headers = self._read_head(stream, deadline)
        while 100 <= status < 200:
            status, _, headers = self._read_head(stream, deadline)
        kept = headers.get("connection", "").lower() != "close" and headers[":version"] != "HTTP/1.0"
        if status in {204, 304}:
            body, whole = b"", True
        elif headers.get("transfer-encoding", "").lower() == "chunked":
            body, whole = self._read_chunks(stream, deadline, limit)
        elif "content-length" in headers:
            length = _number(headers["content-length"], 10)
            body, whole = self._read(stream, min(length, limit), deadline), length <= limit
        else:
            body, whole = self._read_to_end(stream, deadline, limit), False
        return Response(status, headers, body), kept and whole

    def _read_head(self, stream: _Plain | _Tls, deadline: Deadline) -> tuple[int, str, dict[str, str]]:
        while b"\r\n\r\n" not in self._rest:
            if self._rest[:5] != b"HTTP/"[: len(self._rest)]:
                raise BadAnswerError("it does not speak HTTP/1")
            if len(self._rest) > MAX_HEAD:
                raise BadAnswerError("its headers are too long")
            more = stream.receive(deadline)
            if not more:
                raise DisconnectedError("connection closed without an answer")
            self._rest += more
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        version, _, rest = first.partition(" ")
        code, _, reason = rest.partition(" ")
        if not version.startswith("HTTP/1.") or len(code) != 3 or not code.isdigit():
            raise BadAnswerError("it does not speak HTTP/1")
        headers = {":version": version}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        return int(code), reason, headers

    def _read(self, stream: _Plain | _Tls, length: int, deadline: Deadline) -> bytes:
        while len(self._rest) < length:
            more = stream.receive(deadline)
            if not more:
                raise DisconnectedError("connection closed within an answer")
            self._rest += more
        found, self._rest = self._rest[:length], self._rest[length:]
        return found

    def _read_to_end(self, stream: _Plain | _Tls, deadline: Deadline, limit: int) -> bytes:
        while len(self._rest) < limit and (more := stream.receive(deadline)):
            self._rest += more
        return self._rest[:limit]

    def _read_line(self, stream: _Plain | _Tls, deadline: Deadline) -> bytes:
        line = b""
        while not line.endswith(b"\r\n"):
            if len(line) > MAX_HEAD:
                raise BadAnswerError("a line is too long")
            line += self._read(stream, 1, deadline)
        return line[:-2]

    def _read_chunks(self, stream: _Plain | _Tls, deadline: Deadline, limit: int) -> tuple[bytes, bool]:
        body = b""
        while size := _number(self._read_line(stream, deadline).partition(b";")[0].decode("latin-1"), 16):
            if len(body) + size > limit:
                return body, False
            body += self._read(stream, size, deadline)
            self._read(stream, 2, deadline)
        while self._read_line(stream, deadline):  # trailers
            pass
        return body, True


class _Plain:
    """Bytes over a TCP connection."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock

    def send(self, data: bytes, deadline: Deadline) -> None:
        _allow(self._sock, deadline)
        self._sock.sendall(data)

    def receive(self, deadline: Deadline) -> bytes:
        """What comes next; empty at the end."""
        _allow(self._sock, deadline)
        received: bytes = self._sock.recv(_CHUNK)
        return received


class _Tls:
    """The same through TLS: OpenSSL reads and writes memory, the socket's bytes are carried by hand."""

    def __init__(self, sock: Any, context: ssl.SSLContext, host: str, deadline: Deadline) -> None:
        import ssl

        self._ssl = ssl
        self._sock = sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._carry(self._object.do_handshake, deadline)

    def send(self, data: bytes, deadline: Deadline) -> None:
        view = memoryview(data)
        while view:
            view = view[self._carry(lambda part=view[:_CHUNK]: self._object.write(part), deadline) :]

    def receive(self, deadline: Deadline) -> bytes:
        """What comes next; empty at the end, announced or not."""
        try:
            received: bytes = self._carry(lambda: self._object.read(_CHUNK), deadline)
        except (self._ssl.SSLZeroReturnError, self._ssl.SSLEOFError):
            return b""
        return received

    def _carry(self, action: Any, deadline: Deadline) -> Any:
        while True:
            try:
                done = action()
            except self._ssl.SSLWantReadError:
                self._hand_over(deadline)
                _allow(self._sock, deadline)
                received = self._sock.recv(_CHUNK)
                if received:
                    self._incoming.write(received)
                else:
                    self._incoming.write_eof()
            except self._ssl.SSLError:  # what OpenSSL has to say to the other side, such as why it does not trust it
                self._hand_over(deadline)
                raise
            else:
                self._hand_over(deadline)
                return done

    def _hand_over(self, deadline: Deadline) -> None:
        if self._outgoing.pending:
            _allow(self._sock, deadline)
            self._sock.sendall(self._outgoing.read())


def _allow(sock: Any, deadline: Deadline) -> None:
    """Let the next step take what is left of the time."""
    left = deadline.remaining()
    if left <= 0:
        raise TimeoutError("timed out")
    sock.settimeout(left)


def _connect(host: str, port: int, deadline: Deadline) -> Any:
    """A socket that is connected to the first address of the host that answers."""
    failure: OSError = OSError(f"{host} has no address")
    # As bytes: text would be encoded by a codec that Python imports for it.
    name = host.encode("ascii") if host.isascii() else host
    for family, kind, protocol, _, address in _socket.getaddrinfo(name, port, 0, _socket.SOCK_STREAM):
        sock = None
        try:
            sock = _socket.socket(family, kind, protocol)
            _allow(sock, deadline)
            sock.connect(address)
            sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        except OSError as error:
            failure = error
            if sock is not None:
                sock.close()
        else:
            return sock
    try:
        raise failure
    finally:
        del failure  # its traceback has this frame


def _authority(place: Any, *, always_port: bool = False) -> str:
    host = f"[{place.host}]" if ":" in place.host else place.host
    return f"{host}:{place.port}" if always_port or place.port not in {80, 443} else host


def _head(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    if _FORBIDDEN_IN_TARGET.search(target):
        raise ValueError("the URL has a space or a control character in it")
    lines = [f"{method} {target} HTTP/1.1"]
    for name, value in headers.items():
        if _FORBIDDEN_IN_HEADER.search(f"{name}{value}"):
            raise ValueError(f"the value of header {name!r} has a line break in it")  # the value may be a secret
        lines.append(f"{name}: {value}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _number(text: str, base: int) -> int:
    try:
        return max(0, int(text.strip(), base))
    except ValueError:
        raise BadAnswerError("a length in it is no number") from None
