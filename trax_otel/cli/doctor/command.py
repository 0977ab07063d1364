"""`trax-otel doctor`: the options, the order of the checks, the exit status."""

from __future__ import annotations

import argparse
import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from ..options import option
from ..run import LOCAL_ENDPOINT
from ..run import environment as environment_of
from .finding import Finding, Secrets
from .stores import Reply, Store, parse

if TYPE_CHECKING:
    from ...sdk.environment import Signal
    from .items import TestItems
    from .targets import Target
    from .wire import Outcome

HELP: Final = "check the way from this process to the store, and say what to do"
FAILED: Final = 1
MISUSED: Final = 2
MAX_SECONDS: Final = 3_600.0
SKEW_SECONDS: Final = 5.0
"""From here on a clock is said to be wrong: a Date header tells whole seconds, and a request takes its time."""
_GRPC_WORDS: Final = "GRPC_VERBOSITY"
_EPILOG: Final = """\
It looks where a service with this environment would send, sends one test span, log record and data point there, and looks
for them in the stores that are named. An option wins over its variable, as it does for trax-otel run.

  trax-otel doctor                                             the environment as it is
  trax-otel doctor --endpoint http://collector:4317 --protocol grpc
  trax-otel doctor --local --store http://127.0.0.1:4318       the embedded endpoint
  trax-otel doctor --store http://localhost:3200 --store prometheus=http://localhost:9090
  trax-otel doctor --json | jq '.checks[] | select(.status == "error")'

A store is Jaeger, Tempo, Prometheus, Loki or trax-otel local; which one, its API tells. docs/doctor.md explains each check.

exit status: 0 fine (warnings allowed), 1 something is broken, 2 usage
"""


