"""Queries by hand for what chance does not reach: bad records, lazy branches, spellings of input.

Each has files of its own, or reads the data set `one` with another policy. `{home}` stands for the
folder of its files, `{one}` for that of the data set, in the text of both engines. DuckDB finds
the records that must be bad with TRY and TRY_CAST.
"""

import pyarrow as pa
import pyarrow.parquet as pq

from data import COLUMNS, options_text
from expressions import Node
from queries import Query

SKIPPING = (
    "CREATE SOURCE one_skip (" + ", ".join(f"{name} {kind}" for name, kind in COLUMNS) + ") WITH ('connector' = 'file', "
    "'path' = '{one}/json/part-0.jsonl', 'format' = 'json', 'bad.records' = 'skip');"
)


def source(columns, path, **options):
    """A CREATE SOURCE statement of a source named `own`."""
    shown = {"connector": "file", "path": "{home}/" + path, "bad.records": "skip", **options}
    return f"CREATE SOURCE own ({columns}) WITH ({options_text(shown)});"


def failing(expression, types, duckdb=None, condition="TRUE"):
    """An expression over `one` that fails on some records, which are then left out.

    `condition` says, for DuckDB, which records are good.
    """
    return SKIPPING, f"SELECT id AS c0, {expression} AS c1 FROM one_skip", (
        f"SELECT id, {duckdb or f'TRY({expression})'} FROM one WHERE {condition}"
    ), ["BIGINT", types]


BAD_CSV = 'id,n,d,t,b\n1,10,1.5,2024-01-02 03:04:05,true\n2,x,1.5,,false\n3,,,,\n4,9223372036854775808,1,,true\n5,5,abc,,true\n6,6,1e400,,true\n7,7,.5,2024-13-01,true\n8,8,5.,,maybe\n,9,1,,true\n10,-9223372036854775808,-1E-5,1969-12-31,false\n11,"12",2,,TRUE\n'
BAD_JSON = '{"id":1,"n":10,"s":"a"}\n{"id":2,"n":"x","s":"b"}\n{"id":3,"n":1.5}\n{"id":4,"n":null,"s":null}\n{"id":5,"n":9223372036854775808}\n{"id":6,"n":7,"s":"unfinished}\n{"id":7\n[1,2]\n{"id":8,"n":-3,"s":"\\ud83d\\ude00"}\n{}\nnot json\n{"id":9,"n":{"a":1}}\n{"id":10,"n":[1]}\n{"id":11,"n":true}\n'
QUOTED = "id,s\n" + "".join(f'{i},"line {i}\nand, ""more"" {"x" * (i % 37)}"\n' for i in range(1, 3001))
EPOCHS = [0, 1, -1, 1_700_000_000, -86_400, 86_399]

NEEDS = {
    "bad.csv": BAD_CSV,
    "bad.jsonl": BAD_JSON,
    "quoted.csv": QUOTED,
    "tabs.csv": "id\tname\n1\ta,b\n2\t'q'\n3\t\n4\t''\n",
    "headless.csv": "1,a\r\n2,\r\n3,\"\"",
    "floats.csv": "id,x\n1,NaN\n2,inf\n3,-inf\n4,-0.0\n5,0.0\n6,1.5\n7,\n8,nan\n9,Infinity\n10,-Infinity\n",
    "plain.csv": "id,name,price,ok\n1,a,1.5,true\n2,b,2.25,false\n3,,,\n4,\"c, d\",-3.0,true\n",
    "plain.jsonl": '{"id":1,"name":"a","price":1.5,"ok":true}\n{"id":2,"name":null,"price":2.25,"ok":false}\n{"id":3,"price":-1e3}\n',
    **{f"epoch_{unit}.csv": "id,t\n" + "".join(f"{i},{e * factor}\n" for i, e in enumerate(EPOCHS))
       for unit, factor in (("s", 1), ("ms", 1000), ("us", 10**6), ("ns", 10**9))},
}  # fmt: skip

