"""How a server's own functions are replaced: all that one server needs, or none of it where its version does not fit."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple

_MARK: Final = "__trax_server_hook__"
_HERE: Final = str(Path(__file__).parent)


class Hook(NamedTuple):
    """`around(original, *arguments)` takes the place of the function `name` of a class or module.

    `parameters` are the names of its first parameters, by which a version is known to fit.
    """

    owner: Any
    name: str
    parameters: tuple[str, ...]
    around: Callable[..., Any]


def hook(*hooks: Hook) -> None:
    """Replace the functions. Raises TypeError, with nothing replaced, where one is missing or takes something else."""
    missing = [one for one in hooks if not hasattr(getattr(one.owner, one.name, None), _MARK)]
    for one in missing:
        found = _parameters(getattr(one.owner, one.name, None))
        if found[: len(one.parameters)] != one.parameters:
            raise TypeError(f"{one.owner.__name__}.{one.name} takes {found}, not {one.parameters}")
    for one in missing:
        setattr(one.owner, one.name, _replacement(getattr(one.owner, one.name), one.around))


def _parameters(function: Any) -> tuple[str, ...]:
    code = getattr(function, "__code__", None)
    return code.co_varnames[: code.co_argcount] if code is not None else ()


def _replacement(original: Any, around: Callable[..., Any]) -> Any:
    @wraps(original)
    def hooked(*args: Any, **kwargs: Any) -> Any:
        return around(original, *args, **kwargs)

    setattr(hooked, _MARK, True)
    return hooked


def without_hooks(error: BaseException | None) -> None:
    """Take the frames of this folder out of the traceback of an exception that a server is about to print."""
    if error is None:
        return
    first = error.__traceback__
    while _is_ours(first):
        first = first.tb_next if first is not None else None
    before = first
    while before is not None:
        following = before.tb_next
        if _is_ours(following):
            before.tb_next = following.tb_next if following is not None else None
        else:
            before = following
    if first is not None:
        error.__traceback__ = first


def _is_ours(traceback: TracebackType | None) -> bool:
    return traceback is not None and traceback.tb_frame.f_code.co_filename.startswith(_HERE)
