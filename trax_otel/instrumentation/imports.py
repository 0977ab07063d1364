"""Act when a module has been imported, without importing it.

Like the hooks of PEP 369. There is no lock in it that a forked child could inherit, and nothing but a look into a
dictionary for imports that nobody waits for. The action runs before the importing statement binds any name, under the
import system's own lock of that module: so `from flask import Flask`, in any thread, gets what the action put there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from opentelemetry.context import Context

_waiting: Final[dict[str, list[Callable[[], object]]]] = {}
_postponed: Final[list[Callable[[], object]]] = []
_postponing = 0


def when_imported(name: str, action: Callable[[], object]) -> None:
    """Call `action` once, as soon as the module is imported: at once where it is already.

    What the action raises makes the import fail; a module that fails by itself is waited for on.
    """
    if is_imported(name):
        action()
        return
    _waiting.setdefault(name, []).append(action)
    if not any(isinstance(finder, Watcher) for finder in sys.meta_path):
        sys.meta_path.insert(0, Watcher())


def is_imported(name: str) -> bool:
    """Whether the module is there; one that is only being imported is not."""
    return sys.modules.get(name) is not None and not is_being_imported(name)


def is_being_imported(name: str) -> bool:
    """Whether the module's import has begun and not ended, in this thread or another."""
    return bool(getattr(getattr(sys.modules.get(name), "__spec__", None), "_initializing", False))


def current_context() -> Context | None:
    """OpenTelemetry's context; None where nobody has imported OpenTelemetry, and so nothing can be in it."""
    if not is_imported("opentelemetry.context"):
        return None
    from opentelemetry.context import get_current

    return get_current()


class Watcher:
    """A finder that finds nothing by itself: it has the other finders' loaders report the end of an import."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """What the other finders find, for the modules that are waited for."""
        if name not in _waiting:
            return None
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find(name, path, target) if find is not None and finder is not self else None
            if spec is not None:
                if hasattr(spec.loader, "exec_module") and not isinstance(spec.loader, ReportingLoader):
                    spec.loader = ReportingLoader(spec.loader)  # type: ignore[assignment]
                return spec
        return None


class ReportingLoader:
    """A module's own loader, whose end is noticed. The module never sees it."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        created: ModuleType | None = self._loader.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        if spec is not None:
            spec.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        if spec is not None:
            _has_been_imported(spec.name)

    # A library that fails at its import shows no frame of ours: Python leaves those of its own import system out of
    # such tracebacks, by this name.
    exec_module.__code__ = exec_module.__code__.replace(co_filename="<frozen importlib._bootstrap>")


def _has_been_imported(name: str) -> None:
    parent, _, child = name.rpartition(".")
    if name in _waiting and parent in sys.modules:
        # The import system does the same a moment later; an action that says `import a.b` relies on it.
        setattr(sys.modules[parent], child, sys.modules[name])
    while name in _waiting:  # an action may add another
        for action in _waiting.pop(name):
            if _postponing:
                _postponed.append(action)
            else:
                action()


@contextmanager
def postponing() -> Iterator[None]:
    """What is imported in the block counts as imported at the block's end: while a program patches itself, say."""
    global _postponing
    _postponing += 1
    try:
        yield
    finally:
        _postponing -= 1
        while _postponed and not _postponing:
            _postponed.pop(0)()
