"""The correlation id and the bound fields: one immutable value under one key of the OTel Context.

Because it lives in the Context it crosses whatever the trace crosses: tasks, executors, threads that carry the Context.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context

from .. import semconv
from . import private

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context

_KEY: Final = otel_context.create_key("trax-correlation")
_VALID_ID: Final = r"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}"
_NO_FIELDS: Final[Mapping[str, Any]] = MappingProxyType({})


class Correlation:
    """What ties the telemetry of one request or job together. Immutable.

    `id` is the correlation id or None; `fields` the bound fields; `attributes` both, as a span or record bears them.
    """

    __slots__ = ("attributes", "fields", "id")

    def __init__(self, id: str | None = None, fields: Mapping[str, Any] = _NO_FIELDS) -> None:
        self.id = id
        self.fields = fields
        attributes = dict(fields)
        if id is not None:
            attributes[semconv.CORRELATION_ID] = id
        self.attributes: Mapping[str, Any] = MappingProxyType(attributes)

    def __bool__(self) -> bool:
        return bool(self.attributes)

    def __repr__(self) -> str:
        return f"Correlation(id={self.id!r}, fields={dict(self.fields)!r})"


NOTHING: Final = Correlation()


def current_correlation(context: Context | None = None) -> Correlation:
    """The correlation of the given context, or of the current one."""
    found = otel_context.get_value(_KEY, context)
    return found if isinstance(found, Correlation) else NOTHING


def with_correlation(value: Correlation, context: Context | None = None) -> Context:
    """A context that carries `value` (propagators build theirs so)."""
    return otel_context.set_value(_KEY, value, context)


def attach_correlation(*, id: str | None = None, fields: Mapping[str, Any] | None = None) -> Token[Context]:
    """Make a correlation current that has what the current one has, and this; give the token to `detach`."""
    before = current_correlation()
    merged = before.fields if not fields else MappingProxyType({**before.fields, **fields})
    return otel_context.attach(with_correlation(Correlation(before.id if id is None else id, merged)))


def detach(token: Token[Context]) -> None:
    """Undo an attach. Silent where the block ended in another context than it began in (closed async generators)."""
    try:
        private.detach(token)  # the public one logs a traceback in that case
    except (ValueError, RuntimeError):
        return


def new_correlation_id() -> str:
    """A random id: 32 hex digits."""
    return os.urandom(16).hex()


def valid_correlation_id(text: object) -> str | None:
    """The id if it is one (1 to 128 characters of letters, digits and `._:/+=@-`), else None: it came from outside."""
    return text if isinstance(text, str) and re.fullmatch(_VALID_ID, text) else None
