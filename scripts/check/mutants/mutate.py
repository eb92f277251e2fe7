"""One damaged file from a whole one: bytes anywhere, or a number of the format's own structures.

Each takes the file's bytes and a `random.Random`, and gives others; the same random numbers give the same.
"""

import random
import struct

import flatbuffer
import thrift

# Numbers that a program is easily wrong about.
EXTREMES = [0, 1, 2, 3, 7, 127, 128, 255, 256, 10_000, 65_535, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**45, 2**62]
EXTREMES += [2**63 - 1, -1, -2, -128, -(2**31), -(2**63)]
ARROW_MAGIC = b"ARROW1\0\0"


def number(dice: random.Random, now: int) -> int:
    """A number instead of this one: near it, a multiple of it, or an extreme."""
    return dice.choice([now + 1, now - 1, now * 2, now * 1000, -now, dice.choice(EXTREMES), dice.choice(EXTREMES)])


def anywhere(data: bytes, dice: random.Random) -> bytes:
    """Bytes changed, lost, doubled or moved, whatever they mean."""
    out = bytearray(data)
    kind = dice.randrange(5)
    at = dice.randrange(len(out))
    length = min(len(out) - at, dice.choice([1, 1, 2, 4, 8, 16, 100]))
    if kind == 0:
        for _ in range(dice.choice([1, 1, 2, 8])):
            out[dice.randrange(len(out))] ^= 1 << dice.randrange(8)
    elif kind == 1:
        out[at : at + length] = dice.randbytes(length)
    elif kind == 2:
        del out[at : at + length]
    elif kind == 3:
        out[at:at] = out[at : at + length]
    else:
        del out[at:]
    return bytes(out)


def parquet(data: bytes, dice: random.Random) -> bytes:
    """A number, a length, a count or a type of the footer or of the header of a page."""
    length = struct.unpack_from("<I", data, len(data) - 8)[0]
    begin = len(data) - 8 - length
    if dice.random() < 0.3:
        return page_header(data, begin, dice)
    footer = data[begin:-8]
    for _ in range(dice.choice([1, 1, 1, 2, 3])):
        spans: list[thrift.Span] = []
        try:
            thrift.structure(footer, 0, spans)
        except (IndexError, ValueError):
            break
        span = dice.choice(spans)
        footer = footer[: span.start] + thrift.written(span, footer, changed(span, footer, dice)) + footer[span.end :]
    length = len(footer) if dice.random() < 0.95 else number(dice, len(footer))
    return data[:begin] + footer + struct.pack("<I", length & 0xFFFFFFFF) + data[-4:]


def changed(span: thrift.Span, data: bytes, dice: random.Random) -> int:
    if span.kind == "type":
        return dice.randrange(256)
    now, _ = thrift.unsigned(data, span.start)
    if span.kind == "varint":
        now = (now >> 1) ^ -(now & 1)
    return number(dice, now)


def page_header(data: bytes, end: int, dice: random.Random) -> bytes:
    """A number of a page's header, or of the values behind it; nothing moves, as the footer says where pages are."""
    headers = []
    at = 4
    while at < end:
        spans: list[thrift.Span] = []
        try:
            behind = thrift.structure(data[:end], at, spans)
        except (IndexError, ValueError):
            break
        # Field 3 of a header is the length of the page as it is written: the third number.
        numbers = [span for span in spans if span.kind == "varint"]
        if len(numbers) < 3:
            break
        headers.append((spans, behind))
        now, _ = thrift.unsigned(data, numbers[2].start)
        at = behind + (now >> 1)
    if not headers:
        return anywhere(data, dice)
    spans, behind = dice.choice(headers)
    out = bytearray(data)
    if dice.random() < 0.3:
        place = min(behind + dice.randrange(16), end - 1)
        out[place] = dice.choice([0, 1, 2, 127, 128, 255, dice.randrange(256)])
        return bytes(out)
    span = dice.choice([span for span in spans if span.kind == "varint"])
    value = thrift.zigzag(changed(span, data, dice))
    out[span.start : span.end] = thrift.varint(value, span.end - span.start)
    return bytes(out)


def arrow(data: bytes, dice: random.Random) -> bytes:
    """A number of a message, of the footer, or at the head of a buffer."""
    out = bytearray(data)
    for _ in range(dice.choice([1, 1, 1, 2, 3])):
        start, root, body, length = dice.choice(parts(data))
        if body is not None and length >= 16 and dice.random() < 0.25:
            # Buffers begin at multiples of 8: a length before compressed bytes, offsets of lists and texts.
            at = body + 8 * dice.randrange(length // 8)
            put(out, at, 8, number(dice, struct.unpack_from("<q", data, at)[0]))
            continue
        metadata = data[start:body] if body is not None else data[start:]
        chosen = dice.choice(flatbuffer.numbers(metadata, root))
        now = int.from_bytes(metadata[chosen.start : chosen.start + chosen.width], "little", signed=True)
        put(out, start + chosen.start, chosen.width, number(dice, now))
    return bytes(out)


def put(out: bytearray, at: int, width: int, value: int) -> None:
    out[at : at + width] = (value & ((1 << (8 * width)) - 1)).to_bytes(width, "little")


def parts(data: bytes) -> list[tuple[int, str, int | None, int]]:
    """Where each message's metadata stands, what it is, where its body stands and how long that is."""
    found: list[tuple[int, str, int | None, int]] = []
    at = len(ARROW_MAGIC) if data.startswith(ARROW_MAGIC) else 0
    while True:
        size = struct.unpack_from("<i", data, at + 4)[0]
        if size == 0:
            break
        start = at + 8
        metadata = data[start : start + size]
        place = flatbuffer.field(metadata, 3)
        length = struct.unpack_from("<q", metadata, place)[0] if place is not None else 0
        found.append((start, "Message", start + size, length))
        at = start + size + length
    if data.startswith(ARROW_MAGIC):
        size = struct.unpack_from("<i", data, len(data) - 10)[0]
        found.append((len(data) - 10 - size, "Footer", None, 0))
    return found
