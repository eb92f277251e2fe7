"""Whole files of both formats, small, which together have every part that the formats have."""

import datetime
import decimal
import io
from typing import NamedTuple

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

ROWS = 60


class Seed(NamedTuple):
    name: str
    data: bytes


def table() -> pa.Table:
    """A column of each type that is read, with NULLs."""
    day = datetime.date(2024, 5, 1)
    at = datetime.datetime(2024, 5, 1, 10)
    columns = {
        "i8": pa.array([i - 30 for i in range(ROWS)], pa.int8()),
        "i64": pa.array([None if i % 7 == 0 else i * 10**15 for i in range(ROWS)], pa.int64()),
        "u64": pa.array([2**64 - 1 - i for i in range(ROWS)], pa.uint64()),
        "f32": pa.array([i / 3 for i in range(ROWS)], pa.float32()),
        "f64": pa.array([None if i % 5 == 0 else i / 3 for i in range(ROWS)], pa.float64()),
        "b": pa.array([i % 3 == 0 for i in range(ROWS)]),
        "dec": pa.array([decimal.Decimal(i) / 100 for i in range(ROWS)], pa.decimal128(12, 2)),
        "day": pa.array([day + datetime.timedelta(i) for i in range(ROWS)], pa.date32()),
        "ts": pa.array([at + datetime.timedelta(seconds=i) for i in range(ROWS)], pa.timestamp("us")),
        "ns": pa.array([i * 10**9 for i in range(ROWS)], pa.timestamp("ns")),
        "text": pa.array([None if i % 11 == 0 else "x" * (i % 20) for i in range(ROWS)]),
        "word": pa.array([f"word{i % 4}" for i in range(ROWS)]).dictionary_encode(),
        "bytes": pa.array([bytes([i]) * (i % 5) for i in range(ROWS)], pa.binary()),
        "fixed": pa.array([bytes([i]) * 4 for i in range(ROWS)], pa.binary(4)),
        "list": pa.array([None if i % 9 == 0 else list(range(i % 4)) for i in range(ROWS)], pa.list_(pa.int64())),
        "texts": pa.array([[str(i)] * (i % 3) for i in range(ROWS)], pa.list_(pa.string())),
        "group": pa.array([{"a": i} for i in range(ROWS)]),
    }
    return pa.table(columns)


def recast(made: pa.Table, **types: pa.DataType) -> pa.Table:
    """The table with other types of some columns."""
    fields = [field.with_type(types.get(field.name, field.type)) for field in made.schema]
    return made.cast(pa.schema(fields))


def parquet() -> list[Seed]:
    made = table()
    options = {
        "plain": {"compression": "none", "use_dictionary": False},
        "snappy": {"compression": "snappy", "row_group_size": 20},
        "zstd": {"compression": "zstd", "data_page_version": "2.0", "write_page_index": True},
        "gzip": {"compression": "gzip", "data_page_size": 64, "write_batch_size": 8},
        "lz4": {"compression": "lz4", "version": "1.0"},
        "split": {
            "use_dictionary": False,
            "column_encoding": {"f64": "BYTE_STREAM_SPLIT", "i64": "DELTA_BINARY_PACKED", "text": "DELTA_BYTE_ARRAY"},
        },
        "int96": {"use_deprecated_int96_timestamps": True},
    }
    seeds = []
    for name, chosen in options.items():
        file = io.BytesIO()
        pa.parquet.write_table(made, file, **chosen)
        seeds.append(Seed(name, file.getvalue()))
    return seeds


def arrow() -> list[Seed]:
    made = table()
    views = recast(made, text=pa.string_view(), bytes=pa.binary_view())
    large = recast(made, text=pa.large_string(), bytes=pa.large_binary(), list=pa.large_list(pa.int64()))
    seeds = []
    for name, rows, compression in (
        ("plain", made, None),
        ("lz4", made, "lz4"),
        ("zstd", made, "zstd"),
        ("views", views, None),
        ("large", large, "lz4"),
    ):
        for opener, kind in ((pa.ipc.new_file, "file"), (pa.ipc.new_stream, "stream")):
            file = io.BytesIO()
            with opener(file, rows.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
                writer.write_table(rows, max_chunksize=25)
            seeds.append(Seed(f"{name}-{kind}", file.getvalue()))
    return seeds
