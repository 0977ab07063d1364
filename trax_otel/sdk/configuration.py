"""The one-call set-up: arguments over environment over file, into providers in OpenTelemetry's globals."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

from .. import config, deferral, lifecycle, originals
from ..errors import InvalidConfigError
from ..logging import register_security_counts
from ..logging.otlp import attach_otlp_handler, detach_otlp_handler
from ..metrics import publish_health_metrics, start_health_monitoring
from ..metrics.export import name_service
from ..remarks import overheard, say_once
from ..signals import declare_again
from ..signals.private import lost
from ..signals.providers import renew
from ..signals.stacktrace import message_of
from . import checks, environment
from .contained import contain
from .declared import participate_declared
from .exceptions import classify_recorded_exceptions
from .install import LOGS, METRICS, TRACES
from .locks import use_native_locks
from .pipelines import Pipeline, log_pipeline, metric_pipeline, tallies, trace_pipeline
from .propagators import propagators, set_propagators
from .resource import build_resource
from .telemetry import Telemetry

CONFIG_FILE_VARIABLE: Final = "OTEL_CONFIG_FILE"
MAX_REASON: Final = 300
"""Characters of why that file cannot be used."""
LAMBDA_VARIABLE: Final = "AWS_LAMBDA_FUNCTION_NAME"
STARVED_EVERY: Final = 1.0
"""Seconds between two deliveries on the threads of requests, where background threads get no turn."""
_OWNER: Final = "sdk"
_VARIABLES: Final = {
    "service_name": "OTEL_SERVICE_NAME",
    "endpoint": "OTEL_EXPORTER_OTLP_ENDPOINT",
    "protocol": "OTEL_EXPORTER_OTLP_PROTOCOL",
    "headers": "OTEL_EXPORTER_OTLP_HEADERS",
    "sampler": "OTEL_TRACES_SAMPLER",
    "ratio": "OTEL_TRACES_SAMPLER_ARG",
}
_PER_SIGNAL: Final = ("endpoint", "protocol", "headers")

_lock = originals.reentrant_lock()
_current: Telemetry | None = None
_arguments: Mapping[str, Any] = {}


def configure(**arguments: Any) -> Telemetry:
    """Set up this process's telemetry; the arguments are those of `trax_otel.configure`.

    Raises InvalidConfigError, with one line, for a value that cannot be used, wherever it was given.
    """
    return _configure({name: value for name, value in arguments.items() if value is not None}, strict=True)


def configure_from_environment() -> Telemetry:
    """Set up telemetry for zero code: a value that cannot be used is said on stderr, and its default taken."""
    return _configure({}, strict=False)


def current() -> Telemetry | None:
    """What `configure` set up in this process, if it did."""
    return _current


def _configure(given: Mapping[str, Any], *, strict: bool) -> Telemetry:
    global _current, _arguments
    with _lock:
        if _current is not None and not _current.closed and given in ({}, _arguments):
            return _current
        use_native_locks()
        problems: environment.Problems = []
        environ = _environment(given)
        settings = _settings(given, problems)
        chosen = propagators(environ, problems)
        checks.check(environ, problems)
        if strict:
            _complain(problems, given, strict=True)  # before anything of it can raise
        checks.drop_unusable()
        if environment.disabled(environ):
            made = Telemetry()
        elif environ.get(CONFIG_FILE_VARIABLE, "").strip():
            made = _declarative(environ[CONFIG_FILE_VARIABLE].strip(), problems)
        else:
            made = _build(given, environ, settings, problems)
        _complain(problems, given, strict=strict)
        lifecycle.set_exit_budget(settings.runtime.exit_timeout)
        before = None if _current is None or _current.closed else _current
        _current, _arguments = made, dict(given)
        set_propagators(None if environment.disabled(environ) else chosen)
        _start(made, before, environ, settings.logging.level if "log_level" in given else None)
        return made


# --- What was given -------------------------------------------------------------------------------


def _environment(given: Mapping[str, Any]) -> dict[str, str]:
    """The environment with the arguments laid over it, under the names that the standard gives them."""
    environ = dict(os.environ)
    values = dict(given)
    if isinstance(given.get("headers"), Mapping):
        values["headers"] = ",".join(f"{quote(str(k))}={quote(str(v))}" for k, v in given["headers"].items())
    if "ratio" in given and "sampler" not in given:
        values["sampler"] = "parentbased_traceidratio"
    for name, variable in _VARIABLES.items():
        if name in values:
            environ[variable] = str(values[name])
    for name in _PER_SIGNAL:
        if name in given:  # an argument is for all signals
            for signal in environment.SIGNALS:
                environ.pop(f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name.upper()}", None)
    if given.get("console"):
        for signal in environment.SIGNALS:
            names = environment.exporter_names(environ, signal)
            environ[f"OTEL_{signal.upper()}_EXPORTER"] = ",".join(dict.fromkeys([*names, "console"]))
    return environ


def _settings(given: Mapping[str, Any], problems: environment.Problems) -> config.Settings:
    arguments: dict[str, dict[str, Any]] = {}
    if "exit_timeout" in given:
        arguments["runtime"] = {"exit_timeout": given["exit_timeout"]}
    if "log_level" in given:
        level = given["log_level"]
        arguments["logging"] = {"level": logging.getLevelName(level) if isinstance(level, int) else level}
    path = given.get("config_file")
    settings, found = config.reload(arguments, path=None if path is None else os.fspath(path))
    problems += [str(problem) for problem in found]
    return settings


def _complain(problems: environment.Problems, given: Mapping[str, Any], *, strict: bool) -> None:
    """Raise the first problem, or say all of them: values of the arguments under the arguments' names."""
    if not problems:
        return
    named = {variable: name for name, variable in _VARIABLES.items() if name in given}
    lines = []
    for problem in dict.fromkeys(problems):
        variable, equals, rest = problem.partition("=")
        lines.append(f"{named[variable]}={rest}" if equals and variable in named else problem)
    if strict:
        raise InvalidConfigError(lines[0])
    for line in lines:
        lifecycle.report_once(line)


