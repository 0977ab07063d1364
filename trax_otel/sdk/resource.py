"""Who reports: the service, its process, the host, the container."""

from __future__ import annotations

import os
import platform
import re
import socket
import sys
import uuid
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.version import __version__ as sdk_version

from .. import config, semconv
from ..version import __version__
from .encode import clean_attributes
from .environment import resource_attributes, without_secrets
from .origin import origin

if TYPE_CHECKING:
    from .environment import Environment, Problems

DISTRO_NAME: Final = "trax-otel"

_CONTAINER_ID: Final = re.compile(r"(?<![0-9a-f])([0-9a-f]{64})(?![0-9a-f])")
_APPLICATION: Final = re.compile(r"([A-Za-z_][\w.]*):[A-Za-z_][\w.]*(\(.*\))?")
_SERVERS: Final = frozenset({"gunicorn", "uvicorn", "hypercorn", "daphne", "granian", "waitress-serve", "uwsgi"})
_COMMANDS: Final = {"flask": ("--app", "-A"), "celery": ("--app", "-A"), "dramatiq": (), "rq": ()}
_GENERIC_MODULES: Final = frozenset({"main", "app", "wsgi", "asgi", "application", "server", "api", "__main__"})
_VALUE_OPTIONS: Final = ("-W", "-X", "--check-hash-based-pycs")


class ProcessResource(Resource):
    """The resource of this process. One object for all providers, renewed in place after a fork.

    Its hash is kept: the exporters ask for it with every span, and the SDK's own writes JSON each time.
    """

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        super().__init__(attributes)
        self._hash = super().__hash__()

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or super().__eq__(other)

    def renew(self) -> None:
        """Become the resource of a forked child: another instance of the same service."""
        attributes = {**self.attributes, **_process_identity()}
        super().__init__(attributes)
        self._hash = super().__hash__()


def build_resource(
    environ: Environment, problems: Problems, attributes: Mapping[str, Any] | None = None
) -> ProcessResource:
    """What is detected, under what the chosen detectors find, the environment says, and `attributes` give."""
    command = _command()
    said = {**_detected(environ, problems), **_from_environment(environ, problems), **(attributes or {})}
    merged: dict[str, Any] = {
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.version": sdk_version,
        "telemetry.distro.name": DISTRO_NAME,
        "telemetry.distro.version": __version__,
        semconv.TRAX_VERSION: __version__,
        semconv.SERVICE_NAME: service_name_of(command),
        **_host(),
        **_process(),
        **_process_identity(),
        **_origin(environ, command, said),
        **said,
    }
    return ProcessResource(clean_attributes(merged) or {})


def _origin(environ: Environment, command: Sequence[str], said: Mapping[str, Any]) -> dict[str, Any]:
    """Version, commit and environment where they can be found; nothing where that is switched off."""
    if not config.settings().runtime.detect_origin:
        return {}
    found = origin(environ, *_served(command))
    if "deployment.environment" in said:  # the attribute's former name: two that differ would be worse than none
        found.pop(semconv.DEPLOYMENT_ENVIRONMENT_NAME, None)
    return found


def _process_identity() -> dict[str, Any]:
    return {
        semconv.SERVICE_INSTANCE_ID: str(uuid.uuid4()),
        "process.pid": os.getpid(),
        "process.parent_pid": os.getppid(),
    }


def _process() -> dict[str, Any]:
    # The command's arguments stay out: passwords are given there.
    return {
        "process.executable.name": Path(sys.executable).name,
        "process.executable.path": sys.executable,
        "process.runtime.name": sys.implementation.name,
        "process.runtime.version": platform.python_version(),
        "process.runtime.description": sys.version.replace("\n", " "),
    }


def _host() -> dict[str, Any]:
    found = {
        "host.name": socket.gethostname(),
        "host.arch": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
        "os.type": platform.system().lower(),
        "os.version": platform.release(),
    }
    container = container_id()
    return {**found, "container.id": container} if container else found


def container_id(proc: Path = Path("/proc/self")) -> str | None:
    """The id of the container that this process runs in: from its control groups (v1), else its mounts (v2)."""
    try:
        for line in (proc / "cgroup").read_text().splitlines():
            found = _CONTAINER_ID.search(line)
            if found:
                return found[1]
        for line in (proc / "mountinfo").read_text().splitlines():
            # The runtime mounts these files from the container's own folder on the host.
            if any(name in line for name in ("/etc/hostname", "/etc/resolv.conf", "/etc/hosts")):
                found = _CONTAINER_ID.search(line)
                if found:
                    return found[1]
    except OSError:
        return None
    return None


