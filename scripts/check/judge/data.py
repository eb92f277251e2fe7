"""The data sets of the judge: one content each, written in every format the engine reads.

`COLUMNS` is the one schema that nearly all data sets share. `write` makes the files of a seed and
returns `Source` objects: what Tidemill declares, and the name of the DuckDB table with the same
rows. DuckDB reads the text and Parquet files by itself, through readers with explicit types, and
`load` insists that every variant of a data set holds the same rows, so that a mistake of the
writers here cannot be taken for a mistake of the engine.

Absent on purpose: anything about queries.
"""

import gzip
import json
import random
import struct
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

# Name, SQL type. `id` counts from 1 within a data set and is never NULL.
COLUMNS = [
    ("id", "BIGINT"),
    ("code", "VARCHAR"),  # few values: group and partition key
    ("grp", "INTEGER"),  # few values: group key
    ("amount", "BIGINT"),  # within ±1e6
    ("huge", "BIGINT"),  # near ±2^63: compared, never summed
    ("qty", "INTEGER"),  # within ±10,000
    ("small", "SMALLINT"),  # within ±100
    ("price", "DOUBLE"),  # within ±1000, at most three decimals
    ("extreme", "DOUBLE"),  # tiny, large, -0.0: compared, never summed
    ("ratio", "REAL"),
    ("cost", "DECIMAL(12,3)"),
    ("flag", "BOOLEAN"),
    ("note", "VARCHAR"),  # quotes, separators, line breaks, every plane of Unicode
    ("word", "VARCHAR"),  # plain ASCII
    ("digits", "VARCHAR"),  # text that may read as an integer
    ("numeral", "VARCHAR"),  # text that may read as a number
    ("day_text", "VARCHAR"),  # text that may read as a date
    ("doc", "VARCHAR"),  # a JSON object as text
    ("born_on", "DATE"),
    ("seen_at", "TIMESTAMP"),
]
TYPES = dict(COLUMNS)
TEXT_FORMATS = ("csv", "csv_crlf", "csv_other", "csv_plain", "csv_shuffled", "csv_gz", "json", "json_zst")
FORMATS = (*TEXT_FORMATS, "parquet", "arrow", "arrow_stream")

NOTES = [
    "plain", "", " ", "  both ends  ", "\ttab", "a,b", 'say "hi"', '"', '""', "line\nbreak", "a\nb\nc,\"d\"",
    "semi;colon", "back\\slash", "slash/", "NULL", "null", "true", "é", "e\u0301", "añejo", "Ж", "жук",
    "שלום", "مرحبا", "漢字", "😀", "a😀b", "\U0001F468\u200d\U0001F469", "ÀÉÎ", "x'y", "100%", "a_b", "{\"k\":1}",
    "[1]", "-0", "1e5", "#", "trailing ", " leading", "MiXeD CaSe", "αβγ", "A", "B", "a",
]  # fmt: skip
WORDS = ["alpha", "beta", "Gamma", "delta", "epsilon", "zeta", "eta", "Theta", "iota", "kappa", "ab", "abc", "b", ""]
DIGITS = ["0", "1", "42", "-7", "1000000", "abc", "", "99999999999999999999", "-9223372036854775808", "12a", "007"]
NUMERALS = ["0.5", "1.25", "-3.75", "12", "1000.125", "x", "", "--1", "0.001"]
DAYS = ["2024-02-29", "2023-02-29", "1999-12-31", "2024-13-01", "xyz", "", "1970-01-01", "2000-06-15"]
EXTREMES = [
    0.0, -0.0, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, -1.7976931348623157e308, 1e-3, 1e10,
    123456789.125, 0.1, -0.1, 1e22, 1e23, 9007199254740993.0, 4.35, 2.675, 1e-7, 3.141592653589793,
]  # fmt: skip
HUGE = [2**63 - 1, -(2**63), 2**63 - 2, -(2**63) + 1, 2**53 + 1, -(2**53) - 1, 10**18, -(10**18), 0, 1, -1]


@dataclass
class Source:
    """One data set in one format."""

    dataset: str
    variant: str
    declaration: str  # the CREATE SOURCE statement
    table: str  # the DuckDB table
    partition_count: int
    is_keyed: bool = False  # PARTITIONED BY (code)
    path: str = ""  # for FROM 'path'

    @property
    def name(self):
        return f"{self.dataset}_{self.variant}"


@dataclass
class Dataset:
    """Rows, cut into the files they are written to."""

    name: str
    parts: list  # of lists of rows; a row is a tuple in the order of COLUMNS
    is_keyed: bool = False
    options: dict = field(default_factory=dict)
    variants: tuple = FORMATS


