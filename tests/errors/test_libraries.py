"""The libraries' real exceptions, made by real calls where a call on this machine can make them."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from trax_otel import errors
from trax_otel.errors import classify_error, error_facts, is_retryable_error


def raised(action: Callable[[], Any]) -> BaseException:
    try:
        action()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def means(error: BaseException, name: str, retryable: bool, *, wait: float | None = None) -> None:
    classified = classify_error(error)
    described = f"{type(error).__module__}.{type(error).__name__}: {error}"
    assert type(classified).__name__ == name, described
    assert is_retryable_error(error) is retryable, described
    assert classified.retry_after == wait, described
    assert error_facts(error).code == classified.error_code


class Answers(BaseHTTPRequestHandler):
    """`/status/429` answers so; `/drop` closes the connection; `/slow` never answers; `/text` is no JSON."""

    def do_GET(self) -> None:
        if self.path == "/drop":
            self.connection.close()
            return
        if self.path == "/slow":
            self.server.release.wait(5)  # type: ignore[attr-defined]
            return
        status = int(self.path.rpartition("/")[2]) if "status" in self.path else 200
        self.send_response(status)
        if status in {429, 503}:
            self.send_header("Retry-After", "7")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{x")

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def serving(server: ThreadingHTTPServer) -> Iterator[str]:
    server.release = threading.Event()  # type: ignore[attr-defined]
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.release.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture(scope="module")
def answering() -> Iterator[str]:
    yield from serving(ThreadingHTTPServer(("127.0.0.1", 0), Answers))


@pytest.fixture(scope="module")
def untrusted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An HTTPS server whose certificate nobody has signed."""
    folder: Path = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    yield from serving(server)


@pytest.fixture(scope="module")
def refusing() -> str:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{closed.getsockname()[1]}"


NOWHERE = "http://nowhere.invalid/"


def test_requests(answering: str, refusing: str, untrusted: str) -> None:
    import requests

    def status(code: int, method: str = "GET") -> BaseException:
        response = requests.request(method, f"http://{answering}/status/{code}", timeout=5)
        return raised(response.raise_for_status)

    means(raised(lambda: requests.get(f"http://{refusing}", timeout=5)), "ConnectionError", True)
    means(raised(lambda: requests.post(f"http://{refusing}", timeout=5)), "ConnectionError", True)
    means(raised(lambda: requests.get(f"http://{answering}/slow", timeout=0.1)), "TimeoutError", True)
    means(raised(lambda: requests.post(f"http://{answering}/slow", timeout=0.1)), "TimeoutError", False)
    means(raised(lambda: requests.get(f"http://{answering}/drop", timeout=5)), "ConnectionError", True)
    means(raised(lambda: requests.post(f"http://{answering}/drop", timeout=5)), "ConnectionError", False)
    means(raised(lambda: requests.get(f"https://{untrusted}", timeout=5)), "ConnectionError", False)
    assert type(classify_error(raised(lambda: requests.get(NOWHERE, timeout=5)))).__name__ == "DNSResolutionError"
    means(raised(lambda: requests.get("nonsense", timeout=5)), "InvalidInputError", False)
    means(raised(lambda: requests.get(f"http://{answering}/text", timeout=5).json()), "FormatError", False)
    means(status(404), "APIError", False)
    means(status(401), "AuthenticationError", False)
    means(status(429), "RateLimitError", True, wait=7)
    means(status(503), "ServiceUnavailableError", True, wait=7)
    means(status(500), "ServerError", True)
    means(status(500, "POST"), "ServerError", False)
    assert classify_error(status(500)).status_code == 500  # type: ignore[attr-defined]


