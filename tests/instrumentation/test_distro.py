"""The distro's and configurator's parts: containment, correlation over headers, hints, uncaught errors."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import propagate

from trax_otel import config, lifecycle
from trax_otel.errors import NetworkError
from trax_otel.instrumentation import CorrelationPropagator, TraxDistro, hint, hooks, start
from trax_otel.instrumentation.correlation import install_correlation
from trax_otel.logging import bind, correlation_context
from trax_otel.metrics import timing_context
from trax_otel.signals import current_correlation
from trax_otel.signals.correlation import with_correlation
from trax_otel.testing import CapturedTelemetry


class EntryPoint:
    """An instrumentor's entry point that does what it is told."""

    def __init__(self, action: Callable[[], Any], name: str = "thing") -> None:
        self.name = name
        self.load = lambda: lambda: self
        self.instrument = lambda **_: action()


def failing(error: BaseException) -> Callable[[], Any]:
    def fail() -> None:
        raise error

    return fail


class Panic(BaseException):
    """What libraries in Rust raise."""


@pytest.mark.parametrize(
    "error",
    [Panic("rust"), SystemExit(1), RuntimeError("broken"), ImportError("binary"), TypeError("x"), AttributeError("y")],
)
def test_an_instrumentor_that_raises_is_named_in_one_line(
    error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    TraxDistro().load_instrumentor(EntryPoint(failing(error)))
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"trax-otel: instrumentation of thing failed: {type(error).__name__}: {error}"


def test_a_library_that_is_not_installed_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    TraxDistro().load_instrumentor(EntryPoint(failing(ModuleNotFoundError("No module named 'thing'", name="thing"))))
    assert capsys.readouterr().err == ""


def test_a_dependency_that_an_instrumentor_misses_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    TraxDistro().load_instrumentor(EntryPoint(failing(ModuleNotFoundError("No module named 'asgi'", name="asgi"))))
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "trax-otel: instrumentation of thing failed: ModuleNotFoundError: No module named 'asgi'"


def test_warnings_of_instrumentors_are_not_the_services(recwarn: pytest.WarningsRecorder) -> None:
    import warnings

    before = list(warnings.filters)
    TraxDistro().load_instrumentor(EntryPoint(lambda: warnings.warn("old", DeprecationWarning, stacklevel=2)))
    assert len(recwarn) == 0
    assert list(warnings.filters) == before


def test_the_distro_sets_nothing_that_is_set_and_nothing_beside_a_configuration_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = "OTEL_PYTHON_LOG_AUTO_INSTRUMENTATION"
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "none")
    monkeypatch.setenv(name, "true")
    TraxDistro().configure()
    assert start.os.environ[name] == "true"
    monkeypatch.delenv(name)
    monkeypatch.setenv("OTEL_CONFIG_FILE", "/x.yaml")
    TraxDistro().configure()
    assert name not in start.os.environ


@pytest.mark.parametrize(
    ("words", "ours"),
    [
        (["python", "/usr/bin/trax-otel", "local"], True),
        (["python", "-m", "trax_otel", "local"], True),
        (["python", "-W", "error", "app.py", "trax-otel"], False),
        (["python", "-m", "http.server"], False),
        (["python"], False),
    ],
)
def test_our_own_command_line_is_not_observed(words: list[str], ours: bool) -> None:
    assert start._is_ours(words) is ours


# --- Correlation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Correlation-ID": "req-1"}, "req-1"),
        ({"x-request-id": "req-2"}, "req-2"),
        ({"X-Request-ID": "second", "X-Correlation-ID": "first"}, "first"),
        ({"X-Correlation-ID": "bad\r\nSet-Cookie: x", "X-Request-ID": "good"}, "good"),
        ({"X-Correlation-ID": "x" * 200}, None),
        ({}, None),
    ],
)
def test_an_inbound_header_gives_the_id_if_it_is_one(headers: dict[str, str], expected: str | None) -> None:
    context = CorrelationPropagator().extract(headers)
    assert current_correlation(context).id == expected


