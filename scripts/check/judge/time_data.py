"""Records with event times: disordered within the declared delay, or beyond it.

`write` makes the files of a seed and `load` the DuckDB tables, which have `_rid` (place in the
input), `_file`, and `_before`: the watermark that the records before each one made. That is a
running maximum, so DuckDB finds by itself what is late.
"""

import json
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
from data import Source, options_text

COLUMNS = "id BIGINT, ts TIMESTAMP NOT NULL, k VARCHAR, g INTEGER, v BIGINT, x DOUBLE, s VARCHAR, d DECIMAL(9,2)"
NAMES = [column.split(" ")[0] for column in COLUMNS.split(", ")]
EPOCH = datetime(1970, 1, 1)
SECOND = 1_000_000
DELAY = 20 * SECOND
KEYS = [["a", "b", None], ["c", "dé", ""]]


@dataclass
class TimeData:
    """The rows of one data set, by file."""

    name: str
    parts: list
    is_keyed: bool
    variant: str
    has_watermark: bool = True


def make_rows(rng, row_count, first, keys, base, is_late):
    """Rows whose times are at most `DELAY` behind the largest before, but for the late ones."""

    def maybe(value):
        return None if rng.random() < 0.12 else value

    rows, clock = [], base
    for i in range(row_count):
        clock += rng.choice([0, 0, 1, 1, 2, 3, 5, 40]) * SECOND
        behind = rng.randint(0, DELAY // SECOND) * SECOND if rng.random() < 0.6 else 0
        if is_late and rng.random() < 0.2:
            behind = rng.randint(0, 12 * 60) * SECOND
        # Some times are no whole seconds, and all stay within the delay.
        time = clock - behind + (rng.choice([1, 500_000, 999_999]) if behind and rng.random() < 0.2 else 0)
        value = (
            first + i, EPOCH + timedelta(microseconds=time), rng.choice(keys), maybe(rng.randint(0, 2)),
            maybe(rng.randint(-50, 50)), maybe(round(rng.uniform(-100, 100), 2)), maybe(rng.choice(["x", "y", "zz", "é"])),
            maybe(rng.randint(-9999, 9999)),
        )  # fmt: skip
        rows.append(value)
    return rows


def datasets(seed):
    rng = random.Random(f"time:{seed}")
    recent = 1_714_557_600 * SECOND
    every = KEYS[0] + KEYS[1]
    around_zero = -20 * 60 * SECOND - 7

    def parts(is_keyed, base, is_late, row_counts):
        first = 1
        for part, row_count in enumerate(row_counts):
            yield make_rows(rng, row_count, first, KEYS[part] if is_keyed else every, base, is_late)
            first += row_count

    return [
        TimeData("tick", list(parts(False, around_zero, False, [250])), False, "csv"),
        TimeData("tock", list(parts(False, recent, False, [250])), False, "parquet"),
        TimeData("pair", list(parts(True, recent, False, [160, 140])), True, "json"),
        TimeData("lax", list(parts(False, around_zero, False, [150, 130])), False, "csv"),
        TimeData("tardy", list(parts(False, around_zero, True, [250])), False, "json"),
        TimeData("slow", list(parts(True, recent, True, [150, 150])), True, "csv"),
        TimeData("timeless", list(parts(False, recent, True, [120, 100])), False, "csv", has_watermark=False),
    ]


def csv_text(rows):
    lines = [",".join(NAMES)]
    for row in rows:
        cells = ["" if v is None else '""' if v == "" else str(v) for v in row[:-1]]
        lines.append(",".join([*cells, decimal_text(row[-1])]))
    return "\n".join(lines) + "\n"


def decimal_text(hundredths):
    if hundredths is None:
        return ""
    return f"{'-' if hundredths < 0 else ''}{abs(hundredths) // 100}.{abs(hundredths) % 100:02}"


def json_text(rows):
    def pairs(row):
        for name, value in zip(NAMES[:-1], row):
            if value is not None:
                yield f'"{name}":{json.dumps(str(value) if isinstance(value, datetime) else value)}'
        if row[-1] is not None:
            yield f'"d":{decimal_text(row[-1])}'

    return "".join("{" + ",".join(pairs(row)) + "}\n" for row in rows)


ARROW = [pa.int64(), pa.timestamp("us"), pa.string(), pa.int32(), pa.int64(), pa.float64(), pa.string(), pa.int64()]


def arrow_table(rows):
    """All columns but the decimal, which follows from hundredths."""
    arrays = [pa.array([row[i] for row in rows], kind) for i, kind in enumerate(ARROW)]
    cents = arrays[-1].cast(pa.decimal128(19, 0)).cast(pa.decimal128(21, 2))
    hundred = pa.array([100] * len(rows), pa.decimal128(3, 0))
    arrays[-1] = pa.compute.divide(cents, hundred).cast(pa.decimal128(9, 2)) if len(rows) else arrays[-1].cast(pa.decimal128(9, 2))
    return pa.table(arrays, names=NAMES)


def declare(name, path, variant, is_keyed, delay=DELAY, **options):
    """A CREATE SOURCE statement; without `delay` it has no watermark."""
    watermark = "" if delay is None else f", WATERMARK FOR ts AS ts - INTERVAL '{delay // SECOND}' SECOND"
    keyed = " PARTITIONED BY (k)" if is_keyed else ""
    shown = {"connector": "file", "path": path, "format": variant, **options}
    return f"CREATE SOURCE {name} ({COLUMNS}{watermark}){keyed} WITH ({options_text(shown)});"


def write(folder, seed):
    """Writes every data set; returns `(TimeData, Source)` pairs."""
    written = []
    for made in datasets(seed):
        home = Path(folder) / made.name
        home.mkdir(parents=True, exist_ok=True)
        for part, rows in enumerate(made.parts):
            file = home / f"part-{part}.{'jsonl' if made.variant == 'json' else made.variant}"
            if made.variant == "parquet":
                pq.write_table(arrow_table(rows), file, row_group_size=71)
            else:
                file.write_text((json_text if made.variant == "json" else csv_text)(rows))
        path = str(home / "part-*") if len(made.parts) > 1 else str(file)
        # DuckDB's watermark is a running maximum, and nothing is too far ahead of that.
        delay, options = (DELAY, {"watermark.max_ahead": "off"}) if made.has_watermark else (None, {})
        declaration = declare(f"{made.name}_{made.variant}", path, made.variant, made.is_keyed, delay, **options)
        table = f"time_{made.name}"
        written.append((made, Source(made.name, made.variant, declaration, table, len(made.parts), made.is_keyed, path)))
    return written


def load(connection, written):
    for made, source in written:
        rows = sum(made.parts, [])
        table = arrow_table(rows)
        part_of = [part for part, part_rows in enumerate(made.parts) for _ in part_rows]
        table = table.append_column("_rid", pa.array(range(len(rows)), pa.int64()))
        table = table.append_column("_file", pa.array(part_of, pa.int64()))
        connection.register("incoming", table)
        delay = f"INTERVAL '{DELAY // SECOND}' SECOND"
        connection.execute(
            f"CREATE TABLE {source.table} AS SELECT *, max(ts) OVER (PARTITION BY _file ORDER BY _rid "
            f"ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) - {delay} AS _before FROM incoming ORDER BY _rid"
        )
        connection.unregister("incoming")
        late = connection.execute(f"SELECT count(*) FROM {source.table} WHERE ts < _before").fetchall()[0][0]
        assert bool(late) == (made.name in ("tardy", "slow", "timeless")), f"{made.name} has {late} late records"
