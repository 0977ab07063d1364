"""Facts for telemetry: cached, cheap, and with a fingerprint that groups what belongs together."""

from __future__ import annotations

import copy
import json
import sys
import textwrap
import time
import types
from pathlib import Path
from typing import Any

import pytest

from trax_otel.errors import NetworkError, error_facts


def module(source: str, name: str = "shop", path: Path | None = None) -> Any:
    made = types.ModuleType(name)
    exec(compile(textwrap.dedent(source), str(path or f"/srv/{name}.py"), "exec"), made.__dict__)
    return made


SHOP = """
import json
def charge(n):
    return price(n)
def price(n):
    raise ValueError(f"bad price {n}")
def refund(n):
    return price(n)
def parse(text):
    return json.loads(text)
"""


def fingerprint(action: Any, *arguments: Any) -> str:
    try:
        action(*arguments)
    except Exception as error:
        return error_facts(error).fingerprint or ""
    raise AssertionError("nothing was raised")


def test_the_same_place_gives_the_same_fingerprint_whatever_the_message() -> None:
    shop = module(SHOP)
    prints = {fingerprint(shop.charge, n) for n in range(5)}
    assert len(prints) == 1
    assert len(prints.pop()) == 16


def test_another_path_to_the_same_line_is_another_fingerprint() -> None:
    shop = module(SHOP)
    assert fingerprint(shop.charge, 1) != fingerprint(shop.refund, 1)


def test_moved_lines_and_another_folder_change_nothing() -> None:
    moved = module("\n\n\n# a comment\n" + textwrap.dedent(SHOP), path=Path("/opt/elsewhere/shop.py"))
    assert fingerprint(module(SHOP).charge, 1) == fingerprint(moved.charge, 1)


def test_type_and_code_count() -> None:
    other = module(SHOP.replace("ValueError", "TimeoutError"))
    assert fingerprint(module(SHOP).charge, 1) != fingerprint(other.charge, 1)


def test_frames_of_the_standard_library_do_not_count() -> None:
    shop = module(SHOP)
    assert fingerprint(shop.parse, "{") == fingerprint(shop.parse, "[1,")


def test_it_is_the_same_wherever_it_is_caught() -> None:
    shop = module(SHOP)

    def caught_inside() -> str:
        return fingerprint(shop.charge, 1)

    def caught_outside() -> str:
        def go() -> None:
            shop.charge(1)

        return fingerprint(go)

    inside, outside = caught_inside(), caught_outside()
    assert len({inside, outside}) <= 2
    assert fingerprint(shop.charge, 1) == fingerprint(shop.charge, 2)


def test_the_facts_are_made_once_for_each_exception() -> None:
    error = ValueError("x")
    assert error_facts(error) is error_facts(error)
    assert error_facts(copy.copy(error)) == error_facts(error)


def test_a_deep_recursion_is_cheap() -> None:
    def recurse(n: int) -> None:
        if not n:
            raise ValueError
        recurse(n - 1)

    before = sys.getrecursionlimit()
    sys.setrecursionlimit(5_000)
    try:
        recurse(3_000)
    except ValueError as error:
        began = time.perf_counter()
        error_facts(error)
        assert time.perf_counter() - began < 1
    finally:
        sys.setrecursionlimit(before)


def test_the_attributes_are_those_of_telemetry() -> None:
    attributes = error_facts(NetworkError("x")).attributes
    assert attributes["trax.error.code"] == "TRAX-001"
    assert attributes["error.type"] == "trax_otel.errors.NetworkError"
    assert attributes["trax.error.retryable"] is True
    json.dumps(attributes)


def test_an_exception_without_room_for_marks_is_described() -> None:
    class Slotted(BaseException):
        @property
        def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
            raise AttributeError

    with pytest.raises(AttributeError):
        _ = Slotted().__dict__
    assert error_facts(Slotted()).code == "TRAX-021"


def test_without_a_frame_of_the_application_place_in_the_library_and_message_tell_errors_apart() -> None:
    import sqlite3

    def of(statement: str) -> str:
        error = sqlite3.OperationalError(statement)
        return error_facts(error).fingerprint or ""

    assert of("no such table: orders") != of("no such function: total")
    assert of("row 17 is locked") == of("row 4711 is locked")


def test_a_wrapper_that_says_nothing_has_the_code_of_what_it_was_raised_for() -> None:
    error = RuntimeError("it broke")
    error.__cause__ = ConnectionRefusedError("refused")
    facts = error_facts(error)
    assert (facts.code, facts.category, facts.type) == ("TRAX-001", "network", "RuntimeError")
    assert not facts.retryable, "a retry does not repeat a RuntimeError"
    handled = AttributeError("a defect while that is handled")
    handled.__context__ = ConnectionRefusedError("refused")
    assert error_facts(handled).code == "TRAX-017"


def test_the_context_is_bounded() -> None:
    error = NetworkError("x", context={"order": 7, "ok": True, "items": [1, "a"], "long": "y" * 5_000, "big": 2**80,
                                       **{f"key{n}": n for n in range(40)}})  # fmt: skip
    context = error_facts(error).context
    assert context["trax.error.context.order"] == 7
    assert context["trax.error.context.ok"] is True
    assert context["trax.error.context.items"] == '[1, "a"]'
    assert context["trax.error.context.big"] == str(2**80)
    assert len(str(context["trax.error.context.long"])) == 1_024
    assert len(context) == 16
    secret = error_facts(
        NetworkError("x", context={"pin": 4711, "login": {"user": "ann", "password": "s3cret"}})
    ).context
    assert secret["trax.error.context.pin"] == "[redacted]"
    assert secret["trax.error.context.login"] == '{"user": "ann", "password": "[redacted]"}'
