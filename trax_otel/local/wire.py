"""Saving the neighbours: taking an OTLP request apart by hand when the parser refuses it whole.

One string that is no UTF-8, one value nested too deep or one item that is cut off makes the protobuf parser refuse a request.
Here the request is walked along its descriptors: bad text is replaced, what is too deep is left out, and an item that still
does not parse goes alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

MAX_DEPTH: Final = 90
"""Messages inside messages; the parser itself ends at 100."""
_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5


class MalformedError(ValueError):
    """Not even the wire format holds."""


def repair(request: Descriptor, data: bytes, items: frozenset[str], optional: frozenset[str]) -> tuple[bytes, int]:
    """The request without what cannot be parsed, and how many items that cost.

    `items` are the full names of the messages that are counted and may go one by one, `optional` of those whose loss costs
    no item. Raises MalformedError where the frame around them does not hold.
    """
    return _Repair(items, optional).message(request, memoryview(data), 0)


class _Repair:
    def __init__(self, items: frozenset[str], optional: frozenset[str]) -> None:
        self._items, self._optional = items, optional

    def message(self, kind: Descriptor, data: memoryview, depth: int) -> tuple[bytes, int]:
        kept: list[bytes] = []
        lost = 0
        fields = kind.fields_by_number
        for number, wire_type, whole, payload in _fields(data):
            field = fields.get(number)
            if field is None or wire_type != _DELIMITED:
                kept.append(bytes(whole))
            elif field.message_type is not None:
                inner, refused = self._inner(field.message_type, payload, depth + 1)
                lost += refused
                if inner is not None:
                    kept.append(_delimited(number, inner))
            elif field.type == FieldDescriptor.TYPE_STRING:
                kept.append(_delimited(number, str(payload, "utf-8", "replace").encode("utf-8")))
            else:
                kept.append(bytes(whole))
        return b"".join(kept), lost

    def _inner(self, kind: Descriptor, payload: memoryview, depth: int) -> tuple[bytes | None, int]:
        if depth > MAX_DEPTH:
            return None, 0
        is_item = kind.full_name in self._items
        if not is_item and kind.full_name not in self._optional:
            return self.message(kind, payload, depth)
        try:
            inner, _ = self.message(kind, payload, depth)
            GetMessageClass(kind).FromString(inner)
        except Exception:  # the parser's own exception differs between its implementations
            return None, int(is_item)
        return inner, 0


def _fields(data: memoryview) -> Iterator[tuple[int, int, memoryview, memoryview]]:
    """(number, wire type, the field as it stands, its payload) of each field of a message."""
    position, end = 0, len(data)
    while position < end:
        start = position
        key, position = _varint(data, position)
        number, wire_type = key >> 3, key & 7
        if number == 0:
            raise MalformedError("field number 0")
        payload_start = position
        if wire_type == _VARINT:
            _, position = _varint(data, position)
        elif wire_type in (_FIXED64, _FIXED32):
            position += 8 if wire_type == _FIXED64 else 4
        elif wire_type == _DELIMITED:
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


def _delimited(number: int, payload: bytes) -> bytes:
    return _encoded(number << 3 | _DELIMITED) + _encoded(len(payload)) + payload


def _encoded(value: int) -> bytes:
    head = b""
    while value > 0x7F:
        head += bytes([value & 0x7F | 0x80])
        value >>= 7
    return head + bytes([value])