# --- What is made ---------------------------------------------------------------------------------


def _build(
    given: Mapping[str, Any],
    environ: environment.Environment,
    settings: config.Settings,
    problems: environment.Problems,
) -> Telemetry:
    resource = build_resource(environ, problems, given.get("resource_attributes"))
    pipelines: list[Pipeline | None] = [trace_pipeline(environ, resource, problems)]
    if given.get("logs", True):
        pipelines.append(log_pipeline(environ, resource, problems))
    if given.get("metrics", True) and settings.metrics.export_enabled:
        pipelines.append(metric_pipeline(environ, resource, problems))
    return Telemetry([pipeline for pipeline in pipelines if pipeline is not None], resource)


def _declarative(path: str, problems: environment.Problems) -> Telemetry:
    """OTEL_CONFIG_FILE: the SDK's declarative configuration sets everything up, and nothing is added to it."""
    try:
        from opentelemetry.configuration import (  # type: ignore[import-not-found,unused-ignore]
            configure_sdk,
            load_config_file,
        )
    except ImportError:
        problems.append(f"{CONFIG_FILE_VARIABLE}={path}: needs `pip install 'trax-otel[otlp]'`; nothing is set up")
        return Telemetry()
    try:
        with overheard("opentelemetry.configuration.file._loader"):
            configure_sdk(load_config_file(path))
    except Exception as error:
        why = " ".join(message_of(error).split())  # a parser draws, a schema's validator prints all that it was given
        problems.append(f"{CONFIG_FILE_VARIABLE}={path}: {type(error).__name__}: {why[:MAX_REASON]}")
    return Telemetry()


def _start(made: Telemetry, before: Telemetry | None, environ: environment.Environment, level: str | None) -> None:
    """Put the pipelines in place, and what goes with them; `before` is what an earlier call set up."""
    if environment.disabled(environ):
        return
    for line in lost():
        lifecycle.report_once(line)
    say_once()
    classify_recorded_exceptions()
    contain()
    installed = made.install(before)
    waited = deferral.pending()
    deferral.finish()  # from here on everything is final, and nobody need wait for the rest
    if waited or "metrics" not in installed:  # what was registered meanwhile has no instruments yet
        renew()
    undo: list[Callable[[], None]] = []
    declared = bool(environ.get(CONFIG_FILE_VARIABLE, "").strip())
    if declared:
        participate_declared(LOGS.taken(), TRACES.taken(), METRICS.taken())
    register_security_counts()
    declare_again()
    if "logs" in installed or (declared and LOGS.taken() is not None):
        attach_otlp_handler(_OWNER)
        undo.append(lambda: detach_otlp_handler(_OWNER))
        undo += _set_root_level(level)
    if "metrics" in installed:
        undo.append(publish_health_metrics())
    if config.settings().metrics.thresholds:  # somebody must look at them; without any, no thread is started
        start_health_monitoring()
    if _frozen_between_requests(environ):
        made.deliver_with_requests()
    else:
        lifecycle.when_starved(lambda: made.deliver_with_requests(STARVED_EVERY))
    if made.signals:
        undo.append(name_service(made.service_name))
        made.participate(*undo)
        for tally in tallies(made.pipelines):
            tally.announce()
        made.start()
    lifecycle.take_sigterm()
    lifecycle.guard_exits(config.settings().runtime.flush_on_exit)


def _frozen_between_requests(environ: environment.Environment) -> bool:
    """Whether no background thread can be relied on: the platform lets the process run for requests only."""
    wanted = config.settings().runtime.flush_each_request
    return wanted == "on" or (wanted == "auto" and bool(environ.get(LAMBDA_VARIABLE)))


def _set_root_level(level: str | None) -> list[Callable[[], None]]:
    """Let records of the asked level be made at all: the root logger's default, WARNING, would hold them back."""
    if level is None:
        return []
    root = logging.getLogger()
    before = root.level
    root.setLevel(level)
    return [lambda: root.setLevel(before)]