CSV_ROWS = "read_csv('{home}/%s', all_varchar=true, header=true, nullstr='', allow_quoted_nulls=false)"
GOOD_CSV = (
    "SELECT TRY_CAST(id AS BIGINT), TRY_CAST(n AS BIGINT), TRY_CAST(d AS DOUBLE), TRY_CAST(t AS TIMESTAMP), TRY_CAST(b AS BOOLEAN) "
    "FROM " + CSV_ROWS % "bad.csv" + " WHERE id IS NOT NULL AND (n IS NULL OR TRY_CAST(n AS BIGINT) IS NOT NULL) AND "
    "(d IS NULL OR isfinite(TRY_CAST(d AS DOUBLE))) AND (t IS NULL OR TRY_CAST(t AS TIMESTAMP) IS NOT NULL) "
    "AND (b IS NULL OR TRY_CAST(b AS BOOLEAN) IS NOT NULL) ORDER BY 1"
)


def cases():
    """Name to `(declarations, tidemill, duckdb, types)`; a `*` ends the type of an inexact column."""
    text = "CAST(digits AS BIGINT)"
    yield "overflow of +", *failing("huge + 1", "BIGINT", condition="huge IS NULL OR TRY(huge + 1) IS NOT NULL")
    yield "overflow of *", *failing("huge * 2", "BIGINT", condition="huge IS NULL OR TRY(huge * 2) IS NOT NULL")
    yield "overflow of negation", *failing("- huge", "BIGINT", condition="huge IS NULL OR huge <> -9223372036854775808")
    yield "division by zero", *failing("amount / grp", "BIGINT", "amount // NULLIF(grp, 0)", "grp IS NULL OR grp <> 0 OR amount IS NULL")
    yield "remainder by zero", *failing("amount % grp", "BIGINT", "amount % NULLIF(grp, 0)", "grp IS NULL OR grp <> 0 OR amount IS NULL")
    yield "text to integer", *failing(text, "BIGINT", "TRY_CAST(digits AS BIGINT)", "digits IS NULL OR TRY_CAST(digits AS BIGINT) IS NOT NULL")
    yield "narrowing", *failing("CAST(amount AS SMALLINT)", "SMALLINT", "TRY_CAST(amount AS SMALLINT)", "amount IS NULL OR abs(amount) <= 32767")
    yield "double to integer", *failing("CAST(extreme AS INTEGER)", "INTEGER", "TRY_CAST(extreme AS INTEGER)", "extreme IS NULL OR TRY_CAST(extreme AS INTEGER) IS NOT NULL")
    yield "text to date", *failing("CAST(day_text AS DATE)", "DATE", "TRY_CAST(day_text AS DATE)", "day_text IS NULL OR TRY_CAST(day_text AS DATE) IS NOT NULL")
    yield "decimal too wide", *failing("CAST(cost AS DECIMAL(6,3))", "DECIMAL(6,3)", "TRY_CAST(cost AS DECIMAL(6,3))", "cost IS NULL OR abs(cost) < 1000")
    yield "lazy CASE", *failing(f"CASE WHEN digits IN ('0', '1', '42', '-7') THEN {text} ELSE -1 END", "BIGINT", "CASE WHEN digits IN ('0', '1', '42', '-7') THEN TRY_CAST(digits AS BIGINT) ELSE -1 END")
    yield "lazy AND", *failing("grp <> 0 AND amount / grp > 10", "BOOLEAN", "grp <> 0 AND amount // NULLIF(grp, 0) > 10", "grp IS NOT NULL OR TRUE")
    yield "lazy COALESCE", *failing("COALESCE(qty, 1 / (grp - grp))", "INTEGER", "qty", "qty IS NOT NULL OR grp IS NULL")
    yield "failing condition", SKIPPING, f"SELECT id AS c0 FROM one_skip WHERE {text} > 5", (
        "SELECT id FROM one WHERE TRY_CAST(digits AS BIGINT) > 5"
    ), ["BIGINT"]
    yield "failing argument", SKIPPING, f"SELECT code AS c0, COUNT(*) AS c1, SUM({text} / 1000000) AS c2 FROM one_skip GROUP BY code", (
        "SELECT code, COUNT(*), SUM(TRY_CAST(digits AS BIGINT) // 1000000) FROM one "
        "WHERE digits IS NULL OR TRY_CAST(digits AS BIGINT) IS NOT NULL GROUP BY code"
    ), ["VARCHAR", "BIGINT", "BIGINT"]
    yield "failing key", SKIPPING, "SELECT 100 / grp AS c0, COUNT(*) AS c1 FROM one_skip GROUP BY 1", (
        "SELECT 100 // NULLIF(grp, 0), COUNT(*) FROM one WHERE grp IS NULL OR grp <> 0 GROUP BY 1"
    ), ["INTEGER", "BIGINT"]
    yield "bad fields of CSV", source("id BIGINT NOT NULL, n BIGINT, d DOUBLE, t TIMESTAMP, b BOOLEAN", "bad.csv", format="csv"), (
        "SELECT id AS c0, n AS c1, d AS c2, t AS c3, b AS c4 FROM own"
    ), GOOD_CSV, ["BIGINT", "BIGINT", "DOUBLE", "TIMESTAMP", "BOOLEAN"]
    yield "bad lines of JSON", source("id BIGINT NOT NULL, n BIGINT, s VARCHAR", "bad.jsonl", format="json"), (
        "SELECT id AS c0, n AS c1, s AS c2 FROM own"
    ), "SELECT * FROM (VALUES (1::BIGINT, 10::BIGINT, 'a'), (4, NULL, NULL), (8, -3, '😀')) AS t(a, b, c)", ["BIGINT", "BIGINT", "VARCHAR"]
    # In several splits this is refused with a message: a split cannot see that it starts in a field.
    yield "quoted line breaks", source("id BIGINT, s VARCHAR", "quoted.csv", format="csv", splits="1"), (
        "SELECT COUNT(*) AS c0, SUM(id) AS c1, SUM(LENGTH(s)) AS c2, MAX(s) AS c3 FROM own"
    ), f"SELECT COUNT(*), SUM(id::BIGINT), SUM(LENGTH(s)), MAX(s) FROM {CSV_ROWS % 'quoted.csv'}", ["BIGINT", "BIGINT", "BIGINT", "VARCHAR"]
    yield "tabs and single quotes", source("id BIGINT, name VARCHAR", "tabs.csv", format="csv", **{"csv.delimiter": "\t", "csv.quote": "'"}), (
        "SELECT id AS c0, name AS c1 FROM own"
    ), "SELECT * FROM (VALUES (1::BIGINT, 'a,b'), (2, 'q'), (3, NULL), (4, '')) AS t(a, b)", ["BIGINT", "VARCHAR"]
    yield "no header, CRLF, no last line end", source("id BIGINT, name VARCHAR", "headless.csv", format="csv", **{"csv.header": "false"}), (
        "SELECT id AS c0, name AS c1 FROM own"
    ), "SELECT * FROM (VALUES (1::BIGINT, 'a'), (2, NULL), (3, '')) AS t(a, b)", ["BIGINT", "VARCHAR"]
    floats, scan = source("id BIGINT, x DOUBLE", "floats.csv", format="csv"), f"(SELECT id::BIGINT AS id, x::DOUBLE AS x FROM {CSV_ROWS % 'floats.csv'})"
    for name, query, types in (
        ("order of NaN", "SELECT x AS c0, id AS c1 FROM {} ORDER BY x DESC, id", ["DOUBLE", "BIGINT"]),
        ("comparing NaN", "SELECT id AS c0, x = x AS c1, x > 1e300 AS c2, x < 0 AS c3, x IS DISTINCT FROM 0.0 AS c4, GREATEST(x, 1e0) AS c5 FROM {}",
         ["BIGINT", *["BOOLEAN"] * 4, "DOUBLE"]),
        ("grouping NaN and zeros", "SELECT x AS c0, COUNT(*) AS c1 FROM {} GROUP BY x", ["DOUBLE", "BIGINT"]),
        ("extremes with NaN", "SELECT MIN(x) AS c0, MAX(x) AS c1, COUNT(DISTINCT x) AS c2, SUM(x) AS c3 FROM {}", ["DOUBLE", "DOUBLE", "BIGINT", "DOUBLE"]),
    ):  # fmt: skip
        yield name, floats, query.format("own"), query.format(scan), types
    for unit, factor in (("s", 1), ("ms", 1000), ("us", 10**6), ("ns", 10**9)):
        yield f"epoch {unit}", source("id BIGINT, t TIMESTAMP", f"epoch_{unit}.csv", format="csv", **{"timestamp.unit": unit}), (
            "SELECT id AS c0, t AS c1 FROM own"
        ), f"SELECT id::BIGINT, make_timestamp(t::BIGINT // {factor} * 1000000) FROM {CSV_ROWS % f'epoch_{unit}.csv'}", ["BIGINT", "TIMESTAMP"]
    for file in ("plain.csv", "plain.jsonl", "plain.parquet", "plain.arrow"):
        reader = {"csv": "read_csv('{home}/plain.csv')", "jsonl": "read_json('{home}/plain.jsonl')"}.get(file.split(".")[1], "read_parquet('{home}/plain.parquet')")
        query = "SELECT id AS c0, name AS c1, price AS c2, ok AS c3, price * 2 + id AS c4 FROM {}"
        yield f"inferred {file}", "", query.format("'{home}/" + file + "'"), query.format(reader), ["BIGINT", "VARCHAR", "DOUBLE", "BOOLEAN", "DOUBLE"]
    yield "units and widths of Parquet", "", "SELECT u32 AS c0, u8 AS c1, ms AS c2, s32 AS c3, big_text AS c4, dec AS c5 FROM '{home}/widths.parquet'", (
        "SELECT u32::BIGINT, u8::SMALLINT, ms::TIMESTAMP, s32, big_text, dec FROM read_parquet('{home}/widths.parquet')"
    ), ["BIGINT", "SMALLINT", "TIMESTAMP", "INTEGER", "VARCHAR", "DECIMAL(20,4)"]
    wide = SKIPPING.replace("{one}/json", "{one}/../wide/json")
    yield "approximate count", wide, "SELECT ABS(APPROX_COUNT_DISTINCT(id) - 20000) < 1000 AS c0, APPROX_COUNT_DISTINCT(grp) AS c1 FROM one_skip", (
        "SELECT TRUE, 5::BIGINT"
    ), ["BOOLEAN", "BIGINT"]
    yield "hashes", wide, "SELECT COUNT(DISTINCT HASH(id)) AS c0, COUNT(DISTINCT HASH(code, grp)) > 1 AS c1 FROM one_skip", "SELECT 20000::BIGINT, TRUE", ["BIGINT", "BOOLEAN"]
    yield "the job's start", SKIPPING, "SELECT COUNT(DISTINCT NOW()) AS c0, BOOL_AND(NOW() > TIMESTAMP '2020-01-01 00:00:00') AS c1 FROM one_skip", "SELECT 1::BIGINT, TRUE", ["BIGINT", "BOOLEAN"]


