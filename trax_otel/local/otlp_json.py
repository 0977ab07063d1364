"""OTLP's JSON encoding: protobuf's JSON mapping, but with hexadecimal ids."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, Final

from google.protobuf import json_format

from .decode import REQUESTS, RefusedError, Signal, from_message
from .store import Batch

MAX_DEPTH: Final = 150
"""Objects inside objects of one item; what OTLP needs itself is below 10."""
_IDS: Final = frozenset({"traceId", "spanId", "parentSpanId"})
_NO_ID: Final = base64.b64encode(b"no id").decode("ascii")
_CONTAINERS: Final = {
    "traces": ("resourceSpans", "scopeSpans", "spans"),
    "metrics": ("resourceMetrics", "scopeMetrics", "metrics"),
    "logs": ("resourceLogs", "scopeLogs", "logRecords"),
}


def from_json(signal: Signal, body: bytes) -> Batch:
    """Decode a JSON body; items that do not fit are left out. Raises RefusedError where it is no such request at all."""
    try:
        content = json.loads(body, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"the body is not JSON: {error}") from None
    name = REQUESTS[signal].DESCRIPTOR.name
    if not isinstance(content, dict):
        raise RefusedError(f"the body is not a JSON {name}: it must be an object")
    outer, middle, inner = _CONTAINERS[signal]
    if not isinstance(content.get(outer) or [], list):
        raise RefusedError(f"the body is not a JSON {name}: {outer} must be a list")
    refused = Batch()
    request = REQUESTS[signal]()
    for resource in _objects(content, outer, refused):
        of_resource = _repeated(request, outer).add()
        _fill(of_resource, {key: value for key, value in resource.items() if key != middle})
        for scope in _objects(resource, middle, refused):
            of_scope = _repeated(of_resource, middle).add()
            _fill(of_scope, {key: value for key, value in scope.items() if key != inner})
            items = _repeated(of_scope, inner)
            for item in _objects(scope, inner, refused):
                problem = _fill(items.add(), item)
                if problem:
                    refused.reject(problem)
                    del items[-1]
    batch = from_message(signal, request)
    if refused.rejected:
        batch.reject(refused.reason, refused.rejected)
    return batch


def _objects(parent: dict[str, Any], name: str, refused: Batch) -> list[dict[str, Any]]:
    """The objects in a list; whatever else is there is refused."""
    found = parent.get(name) or []
    if not isinstance(found, list):
        refused.reject(f"{name} must be a list")
        return []
    objects = [item for item in found if isinstance(item, dict)]
    if len(objects) < len(found):
        refused.reject(f"{name} must be a list of objects", len(found) - len(objects))
    return objects


def _repeated(message: Any, camel_case: str) -> Any:
    return getattr(message, message.DESCRIPTOR.fields_by_camelcase_name[camel_case].name)


def _fill(message: Any, content: dict[str, Any]) -> str:
    """Put the content into the message; returns what is wrong with it, with the message left empty."""
    try:
        json_format.ParseDict(_with_bytes(content), message, ignore_unknown_fields=True, max_recursion_depth=MAX_DEPTH)
    except RecursionError:
        message.Clear()
        return "values are nested too deep"
    except Exception as error:  # for content of the wrong type the mapping raises more than its ParseError
        message.Clear()
        return str(error)[:300] or type(error).__name__
    return ""


def _with_bytes(value: Any, depth: int = 0) -> Any:
    """The same content with ids as protobuf's JSON wants its bytes: base64 instead of hexadecimal."""
    if depth > 4 * MAX_DEPTH:
        raise RecursionError
    if isinstance(value, dict):
        return {key: _id(item) if key in _IDS else _with_bytes(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_bytes(item, depth + 1) for item in value]
    return value


def _id(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64encode(binascii.unhexlify(value)).decode("ascii")
    except ValueError:  # five bytes are no id, so that item alone is refused
        return _NO_ID
