"""How servers are hooked: all or nothing, and with nothing of it seen in what they print."""

from __future__ import annotations

import logging
import sys
import traceback
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

from support.wsgi_environ import environ
from trax_otel.instrumentation.adoption import adopt
from trax_otel.instrumentation.servers import activation
from trax_otel.instrumentation.servers.facts import of_environ
from trax_otel.instrumentation.servers.hooking import Hook, hook, without_hooks
from trax_otel.instrumentation.servers.leaving import client_left
from trax_otel.instrumentation.servers.logs import tidy_logger
from trax_otel.instrumentation.servers.request import begin, kept_context
from trax_otel.instrumentation.servers.wsgi import Observed
from trax_otel.testing import CapturedTelemetry


class Server:
    def handle(self, request: str) -> str:
        """Handle it."""
        return f"handled {request}"

    def close(self) -> str:
        return "closed"


def louder(original: Any, *args: Any) -> Any:
    return original(*args).upper()


@pytest.fixture
def server() -> type[Server]:
    return type("Server", (), dict(vars(Server)))


def test_a_function_is_replaced_once(server: Any) -> None:
    for _ in range(2):
        hook(Hook(server, "handle", ("self", "request"), louder))
    assert server().handle("a") == "HANDLED A"
    assert (server.handle.__doc__, server.handle.__name__) == ("Handle it.", "handle")


@pytest.mark.parametrize(("name", "parameters"), [("handle", ("self", "scope")), ("gone", ("self",))])
def test_a_version_that_does_not_fit_is_left_alone(server: Any, name: str, parameters: tuple[str, ...]) -> None:
    with pytest.raises(TypeError, match=name):
        hook(Hook(server, "close", ("self",), louder), Hook(server, name, parameters, louder))
    assert server().close() == "closed"


def test_one_line_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("strange_server")
    monkeypatch.setitem(sys.modules, "strange_server", module)
    adopt("strange", "strange_server", lambda: activation._hook("strange_server", "daphne.hook_server"))
    assert capsys.readouterr().err.count("\n") == 1


def test_every_hook_is_there() -> None:
    for modules in activation.SERVERS.values():
        for path in modules.values():
            name, _, function = path.partition(".")
            assert callable(getattr(import_module(f"{activation.__package__}.{name}"), function))


# --- What is printed --------------------------------------------------------------------------------


def failing(*_: Any) -> Any:
    raise ValueError("broken")


def failure(*, observed: bool) -> ValueError:
    application = Observed(failing, ends=False) if observed else failing
    try:
        with kept_context():
            application(environ(), print)
    except ValueError as error:
        return error
    raise AssertionError


def frames(error: BaseException) -> list[str]:
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


def test_a_traceback_is_as_it_is_without_us(trax_telemetry: CapturedTelemetry) -> None:
    error = failure(observed=True)
    assert frames(error) != frames(failure(observed=False))
    without_hooks(error)
    assert frames(error) == frames(failure(observed=False))
    without_hooks(None)


def test_a_servers_logger_tells_a_failure_in_its_trace(
    trax_telemetry: CapturedTelemetry, caplog: pytest.LogCaptureFixture
) -> None:
    tidy_logger("strange.server")
    tidy_logger("strange.server")
    error = failure(observed=True)
    with caplog.at_level("ERROR", "strange.server"):
        logging.getLogger("strange.server").error("Exception inside application", exc_info=error)
        logging.getLogger("strange.server").error("no exception")
    assert "trax_otel/instrumentation" not in (caplog.records[0].exc_text or "")
    record = trax_telemetry.log("Exception inside application")
    assert record.trace_id is not None
    assert trax_telemetry.log("no exception").trace_id is None


# --- Clients that go away ---------------------------------------------------------------------------


def raised_in(module: str, error: BaseException) -> BaseException:
    scope: dict[str, Any] = {"__name__": module, "error": error}
    exec("def write():\n    raise error", scope)
    try:
        scope["write"]()
    except BaseException as raised:
        return raised
    raise AssertionError


@pytest.mark.parametrize(
    ("module", "error", "left"),
    [
        ("gunicorn.util", BrokenPipeError(), True),
        ("socketserver", ConnectionResetError(), True),
        ("shop.payments", ConnectionResetError(), False),
        ("http.client", ConnectionResetError(), False),
        ("gunicorn.util", ValueError(), False),
        ("starlette.requests", type("ClientDisconnect", (Exception,), {})(), True),
    ],
)
def test_a_client_that_left_is_no_error_of_the_service(module: str, error: BaseException, left: bool) -> None:
    assert client_left(raised_in(module, error)) is left


def test_such_a_request_is_cancelled(trax_telemetry: CapturedTelemetry) -> None:
    with kept_context():
        request = begin(of_environ, environ())
        assert request is not None
        request.answered(200)
        request.failed(raised_in("gunicorn.util", BrokenPipeError()))
        request.end()
    span = trax_telemetry.span("GET")
    assert (span.status, span.outcome, span.attributes["error.type"]) == ("unset", "cancelled", "BrokenPipeError")