def test_httpx(answering: str, refusing: str, untrusted: str) -> None:
    import httpx

    def status(code: int, method: str = "GET") -> BaseException:
        return raised(httpx.request(method, f"http://{answering}/status/{code}").raise_for_status)

    means(raised(lambda: httpx.get(f"http://{refusing}")), "ConnectionError", True)
    means(raised(lambda: httpx.get(f"http://{answering}/slow", timeout=0.1)), "TimeoutError", True)
    means(raised(lambda: httpx.post(f"http://{answering}/slow", timeout=0.1)), "TimeoutError", False)
    means(raised(lambda: httpx.get(f"http://{answering}/drop")), "ConnectionError", True)
    means(raised(lambda: httpx.get(f"https://{untrusted}")), "ConnectionError", False)
    assert type(classify_error(raised(lambda: httpx.get(NOWHERE)))).__name__ == "DNSResolutionError"
    means(raised(lambda: httpx.get("ftp://x/")), "InvalidInputError", False)
    means(status(429), "RateLimitError", True, wait=7)
    means(status(502, "POST"), "ServiceUnavailableError", False)
    means(status(418), "APIError", False)


def test_urllib3_and_urllib(answering: str, refusing: str, untrusted: str) -> None:
    import urllib.request

    import urllib3

    pool = urllib3.PoolManager(retries=False)
    means(raised(lambda: pool.request("GET", f"http://{refusing}")), "ConnectionError", True)
    means(raised(lambda: urllib3.PoolManager(retries=1).request("GET", f"http://{refusing}")), "ConnectionError", True)
    means(raised(lambda: pool.request("GET", f"http://{answering}/slow", timeout=0.1)), "TimeoutError", True)
    means(raised(lambda: pool.request("GET", f"https://{untrusted}")), "ConnectionError", False)
    assert type(classify_error(raised(lambda: pool.request("GET", NOWHERE)))).__name__ == "DNSResolutionError"
    means(raised(lambda: pool.request("GET", "http://[")), "InvalidInputError", False)
    means(raised(lambda: urllib.request.urlopen(f"http://{refusing}")), "ConnectionError", True)
    for code, name, retryable in ((503, "ServiceUnavailableError", True), (404, "APIError", False)):
        error: Any = raised(lambda code=code: urllib.request.urlopen(f"http://{answering}/status/{code}"))  # type: ignore[misc]
        means(error, name, retryable, wait=7 if code == 503 else None)
        error.close()


async def test_aiohttp(answering: str, refusing: str, untrusted: str) -> None:
    import aiohttp

    async def error_of(url: str, seconds: float = 5) -> BaseException:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=seconds)) as session:
            try:
                async with session.get(url, raise_for_status=True) as response:
                    await response.read()
            except Exception as error:
                return error
        raise AssertionError("nothing was raised")

    means(await error_of(f"http://{refusing}"), "ConnectionError", True)
    means(await error_of(f"http://{answering}/slow", 0.1), "TimeoutError", True)
    means(await error_of(f"http://{answering}/drop"), "ConnectionError", True)
    means(await error_of(f"https://{untrusted}"), "ConnectionError", False)
    means(await error_of("http://"), "InvalidInputError", False)
    means(await error_of(f"http://{answering}/status/429"), "RateLimitError", True, wait=7)
    means(await error_of(f"http://{answering}/status/403"), "AuthenticationError", False)
    assert type(classify_error(await error_of(NOWHERE))).__name__ == "DNSResolutionError"
    await asyncio.sleep(0.05)  # aiohttp closes its TLS transports in the background


def test_botocore(refusing: str) -> None:
    import botocore.exceptions
    import botocore.session
    from botocore.config import Config

    def client(**options: Any) -> Any:
        config = Config(retries={"max_attempts": 0}, connect_timeout=1, read_timeout=1)
        return botocore.session.Session().create_client("sqs", region_name="eu-west-1", config=config, **options)

    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    means(raised(client(endpoint_url=f"http://{refusing}", **keys).list_queues), "ConnectionError", True)
    means(raised(lambda: client(**keys).send_message(QueueUrl=1)), "InvalidInputError", False)
    means(raised(lambda: botocore.session.Session().create_client("sqs")), "MissingConfigError", False)
    means(botocore.exceptions.NoCredentialsError(), "EnvironmentError", False)

    def answered(code: str, status: int, headers: dict[str, str] | None = None) -> BaseException:
        metadata = {"HTTPStatusCode": status, "HTTPHeaders": headers or {}}
        return botocore.exceptions.ClientError({"Error": {"Code": code}, "ResponseMetadata": metadata}, "Call")

    means(answered("ThrottlingException", 400, {"retry-after": "3"}), "RateLimitError", True, wait=3)
    means(answered("AccessDenied", 403), "AuthenticationError", False)
    means(answered("ValidationException", 400), "InvalidInputError", False)
    means(answered("NoSuchBucket", 404), "APIError", False)
    means(answered("InternalError", 500), "ServiceUnavailableError", True)


