"""OpenTelemetry as a later release may be: one of its private names is called something else, in all of its modules."""

from __future__ import annotations

import re
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType
from typing import Any

_names: list[str] = []


class _Renaming(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        source = self.get_source(fullname) or ""
        for name in _names:
            source = re.sub(rf"(?<![A-Za-z0-9_]){name}(?![A-Za-z0-9_])", f"renamed{name}", source)
        return compile(source, self.path, "exec", dont_inherit=True)


class _Finder(MetaPathFinder):
    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if not fullname.startswith("opentelemetry"):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Renaming(spec.loader.name, spec.loader.path)
        return spec


def rename(name: str) -> None:
    """Have OpenTelemetry use another word for `name`, wherever it says it; before anything of it is imported."""
    if not _names:
        assert not any(module.startswith("opentelemetry") for module in sys.modules)
        sys.meta_path.insert(0, _Finder())
    _names.append(name)


def hide_module(name: str) -> None:
    """Have a module be missing."""
    sys.modules[name] = None  # type: ignore[assignment]