# --- The environment ------------------------------------------------------------------------------


def _from_environment(environ: Environment, problems: Problems) -> dict[str, Any]:
    attributes: dict[str, Any] = {**resource_attributes(environ, problems)}
    name = environ.get("OTEL_SERVICE_NAME", "").strip()
    return {**attributes, semconv.SERVICE_NAME: name} if name else attributes


def _detected(environ: Environment, problems: Problems) -> dict[str, Any]:
    """What the user's chosen resource detectors find; ours and the SDK's defaults are covered already."""
    names = [name.strip() for name in environ.get("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "").split(",")]
    wanted = [name for name in names if name and name not in {"otel", "service_instance", "process", "os"}]
    if not wanted:
        return {}
    from importlib.metadata import entry_points

    found: dict[str, Any] = {}
    offered = entry_points(group="opentelemetry_resource_detector")
    for name in wanted:
        if name != "*" and name not in offered.names:
            problems.append(
                f"OTEL_EXPERIMENTAL_RESOURCE_DETECTORS={name!r}: must be a resource detector that is installed"
            )
    for entry_point in offered:
        if entry_point.name in wanted or ("*" in wanted and entry_point.name not in {"otel", "service_instance"}):
            try:
                found.update(entry_point.load()().detect().attributes)
            except Exception as error:
                reason = without_secrets(f"{type(error).__name__}: {error}", environ)
                problems.append(f"OTEL_EXPERIMENTAL_RESOURCE_DETECTORS={entry_point.name!r}: {reason}")
    return found


# --- The service's name ---------------------------------------------------------------------------


def service_name_of(command: Sequence[str]) -> str:
    """A service's name from the command that started it: script, module, or the application that a server serves.

    `python shop.py` → shop · `python -m shop.worker` → shop.worker · `gunicorn -w 4 shop.wsgi:application` → shop ·
    `celery -A shop worker` → shop · `python manage.py runserver` → the project's folder.
    """
    program, arguments = _program(command[1:])
    if not program:
        return "python"
    module = _application(program, arguments)
    return _module_name(module) if module else program


def _application(program: str, arguments: Sequence[str]) -> str:
    """The module that a server or a worker is told to serve; empty where it is told none."""
    if program in _SERVERS:
        return next((found[1] for found in map(_APPLICATION.fullmatch, arguments) if found), "")
    options = _COMMANDS.get(program, ())
    for option, value in pairwise(arguments):
        if option in options:
            return value.partition(":")[0].removesuffix(".py")
    for argument in arguments:
        option, equals, value = argument.partition("=")
        if equals and option in options:
            return value.partition(":")[0].removesuffix(".py")
    return ""


def _served(command: Sequence[str]) -> tuple[str, Path | None]:
    """The module that the command serves, or else the script that it runs; nothing of either for `python -c`."""
    program, arguments = _program(command[1:])
    module = _application(program, arguments)
    if module or not program:
        return module, None
    words = command[1 : len(command) - len(arguments)]
    if len(words) > 1 and words[-2] == "-m":
        return words[-1], None
    return "", Path(words[-1])


def _command() -> Sequence[str]:
    """The command line of this process; of the one that spawned it where it is a child of multiprocessing."""
    if not _is_spawned(sys.orig_argv):
        return sys.orig_argv
    import psutil

    try:
        for parent in psutil.Process().parents():
            line = parent.cmdline()
            if not _is_spawned(line):
                return line
    except psutil.Error:
        return sys.orig_argv
    return sys.orig_argv


def _is_spawned(command: Sequence[str]) -> bool:
    return any("--multiprocessing-fork" in word or "from multiprocessing." in word for word in command)


def _program(arguments: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The script's or module's name, and its own arguments."""
    place = 0
    while place < len(arguments):
        argument = arguments[place]
        if argument == "-m":
            return (arguments[place + 1] if place + 1 < len(arguments) else ""), arguments[place + 2 :]
        if argument == "-c" or argument == "-":
            return "", ()
        if not argument.startswith("-"):
            return _script_name(argument), arguments[place + 1 :]
        place += 2 if argument in _VALUE_OPTIONS else 1
    return "", ()


def _script_name(path: str) -> str:
    script = Path(path)
    if script.name in {"manage.py", "__main__.py"}:
        return script.absolute().parent.name or script.stem
    return script.stem if script.suffix == ".py" else script.name


def _module_name(module: str) -> str:
    parts = module.split(".")
    while len(parts) > 1 and parts[-1] in _GENERIC_MODULES:
        parts.pop()
    return ".".join(parts)
