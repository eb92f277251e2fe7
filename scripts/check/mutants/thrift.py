"""Where the values of Thrift's compact protocol stand in some bytes, and how one is written.

Spec: Apache Thrift, "Thrift Compact protocol encoding". Parquet writes its footer and the header of every
page so. Nothing here knows what a field means.
"""

from typing import NamedTuple

STOP, TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(13)


class Span(NamedTuple):
    """`kind` is "varint" (an integer), "length" (of bytes), "count" (of members) or "type" (a field's head)."""

    start: int
    end: int
    kind: str


def unsigned(data: bytes, at: int) -> tuple[int, int]:
    """A number and the place behind it."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def varint(value: int, length: int | None = None) -> bytes:
    """An unsigned number of 64 bits; where a length is given it takes exactly that many bytes, cut to fit."""
    value &= (1 << 64) - 1
    out = bytearray()
    while True:
        out.append(value & 0x7F)
        value >>= 7
        if value == 0:
            break
    if length is not None:
        out = (out + bytearray(length))[:length]
    for place in range(len(out) - 1):
        out[place] |= 0x80
    return bytes(out)


def zigzag(value: int) -> int:
    return ((value << 1) ^ (value >> 63)) & ((1 << 64) - 1)


def structure(data: bytes, at: int, spans: list[Span]) -> int:
    """Notes the spans of the structure that begins here; returns the place behind it."""
    while True:
        head = data[at]
        kind = head & 15
        if kind == STOP:
            return at + 1
        spans.append(Span(at, at + 1, "type"))
        at += 1
        if head >> 4 == 0:
            _, end = unsigned(data, at)
            spans.append(Span(at, end, "varint"))
            at = end
        if kind not in (TRUE, FALSE):
            at = value(data, at, kind, spans)


def value(data: bytes, at: int, kind: int, spans: list[Span]) -> int:
    if kind in (TRUE, FALSE, BYTE):
        return at + 1
    if kind in (I16, I32, I64):
        _, end = unsigned(data, at)
        spans.append(Span(at, end, "varint"))
        return end
    if kind == DOUBLE:
        return at + 8
    if kind == BINARY:
        length, end = unsigned(data, at)
        spans.append(Span(at, end, "length"))
        return end + length
    if kind in (LIST, SET):
        head = data[at]
        count, member, end = head >> 4, head & 15, at + 1
        if count == 15:
            count, end = unsigned(data, end)
        spans.append(Span(at, end, "count"))
        for _ in range(count):
            end = value(data, end, member, spans)
        return end
    if kind == STRUCT:
        return structure(data, at, spans)
    raise ValueError(f"type {kind} at {at}")


def written(span: Span, data: bytes, number: int) -> bytes:
    """The span with another number in it, of whatever length that takes."""
    if span.kind == "varint":
        return varint(zigzag(number))
    if span.kind == "length":
        return varint(number)
    if span.kind == "count":
        return bytes([0xF0 | (data[span.start] & 15)]) + varint(number)
    return bytes([number & 0xFF])
