"""Messages without what varies in them."""

from __future__ import annotations

import ipaddress
import re
import time
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trax_otel.signals.templates import template


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("user 17 not found", "user <number> not found"),
        ("took 3.5s, 12ms, 50%, -7 and 1,234.5", "took <number>s, <number>ms, <number>%, <number> and <number>"),
        ("order-4711, worker3 and step-3-failed", "order-<number>, worker<number> and step-<number>-failed"),
        ("pod web-7d9f8b6c5-x2x4z and key AKIA3X9Q", "pod <id> and key <id>"),
        ("k8s answered 5xx to an e2e test", "k8s answered 5xx to an e2e test"),
        ("TRAX-001 is a code", "TRAX-001 is a code"),
        ("can't open 'the file', it isn't \"there\"", "can't open <text>, it isn't <text>"),
        ('{"user": "ann", "age": 7}', '{"user": <text>, "age": <number>}'),
        ("GET https://a.example/b?c=1 by ann@b.example", "GET <url> by <email>"),
        ("from 10.0.0.1:80, ::1, fe80::1, 00:1b:63:84:45:e6", "from <address>, <address>, <address>, <address>"),
        ("std::vector is no address", "std::vector is no address"),
        ("2026-09-21T14:13:20.5Z or 2026-09-21 14:13 or 14:13:20,123", "<time> or <time> or <time>"),
        ("read /var/log/app.log and/or not", "read <path> and/or not"),
        ("at 0x7f3a, 9f86d081884c7d65", "at <hex>, <hex>"),
        ("span 550e8400-e29b-41d4-a716-446655440000", "span <uuid>"),
        ("\n  first line 1\nsecond line 2", "first line <number>"),
        ("tabs\tand   spaces", "tabs and spaces"),
        ("a\x00b 5 \x1b[31m", "a\x00b <number> \x1b[<number>m"),
        ("", ""),
    ],
)
def test_values_become_placeholders_and_words_stay(message: str, expected: str) -> None:
    assert template(message) == expected


WORD = st.from_regex(r"[a-z]{1,12}", fullmatch=True)
OTHER_WORD = st.from_regex(r"[g-z]{1,12}", fullmatch=True)
"""No hexadecimal digits: `cafe2000` is an id."""
QUOTED = st.text(
    alphabet=st.characters(codec="utf-8", exclude_characters="'\"\n", exclude_categories=["Cc"]), max_size=20
)
VALUES: dict[str, st.SearchStrategy[str]] = {
    "<number>": st.one_of(
        st.integers(-(10**12), 10**12).map(str), st.floats(0, 1e6, allow_nan=False).map(lambda value: f"{value:.3f}")
    ),
    "<uuid>": st.uuids().map(str),
    "<address>": st.one_of(
        st.ip_addresses(v=4).map(str), st.ip_addresses(network=ipaddress.ip_network("2001:db8::/64")).map(str)
    ),
    "<text>": st.one_of(QUOTED.map("'{}'".format), QUOTED.map('"{}"'.format)),
    "<time>": st.datetimes(min_value=datetime(1970, 1, 1)).map(lambda when: when.isoformat()),
    "<email>": st.tuples(WORD, WORD).map(lambda pair: f"{pair[0]}@{pair[1]}.example"),
    "<url>": st.tuples(WORD, WORD).map(lambda pair: f"https://{pair[0]}.example/{pair[1]}?page=3"),
    "<path>": st.lists(WORD, min_size=2, max_size=4).map(lambda parts: "/" + "/".join(parts)),
}


@st.composite
def message_pairs(draw: st.DrawFn) -> tuple[str, str, str]:
    """Two messages that differ in their values alone, and their template."""
    first, second, expected = [], [], []
    for kind in draw(st.lists(st.sampled_from(["word", *VALUES]), min_size=1, max_size=8)):
        one = draw(WORD if kind == "word" else VALUES[kind])
        first.append(one)
        second.append(one if kind == "word" else draw(VALUES[kind]))
        expected.append(one if kind == "word" else kind)
    return " ".join(first), " ".join(second), " ".join(expected)


@given(message_pairs())
def test_messages_that_differ_in_values_have_one_template(pair: tuple[str, str, str]) -> None:
    first, second, expected = pair
    assert template(first) == template(second) == expected
    assert template(expected) == expected, "a template is its own"


@given(st.lists(OTHER_WORD, min_size=1, max_size=8), st.integers(0, 10**6), st.sampled_from(["-", "_", ""]))
def test_no_word_is_lost(words: list[str], number: int, between: str) -> None:
    shown = template(" ".join(f"{word}{between}{number}, {word}" for word in words))
    assert re.findall(r"[a-z]+", shown.replace("<number>", "")) == [word for word in words for _ in range(2)]


@given(st.text())
def test_any_text_has_a_template_on_one_line(message: str) -> None:
    shown = template(message)
    assert len(shown.splitlines()) <= 1
    assert shown == " ".join(shown.split())


@pytest.mark.parametrize(
    "piece", ["a", "1", "a@", "a-", "1,", "'", '"a', "/a", "1.", "a.b@", "x1-", "http", "1e1", "-1", "::", "f:", "\n", " ", "é"]
)  # fmt: skip
def test_time_does_not_grow_with_what_is_sent(piece: str) -> None:
    """Half a megabyte of what a rule may stumble over."""
    huge = "x " + piece * (500_000 // len(piece)) + "!"
    began = time.perf_counter()
    assert len(template(huge)) <= 5_000
    assert time.perf_counter() - began < 0.25
