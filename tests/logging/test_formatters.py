"""Whatever is logged is exactly one valid line."""

from __future__ import annotations

import json
import logging
import math
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trax_otel.logging import ConsoleFormatter, JsonFormatter, TextFormatter
from trax_otel.logging.formatters import timestamp
from trax_otel.logging.values import attribute, json_value

KEYS = [
    "timestamp", "level", "logger", "module", "function", "line", "message", "correlation_id", "trace_id", "span_id",
    "error_code",
]  # fmt: skip
FORGERIES = ["\n", "\r", "\r\n", "\x1b[2J", "\u2028", "\u2029", "\x85", "\u202e", "\x00", "\x9b31m", "\ud800", "\udfff"]


class RaisingStr:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Slippery(dict[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)


def cyclic() -> list[Any]:
    ring: list[Any] = [1]
    ring.append({"ring": ring})
    return ring


def deep() -> Any:
    value: Any = "end"
    for _ in range(5_000):
        value = [value]
    return value


ODD: list[Any] = [
    float("nan"), float("inf"), -float("inf"), RaisingStr(), cyclic(), deep(), object(), b"\xff\x00", {1: 2, None: 3},
    {"a", "b"}, Slippery(a=1), 10**5000, -(10**5000), ValueError("x"), RaisingStr, lambda: 0, {"k": RaisingStr()}, range(3),
    "\ud83d", "x" * 1_000_000, [[]] * 1000, 2**70, True, None, 1e400,
]  # fmt: skip


def record(message: Any = "hello", arguments: Any = (), **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord("app", logging.INFO, "/srv/app/main.py", 7, message, arguments, None, "work")
    made.__dict__.update(extra)
    return made


def parsed(made: logging.LogRecord) -> dict[str, Any]:
    line = JsonFormatter().format(made)
    assert line.isascii()
    assert line.isprintable()

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({key for key, _ in pairs}) == len(pairs)
        return dict(pairs)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    value = json.loads(line, parse_constant=refuse, object_pairs_hook=unique)
    assert isinstance(value, dict)
    line.encode().decode("utf-8")
    json.dumps(value, ensure_ascii=False).encode()  # no lone surrogate anywhere
    return value


def test_every_line_has_the_same_keys_first() -> None:
    line = parsed(record("hi %s", ("you",), operation="transcription"))
    assert list(line)[:11] == KEYS
    assert line["message"] == "hi you"
    assert line["level"] == "INFO"
    assert (line["logger"], line["module"], line["function"], line["line"]) == ("app", "main", "work", 7)
    assert line["operation"] == "transcription"
    assert line["trace_id"] is None


def test_time_is_utc_with_microseconds() -> None:
    assert timestamp(0) == "1970-01-01T00:00:00.000000Z"
    assert timestamp(1_700_000_000.25) == "2023-11-14T22:13:20.250000Z"
    assert timestamp(-0.5) == "1969-12-31T23:59:59.500000Z"


@pytest.mark.parametrize("moment", [math.nan, math.inf, 1e300, -1e300])
def test_a_time_of_no_calendar_is_still_a_time(moment: float) -> None:
    assert timestamp(moment) == "1970-01-01T00:00:00.000000Z"


@pytest.mark.parametrize("odd", ODD, ids=lambda value: type(value).__name__)
def test_odd_extras_give_one_valid_line(odd: Any) -> None:
    assert "odd" in parsed(record("x", odd=odd))
    assert "\n" not in TextFormatter().format(record("x", odd=odd))
    attribute(odd)


@pytest.mark.parametrize("odd", ODD, ids=lambda value: type(value).__name__)
def test_odd_messages_and_arguments_give_one_valid_line(odd: Any) -> None:
    assert isinstance(parsed(record(odd))["message"], str)
    parsed(record("x %s", (odd,)))
    parsed(record(odd, (odd,)))
    ConsoleFormatter(colour=True).format(record("x %s", (odd,)))


def test_arguments_that_do_not_fit_are_shown() -> None:
    message = parsed(record("x %d", ("y",)))["message"]
    assert message.startswith("x %d [arguments ('y',) do not fit: TypeError")


def test_an_extra_named_as_a_field_of_the_line_is_kept_beside_it() -> None:
    line = parsed(record("x", timestamp=1, level="mine", level_="also", logger=2, function=3, line=4))
    assert line["level"] == "INFO"
    assert line["timestamp_"] == 1
    assert line["level__"] == "mine"
    assert line["level_"] == "also"


def test_an_exception_has_type_message_and_stack() -> None:
    try:
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise ConnectionError("outer\nforged") from inner
    except ConnectionError:
        made = record("failed")
        made.exc_info = sys.exc_info()
    line = parsed(made)
    assert line["error_code"] == "TRAX-001"
    assert line["exception"]["type"].endswith("ConnectionError")
    assert line["exception"]["message"] == "outer\nforged"
    assert "KeyError" in line["exception"]["stacktrace"]
    text = TextFormatter().format(made)
    assert all(part.startswith("  | ") for part in text.split("\n")[1:])
    assert len(text.split("\n")) > 5


def test_the_code_of_an_extra_wins() -> None:
    assert parsed(record("x", error_code="ACME-7"))["error_code"] == "ACME-7"
    assert " code=ACME-7" in TextFormatter().format(record("x", error_code="ACME-7"))


@pytest.mark.parametrize("forgery", FORGERIES, ids=repr)
@pytest.mark.parametrize("formatter", [TextFormatter(), ConsoleFormatter(colour=False)], ids=["text", "console"])
def test_text_lines_cannot_be_forged(formatter: logging.Formatter, forgery: str) -> None:
    made = record(f"a{forgery}b", extra1=f"c{forgery}d", **{f"k{forgery}": 1})
    made.name = f"app{forgery}"
    made.exc_text = f"Traceback{forgery}2026-01-01 CRITICAL forged"
    first, *rest = formatter.format(made).split("\n")
    assert forgery not in first
    assert forgery not in "".join(rest)
    assert all(line.startswith("  | ") for line in rest)


def test_colour_only_where_asked_for() -> None:
    assert "\x1b[" not in ConsoleFormatter(colour=False).format(record())
    assert ConsoleFormatter(colour=True).format(record()).count("\x1b[") >= 4


texts = st.text(st.characters(exclude_categories=()), max_size=30)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | texts
    | st.binary(max_size=9)
    | st.integers(0, len(ODD) - 1).map(lambda index: ODD[index]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(
    message=values, arguments=st.lists(values, max_size=3).map(tuple), extras=st.dictionaries(texts, values, max_size=5)
)
def test_anything_gives_exactly_one_valid_line(message: Any, arguments: Any, extras: dict[str, Any]) -> None:
    made = record(message, arguments)
    for key, value in extras.items():
        made.__dict__.setdefault(key, value)
    line = parsed(made)
    assert list(line)[:11] == KEYS
    for formatter in (TextFormatter(), ConsoleFormatter(colour=False)):
        text = formatter.format(made)
        assert "\n" not in text
        assert "\x1b" not in text
        text.encode()


@given(values)
def test_a_value_survives_where_json_can_hold_it(value: Any) -> None:
    json.loads(json_value(value))
