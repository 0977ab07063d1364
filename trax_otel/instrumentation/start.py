"""What starts telemetry in an interpreter under `trax-otel run`. It never keeps the service from starting.

The start itself places hooks alone: on imports and uncaught exceptions. It imports nothing that an application may patch, and
none of OpenTelemetry. Instrumentors are looked for when the first library is imported that one may be for; providers are
made when `deferral` says so.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Final

from .. import deferral, lifecycle
from ..guarded import is_offered, replaced
from .announcing import announce_providers
from .hooks import install_hooks
from .imports import when_imported
from .jobs import adopt_job_libraries
from .loggers import adopt_log_libraries
from .patching import watch_patching
from .propagation import carry_context
from .records import watch_records
from .servers import install_servers
from .sqlite_queries import observe_short_queries
from .targets import watched_modules
from .worker_threads import carry_into_worker_threads

DISABLED_VARIABLE: Final = "OTEL_SDK_DISABLED"
LOADER_LOGGER: Final = "opentelemetry.instrumentation.auto_instrumentation._load"
CHOICES: Final = {
    "OTEL_PYTHON_DISTRO": "opentelemetry_distro",
    "OTEL_PYTHON_CONFIGURATOR": "opentelemetry_configurator",
}
AUTOSTART: Final = os.path.join(os.path.dirname(os.path.abspath(__file__)), "autostart")  # noqa: PTH100, PTH118, PTH120
"""The folder for PYTHONPATH."""

_activated = False
_placed = False


def start() -> None:
    """Place the hooks; OpenTelemetry's auto-instrumentation follows when it is needed."""
    if disabled() or _is_ours(sys.orig_argv) or _tracks_resources(sys.orig_argv):
        return
    place_hooks()
    for module in watched_modules():
        when_imported(module, activate)


def place_hooks() -> None:
    """All that is done at once, and once. A step that fails is named in one line; the others go on."""
    global _placed
    if _placed:
        return
    _placed = True
    _contained(
        _defer, install_hooks, carry_context, _watch_imports, carry_into_worker_threads, install_servers,
        adopt_log_libraries, adopt_job_libraries, observe_short_queries, lifecycle.take_sigterm,
    )  # fmt: skip


def _defer() -> None:
    deferral.begin(_set_up)


def _watch_imports() -> None:
    announce_providers()
    watch_patching(deferral.wait_while_running)
    watch_records()
    when_imported("opentelemetry.propagate", _add_correlation)
    for name in lifecycle.HOOKED_MODULES:  # programs whose processes end in ways of their own must flush before
        when_imported(name, partial(lifecycle.hook_program, name))


def _add_correlation() -> None:
    from .correlation import install_correlation

    install_correlation()


def _set_up() -> None:
    """Instrumentors and providers, and a hint for who looks on."""
    from ..sdk import configure_from_environment
    from .hint import say_hint
    from .refusals import tell_refusals

    activate()
    configure_from_environment()
    _add_correlation()  # OTEL_PROPAGATORS has set the propagators anew
    tell_refusals()
    say_hint()


def activate(*, by_hand: bool = True) -> None:
    """Run OpenTelemetry's auto-instrumentation with the distro and configurator that the environment names, once.

    `by_hand` is false where it runs already: `opentelemetry-instrument` has called our configurator.
    """
    global _activated
    if _activated:
        return
    _activated = True
    if not by_hand:
        return
    from ..remarks import overheard

    try:
        from opentelemetry.instrumentation.auto_instrumentation import initialize

        with replaced(chosen_instead()), overheard(LOADER_LOGGER) as remarks:
            initialize()
        _repeat(remarks)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the service comes first
        lifecycle.report(f"instrumentation could not be started: {type(error).__name__}: {error}")


def _contained(*steps: Callable[[], object]) -> None:
    for step in steps:
        try:
            step()
        except Exception as error:  # the service comes first
            lifecycle.report(f"{step.__name__.strip('_')} failed: {type(error).__name__}: {error}")


def chosen_instead() -> dict[str, str]:
    """Ours, where the environment names a distro or a configurator that no installed package offers; this is said."""
    instead = {}
    for name, group in CHOICES.items():
        chosen = os.environ.get(name, "").strip()
        if chosen not in {"", "trax"} and not is_offered(group, chosen):
            lifecycle.report_once(f"{name}={chosen!r}: must be trax, or one that is installed")
            instead[name] = "trax"
    return instead


def _repeat(remarks: list[str]) -> None:
    """Versions that do not fit and the like: for people at a terminal; a service's stderr stays its own."""
    from .hint import wanted

    if remarks and wanted():
        for remark in remarks:
            lifecycle.report(" ".join(remark.split()))


def disabled() -> bool:
    """Whether OTEL_SDK_DISABLED is true."""
    return os.environ.get(DISABLED_VARIABLE, "").strip().lower() == "true"


def _is_ours(words: list[str]) -> bool:
    """Whether this interpreter runs our own command line: the embedded endpoint must not observe itself."""
    for word, following in zip(words[1:], [*words[2:], ""], strict=False):
        if word == "-m":
            return following == "trax_otel"
        if not word.startswith("-"):
            return os.path.basename(word) == "trax-otel"  # noqa: PTH119  # pathlib takes as long as all of this
    return False


def _tracks_resources(words: list[str]) -> bool:
    """Whether this is multiprocessing's own helper, which runs no code of the application's.

    It begins with each use of spawn or forkserver, and would be one more instance that loads all there is and lives on.
    """
    return any(
        word == "-c" and code.startswith("from multiprocessing.resource_tracker import")
        for word, code in pairwise(words)
    )
