"""The templates, shared by the page and the report: everything that is put in is tidied and escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from ... import semconv
from ...errors.codes import error_code
from .. import formats, words
from ..model import Event, Log
from ..resilience import strips
from ..resilience.breakers import GRAVITY
from . import plots
from .waterfall import Pause

CONTENT_TYPES: Final = {
    "style.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


class PageLinks:
    """Where things are on the page."""

    lazy = True
    """Whether a long trace may leave the details of its spans to be fetched."""

    def spans(self, trace_id: str) -> str:
        """Where the details of a trace's spans are, before the span's id."""
        return f"/traces/{quote(trace_id, safe='')}/spans/"

    def trace(self, trace_id: str | None, span_id: str | None = None) -> str:
        """A trace, at one of its spans."""
        if not trace_id:
            return ""
        return f"/traces/{quote(trace_id, safe='')}" + (f"#s-{quote(span_id, safe='')}" if span_id else "")

    def code(self, code: str | None) -> str:
        """What an error code means."""
        return f"/errors/{quote(code, safe='')}" if code else ""

    def record(self, log_id: int) -> str:
        """One log record."""
        return f"/logs/{log_id}"

    def metric(self, name: str) -> str:
        """A metric's plots."""
        return f"/metrics/{quote(name, safe='')}"

    def search(self, view: str, **fields: str) -> str:
        """A view, narrowed."""
        return f"/{view}?{urlencode({key: value for key, value in fields.items() if value}, errors='replace')}"


class ReportLinks(PageLinks):
    """Where things are in the report: only what the file itself holds."""

    lazy = False

    def __init__(self, trace_ids: Iterable[str], codes: Iterable[str], log_ids: Iterable[int] = ()) -> None:
        self._records = frozenset(log_ids)
        self._traces = frozenset(trace_ids)
        self._codes = frozenset(codes)

    def trace(self, trace_id: str | None, span_id: str | None = None) -> str:
        if trace_id not in self._traces:
            return ""
        return f"#s-{span_id}" if span_id else f"#t-{trace_id}"

    def code(self, code: str | None) -> str:
        return f"#c-{code}" if code in self._codes else ""

    def record(self, log_id: int) -> str:
        return f"#l-{log_id}" if log_id in self._records else ""

    def metric(self, name: str) -> str:
        return ""

    def search(self, view: str, **fields: str) -> str:
        return ""


def static(name: str) -> str:
    """A static file's text."""
    return (files("trax_otel.local.web") / "static" / name).read_text("utf-8")


def static_markup(name: str) -> Markup:
    """A static file's text, to be put into a page as it is."""
    return Markup(static(name))  # noqa: S704 - a file of this package, not telemetry


@cache
def version() -> str:
    """Changes whenever a static file does, so that a browser never shows yesterday's."""
    return hashlib.sha256("".join(static(name) for name in sorted(CONTENT_TYPES)).encode()).hexdigest()[:12]


def integrity(text: str) -> str:
    """What a Content-Security-Policy calls an inline style or script by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def environment() -> Environment:
    """The templates with their filters."""
    made = Environment(
        loader=PackageLoader("trax_otel.local.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=_tidied, auto_reload=False,
    )  # fmt: skip
    made.filters.update(
        duration=formats.duration, state=words.state, moment=formats.moment, when=formats.when,
        shown=formats.shown, quantity=formats.quantity,
        prose=_prose, bytesize=lambda value: formats.quantity(value, "By"), plural=_plural, first_line=_first_line,
    )  # fmt: skip
    made.tests.update(log=lambda value: isinstance(value, Log), event=lambda value: isinstance(value, Event),
                      pause=lambda value: isinstance(value, Pause))  # fmt: skip
    made.globals.update(
        names=semconv, known_code=error_code, figures=plots.figures, drawing=plots, without=_without, told=words.told,
        strips=strips, breaker_states=GRAVITY, breaker_reasons=words.BREAKER_REASONS,
    )  # fmt: skip
    return made


def render(name: str, **context: Any) -> str:
    """A template's text."""
    return environment().get_template(name).render(**context)


def _tidied(value: Any) -> Any:
    if isinstance(value, Markup):
        return value
    return formats.tidy(value) if isinstance(value, str) else value


def _without(pairs: Mapping[str, Any], keys: Collection[str]) -> dict[str, Any]:
    return {key: value for key, value in pairs.items() if key not in keys}


def _prose(text: str) -> Markup:
    """Text with `code` between backticks."""
    parts = formats.tidy(text).split("`")
    if len(parts) % 2 == 0:  # one backtick is without another
        return escape("`".join(parts))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in enumerate(parts)
    )


def _plural(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _first_line(text: str, length: int = 160) -> str:
    first = text.strip().split("\n", 1)[0].strip()
    return first if len(first) <= length else f"{first[: length - 1]}…"
