"""Reads what Tidemill wrote and compares it with DuckDB's answer.

Both sides become rows of Python values of the type DuckDB names. Everything compares exactly but
the floats that a query marks with a tolerance: sums depend on the order of addition, and the last
bit of a logarithm on the library. Rows compare in order where the query orders them, else as
multisets.
"""

import json
import math
import struct
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

RELATIVE = 1e-9


class Mismatch(Exception):
    """The two answers differ; says where."""


# Reading Tidemill's files.


def read_output(folder, sink, names, types):
    """All rows below a sink's directory, in order of file names; values of the given types."""
    files = sorted(p for p in Path(folder).rglob("*") if p.is_file() and not p.name.startswith((".", "_")))
    stray = [p.name for p in files if p.suffix in (".open", ".tmp")]
    if stray:
        raise Mismatch(f"unfinished files were left behind: {stray}")
    read = {"csv": read_csv, "json": read_json, "parquet": read_parquet}[sink]
    return [row for file in files for row in read(file, names, types)]


def csv_records(text):
    """Records of fields, each `(text, was quoted)`; RFC 4180 with any line end."""
    records, fields, i = [], [], 0
    while i < len(text):
        if text[i] == '"':
            start, value = i + 1, []
            while True:
                end = text.index('"', start)
                value.append(text[start:end])
                if text[end + 1 : end + 2] != '"':
                    break
                value.append('"')
                start = end + 2
            fields.append(("".join(value), True))
            i = end + 1
        else:
            end = min((p for p in (text.find(c, i) for c in ",\r\n") if p >= 0), default=len(text))
            fields.append((text[i:end], False))
            i = end
        if text[i : i + 1] == ",":
            i += 1
            if i == len(text):
                fields.append(("", False))
            continue
        i += 2 if text[i : i + 2] == "\r\n" else 1
        records.append(fields)
        fields = []
    return records


def read_csv(file, names, types):
    records = csv_records(file.read_bytes().decode())
    if not records:
        return
    header = [name for name, _ in records[0]]
    if header != names:
        raise Mismatch(f"header {header}, expected {names}")
    for record in records[1:]:
        if len(record) != len(names):
            raise Mismatch(f"a record of {len(record)} fields: {record}")
        yield tuple(
            None if text == "" and not is_quoted else value_of(text, kind)
            for (text, is_quoted), kind in zip(record, types)
        )


def read_json(file, names, types):
    for line in file.read_bytes().decode().split("\n"):
        if not line:
            continue
        record = json.loads(line, parse_float=Decimal, object_pairs_hook=list)
        keys = [key for key, _ in record]
        if keys != names:
            raise Mismatch(f"keys {keys}, expected {names}")
        yield tuple(json_value(value, kind) for (_, value), kind in zip(record, types))


def json_value(value, kind):
    if value is None:
        return None
    if kind.endswith("[]"):
        return [json_value(item, kind[:-2]) for item in value]
    is_number = isinstance(value, (int, Decimal)) and not isinstance(value, bool)
    wanted = bool if kind == "BOOLEAN" else str if kind in ("VARCHAR", "DATE", "TIMESTAMP", "INTERVAL") else None
    if wanted and not isinstance(value, wanted) or (wanted is None and not is_number and not kind.startswith("DECIMAL")):
        raise Mismatch(f"JSON {value!r} stands for a {kind}")
    if isinstance(value, bool):
        return value
    return value_of(str(value), kind)


def span_of(text):
    """A span of hours and less, `-00:16:40.5`."""
    hours, minutes, seconds = text.removeprefix("-").split(":")
    span = timedelta(hours=int(hours), minutes=int(minutes), microseconds=int(Decimal(seconds) * 1_000_000))
    return -span if text.startswith("-") else span


