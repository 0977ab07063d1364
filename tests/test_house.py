"""The house rules that a reader relies on: small files and functions, sorted `__all__`s, light imports, layers."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import trax_otel

PACKAGE = Path(trax_otel.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
ROOMS = ["errors", "signals", "metrics", "logging", "sdk"]
LIBRARY_ROOMS = ["trax_otel", "trax_otel.config", "trax_otel.signals", "trax_otel.errors", "trax_otel.metrics",
                 "trax_otel.logging"]  # fmt: skip
HEAVY = [
    "opentelemetry.sdk",
    "opentelemetry.exporter",
    "asyncio",
    "psutil",
    "rich",
    "backoff",
    "requests",
    "grpc",
    "starlette",
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_functions_stay_small(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert source.count("\n") <= 350
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 65, f"{node.name}: {length} lines"


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_exports_names_that_exist_and_nothing_else_happens_in_its_init(room: str) -> None:
    module = importlib.import_module(f"trax_otel.{room}")
    assert len(module.__all__) == len(set(module.__all__))  # their order is ruff's RUF022
    assert [name for name in module.__all__ if not hasattr(module, name)] == []
    tree = ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8"))
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Expr)
    assert [type(node).__name__ for node in tree.body if not isinstance(node, allowed)] == []


@pytest.mark.parametrize("path", [p for p in FILES if p.relative_to(PACKAGE).parts[0] in {
    "signals", "errors", "metrics", "logging", "config", "clock.py", "lifecycle.py", "semconv", "retry", "recovery",
}], ids=lambda path: str(path.relative_to(PACKAGE)))  # fmt: skip
def test_library_rooms_use_the_otel_api_alone(path: Path) -> None:
    """Wherever in the file they import: the SDK and exporters belong to `sdk` and what stands on it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        assert [name for name in names if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))] == []


@pytest.mark.parametrize("room", LIBRARY_ROOMS)
def test_library_rooms_pull_in_nothing_heavy(room: str) -> None:
    """In a fresh interpreter, without what OpenTelemetry's own API imports."""
    script = f"import sys, {room}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_our_logging_room_is_not_the_standard_librarys() -> None:
    import logging as stdlib

    from trax_otel import logging as ours

    assert ours is not stdlib
    assert ours.get_logger("x") is stdlib.getLogger("x")


def test_imports_go_one_way_only() -> None:
    """DESIGN's layers, by import-linter's own contracts in pyproject.toml."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=PACKAGE.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