def test_bound_fields_of_the_surroundings_stay() -> None:
    with bind(user="ada"):
        from opentelemetry import context as otel_context

        found = current_correlation(
            CorrelationPropagator().extract({"X-Correlation-ID": "r"}, otel_context.get_current())
        )
    assert (found.id, dict(found.fields)) == ("r", {"user": "ada"})


def test_it_is_sent_on_only_where_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for asked, expected in (("false", {}), ("true", {"X-Correlation-ID": "req-1"})):
        monkeypatch.setenv("TRAX_PROPAGATE_CORRELATION", asked)
        config.reload()
        carrier: dict[str, str] = {}
        with correlation_context("req-1"):
            CorrelationPropagator().inject(carrier)
        assert carrier == expected
    monkeypatch.undo()
    config.reload()


def test_installing_twice_adds_one_propagator() -> None:
    before = propagate.get_global_textmap()
    try:
        install_correlation()
        install_correlation()
        assert propagate.get_global_textmap().fields >= {"traceparent", "X-Correlation-ID"}
        members: Any = propagate.get_global_textmap()
        assert [type(member) for member in members._propagators].count(CorrelationPropagator) == 1
        assert current_correlation(propagate.extract({"x-correlation-id": "a"})).id == "a"
        assert with_correlation is not None
    finally:
        propagate.set_global_textmap(before)


# --- Hints -----------------------------------------------------------------------------------------------------------


def test_a_hint_is_for_terminals_once_and_can_be_stopped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hint, "uninstrumented", lambda: ["flask", "redis"])
    monkeypatch.delenv("_TRAX_SAID_HINT", raising=False)
    hint.say_hint()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(hint, "_on_terminal", lambda: True)
    with config.use_settings(config.Settings(runtime=config.RuntimeSettings(quiet=True))):
        hint.say_hint()
    assert capsys.readouterr().err == ""
    hint.say_hint()
    hint.say_hint()
    (line,) = capsys.readouterr().err.splitlines()
    assert "without instrumentation: flask, redis" in line
    monkeypatch.delenv("_TRAX_SAID_HINT", raising=False)


def test_the_libraries_of_this_environment_are_instrumented() -> None:
    assert "flask" not in hint.uninstrumented()


def test_a_library_whose_version_the_instrumentation_refuses_is_named_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from opentelemetry.instrumentation import bootstrap_gen

    entries = [
        {"library": "pytest < 2", "instrumentation": "pytest==0.1"},
        {"library": "pluggy >= 0.1", "instrumentation": "pytest==0.1"},
        {"library": "iniconfig < 9", "instrumentation": "not-installed==0.1"},
    ]
    monkeypatch.setattr(bootstrap_gen, "libraries", entries)
    assert hint.uninstrumented() == ["iniconfig", f"pytest {pytest.__version__} (its instrumentation is for <2)"]


# --- Uncaught errors -------------------------------------------------------------------------------------------------


@pytest.fixture
def hooked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The hooks over ones that remember; the interpreter's own are restored."""
    before: list[Any] = []
    monkeypatch.setattr(sys, "excepthook", lambda *arguments: before.append(arguments))
    monkeypatch.setattr(threading, "excepthook", before.append)
    monkeypatch.setattr(sys, "unraisablehook", before.append)
    hooks.install_hooks()
    hooks.install_hooks()
    return before


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def test_an_uncaught_error_is_told_and_the_former_hook_called_once(
    hooked: list[Any], trax_telemetry: CapturedTelemetry
) -> None:
    error = raised(NetworkError("no route"))
    sys.excepthook(type(error), error, error.__traceback__)
    record = trax_telemetry.log("uncaught in main")
    assert record.attributes["trax.error.code"] == "TRAX-001"
    assert record.attributes["trax.error.source"] == "main"
    assert "no route" in record.attributes["exception.message"]
    assert len(hooked) == 1


