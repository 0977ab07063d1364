"""The options that the views share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, TypeVar

from ..local.asked import attribute, duration_ns, moment_ns
from ..local.model import Filter
from ..local.records import ENTRY, KINDS

Asked = TypeVar("Asked")


def option(parse: Callable[[str], Asked]) -> Callable[[str], Asked]:
    """A parser of `asked` as a type of argparse, which shows the text of its own kind of error only."""

    def parsed(written: str) -> Asked:
        try:
            return parse(written)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parsed


def positive(written: str) -> int:
    """A whole number from 1. Raises ArgumentTypeError."""
    if not written.isdigit() or int(written) < 1:
        raise argparse.ArgumentTypeError(f"{written!r} is no whole number from 1")
    return int(written)


def port(written: str) -> int:
    """A port, 0 for a free one. Raises ArgumentTypeError."""
    if not written.isdigit() or int(written) > 65_535:
        raise argparse.ArgumentTypeError(f"{written!r} is no port: write a number from 0 (a free one) to 65535")
    return int(written)


def number(written: str) -> int:
    """A whole number from 1, maybe with a suffix: `500k`, `2M`, `1G` (powers of 1000). Raises ValueError."""
    power = {"k": 10**3, "m": 10**6, "g": 10**9}.get(written[-1:].lower(), 1)
    digits = written[:-1] if power > 1 else written
    if not (digits.isascii() and digits.isdigit() and 0 < int(digits) < 10**12):
        raise ValueError(f"{written!r} is no number: write 50000, 500k or 2M")
    return int(digits) * power


def add_filters(
    parser: argparse.ArgumentParser, *, figures: bool = False, kinds: bool = False, since: str = ""
) -> None:
    """The filters that all views share.

    `figures`: without those that ask for single spans; `kinds`: with one for the kind of span; `since`: the default.
    """
    group = parser.add_argument_group("filters")
    group.add_argument("--service", default="", metavar="NAME", help="of this service")
    group.add_argument("--operation", default="", metavar="NAME", help="of this span name (logs: of this logger)")
    group.add_argument(
        "--since", type=option(moment_ns), default=since or 0, metavar="TIME",
        help="from 15m ago, or an ISO time" + (f" (default: {since}; all: whenever)" if since else ""),
    )  # fmt: skip
    group.add_argument(
        "--until", type=option(moment_ns), default=0, metavar="TIME", help="up to a time, written as for --since"
    )
    group.add_argument("--text", default="", metavar="TEXT", help="with this text in a name, message or attribute")
    group.add_argument("--errors", action="store_true", help="failed ones only")
    group.add_argument("--limit", type=positive, default=50, metavar="N", help="at most so many (default: %(default)s)")
    if figures:
        parser.set_defaults(code="", min_duration=0, attr=[], kind="", service_version="")
        return
    group.add_argument("--service-version", default="", metavar="VERSION", help="of this version of a service")
    if kinds:
        group.add_argument(
            "--kind", default="", choices=(ENTRY, *KINDS[1:]), help="spans of this kind; entry: requests and jobs only"
        )
    else:
        parser.set_defaults(kind="")
    group.add_argument("--code", default="", metavar="CODE", help="with this error code, such as TRAX-001")
    group.add_argument(
        "--min-duration", type=option(duration_ns), default=0, metavar="TIME", help="at least this long: 250ms, 2s"
    )
    group.add_argument(
        "--attr", type=option(attribute), action="append", default=[], metavar="KEY=VALUE", help="with this attribute"
    )


def filter_of(options: argparse.Namespace, **more: Any) -> Filter:
    """The filter that the options ask for."""
    chosen: dict[str, Any] = {
        "service": options.service,
        "version": options.service_version,
        "kind": options.kind,
        "operation": options.operation,
        "code": options.code,
        "since_ns": options.since,
        "until_ns": options.until,
        "min_duration_ns": options.min_duration,
        "text": options.text,
        "errors_only": options.errors,
        "extra": dict(options.attr),
        "limit": options.limit,
    }
    return Filter(**{**chosen, **more})
