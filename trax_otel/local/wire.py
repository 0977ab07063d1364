"""Saving the neighbours: taking an OTLP request apart by hand when the parser refuses it whole.

One string that is no UTF-8, or one value nested too deep, makes the protobuf parser refuse a request. All three requests
have the same shape on the wire (resource: field 1; its scopes: field 2; their items: field 2), so the items can be parsed
one by one and those that fail left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class MalformedError(ValueError):
    """Not even the wire format holds."""


def _fields(data: memoryview) -> Iterator[tuple[int, int, memoryview, memoryview]]:
    """(number, wire type, the field as it stands, its payload) of each field of a message."""
    position, end = 0, len(data)
    while position < end:
        start = position
        key, position = _varint(data, position)
        number, wire_type = key >> 3, key & 7
        if number == 0:
            raise MalformedError("field number 0")
        if wire_type == 0:
            payload_start = position
            _, position = _varint(data, position)
        elif wire_type in (1, 5):
            payload_start, position = position, position + (8 if wire_type == 1 else 4)
        elif wire_type == 2:
            length, payload_start = _varint(data, position)
            position = payload_start + length
        else:
            raise MalformedError(f"wire type {wire_type}")
        if position > end:
            raise MalformedError("a field is cut off")
        yield number, wire_type, data[start:position], data[payload_start:position]


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise MalformedError("a number is cut off")
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return result, position
        shift += 7


def _length_delimited(number: int, payload: bytes) -> bytes:
    head, length = bytes([number << 3 | 2]), len(payload)
    while length > 0x7F:
        head += bytes([length & 0x7F | 0x80])
        length >>= 7
    return head + bytes([length]) + payload


def _parses(kind: Any, payload: memoryview) -> bool:
    try:
        kind.FromString(bytes(payload))
    except Exception:  # the parser's own exception differs between its implementations
        return False
    return True


def salvage(data: bytes, item: Any, scope: Any, resource: Any) -> tuple[bytes, int]:
    """The request without what cannot be parsed, and how many items that were. Raises MalformedError."""
    kept, lost = b"", 0
    for number, wire_type, _, payload in _fields(memoryview(data)):
        if number == 1 and wire_type == 2:
            inner, refused = _salvage_resource(payload, item, scope, resource)
            kept += _length_delimited(1, inner)
            lost += refused
    return kept, lost


def _salvage_resource(data: memoryview, item: Any, scope: Any, resource: Any) -> tuple[bytes, int]:
    kept, lost = b"", 0
    for number, wire_type, whole, payload in _fields(data):
        if number == 1 and wire_type == 2:
            kept += bytes(whole) if _parses(resource, payload) else b""
        elif number == 2 and wire_type == 2:
            inner, refused = _salvage_scope(payload, item, scope)
            kept += _length_delimited(2, inner)
            lost += refused
    return kept, lost


def _salvage_scope(data: memoryview, item: Any, scope: Any) -> tuple[bytes, int]:
    kept, lost = [], 0
    for number, wire_type, whole, payload in _fields(data):
        if number == 1 and wire_type == 2:
            kept.append(bytes(whole) if _parses(scope, payload) else b"")
        elif number == 2 and wire_type == 2:
            if _parses(item, payload):
                kept.append(bytes(whole))
            else:
                lost += 1
    return b"".join(kept), lost
