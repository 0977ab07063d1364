"""OTLP's JSON encoding: protobuf's JSON mapping, but with hexadecimal ids."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

from google.protobuf import json_format

from .decode import REQUESTS, RefusedError, Signal, from_message
from .store import Batch

_IDS: Final = frozenset({"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"})
_CONTAINERS: Final = {
    "traces": ("resourceSpans", "scopeSpans", "spans"),
    "metrics": ("resourceMetrics", "scopeMetrics", "metrics"),
    "logs": ("resourceLogs", "scopeLogs", "logRecords"),
}
MAX_DEPTH: Final = 200


def from_json(signal: Signal, body: bytes) -> Batch:
    """Decode a JSON body; items that do not fit are left out. Raises RefusedError where it is no such request at all."""
    name = REQUESTS[signal].DESCRIPTOR.name
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"the body is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise RefusedError(f"the body is not a JSON {name}: it must be an object")
    try:
        return from_message(signal, _parse(signal, _with_bytes(content)))
    except (json_format.ParseError, RecursionError):
        return _item_by_item(signal, content)


def _parse(signal: Signal, content: dict[str, Any]) -> Any:
    return json_format.ParseDict(content, REQUESTS[signal](), ignore_unknown_fields=True, max_recursion_depth=MAX_DEPTH)


def _item_by_item(signal: Signal, content: dict[str, Any]) -> Batch:
    """Each item in a request of its own, so that one that does not fit takes no neighbour along."""
    outer, middle, inner = _CONTAINERS[signal]
    whole, refused = Batch(), ""
    seen = 0
    for resource in _objects(content, outer):
        for scope in _objects(resource, middle):
            for item in _objects(scope, inner):
                seen += 1
                alone = {outer: [{**resource, middle: [{**scope, inner: [item]}]}]}
                try:
                    batch = from_message(signal, _parse(signal, _with_bytes(alone)))
                except (json_format.ParseError, RecursionError) as error:
                    refused = str(error)[:300] or "nested too deep"
                    whole.reject(refused)
                    continue
                whole.resources += batch.resources
                if batch.rejected:
                    whole.reject(batch.reason, batch.rejected)
    if not seen:
        raise RefusedError(f"the body is not a JSON {REQUESTS[signal].DESCRIPTOR.name}")
    return whole


def _objects(parent: Any, name: str) -> list[dict[str, Any]]:
    found = parent.get(name) if isinstance(parent, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _with_bytes(value: Any, depth: int = 0) -> Any:
    """The same content with ids as protobuf's JSON wants its bytes: base64 instead of hexadecimal."""
    if depth > MAX_DEPTH:
        raise RecursionError("nested too deep")
    if isinstance(value, dict):
        return {key: _id(item) if key in _IDS else _with_bytes(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_bytes(item, depth + 1) for item in value]
    return value


def _id(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64encode(bytes.fromhex(value)).decode("ascii")
    except ValueError:  # not hexadecimal: three bytes are no id, so that item alone is refused
        return base64.b64encode(b"bad").decode("ascii")