def test_a_threads_error_names_the_thread(hooked: list[Any], trax_telemetry: CapturedTelemetry) -> None:
    def fail() -> None:
        raise NetworkError("no route")

    thread = threading.Thread(target=fail, name="worker-7")
    thread.start()
    thread.join()
    assert trax_telemetry.log("uncaught in thread worker-7").attributes["thread.name"] == "worker-7"
    assert len(hooked) == 1


def test_an_error_that_a_span_has_recorded_is_marked_so(hooked: list[Any], trax_telemetry: CapturedTelemetry) -> None:
    error = NetworkError("no route")
    with pytest.raises(NetworkError), timing_context("work"):
        raise error
    sys.excepthook(type(error), error, error.__traceback__)
    assert trax_telemetry.log("uncaught in main").attributes["trax.error.recorded"] is True
    assert trax_telemetry.metric("trax.errors", trax_error_code="TRAX-001").value == 1


def test_an_excepthook_of_the_applications_hides_nothing(
    hooked: list[Any], trax_telemetry: CapturedTelemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "last_value", raised(NetworkError("no route")), raising=False)
    hooks._report_behind_our_back()
    assert list(trax_telemetry.logs) == []  # ours is in place and has told it
    monkeypatch.setattr(sys, "excepthook", lambda *_: None)
    hooks._report_behind_our_back()
    assert trax_telemetry.log("uncaught in main").attributes["trax.error.code"] == "TRAX-001"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)], ids=repr)
def test_what_is_no_error_is_not_told(
    error: BaseException, hooked: list[Any], trax_telemetry: CapturedTelemetry
) -> None:
    sys.excepthook(type(error), raised(error), None)
    assert list(trax_telemetry.logs) == []
    assert len(hooked) == 1


def test_a_task_that_nobody_asked_counts_once(trax_telemetry: CapturedTelemetry) -> None:
    hooks.install_hooks()

    async def fail() -> None:
        raise NetworkError("in task")

    async def main() -> None:
        task = asyncio.ensure_future(fail())
        await asyncio.sleep(0)
        del task

    asyncio.run(main())
    assert trax_telemetry.metric("trax.errors", trax_error_code="TRAX-001").value == 1
    assert trax_telemetry.log("Task exception was never retrieved").attributes["trax.error.code"] == "TRAX-001"


def test_a_handler_of_the_applications_hides_nothing(trax_telemetry: CapturedTelemetry) -> None:
    hooks.install_hooks()
    handled: list[Any] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: handled.append(context))
        loop.call_exception_handler({"message": "x", "exception": NetworkError("in callback")})

    asyncio.run(main())
    assert len(handled) == 1
    assert trax_telemetry.log("uncaught in asyncio").attributes["trax.error.code"] == "TRAX-001"


def test_a_hook_that_cannot_tell_still_lets_the_former_one_print(
    hooked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trax_otel.errors.error_facts", failing(RuntimeError("broken")))
    error = raised(ValueError("x"))
    sys.excepthook(type(error), error, None)
    assert len(hooked) == 1
    assert lifecycle.exit_budget() > 0


def test_what_gevent_asserts_after_a_fork_is_no_error_of_the_service(
    hooked: list[Any], trax_telemetry: CapturedTelemetry
) -> None:
    theirs: dict[str, Any] = {"__name__": "gevent.threading"}
    exec("def after_fork_in_child():\n    assert False", theirs)
    for raising in (theirs["after_fork_in_child"], failing(AssertionError("the service's own"))):
        try:
            raising()
        except AssertionError as error:
            arguments: Any = type("Arguments", (), {"exc_value": error, "exc_traceback": error.__traceback__})
            sys.unraisablehook(arguments)
    assert len(hooked) == 2  # printed as without us
    assert [record.attributes["exception.message"] for record in trax_telemetry.logs] == ["the service's own"]