def test_redis(refusing: str) -> None:
    import redis

    host, port = refusing.split(":")
    options: dict[str, Any] = {"socket_connect_timeout": 1, "retry": None}
    means(raised(redis.Redis(host, int(port), **options).ping), "ConnectionError", True)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        slow = redis.Redis("127.0.0.1", silent.getsockname()[1], socket_timeout=0.1, **options)
        means(raised(slow.ping), "TimeoutError", True)
        slow.close()
    means(redis.exceptions.AuthenticationError("invalid username-password pair"), "AuthenticationError", False)
    means(redis.exceptions.BusyLoadingError("loading"), "ServiceUnavailableError", True)
    means(redis.exceptions.ReadOnlyError("replica"), "ServiceUnavailableError", True)
    means(redis.exceptions.DataError("Invalid input of type"), "InvalidInputError", False)
    means(redis.exceptions.ResponseError("WRONGTYPE"), "APIError", False)


def test_grpc(refusing: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    import grpc

    def answer(code: grpc.StatusCode, name: str, retryable: bool, wait: float | None = None) -> None:
        def method(request: bytes, context: grpc.ServicerContext) -> bytes:
            if wait is not None:
                context.set_trailing_metadata((("grpc-retry-pushback-ms", str(int(wait * 1000))),))
            context.abort(code, "so")

        server = grpc.server(ThreadPoolExecutor(1))
        handler = grpc.method_handlers_generic_handler("s", {"m": grpc.unary_unary_rpc_method_handler(method)})
        server.add_generic_rpc_handlers((handler,))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            means(raised(lambda: channel.unary_unary("/s/m")(b"", timeout=5)), name, retryable, wait=wait)
        server.stop(0).wait()

    answer(grpc.StatusCode.UNAVAILABLE, "ServiceUnavailableError", True)
    answer(grpc.StatusCode.RESOURCE_EXHAUSTED, "RateLimitError", True, wait=1.5)
    answer(grpc.StatusCode.ABORTED, "ServiceUnavailableError", True)
    answer(grpc.StatusCode.INVALID_ARGUMENT, "InvalidInputError", False)
    answer(grpc.StatusCode.PERMISSION_DENIED, "AuthenticationError", False)
    with grpc.insecure_channel(refusing) as channel:
        means(raised(lambda: channel.unary_unary("/s/m")(b"", timeout=5)), "ServiceUnavailableError", True)


@pytest.mark.filterwarnings("ignore::ImportWarning", "ignore::FutureWarning")  # it wishes for newer things
def test_google_api_core() -> None:
    from google.api_core import exceptions

    means(exceptions.ServiceUnavailable("x"), "ServiceUnavailableError", True)
    means(exceptions.TooManyRequests("x"), "RateLimitError", True)
    means(exceptions.ResourceExhausted("x"), "RateLimitError", True)
    means(exceptions.Forbidden("x"), "AuthenticationError", False)
    means(exceptions.NotFound("x"), "APIError", False)
    means(exceptions.InvalidArgument("x"), "InvalidInputError", False)
    means(exceptions.RetryError("x", cause=None), "TimeoutError", False)


def test_no_library_is_imported_to_know_its_errors() -> None:
    script = (
        "import sys, trax_otel.errors as e; e.classify_error(ValueError()); print([m for m in %r if m in sys.modules])"
    )
    names = [
        "requests",
        "httpx",
        "urllib3",
        "aiohttp",
        "botocore",
        "redis",
        "sqlalchemy",
        "psycopg",
        "grpc",
        "google.api_core",
    ]
    import sys

    done = subprocess.run([sys.executable, "-I", "-c", script % names], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert errors.error_codes()