def real(value):
    """The nearest single-precision number."""
    return struct.unpack("f", struct.pack("f", value))[0]


def make_rows(rng, row_count, first_id=1, codes=("A", "B", "C", "dé", "", "E f")):
    """Random rows; every column but `id` is NULL in about one row of nine."""

    def maybe(value):
        return None if rng.random() < 0.11 else value

    def row(i):
        a, b = rng.randint(-5, 5), rng.choice(["x", "yé", 'q"t', "", "😀"])
        doc = {"a": {"b": [a, a + 1, {"c": b}]}, "s": b, "n": None, "t": rng.random() < 0.5, "i": a}
        if rng.random() < 0.3:
            del doc["s"]
        moment = datetime(1969, 1, 1) + timedelta(microseconds=rng.randrange(56 * 365 * 86_400_000_000))
        if rng.random() < 0.5:
            moment = moment.replace(microsecond=rng.choice([0, 0, 500_000, 123_000]))
        return (
            i,
            maybe(rng.choice(codes)),
            maybe(rng.randint(0, 4)),
            maybe(rng.randint(-1_000_000, 1_000_000) if rng.random() < 0.7 else rng.randint(-3, 3)),
            maybe(rng.choice(HUGE) if rng.random() < 0.7 else rng.randrange(-(2**63), 2**63)),
            maybe(rng.randint(-10_000, 10_000) if rng.random() < 0.7 else rng.randint(-3, 3)),
            maybe(rng.randint(-100, 100)),
            maybe(round(rng.uniform(-1000, 1000), rng.randint(0, 3))),
            maybe(rng.choice(EXTREMES) if rng.random() < 0.7 else rng.gauss(0, 1) * 10 ** rng.randint(-20, 20)),
            maybe(real(rng.choice([0.5, -0.25, 0.1, 1e10, 1e-5, 3.0]) if rng.random() < 0.5 else rng.uniform(-9, 9))),
            maybe(Decimal(rng.randint(-99_999_999, 99_999_999)).scaleb(-3)),
            maybe(rng.random() < 0.5),
            maybe(rng.choice(NOTES)),
            maybe(rng.choice(WORDS)),
            maybe(rng.choice(DIGITS)),
            maybe(rng.choice(NUMERALS)),
            maybe(rng.choice(DAYS)),
            maybe(json.dumps(doc, ensure_ascii=rng.random() < 0.5, separators=(",", ":"))),
            maybe(date(1960, 1, 1) + timedelta(days=rng.randrange(75 * 365))),
            maybe(moment),
        )

    return [row(first_id + i) for i in range(row_count)]


def datasets(seed):
    """The data sets of a seed."""
    rng = random.Random(f"data:{seed}")
    codes = ("A", "B", "C", "dé", "", "E f")
    keyed, first = [[], [], [], []], 1
    for part, own in ((0, codes[:2]), (2, codes[2:4]), (3, codes[4:])):
        keyed[part] = make_rows(rng, 90, first, own)
        first += 90
    # NULL is a key like any other and lives in one partition only.
    keyed = [[(r[0], r[1] if r[1] is not None or p == 0 else "C2", *r[2:]) for r in rows] for p, rows in enumerate(keyed)]
    keyed[3] = [(r[0], "F", *r[2:]) if r[1] == "C2" else r for r in keyed[3]]
    loose, first = [], 1
    for row_count in (70, 0, 110, 1):
        loose.append(make_rows(rng, row_count, first))
        first += row_count
    wide = make_rows(rng, 20_000)
    # A byte range may not begin inside a quoted line break that it cannot see.
    wide = [tuple(v.replace("\n", " ") if isinstance(v, str) else v for v in r) for r in wide]
    return [
        Dataset("one", [make_rows(rng, 300)]),
        Dataset("keyed", keyed, is_keyed=True),
        Dataset("loose", loose, variants=("csv", "csv_crlf", "csv_gz", "json", "json_zst", "parquet", "arrow")),
        Dataset("wide", [wide], options={"splits": "3"}, variants=("csv", "json")),
        Dataset("long", [make_rows(rng, 9_000)], variants=("csv_other", "json", "parquet", "arrow")),
        Dataset("none", [[]], variants=("csv", "csv_plain", "json", "parquet", "arrow")),
    ]


# Text.


def number(value, i):
    """A float as text that reads back exactly; some with exponents, in both cases."""
    text = repr(value)
    if i % 3 == 0 and value and 1e-300 < abs(value) < 1e300:
        mantissa, exponent = f"{value:.17e}".split("e")
        short = f"{float(mantissa):.17g}E{int(exponent):+d}"
        if float(short) == value:
            return short
    return text


