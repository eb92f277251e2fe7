"""Every aggregate over random groups with NULLs, ties, NaN and infinities, against DuckDB.

A case is a call as each engine writes it. What goes by the order of arrival here gets `ORDER BY rid` there. Each set of cases is asked of
groups over three partitions, of no rows, with a FILTER, of hopping windows and sessions, after every row (EMIT CHANGES), and, where OVER
takes it, of frames. Intended differences are not among the cases; `docs/SQL.md`, "Differences from DuckDB", has them.
"""

import random
from datetime import date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq

from expressions import Node
from queries import Query

ROWS = 240
FIRST = -3000  # number of the first query
SCHEMA = pa.schema([
    ("rid", pa.int64()), ("k", pa.string()), ("i", pa.int32()), ("n", pa.int64()), ("x", pa.float64()), ("y", pa.float64()), ("z", pa.float64()),
    ("d", pa.decimal128(9, 2)), ("s", pa.string()), ("t", pa.timestamp("us")), ("e", pa.date32()), ("f", pa.bool_()),
])  # fmt: skip
DECLARED = (
    "rid BIGINT, k VARCHAR, i INTEGER, n BIGINT, x DOUBLE, y DOUBLE, z DOUBLE, d DECIMAL(9,2), s VARCHAR, t TIMESTAMP NOT NULL, e DATE, f BOOLEAN, "
    "WATERMARK FOR t AS t - INTERVAL '1' DAY"
)
# Rows of a partition that are in order of time: of a session over two partitions, that whose part begins earlier is first here.
EDGES = {*range(6), *range(ROWS // 3 - 6, ROWS // 3)}
ANY = ["i", "n", "x", "d", "s", "t", "e", "f"]
ORDERED = ["i", "x", "d", "s", "t", "e"]


def same(call, tolerance=None, over=False):
    return (call, call, tolerance, over)


def arrived(call, over=False):
    """A call that goes by the order of arrival."""
    return (call, call[:-1] + " ORDER BY rid)", None, over)


def shown(name):
    return f"COALESCE(CAST({name} AS VARCHAR), '-')"


def calls():
    yield same("COUNT(*)")
    for name in ANY:
        yield arrived(f"FIRST({name})")
        yield arrived(f"ANY_VALUE({name})")
        yield (f"LATEST_BY_OFFSET({name})", f"arg_max({name}, rid)", None, False)
        yield arrived(f"MODE({name})")
        yield (f"MODE() WITHIN GROUP (ORDER BY {name})", f"mode({name} ORDER BY {name})", None, False)
        yield arrived(f"ARG_MIN({name}, i)")
        yield arrived(f"MAX_BY({name}, x)")
        for order in ("i, rid DESC", "x DESC, rid", "s NULLS FIRST, rid"):
            yield same(f"LAST({name} ORDER BY {order})")
            yield same(f"FIRST({name} ORDER BY {order})")
    for name in ORDERED:
        yield arrived(f"ARG_MAX(rid, {name})")
        yield arrived(f"MIN_BY(s, {name})")
        yield (f"FIRST(rid ORDER BY {name} DESC)", f"first(rid ORDER BY {name} DESC, rid)", None, False)
        yield (f"LAST(i ORDER BY {name} NULLS FIRST)", f"last(i ORDER BY {name} NULLS FIRST, rid)", None, False)
        for fraction in ("0", "0.05", "0.3", "0.5", "0.95", "1"):
            yield same(f"QUANTILE_DISC({name}, {fraction})")
            yield (f"PERCENTILE_DISC({fraction}) WITHIN GROUP (ORDER BY {name} DESC)",) * 2 + (None, False)
    for name in ("i", "y", "d"):
        for fraction in ("0.1", "0.5", "0.99"):
            yield (f"QUANTILE_CONT({name}, {fraction})", f"quantile_cont({name}::DOUBLE, {fraction})", 1e-9, False)
            # Exact here, of so few different values.
            yield (f"APPROX_QUANTILE({name}, {fraction})", f"quantile_cont({name}::DOUBLE, {fraction})", 1e-9, False)
        for function in ("SEM", "VAR_POP", "STDDEV"):
            yield (f"{function}({name})", f"{function}({name}::DOUBLE)", 1e-9, True)
        for function in ("SKEWNESS", "KURTOSIS", "KURTOSIS_POP"):
            yield (f"{function}({name})", f"{function}({name}::DOUBLE)", 1e-5, True)
        yield (f"PRODUCT({name} / 8.0)", f"product({name}::DOUBLE / 8)", 1e-9, False)
        yield same(f"MEDIAN(DISTINCT {name})", 1e-9) if name != "d" else same("COUNT(DISTINCT d)")
    # Spans. DuckDB has no sum of them, and adds what is left over of an average to it.
    for function in ("MIN", "MAX"):
        yield same(f"{function}(TO_SECONDS(i * 1000))", over=True)
        yield same(f"{function}(t - TIMESTAMP '2024-05-01 00:00:00' + TO_SECONDS(i))")
    yield arrived("ARG_MAX(s, TO_SECONDS(i))")
    yield same("QUANTILE_DISC(TO_SECONDS(i), 0.4)")
    for function in ("CORR", "COVAR_POP", "COVAR_SAMP", "REGR_SLOPE", "REGR_INTERCEPT", "REGR_R2", "REGR_AVGX", "REGR_AVGY", "REGR_SXX", "REGR_SXY", "REGR_SYY"):
        yield same(f"{function}(y, z)", 1e-6, True)
    yield ("REGR_COUNT(y, z)", "CAST(regr_count(y, z) AS BIGINT)", None, False)
    for function in ("BIT_AND", "BIT_OR", "BIT_XOR"):
        yield same(f"{function}(i)", over=True)
        yield same(f"{function}(DISTINCT n)")
    yield ("COUNT_IF(i > 2)", "COUNT(CASE WHEN i > 2 THEN 1 END)", None, True)
    for key in ("i DESC, rid", "x, rid DESC", "s NULLS FIRST, rid", "d DESC NULLS FIRST, t, rid", "f, e DESC, rid"):
        yield same(f"STRING_AGG(s, '|' ORDER BY {key})")
        yield (f"LISTAGG(s, '|') WITHIN GROUP (ORDER BY {key})", f"string_agg(s, '|' ORDER BY {key})", None, False)
        yield (f"ARRAY_TO_STRING(ARRAY_AGG({shown('i')} ORDER BY {key}), '|')",) * 2 + (None, False)
    yield same("STRING_AGG(DISTINCT s, '|' ORDER BY s DESC)")
    yield ("ARRAY_TO_STRING(ARRAY_AGG(i ORDER BY rid DESC) IGNORE NULLS, '|')", "array_to_string(array_agg(i ORDER BY rid DESC) FILTER (WHERE i IS NOT NULL), '|')", None, False)
    yield arrived("GROUP_CONCAT(s)")


FRAMES = [
    *(f"{function}({argument} IGNORE NULLS)" for function, argument in (("FIRST_VALUE", "i"), ("LAST_VALUE", "s"), ("FIRST_VALUE", "x"), ("LAST_VALUE", "i"))),
    "NTH_VALUE(i, 2 IGNORE NULLS)", "NTH_VALUE(s, 3 IGNORE NULLS)", "FIRST_VALUE(i RESPECT NULLS)",
    "COUNT(*) FILTER (WHERE i > 2)", "MAX(i) FILTER (WHERE f)", "BIT_XOR(i) FILTER (WHERE f)", "COVAR_POP(y, z) FILTER (WHERE i > 1)",
]  # fmt: skip
LAGS = ["LAG(i IGNORE NULLS)", "LAG(i, 2 IGNORE NULLS)", "LAG(s, 3, 'none' IGNORE NULLS)", "LAG(i, 0)", "LAG(x, 1)"]


def rows(rng):
    moment = datetime(2024, 5, 1)
    for rid in range(ROWS):
        moment += timedelta(seconds=rng.choice([0, 1, 1, 2, 5, 20]))
        key = rng.choice(["a", "a", "a", "b", "b", "c", None])
        maybe = lambda value: None if key == "c" or rng.random() < 0.2 else value  # noqa: E731
        yield {
            "rid": rid, "k": key, "i": maybe(rng.randint(-3, 6)), "n": maybe(rng.choice([0, 7, 2**40, -1, -(2**63), 2**63 - 1])),
            "x": maybe(rng.choice([0.0, 1.5, -2.5, float("nan"), float("inf"), float("-inf"), 1e300])),
            "y": maybe(rng.choice([rng.uniform(-5, 5), 2.0])), "z": maybe(rng.choice([rng.uniform(0, 100), 3.0])),
            "d": maybe(Decimal(rng.randint(-300, 300)) / 4 // Decimal("0.01") * Decimal("0.01")), "s": maybe(rng.choice(["", "a", "é", "a longer text than twelve", "b,c", "B"])),
            "t": moment - timedelta(seconds=0 if rid % (ROWS // 3) in EDGES else rng.choice([0, 0, 3, 7])), "e": maybe(date(2024, 1, rng.randint(1, 6))), "f": maybe(rng.random() < 0.5),
        }  # fmt: skip


def make(folder, connection, seed):
    folder.mkdir(parents=True, exist_ok=True)
    made = list(rows(random.Random(f"{seed}:aggregates")))
    for part in range(3):
        third = made[part * ROWS // 3 : (part + 1) * ROWS // 3]
        (folder / "parts").mkdir(exist_ok=True)
        pq.write_table(pa.Table.from_pylist(third, SCHEMA), folder / "parts" / f"{part}.parquet")
    pq.write_table(pa.Table.from_pylist(made, SCHEMA), folder / "one.parquet")
    connection.execute(f"CREATE TABLE aggregated AS SELECT * FROM read_parquet('{folder}/one.parquet')")
    source = "CREATE SOURCE aggregated ({}) WITH ('connector' = 'file', 'path' = '{}/{}', 'format' = 'parquet');"
    parts, one = (source.format(DECLARED, folder, path) for path in ("parts/", "one.parquet"))
    joined = "(SELECT a.rid AS _at, b.* FROM aggregated a JOIN aggregated b ON a.k IS NOT DISTINCT FROM b.k AND b.rid <= a.rid)"
    hops = "(SELECT w, a.* FROM aggregated a, (SELECT unnest(generate_series(TIMESTAMP '2024-04-30 23:55', TIMESTAMP '2024-05-01 02:00', INTERVAL '1 minute')) AS w) WHERE t < w AND t >= w - INTERVAL '3 minutes')"
    gaps = "(SELECT *, CASE WHEN t - lag(t) OVER (PARTITION BY k ORDER BY t, rid) < INTERVAL '9 seconds' THEN 0 ELSE 1 END AS g FROM aggregated)"
    sessions = f"(SELECT *, sum(g) OVER (PARTITION BY k ORDER BY t, rid) AS w FROM {gaps})"
    queries = []

    def add(script, select, theirs, tolerances, is_ordered=False):
        nodes = [Node("DOUBLE" if tolerance else "", "", "", is_exact=tolerance is None, is_typed=False) for tolerance in tolerances]
        label = f"aggregates {len(queries)}"
        queries.append(Query(FIRST - len(queries), label, select, theirs, nodes, [], sink="csv", script=script, tolerances=tolerances, is_ordered=is_ordered))

    def listed(some, clause="", first=1):
        filtered = [(put_filter(ours, clause), put_filter(theirs, clause)) for ours, theirs, _, _ in some]
        return [", ".join(f"{pair[side]} AS c{first + at}" for at, pair in enumerate(filtered)) for side in (0, 1)]

    everything = list(calls())
    for start in range(0, len(everything), 12):
        some = everything[start : start + 12]
        tolerances = [tolerance for _, _, tolerance, _ in some]
        for clause in ("", " FILTER (WHERE f)"):
            ours, theirs = listed(some, clause)
            add(parts, f"SELECT k AS c0, {ours} FROM aggregated GROUP BY k", f"SELECT k AS c0, {theirs} FROM aggregated GROUP BY k", [None, *tolerances])
            add(one, f"SELECT k AS c0, {ours} FROM aggregated GROUP BY k EMIT CHANGES", f"SELECT k AS c0, {theirs} FROM {joined} GROUP BY _at, k ORDER BY _at", [None, *tolerances], True)
        ours, theirs = listed(some)
        add(parts, f"SELECT 1 AS c0, {ours} FROM aggregated WHERE rid < 0", f"SELECT 1 AS c0, {theirs} FROM aggregated WHERE rid < 0", [None, *tolerances])
        add(parts, f"SELECT COALESCE(k, '-') || CAST(window_end AS VARCHAR) AS c0, {ours} FROM aggregated GROUP BY k, HOP(t, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE)", f"SELECT COALESCE(k, '-') || CAST(w AS VARCHAR) AS c0, {theirs} FROM {hops} GROUP BY k, w", [None, *tolerances])
        add(parts, f"SELECT COALESCE(k, '-') || CAST(window_start AS VARCHAR) AS c0, {ours} FROM aggregated GROUP BY k, SESSION(t, INTERVAL '9' SECOND)", f"SELECT COALESCE(k, '-') || CAST(MIN(t) AS VARCHAR) AS c0, {theirs} FROM {sessions} GROUP BY k, w", [None, *tolerances])
    framed = [(ours, theirs, tolerance) for ours, theirs, tolerance, over in everything if over] + [(call, call, 1e-6 if "COVAR" in call else None) for call in FRAMES]
    for start in range(0, len(framed), 8):
        some = framed[start : start + 8]
        for frame in ("ROWS UNBOUNDED PRECEDING", "ROWS 4 PRECEDING"):
            texts = [", ".join(f"{call[side]} OVER (PARTITION BY k {order} {frame}) AS c{1 + at}" for at, call in enumerate(some)) for side, order in ((0, ""), (1, "ORDER BY rid"))]
            add(one, f"SELECT rid AS c0, {texts[0]} FROM aggregated", f"SELECT rid AS c0, {texts[1]} FROM aggregated ORDER BY rid", [None, *(call[2] for call in some)], True)
    texts = [", ".join(f"{call} OVER (PARTITION BY k {order}) AS c{1 + at}" for at, call in enumerate(LAGS)) for order in ("", "ORDER BY rid")]
    add(one, f"SELECT rid AS c0, {texts[0]} FROM aggregated", f"SELECT rid AS c0, {texts[1]} FROM aggregated ORDER BY rid", [None] * (1 + len(LAGS)), True)
    # In any order, over several files: rows equal in the order are peers, and ROWS needs an order without any.
    by_peers = ["COUNT(*)", "COUNT(i)", "SUM(i)", "MIN(d)", "MAX(s)", "SUM(d)", "RANK()", "DENSE_RANK()", "LAST_VALUE(s)", "FIRST_VALUE(s)"]
    by_rows = ["COUNT(*)", "SUM(i)", "MAX(d)", "LAST_VALUE(i)", "COUNT(x)"]
    for source in (parts, one):
        for order in ("s", "i DESC NULLS FIRST, e", "x", "d, s DESC", "f NULLS FIRST", "t DESC", "k, i"):
            for partition in ("PARTITION BY k", "PARTITION BY f, e", ""):
                calls_of = [f"{call} OVER ({partition} ORDER BY {order})" for call in by_peers]
                # Of peers the first in order is anybody's.
                calls_of[-2] = f"LAST_VALUE(i) OVER ({partition} ORDER BY {order}, rid)"
                calls_of[-1] = f"FIRST_VALUE(s) OVER ({partition} ORDER BY {order}, rid)"
                calls_of += [f"{call} OVER ({partition} ORDER BY {order}, rid ROWS {frame} PRECEDING)" for call in by_rows for frame in ("3", "UNBOUNDED")]
                calls_of.append(f"LAG(s, 2) OVER ({partition} ORDER BY {order}, rid)")
                text = ", ".join(f"{call} AS c{1 + at}" for at, call in enumerate(calls_of))
                add(source, f"SELECT rid AS c0, {text} FROM aggregated", f"SELECT rid AS c0, {text} FROM aggregated", [None] * (1 + len(calls_of)))
    texts = [", ".join(f"{call} OVER (PARTITION BY k {order} ROWS 4 PRECEDING) AS c{1 + at}" for at, call in enumerate(by_rows)) for order in ("", "ORDER BY rid")]
    add(parts, f"SELECT rid AS c0, {texts[0]} FROM aggregated", f"SELECT rid AS c0, {texts[1]} FROM aggregated ORDER BY rid", [None] * (1 + len(by_rows)), True)
    return queries


def put_filter(call, clause):
    """FILTER stands behind the call, inside of what is around it."""
    if not clause:
        return call
    if "FILTER (WHERE i IS NOT NULL)" in call:
        return call.replace("FILTER (WHERE i IS NOT NULL)", "FILTER (WHERE f AND i IS NOT NULL)")
    if " IGNORE NULLS, '|')" in call:
        return call.replace(" IGNORE NULLS, '|')", f"{clause} IGNORE NULLS, '|')")
    if call.startswith("ARRAY_TO_STRING"):
        return call.replace("), '|')", f"){clause}, '|')")
    if call.startswith("CAST("):
        return call.replace(" AS BIGINT)", f"{clause} AS BIGINT)")
    return call + clause
