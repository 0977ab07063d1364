"""The detailed stack trace of debug mode: every exception of the chain and of groups, with the lines around each frame.

Never the values of variables: they are where passwords and personal data are.
"""

from __future__ import annotations

import linecache
import traceback
from typing import TYPE_CHECKING, Final

from .. import signals

if TYPE_CHECKING:
    from types import TracebackType

_AROUND: Final = 2
_MAX_FRAMES: Final = 200
_MAX_CHAIN: Final = 20


def detailed(error: BaseException) -> str:
    """The whole chain, the innermost frame last, each frame with two source lines before and after. Never raises."""
    try:
        return "\n".join(_chain(error, set()))
    except Exception:
        return signals.format_exception(error)


def _chain(error: BaseException, seen: set[int]) -> list[str]:
    if id(error) in seen or len(seen) >= _MAX_CHAIN:
        return ["…"]
    seen.add(id(error))
    lines: list[str] = []
    if error.__cause__ is not None:
        lines += [*_chain(error.__cause__, seen), "", "The above exception was the direct cause of the following:", ""]
    elif error.__context__ is not None:
        # Shown even where `from None` hid it: that is what debug mode is for.
        lines += [*_chain(error.__context__, seen), "", "During handling of the above exception, another occurred:", ""]
    lines.append("Traceback (most recent call last):")
    lines += _frames(error.__traceback__)
    lines += [line.rstrip("\n") for line in traceback.format_exception_only(type(error), error)]
    group = getattr(error, "exceptions", None)
    if isinstance(group, tuple):
        for number, inner in enumerate(group, 1):
            lines.append(f"  --- {number} of {len(group)} in the group ---")
            lines += [f"  {line}" for line in _chain(inner, seen)]
    return lines


def _frames(entry: TracebackType | None) -> list[str]:
    lines: list[str] = []
    count = 0
    while entry is not None and count < _MAX_FRAMES:
        code = entry.tb_frame.f_code
        name = getattr(code, "co_qualname", code.co_name)
        module = entry.tb_frame.f_globals.get("__name__", "?")
        lines.append(f'  File "{code.co_filename}", line {entry.tb_lineno}, in {name} ({module})')
        linecache.lazycache(code.co_filename, entry.tb_frame.f_globals)
        for number in range(max(1, entry.tb_lineno - _AROUND), entry.tb_lineno + _AROUND + 1):
            source = linecache.getline(code.co_filename, number).rstrip()
            if source:
                lines.append(f"    {'>' if number == entry.tb_lineno else ' '} {number:>5} {source}")
        entry = entry.tb_next
        count += 1
    if entry is not None:
        lines.append("  … more frames left out …")
    return lines
