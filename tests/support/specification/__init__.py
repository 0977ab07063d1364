"""The specification's own snippets, letter by letter; `execute` reads `src.` as `trax_otel.`."""

from __future__ import annotations

import ast
import inspect
from typing import Any


async def execute(snippet: str, **given: Any) -> dict[str, Any]:
    """Run a snippet, `await` at its top level included; `given` are the names that it leaves open."""
    source = snippet.replace("from src.", "from trax_otel.")
    namespace: dict[str, Any] = {"__name__": "spec_snippet", **given}
    code = compile(source, "<specification>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, namespace)
    if inspect.iscoroutine(result):
        await result
    return namespace
