"""Stack traces as text: what a reader needs, bounded, whatever the exception does."""

from __future__ import annotations

import builtins
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import trax_otel
from trax_otel.signals import format_exception
from trax_otel.signals.stacktrace import MAX_FRAMES, MAX_LENGTH


def caught(action: object) -> BaseException:
    try:
        action()  # type: ignore[operator]
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def fail() -> None:
    raise ValueError("bad value")


def chained() -> None:
    try:
        fail()
    except ValueError as error:
        raise RuntimeError("outer") from error


def in_handling() -> None:
    try:
        fail()
    except ValueError:
        {}["missing"]


def test_it_reads_like_pythons_own() -> None:
    error = caught(chained)
    text = format_exception(error)
    own = [line for line in traceback.format_exception(error) if line.strip()]
    assert text.splitlines()[0] == "Traceback (most recent call last):"
    assert text.splitlines()[-1] == "RuntimeError: outer"
    assert text.index("ValueError: bad value") < text.index("direct cause") < text.index("RuntimeError: outer")
    assert text.count("Traceback") == "".join(own).count("Traceback")
    assert 'raise ValueError("bad value")' in text


def test_context_is_told_from_cause_and_suppression_is_respected() -> None:
    assert "During handling" in format_exception(caught(in_handling))
    error = caught(in_handling)
    error.__suppress_context__ = True
    assert "ValueError" not in format_exception(error)


def wrapped(action: Callable[[], object], wrapper: str) -> Callable[[], object]:
    """The action behind a function whose file is the wrapper's."""
    scope: dict[str, Any] = {"action": action, "format_exception": format_exception, "said": []}
    source = """
def call():
    try:
        action()
    except Exception as error:
        said.append(format_exception(error))
        raise
"""
    exec(compile(source, wrapper, "exec"), scope)
    scope["call"].said = scope["said"]
    return scope["call"]  # type: ignore[no-any-return]


WRAPPERS = (
    "/x/site-packages/opentelemetry/instrumentation/dbapi/__init__.py",
    "/x/site-packages/wrapt/wrappers.py",
    str(Path(trax_otel.__file__).parent / "sdk" / "exceptions.py"),
)


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_call_into_c_behind_a_wrapper_ends_at_the_application(wrapper: str) -> None:
    call = wrapped(partial(int, "x"), wrapper)
    text = format_exception(caught(lambda: call()))
    assert wrapper not in text
    assert text.splitlines()[-1] == "ValueError: invalid literal for int() with base 10: 'x'"
    assert "<lambda>" in text.splitlines()[-3]


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_what_is_recorded_inside_a_wrapper_tells_who_called_it(wrapper: str) -> None:
    call: Any = wrapped(partial(int, "x"), wrapper)
    with suppress(ValueError):
        call()
    (text,) = call.said
    assert wrapper not in text
    assert text.splitlines()[-2].strip() == "call()"
    assert f'File "{__file__}"' in text.splitlines()[-3]


def test_a_drivers_own_frames_stay_behind_those_that_called_it() -> None:
    driver = wrapped(partial(int, "x"), "/x/site-packages/driver.py")
    call: Any = wrapped(driver, WRAPPERS[0])
    with suppress(ValueError):
        call()
    (text,) = call.said
    assert text.index(__file__) < text.index("/x/site-packages/driver.py")
    assert WRAPPERS[0] not in text


def test_wrappers_between_frames_of_the_application_stay() -> None:
    text = format_exception(caught(lambda: wrapped(fail, WRAPPERS[0])()))
    assert WRAPPERS[0] in text
    assert text.splitlines()[-2].strip() == 'raise ValueError("bad value")'


def test_a_deep_stack_keeps_its_ends() -> None:
    def recurse(n: int) -> None:
        if n == 0:
            fail()
        recurse(n - 1)

    text = format_exception(caught(lambda: recurse(500)))
    assert "frames left out" in text
    assert text.count("File ") == MAX_FRAMES
    assert text.endswith("ValueError: bad value\n")


def test_a_circular_chain_ends() -> None:
    error, other = ValueError("a"), ValueError("b")
    error.__cause__, other.__cause__ = other, error
    text = format_exception(error)
    assert text.count("ValueError: a") == 1
    assert text.count("ValueError: b") == 1


def test_a_long_message_is_cut() -> None:
    assert len(format_exception(ValueError("x" * 10**6))) <= MAX_LENGTH + 1


def test_a_raising_str_and_a_syntax_error_are_told() -> None:
    class Hostile(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert "__str__ raised RuntimeError" in format_exception(Hostile())
    assert "SyntaxError" in format_exception(caught(lambda: compile("a b", "<x>", "exec")))


@pytest.mark.skipif(sys.version_info < (3, 11), reason="notes and groups came with Python 3.11")
def test_notes_and_groups_are_written() -> None:
    error = ValueError("bad")
    error.add_note("seen twice")  # type: ignore[attr-defined,unused-ignore]
    assert "seen twice" in format_exception(error)
    group = getattr(builtins, "ExceptionGroup")("several", [ValueError("one"), KeyError("two")])
    text = format_exception(group)
    assert "ValueError: one" in text
    assert "KeyError: 'two'" in text