def write(folder):
    """Writes the files the cases need."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in NEEDS.items():
        (folder / name).write_bytes(text.encode())
    plain = pa.table({"id": [1, 2, 3], "name": ["a", None, "ü"], "price": [1.5, 2.25, None], "ok": [True, None, False]})
    pq.write_table(plain, folder / "plain.parquet")
    with pa.ipc.new_file(str(folder / "plain.arrow"), plain.schema) as writer:
        writer.write_table(plain)
    widths = pa.table({
        "u32": pa.array([0, 2**32 - 1, None], pa.uint32()), "u8": pa.array([0, 255, None], pa.uint8()),
        "ms": pa.array([0, -1, None], pa.timestamp("ms")), "s32": pa.array([1, -1, None], pa.int32()),
        "big_text": pa.array(["", "é", None], pa.large_string()), "dec": pa.array([None, None, None], pa.decimal128(20, 4)),
    })  # fmt: skip
    pq.write_table(widths, folder / "widths.parquet")


def make(home, one):
    """The queries by hand; their indices are negative, counted from -1."""
    made = []
    for number, (name, script, tidemill, duckdb, types) in enumerate(cases(), 1):
        texts = [t.replace("{home}", str(home)).replace("{one}", str(one)) for t in (script, tidemill, duckdb)]
        nodes = [Node(kind, "", "", is_typed=True) for kind in types]
        is_ordered = " ORDER BY " in tidemill
        sink = ("csv", "parquet")[number % 2]
        made.append(Query(-number, name, texts[1], texts[2], nodes, [], sink, is_ordered, script=texts[0]))
    return made
