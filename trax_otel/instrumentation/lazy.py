"""Each instrumentor is loaded when the library that it wraps is imported: a service pays for what it uses."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from .. import originals
from ..remarks import say_once
from .django_settings import when_middleware_is_loaded
from .imports import is_being_imported, is_imported, when_imported
from .refusals import say
from .targets import FIRST, triggers

Load = Callable[[], object]

_waiting: Final[dict[str, Instrumentor]] = {}


class Instrumentor:
    """One entry point of `opentelemetry_instrumentor`, and how it is loaded."""

    def __init__(self, entry_point: Any, load: Load) -> None:
        self.name: str = entry_point.name
        self.module: str = getattr(entry_point, "module", "")
        self.triggers = triggers(entry_point)
        self._entry_point = entry_point
        self._load = load
        self._followers: list[Instrumentor] = []

    def wait(self) -> None:
        """Load it when one of its triggers is imported: now, where one is or where nothing is known of it."""
        if not self.triggers:
            self._load_contained()
            return
        _waiting[self.name] = self
        for trigger in self.triggers:
            when_imported(
                trigger, partial(when_middleware_is_loaded, self.load) if self.name == "django" else self.load
            )
        # An application that names the instrumentor itself imports the library from within the instrumentor's module,
        # which is of no use before its own end.
        when_imported(self.module, self._module_imported)

    def load(self) -> None:
        """Load it once; not while its own module is being imported, whose end is awaited too."""
        if not is_being_imported(self.module):
            self._load_in_order()

    def _load_in_order(self) -> None:
        """Load it, unless another must go first and cannot yet: then after that one."""
        first = _waiting.get(FIRST.get(self.name, ""))
        if first is not None:
            if not any(is_being_imported(trigger) for trigger in first.triggers):
                first.load()
            if first.name in _waiting:
                first._followers.append(self)
                return
        if _waiting.pop(self.name, None) is not None:  # another thread may have been quicker
            self._load_contained()
            for follower in self._followers:
                follower.load()

    def _module_imported(self) -> None:
        if self.name != "django" and any(is_imported(trigger) for trigger in self.triggers):
            self._load_in_order()

    def _load_contained(self) -> None:
        """One that raises, whatever it raises, is named in one line and the others go on."""
        try:
            with _without_warnings():
                self._load()
            say_once()  # its module brought a logger
            from ..signals import roots  # with the first library that is observed, not at the start

            roots.activated(self.module)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit, or a panic of a library in Rust, must not end the service either
            if not self._misses_its_library(error):
                say(self.name, f"instrumentation of {self.name} failed: {type(error).__name__}: {error}")

    def _misses_its_library(self, error: BaseException) -> bool:
        """Whether the library is not installed, which is no failure; a dependency of the instrumentor's own is one."""
        if not isinstance(error, ModuleNotFoundError) or error.name is None:
            return False
        if self.triggers:
            return any(f"{trigger}.".startswith(f"{error.name}.") for trigger in self.triggers)
        missing = _normal(error.name.partition(".")[0])
        return missing in {_normal(library) for library in (self.name, *self._requirements())}

    def _requirements(self) -> Iterator[str]:
        """The distributions that the instrumentor says it wraps."""
        distribution = getattr(self._entry_point, "dist", None)
        for requirement in getattr(distribution, "requires", None) or ():
            library, _, marker = requirement.partition(";")
            if "instruments" in marker:
                yield re.split(r"[^A-Za-z0-9._-]", library, maxsplit=1)[0]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


class OnThisThread:
    """Stands for the pattern of a warning's text in a filter: it fits every text, on the thread that made it."""

    def __init__(self) -> None:
        self._thread = originals.get_ident()

    def match(self, text: str) -> bool:
        """Whether the filter is for the thread that asks."""
        return originals.get_ident() == self._thread


@contextmanager
def _without_warnings() -> Iterator[None]:
    """What an instrumentor is warned of is not the service's to see, and `-W error` must not stop it.

    The list is changed in place: `simplefilter` would also make Python forget which warnings it has shown already. Only
    our own filter goes afterwards: those that a library sets at its import stay.
    """
    filters: Any = warnings.filters
    ours: Any = ("ignore", OnThisThread(), Warning, None, 0)
    filters.insert(0, ours)
    try:
        yield
    finally:
        if ours in warnings.filters:
            filters.remove(ours)