def value_of(text, kind):
    """A value from its text."""
    try:
        if kind == "VARCHAR":
            return text
        if kind == "BOOLEAN":
            return {"true": True, "false": False}[text]
        if kind in ("DOUBLE", "FLOAT"):
            return narrow(float(text), kind)
        if kind.startswith("DECIMAL"):
            return Decimal(text)
        if kind == "DATE":
            return date.fromisoformat(text)
        if kind.startswith("TIMESTAMP"):
            return datetime.fromisoformat(text)
        if kind == "INTERVAL":
            return span_of(text)
        return int(text)
    except (ValueError, KeyError, ArithmeticError):
        raise Mismatch(f"{text!r} is no {kind}") from None


def narrow(value, kind):
    if kind == "FLOAT" and math.isfinite(value) and abs(value) < 3.4e38:
        return struct.unpack("f", struct.pack("f", value))[0]
    return value


def read_parquet(file, names, types):
    table = pq.read_table(file)
    if table.column_names != names:
        raise Mismatch(f"columns {table.column_names}, expected {names}")
    columns = [column.to_pylist() for column in table.columns]
    yield from zip(*columns)


# Types.


def check_types(folder, duckdb_types, is_typed):
    """Holds the types of a Parquet sink to DuckDB's: exactly, or only by kind of number."""
    for file in sorted(Path(folder).rglob("*.parquet")):
        for field, expected, exactly in zip(pq.read_schema(file), duckdb_types, is_typed):
            actual = sql_type(field.type)
            expected = "BIGINT" if expected == "HUGEINT" else expected
            if actual != expected and (exactly or family(actual) != family(expected)):
                raise Mismatch(f"column {field.name} is {actual}, expected {expected}")


def sql_type(kind):
    plain = {
        pa.bool_(): "BOOLEAN", pa.int8(): "TINYINT", pa.int16(): "SMALLINT", pa.int32(): "INTEGER", pa.int64(): "BIGINT",
        pa.float32(): "FLOAT", pa.float64(): "DOUBLE", pa.date32(): "DATE", pa.timestamp("us"): "TIMESTAMP",
    }  # fmt: skip
    if kind in plain:
        return plain[kind]
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision},{kind.scale})"
    if pa.types.is_list(kind):
        return sql_type(kind.value_type) + "[]"
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return "VARCHAR" if text else str(kind)


def family(kind):
    if kind in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"):
        return "an integer"
    return kind.split("(")[0]


# Comparing.


def compare(ours, theirs, is_ordered, tolerances):
    """Raises `Mismatch` with the first rows that differ."""
    if not is_ordered:
        ours = sorted(ours, key=lambda row: sort_key(row, tolerances))
        theirs = sorted(theirs, key=lambda row: sort_key(row, tolerances))
    for number, (our, their) in enumerate(zip(ours, theirs), 1):
        if not all(same(a, b, t) for a, b, t in zip(our, their, tolerances)):
            where = f"row {number} of {len(theirs)}" + ("" if is_ordered else " in sorted order")
            raise Mismatch(f"{where}\n    tidemill: {our!r}\n    duckdb:   {their!r}")
    if len(ours) != len(theirs):
        more, rows = ("tidemill", ours) if len(ours) > len(theirs) else ("duckdb", theirs)
        extra = rows[min(len(ours), len(theirs))]
        raise Mismatch(f"{len(ours)} rows, expected {len(theirs)}; only {more} has {extra!r}")


def same(a, b, tolerance):
    if a is None or b is None:
        return a is b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y, tolerance) for x, y in zip(a, b))
    if isinstance(a, float) and isinstance(b, float):
        if a == b or (math.isnan(a) and math.isnan(b)):
            return True
        if tolerance is None or not (math.isfinite(a) and math.isfinite(b)):
            return False
        return abs(a - b) <= max(tolerance, RELATIVE * max(abs(a), abs(b)))
    return type(a) is type(b) and a == b


def sort_key(row, tolerances):
    """Exact columns first, so that rows pair up although inexact ones differ a little."""
    exact = [atom(v) for v, t in zip(row, tolerances) if t is None]
    return exact + [atom(v) for v, t in zip(row, tolerances) if t is not None]


def atom(value):
    if value is None:
        return (3, 0)
    if isinstance(value, float) and math.isnan(value):
        return (2, 0)
    if isinstance(value, list):
        return (1, [atom(item) for item in value])
    return (1, value)
