"""Where the numbers of Arrow's messages stand in a flatbuffer.

Spec: FlatBuffers, "Internals"; Apache Arrow, `Message.fbs`, `Schema.fbs`, `File.fbs`. A table is known by the
type of each of its fields; what is not listed there is left alone.
"""

import struct
from typing import NamedTuple


class Number(NamedTuple):
    """A little-endian number of `width` bytes."""

    start: int
    width: int


# Fields of a table in order: a width, the name of a table, a vector of tables `[name]`, of structures
# `{width, …}`, of numbers `(width,)`, a text "text", or None.
TABLES = {
    "Message": [2, 1, "header", 8, ["KeyValue"]],
    "RecordBatch": [8, {8: 2}, {8: 2}, "BodyCompression", (8,)],
    "DictionaryBatch": [8, "RecordBatch", 1],
    "BodyCompression": [1, 1],
    "Schema": [2, ["Field"], ["KeyValue"], (8,)],
    "Field": ["text", 1, 1, "Type", "DictionaryEncoding", ["Field"], ["KeyValue"]],
    # The fields of every type together: at most three small numbers.
    "Type": [4, 4, 4],
    "DictionaryEncoding": [8, "Type", 1, 2],
    "KeyValue": ["text", "text"],
    # Blocks of a footer: offset, length of the metadata with padding, length of the body.
    "Footer": [2, "Schema", {8: 3}, {8: 3}, ["KeyValue"]],
}
HEADERS = {1: "Schema", 2: "DictionaryBatch", 3: "RecordBatch"}


def numbers(data: bytes, root: str) -> list[Number]:
    """Every number of the flatbuffer, offsets, lengths and tables of fields among them."""
    found: list[Number] = []
    table(data, read(data, 0, "<I"), root, found)
    found.append(Number(0, 4))
    return found


def read(data: bytes, at: int, form: str) -> int:
    return struct.unpack_from(form, data, at)[0]


def field(data: bytes, place: int) -> int | None:
    """Where the root table has its field of this place; `None` where it has none."""
    root = read(data, 0, "<I")
    vtable = root - read(data, root, "<i")
    if 4 + 2 * place >= read(data, vtable, "<H"):
        return None
    offset = read(data, vtable + 4 + 2 * place, "<H")
    return root + offset if offset else None


def table(data: bytes, at: int, name: str, found: list[Number]) -> None:
    vtable = at - read(data, at, "<i")
    found.append(Number(at, 4))
    size = read(data, vtable, "<H")
    found.append(Number(vtable, 2))
    places = {}
    for place in range((size - 4) // 2):
        slot = vtable + 4 + 2 * place
        found.append(Number(slot, 2))
        offset = read(data, slot, "<H")
        if offset:
            places[place] = at + offset
    fields = TABLES[name]
    for place, field_at in places.items():
        kind = fields[place] if place < len(fields) else None
        if kind == "header":
            kind = HEADERS.get(data[places[1]]) if 1 in places else None
        if kind is None:
            continue
        if isinstance(kind, int):
            found.append(Number(field_at, kind))
            continue
        found.append(Number(field_at, 4))
        target = field_at + read(data, field_at, "<I")
        if isinstance(kind, str) and kind != "text":
            table(data, target, kind, found)
            continue
        found.append(Number(target, 4))
        vector(data, target, kind, found)


def vector(data: bytes, at: int, kind, found: list[Number]) -> None:
    count = read(data, at, "<I")
    if isinstance(kind, list):
        for member in range(count):
            slot = at + 4 + 4 * member
            found.append(Number(slot, 4))
            table(data, slot + read(data, slot, "<I"), kind[0], found)
    elif isinstance(kind, dict):
        ((width, per_member),) = kind.items()
        found += [Number(at + 4 + width * i, width) for i in range(count * per_member)]
    elif isinstance(kind, tuple):
        found += [Number(at + 4 + kind[0] * i, kind[0]) for i in range(count)]