def moment_text(value, i):
    """A timestamp in one of the spellings of ISO 8601."""
    text = value.isoformat(sep="T" if i % 2 else " ")
    return text + "Z" if i % 5 == 0 else text


def csv_field(value, i, delimiter, quote):
    """NULL is nothing, text is quoted where it must be and sometimes where it need not."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number(value, i)
    if isinstance(value, datetime):
        return moment_text(value, i)
    if not isinstance(value, str):
        return str(value)
    must = value == "" or any(c in value for c in (delimiter, quote, "\n", "\r"))
    if must or i % 7 == 0:
        return quote + value.replace(quote, quote * 2) + quote
    return value


def write_csv(path, rows, end="\n", delimiter=",", quote='"', has_header=True, order=None, last_end=True, pack=False):
    """Writes rows; `order` shuffles columns and adds one that the schema does not name."""
    order = order or list(range(len(COLUMNS)))
    lines = []
    if has_header:
        lines.append(delimiter.join("unused" if c is None else COLUMNS[c][0] for c in order))
    for row in rows:
        cells = ["junk" if c is None else csv_field(row[c], row[0] + c, delimiter, quote) for c in order]
        lines.append(delimiter.join(cells))
    text = end.join(lines) + (end if last_end and lines else "")
    data = text.encode()
    path.write_bytes(gzip.compress(data) if pack else data)


def json_field(value, i):
    if isinstance(value, float):
        return number(value, i)
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime):
        return json.dumps(moment_text(value, i))
    if isinstance(value, date):
        return json.dumps(value.isoformat())
    return json.dumps(value, ensure_ascii=i % 2 == 0)


def write_json(path, rows, pack=False):
    """One object a line: keys in changing order, NULL as null or as nothing, unknown keys."""
    lines = []
    for row in rows:
        order = list(range(len(COLUMNS)))
        if row[0] % 4 == 0:
            order.reverse()
        elif row[0] % 9 == 0:
            order = order[7:] + order[:7]
        pairs = []
        for c in order:
            if row[c] is None and (row[0] + c) % 2:
                continue
            pairs.append(f'"{COLUMNS[c][0]}":{" " if row[0] % 6 == 0 else ""}{json_field(row[c], row[0] + c)}')
        if row[0] % 10 == 0:
            pairs.insert(len(pairs) // 2, '"unused":{"id":[1,{"code":"}\\"]"}],"s":"\\u00e9"}')
        lines.append("{" + (", " if row[0] % 6 == 0 else ",").join(pairs) + "}")
    data = ("\n".join(lines) + ("\n" if len(rows) % 2 == 0 and rows else "")).encode()
    if pack:
        with pa.output_stream(str(path), compression="zstd") as out:
            out.write(data)
    else:
        path.write_bytes(data)


# Binary.

ARROW = {
    "BIGINT": pa.int64(), "INTEGER": pa.int32(), "SMALLINT": pa.int16(), "DOUBLE": pa.float64(),
    "REAL": pa.float32(), "DECIMAL(12,3)": pa.decimal128(12, 3), "BOOLEAN": pa.bool_(), "VARCHAR": pa.string(),
    "DATE": pa.date32(), "TIMESTAMP": pa.timestamp("us"),
}  # fmt: skip


def arrow_table(rows, columns=COLUMNS):
    arrays = [pa.array([row[c] for row in rows], ARROW[t]) for c, (_, t) in enumerate(columns)]
    return pa.table(arrays, names=[name for name, _ in columns])


def write_arrow(path, rows, is_stream):
    """Several record batches; the stream form has large and dictionary-coded text."""
    table = arrow_table(rows)
    if is_stream:
        note, code = table.schema.get_field_index("note"), table.schema.get_field_index("code")
        table = table.set_column(note, "note", table["note"].cast(pa.large_string()))
        table = table.set_column(code, "code", table["code"].combine_chunks().dictionary_encode())
    make = ipc.new_stream if is_stream else ipc.new_file
    with make(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=1000)


def write_file(path, rows, variant, part):
    """Writes one file of a data set in one variant."""
    last_end = part % 2 == 0
    if variant == "csv" and not rows and part == 0:
        path.write_bytes(b"")
    elif variant in ("csv", "csv_gz"):
        write_csv(path, rows, last_end=last_end, pack=variant == "csv_gz")
    elif variant == "csv_crlf":
        write_csv(path, rows, end="\r\n", last_end=False)
    elif variant == "csv_other":
        write_csv(path, rows, delimiter=";", quote="'")
    elif variant == "csv_plain":
        write_csv(path, rows, has_header=False)
    elif variant == "csv_shuffled":
        order = [*range(len(COLUMNS))][::-1]
        write_csv(path, rows, order=[*order[:5], None, *order[5:]])
    elif variant.startswith("json"):
        write_json(path, rows, pack=variant == "json_zst")
    elif variant == "parquet":
        pq.write_table(arrow_table(rows), path, row_group_size=97, use_dictionary=part % 2 == 0)
    else:
        write_arrow(path, rows, is_stream=variant == "arrow_stream")


ENDINGS = {"csv_gz": "csv.gz", "json": "jsonl", "json_zst": "jsonl.zst", "parquet": "parquet"}
WITH = {"csv_other": {"csv.delimiter": ";", "csv.quote": "'"}, "csv_plain": {"csv.header": "false"}}


def options_text(options):
    """Options as a WITH clause holds them."""
    return ", ".join("'{}' = '{}'".format(key, value.replace("'", "''")) for key, value in options.items())


def declare(dataset, variant, path):
    """The CREATE SOURCE statement of one variant."""
    options = {"connector": "file", "path": path, "format": variant.split("_")[0]}
    options |= WITH.get(variant, {}) | dataset.options
    columns = ", ".join(f"{name} {kind}{' NOT NULL' if name == 'id' else ''}" for name, kind in COLUMNS)
    keyed = " PARTITIONED BY (code)" if dataset.is_keyed else ""
    return f"CREATE SOURCE {dataset.name}_{variant} ({columns}){keyed} WITH ({options_text(options)});"


def write(folder, seed):
    """Writes every data set; returns `(Dataset, Source, [file])` for each variant."""
    written = []
    for dataset in datasets(seed):
        for variant in dataset.variants:
            home = Path(folder) / dataset.name / variant
            home.mkdir(parents=True, exist_ok=True)
            ending = ENDINGS.get(variant, variant.split("_")[0])
            files = []
            for part, rows in enumerate(dataset.parts):
                files.append(home / f"part-{part}.{ending}")
                write_file(files[-1], rows, variant, part)
            path = str(files[0]) if len(files) == 1 else str(home / f"part-*.{ending}")
            source = Source(
                dataset.name, variant, declare(dataset, variant, path), dataset.name, len(files), dataset.is_keyed, path
            )
            if "splits" in dataset.options:
                source.partition_count = int(dataset.options["splits"])
            written.append((dataset, source, files))
    return written


def reader(variant, file):
    """How DuckDB reads one file, with explicit types; None where it does so through pyarrow."""
    columns = "{" + ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS) + "}"
    if variant == "parquet":
        return f"read_parquet('{file}')"
    if variant.startswith("json"):
        return f"read_json('{file}', format='newline_delimited', columns={columns})"
    if variant in ("csv", "csv_crlf", "csv_other", "csv_plain", "csv_gz"):
        delimiter, quote = (";", "''") if variant == "csv_other" else (",", '"')
        line_end = ", new_line='\\r\\n'" if variant == "csv_crlf" else ""
        return (
            f"read_csv('{file}', auto_detect=false, header={variant != 'csv_plain'}, columns={columns}, nullstr='', "
            f"allow_quoted_nulls=false, delim='{delimiter}', quote='{quote}', escape='{quote}'{line_end})"
        )
    return None


def load(connection, written):
    """Makes one DuckDB table a data set, with `_rid` (row order) and `_file` beside its columns.

    Raises `AssertionError` where two variants of a data set do not hold the same rows.
    """
    names = ", ".join(name for name, _ in COLUMNS)
    for dataset, source, files in written:
        rows = sum(dataset.parts, [])
        part_of = [part for part, part_rows in enumerate(dataset.parts) for _ in part_rows]
        if source.variant == dataset.variants[0]:
            base = arrow_table(rows)
            base = base.append_column("_rid", pa.array(range(len(rows)), pa.int64()))
            base = base.append_column("_file", pa.array(part_of, pa.int64()))
            connection.register("incoming", base)
            connection.execute(f"CREATE TABLE {source.table} AS SELECT * FROM incoming ORDER BY _rid")
            connection.unregister("incoming")
        scans = [reader(source.variant, file) for file in files if file.stat().st_size]
        if None in scans or not scans:
            continue
        union = " UNION ALL ".join(f"SELECT {names} FROM {scan}" for scan in scans)
        own = f"SELECT {names} FROM {source.table}"
        for left, right in ((union, own), (own, union)):
            odd = connection.execute(f"SELECT * FROM (({left}) EXCEPT ALL ({right})) LIMIT 1").fetchall()
            assert not odd, f"{source.name}: DuckDB reads another row than was meant: {odd}"