def add_parser(subparsers: Any) -> None:
    """Add the sub-command."""
    parser = subparsers.add_parser(
        "doctor", help=HELP, description=HELP, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("--endpoint", metavar="URL", help="OTEL_EXPORTER_OTLP_ENDPOINT, such as http://collector:4318")
    parser.add_argument("--protocol", choices=("http/protobuf", "grpc"), help="OTEL_EXPORTER_OTLP_PROTOCOL")
    parser.add_argument("--local", action="store_true", help=f"the endpoint of `trax-otel local` ({LOCAL_ENDPOINT})")
    parser.add_argument(
        "--service-name", metavar="NAME", help="what the test telemetry is sent as (default: trax-otel-doctor)"
    )
    parser.add_argument("--config", metavar="FILE", help="TRAX_CONFIG_FILE: the JSON file with settings")
    parser.add_argument(
        "--store", action="append", default=[], metavar="[KIND=]URL", type=option(parse),
        help="find the test telemetry again here; may be repeated; KIND: jaeger, tempo, prometheus, loki, local",
    )  # fmt: skip
    parser.add_argument(
        "--timeout", type=_seconds, default=10.0, metavar="SECONDS", help="for each step (default: %(default)g)"
    )
    parser.add_argument(
        "--wait", type=_seconds, default=60.0, metavar="SECONDS", help="for finding each again (default: %(default)g)"
    )
    parser.add_argument("--json", action="store_true", help="JSON for programs")


def _seconds(written: str) -> float:
    try:
        seconds = float(written)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= MAX_SECONDS:
        raise argparse.ArgumentTypeError(f"{written!r} is not allowed: seconds above 0, up to {MAX_SECONDS:g}")
    return seconds


def run(options: argparse.Namespace) -> int:
    """Check all; returns the exit status."""
    import sys

    if options.local and options.endpoint:
        sys.stderr.write("trax-otel doctor: --local and --endpoint both say where to send; give one\n")
        return MISUSED
    environ = environment(options)
    secrets = Secrets(environ, [store.url for store in options.store])
    from .report import Printer, as_json, worst

    printer = None if options.json else Printer()
    findings = []
    with _silent():
        for finding in examine(environ, options):
            findings.append(secrets.hide_in(finding))
            if printer is not None:
                printer.add(findings[-1])
    if printer is None:
        print(as_json(findings))
    else:
        printer.finish(findings)
    return FAILED if worst(findings) == "error" else 0


def environment(options: argparse.Namespace) -> dict[str, str]:
    """What a service that is started with these options would see, without what `trax-otel run` adds by itself."""
    like_run = argparse.Namespace(**vars(options), log_level=None, exit_timeout=None, quiet=False)
    environ = environment_of(like_run)
    for name in ("PYTHONPATH", "OTEL_PYTHON_DISTRO", "OTEL_PYTHON_CONFIGURATOR"):
        environ.pop(name, None)
        if name in os.environ:
            environ[name] = os.environ[name]
    return environ


@contextmanager
def _silent() -> Iterator[None]:
    """What libraries say while they are examined is not printed in between; one of them logs whole headers."""
    before, verbosity = logging.root.manager.disable, os.environ.get(_GRPC_WORDS)
    logging.disable(logging.CRITICAL)
    os.environ.setdefault(_GRPC_WORDS, "NONE")  # gRPC reads it when it is imported
    try:
        yield
    finally:
        logging.disable(before)
        if verbosity is None:
            del os.environ[_GRPC_WORDS]


# --- The way ------------------------------------------------------------------------------------------------------


def examine(environ: Mapping[str, str], options: argparse.Namespace) -> Iterator[Finding]:
    """Every finding, in the order of the way."""
    from . import versions

    broken = versions.importable()
    yield from broken
    if broken:
        yield Finding("endpoint", "skipped", "the way was not checked", "OpenTelemetry cannot be used here")
        return
    yield from _contained("versions", lambda: versions.check(environ))
    from . import contradictions, declared, settings, targets

    for look in (settings.check, declared.check, contradictions.check):
        yield from _contained("environment", lambda look=look: look(environ))  # type: ignore[misc]
    aims = targets.resolve(environ, [])
    yield from targets.unused(aims)
    outcomes: list[Outcome] = []
    replies: list[Reply] = []
    groups = _by_server(aims)
    items = _items(environ, options) if groups else None
    if isinstance(items, Finding):
        yield items
    elif items is not None:
        for group in groups:
            yield from _server(group, items, options.timeout, outcomes)
        yield from _stores(options, items, outcomes, replies)
    else:
        for store in options.store:
            yield Finding("store", "skipped", f"{store.address}: not asked", "nothing was sent", "", store.address)
    yield _clock(outcomes, replies)
    yield _exit_budget(environ, outcomes)


def _contained(check: str, look: Callable[[], Sequence[Finding]]) -> Sequence[Finding]:
    """Its findings; a defect of a check, or of a package that it looks at, is one more finding."""
    try:
        return look()
    except Exception as error:
        return [Finding(check, "skipped", "this could not be checked", f"{type(error).__name__}: {error}")]


def _items(environ: Mapping[str, str], options: argparse.Namespace) -> TestItems | Finding:
    from .items import SERVICE, make

    try:
        return make(environ, options.service_name or SERVICE)
    except Exception as error:
        return Finding("send", "error", "the test telemetry cannot be made", f"{type(error).__name__}: {error}",
                       "correct the variables that are named above")  # fmt: skip


def _by_server(aims: Sequence[Target]) -> list[list[Target]]:
    sent = [target for target in aims if target.endpoint is not None]
    order = list(dict.fromkeys(target.server for target in sent))
    grouped = groupby(sorted(sent, key=lambda target: order.index(target.server)), lambda target: target.server)
    return [list(group) for _, group in grouped]


def _server(group: Sequence[Target], items: TestItems, timeout: float, outcomes: list[Outcome]) -> Iterator[Finding]:
    from . import reach, receiver

    endpoint = group[0].endpoint
    assert endpoint is not None  # `_by_server` leaves the others out
    reached = reach.check(endpoint, timeout)
    yield reached
    if reached.status == "error":
        for check in ("protocol", "authentication"):
            yield Finding(
                check, "skipped", f"{check}: not checked", "the endpoint is not reached", "", endpoint.address
            )
        for target in group:
            yield Finding(f"send.{target.signal}", "skipped", f"{target.signal}: not sent", "the endpoint is not reached",
                          "", endpoint.address)  # fmt: skip
        return
    answers = receiver.send_all(group, items, timeout)
    outcomes += answers
    yield from receiver.judge(group, answers, timeout)


def _stores(
    options: argparse.Namespace, items: TestItems, outcomes: Sequence[Outcome], replies: list[Reply]
) -> Iterator[Finding]:
    from . import receiver, stores

    accepted: set[Signal] = {outcome.endpoint.signal for outcome in outcomes if receiver.accepted(outcome)}
    certificate = next((outcome.endpoint.certificate for outcome in outcomes if outcome.endpoint.certificate), None)
    store: Store
    for store in options.store:
        for finding, reply in stores.check(store, items, accepted, options.timeout, options.wait, certificate):
            yield finding
            if reply is not None:
                replies.append(reply)


# --- At the end ---------------------------------------------------------------------------------------------------


def _clock(outcomes: Sequence[Outcome], replies: Sequence[Reply]) -> Finding:
    """This machine's clock against the first server that says what time it has."""
    import time

    dated = [
        (outcome.headers["date"], outcome.at, outcome.endpoint.address)
        for outcome in outcomes
        if "date" in outcome.headers
    ]
    dated += [(str(reply.headers["date"]), reply.at, "a store") for reply in replies if reply.headers.get("date")]
    for text, at, who in dated:
        try:
            skew = parsedate_to_datetime(text).timestamp() + 0.5 - at
        except (TypeError, ValueError):
            continue
        if abs(skew) <= SKEW_SECONDS:
            return Finding("clock", "ok", "this clock agrees with the server's", f"within {SKEW_SECONDS:g} s of {who}")
        ahead = "ahead of" if skew < 0 else "behind"
        return Finding(
            "clock", "warning", f"this clock is {abs(skew):.0f} s {ahead} {who}",
            f"it says {time.strftime('%H:%M:%SZ', time.gmtime(at))}",
            "synchronise both (NTP): spans stand in the wrong order, and stores refuse what is too old or in the future",
        )  # fmt: skip
    return Finding("clock", "skipped", "clock: not compared", "no server said what time it has; gRPC never does")


def _exit_budget(environ: Mapping[str, str], outcomes: Sequence[Outcome]) -> Finding:
    """Whether the last export has time enough."""
    from ... import config

    budget = config.load(environ=environ)[0].runtime.exit_timeout
    needed = max((outcome.seconds for outcome in outcomes if outcome.answer.verdict == "accepted"), default=0.0)
    told = f"the last export may take {budget:g} s at the end of the process"
    if budget <= needed or budget == 0:
        return Finding("process.exit", "warning", told, f"the test took {needed:.1f} s; what is left is lost",
                       "raise TRAX_EXIT_TIMEOUT (seconds)")  # fmt: skip
    return Finding("process.exit", "ok", told, f"the slowest test took {needed * 1000:.0f} ms" if needed else "")
