"""`trax-otel run -- COMMAND …`: replaces itself by the command, with telemetry."""

from __future__ import annotations

import argparse
import errno
import math
import os
import shutil
import sys
from pathlib import Path
from typing import Any, Final

from .. import lifecycle
from . import without_effect

HELP: Final = "run a command with telemetry, its code unchanged"
NOT_FOUND: Final = 127
NOT_RUNNABLE: Final = 126
MAX_EXIT_TIMEOUT: Final = 3_600
LOCAL_PORT: Final = 4318
LOCAL_ENDPOINT: Final = f"http://127.0.0.1:{LOCAL_PORT}"
_EPILOG: Final = """\
The command replaces this one: same process id, signals and exit status. What you set in the environment stays as it is;
only what you left open is filled in. An option given here wins over its variable.

  trax-otel run -- python app.py
  trax-otel run --service-name shop -- gunicorn -w 4 shop:app
  trax-otel run --local -- uvicorn shop:app --workers 2
  trax-otel run --endpoint http://collector:4317 --protocol grpc -- celery -A shop worker

variables (all of OTEL_* and TRAX_* hold; docs/configuration.md):
  OTEL_SERVICE_NAME, OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL, OTEL_EXPORTER_OTLP_HEADERS
  OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=staging     OTEL_TRACES_SAMPLER=parentbased_traceidratio
  OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=redis,jinja2               OTEL_SDK_DISABLED=true

exit status: the command's own; 126 it cannot be run, 127 it was not found, 2 usage
"""


def add_parser(subparsers: Any) -> None:
    """Add the sub-command."""
    parser = subparsers.add_parser(
        "run", help=HELP, description="Run a command with telemetry, its code unchanged.", epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter, usage="trax-otel run [options] -- COMMAND [argument …]",
        allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument(
        "--service-name", metavar="NAME", help="OTEL_SERVICE_NAME; by default it follows from the command"
    )
    parser.add_argument("--endpoint", metavar="URL", help="OTEL_EXPORTER_OTLP_ENDPOINT, such as http://collector:4318")
    parser.add_argument(
        "--protocol", choices=("http/protobuf", "grpc"), help="OTEL_EXPORTER_OTLP_PROTOCOL (default: http/protobuf)"
    )
    parser.add_argument(
        "--local", action="store_true", help=f"send to `trax-otel local` on this machine ({LOCAL_ENDPOINT})"
    )
    parser.add_argument(
        "--log-level", type=str.upper, choices=("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
        help="TRAX_LOG_LEVEL: the root logger's level, and so the least that is sent",
    )  # fmt: skip
    parser.add_argument("--config", metavar="FILE", help="TRAX_CONFIG_FILE: the JSON file with settings")
    parser.add_argument(
        "--exit-timeout", metavar="SECONDS", type=_seconds, help="TRAX_EXIT_TIMEOUT: time for the last export"
    )
    parser.add_argument("--quiet", action="store_true", help="TRAX_QUIET: no hints at the start")
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND", help="the command and its arguments")


def _seconds(text: str) -> float:
    """What TRAX_EXIT_TIMEOUT may be; refused here, before the command runs."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= MAX_EXIT_TIMEOUT:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: seconds from 0 to {MAX_EXIT_TIMEOUT}")
    return seconds


def run(options: argparse.Namespace) -> int:
    """Replace this process by the command; returns only where that is not possible."""
    words = options.words[1:] if options.words[:1] == ["--"] else options.words
    if not words:
        sys.stderr.write("trax-otel run: no command. Write: trax-otel run -- python app.py (-h explains)\n")
        return 2
    if options.local and options.endpoint:
        sys.stderr.write("trax-otel run: --local and --endpoint both say where to send; give one\n")
        return 2
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() != "true":
        unobserved = without_effect.reason(words)
        if unobserved is not None:
            lifecycle.report_once(unobserved)
    environ = environment(options)
    if options.local and not _listens():
        sys.stderr.write("trax-otel: nothing listens at the embedded endpoint yet; start it with: trax-otel local\n")
    return _replace(words, environ)


def environment(options: argparse.Namespace) -> dict[str, str]:
    """The command's environment: the user's own, what the options say, and defaults for the rest."""
    from .. import guarded
    from ..instrumentation.start import AUTOSTART

    environ = {**os.environ, **guarded.unset}  # what this interpreter cannot use, the command's may
    said = {
        "OTEL_SERVICE_NAME": options.service_name,
        "OTEL_EXPORTER_OTLP_ENDPOINT": LOCAL_ENDPOINT if options.local else options.endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf" if options.local else options.protocol,
        "TRAX_LOG_LEVEL": options.log_level,
        "TRAX_CONFIG_FILE": None if options.config is None else str(Path(options.config).absolute()),
        "TRAX_EXIT_TIMEOUT": None if options.exit_timeout is None else str(options.exit_timeout),
        "TRAX_QUIET": "1" if options.quiet else None,
    }
    environ.update({name: value for name, value in said.items() if value is not None})
    for part in ("ENDPOINT", "PROTOCOL"):
        if said[f"OTEL_EXPORTER_OTLP_{part}"] is not None:  # an option is for all signals
            for signal in ("TRACES", "METRICS", "LOGS"):
                environ.pop(f"OTEL_EXPORTER_OTLP_{signal}_{part}", None)
    environ.setdefault("OTEL_PYTHON_DISTRO", "trax")
    environ.setdefault("OTEL_PYTHON_CONFIGURATOR", "trax")
    before = environ.get("PYTHONPATH", "")
    # An empty part stands for the current folder, as in `$PYTHONPATH:/lib` with nothing set before: it stays.
    paths = [path for path in before.split(os.pathsep) if path != str(AUTOSTART)] if before else []
    environ["PYTHONPATH"] = os.pathsep.join([str(AUTOSTART), *paths])
    return environ


def _listens() -> bool:
    import socket

    try:
        with socket.create_connection(("127.0.0.1", LOCAL_PORT), 0.5):
            return True
    except OSError:
        return False


def _replace(words: list[str], environ: dict[str, str]) -> int:
    command = words[0]
    found = shutil.which(command, path=environ.get("PATH"))
    if found is None:
        if os.sep in command and Path(command).exists():
            return _refused(command, "is a folder" if Path(command).is_dir() else "is not executable", NOT_RUNNABLE)
        return _refused(command, "not found", NOT_FOUND)
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execvpe(found, words, environ)
    except OSError as error:
        status = NOT_FOUND if error.errno == errno.ENOENT else NOT_RUNNABLE
        return _refused(command, f"cannot be run: {error.strerror}", status)


def _refused(command: str, reason: str, status: int) -> int:
    sys.stderr.write(f"trax-otel run: {command}: {reason}\n")
    return status
