"""How people write times, durations and sizes on the command line."""

from __future__ import annotations

import argparse
import re
import time
from datetime import datetime
from typing import Any, Final

from ..local.model import Filter

_UNITS: Final = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "min": 60 * 10**9, "h": 3_600 * 10**9,
                 "d": 86_400 * 10**9}  # fmt: skip


def duration_ns(written: str) -> int:
    """`250ms`, `1.5s`, `15m`, `2h`, `7d` in nanoseconds; a bare number is seconds. Raises ArgumentTypeError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ns|us|µs|ms|s|min|m|h|d)?", written.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{written!r} is no duration: write 250ms, 1.5s, 15m, 2h or 7d")
    return int(float(match[1]) * _UNITS[(match[2] or "s").replace("µ", "u")])


def moment_ns(written: str) -> int:
    """A duration ago (`15m`), or an ISO 8601 time (this machine's zone unless it has one), as nanoseconds since the epoch."""
    try:
        return time.time_ns() - duration_ns(written)
    except argparse.ArgumentTypeError:
        pass
    try:
        return int(datetime.fromisoformat(written.replace("Z", "+00:00")).timestamp() * 1e9)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{written!r} is no time: write 15m (ago) or 2026-01-31T12:00, with Z or an offset for another zone"
        ) from None


def attribute(written: str) -> tuple[str, str]:
    """`key=value`. Raises ArgumentTypeError."""
    key, equals, value = written.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"{written!r} is no attribute: write key=value")
    return key, value


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


def add_filters(parser: argparse.ArgumentParser) -> None:
    """The filters that all views share."""
    group = parser.add_argument_group("filters")
    group.add_argument("--service", default="", metavar="NAME", help="of this service")
    group.add_argument("--operation", default="", metavar="NAME", help="of this span name (logs: of this logger)")
    group.add_argument("--code", default="", metavar="CODE", help="with this error code, such as TRAX-001")
    group.add_argument("--since", type=moment_ns, default=0, metavar="TIME", help="from 15m ago, or an ISO time")
    group.add_argument(
        "--until", type=moment_ns, default=0, metavar="TIME", help="up to a time, written as for --since"
    )
    group.add_argument(
        "--min-duration", type=duration_ns, default=0, metavar="TIME", help="at least this long: 250ms, 2s"
    )
    group.add_argument("--text", default="", metavar="TEXT", help="with this text in a name, message or attribute")
    group.add_argument("--errors", action="store_true", help="failed ones only")
    group.add_argument(
        "--attr", type=attribute, action="append", default=[], metavar="KEY=VALUE", help="with this attribute"
    )
    group.add_argument("--limit", type=positive, default=50, metavar="N", help="at most so many (default: %(default)s)")


def filter_of(options: argparse.Namespace, **more: Any) -> Filter:
    """The filter that the options ask for."""
    chosen: dict[str, Any] = {
        "service": options.service,
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
