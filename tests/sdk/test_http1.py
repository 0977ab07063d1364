"""HTTP/1.1 as the exporter speaks it, against servers that answer in all the ways that HTTP allows, and in others."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from trax_otel.sdk.http1 import BadAnswerError, Connection, DisconnectedError

Talk = Callable[[socket.socket, int], None]


@contextmanager
def server(talk: Talk) -> Iterator[Connection]:
    """A connection to a server that reads a request and then talks; it is told how many it has read."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        number = 0
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                while not ended.is_set() and (request := client.recv(65_536)):
                    head, _, body = request.partition(b"\r\n\r\n")
                    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                    while len(body) < length:
                        body += client.recv(65_536)
                    number += 1
                    try:
                        talk(client, number)
                    except OSError:
                        break

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    connection = Connection("127.0.0.1", listener.getsockname()[1])
    try:
        yield connection
    finally:
        ended.set()
        connection.close()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def says(text: str, *, then_closes: bool = False) -> Talk:
    def talk(client: socket.socket, _: int) -> None:
        client.sendall(text.replace("\n", "\r\n").encode())
        if then_closes:
            raise OSError

    return talk


def post(connection: Connection, timeout: float = 10, limit: int = 1_000, **headers: str) -> tuple[int, bytes, bool]:
    response, kept = connection.post("/v1/traces", b"x" * 100_000, headers, timeout, limit)
    return response.status, response.body, kept


ANSWERS = {
    "length": ("HTTP/1.1 200 OK\nContent-Length: 2\n\nok", (200, b"ok", True)),
    "chunks": ("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n1;a=b\no\n1\nk\n0\nTrailer: 1\n\n", (200, b"ok", True)),
    "nothing": ("HTTP/1.1 204 No Content\n\n", (204, b"", True)),
    "interim": ("HTTP/1.1 100 Continue\n\nHTTP/1.1 503 Busy\nContent-Length: 0\n\n", (503, b"", True)),
    "asks to close": ("HTTP/1.1 200 OK\nConnection: close\nContent-Length: 2\n\nok", (200, b"ok", False)),
    "HTTP/1.0": ("HTTP/1.0 200 OK\nContent-Length: 2\n\nok", (200, b"ok", False)),
    "no reason": ("HTTP/1.1 413\nContent-Length: 0\n\n", (413, b"", True)),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_read_to_its_end_and_the_connection_kept_where_it_may_be(name: str) -> None:
    text, expected = ANSWERS[name]
    with server(says(text)) as connection:
        assert post(connection) == expected
        if expected[2]:
            assert post(connection) == expected


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    with server(says("HTTP/1.1 200 OK\n\nok", then_closes=True)) as connection:
        assert post(connection) == (200, b"ok", False)


@pytest.mark.parametrize("how", ["Content-Length: 5000\n\n", "Transfer-Encoding: chunked\n\n1388\n", "\n"])
def test_of_a_long_answer_the_beginning_is_read_and_the_connection_is_not_kept(how: str) -> None:
    with server(says(f"HTTP/1.1 200 OK\n{how}" + "y" * 5_000, then_closes=True)) as connection:
        status, body, kept = post(connection)
        assert (status, kept) == (200, False)
        assert len(body) <= 1_000


BAD = [
    "220 mail.test ESMTP\n", "HTTP/2 200\n\n", "HTTP/1.1 OK\n\n", "HTTP/1.1 200 OK\nContent-Length: many\n\n",
    "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\nzz\n", "HTTP/1.1 200 OK\nA: " + "a" * 70_000,
]  # fmt: skip


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_what_is_no_http_is_told(text: str) -> None:
    with server(says(text)) as connection, pytest.raises(BadAnswerError):
        post(connection)


@pytest.mark.parametrize("text", ["", "HTTP/1.1 200", "HTTP/1.1 200 OK\nContent-Length: 9\n\nok"])
def test_a_connection_that_ends_before_the_answer_does(text: str) -> None:
    with server(says(text, then_closes=True)) as connection, pytest.raises(DisconnectedError):
        post(connection)


def test_the_time_holds_for_the_whole_exchange() -> None:
    def trickle(client: socket.socket, _: int) -> None:
        for letter in b"HTTP/1.1 200 OK\r\n" * 100:
            client.sendall(bytes([letter]))
            threading.Event().wait(0.02)

    with server(trickle) as connection, pytest.raises(TimeoutError):
        post(connection, timeout=0.3)


def test_a_line_break_in_a_header_is_refused_without_telling_its_value() -> None:
    with server(says("")) as connection, pytest.raises(ValueError, match="line break") as caught:
        post(connection, authorization="secret\r\nX: y")
    assert "secret" not in str(caught.value)


def test_a_space_in_the_url_is_refused() -> None:
    with server(says("")) as connection, pytest.raises(ValueError, match="space"):
        connection.post("/v1 traces", b"", {}, 5, 100)


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        post(Connection("localhost", port))
