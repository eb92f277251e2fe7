"""Random queries over event time: windows, sessions, `OVER`, changes, and what is late.

DuckDB knows no windows of event time, so it is given their arithmetic: the windows of a record are
generated and unnested, sessions are gaps and islands; what is late for `OVER` is found by the running maximum in `_before`. Windows
with late records are answered by `model`, and DuckDB only holds the
answer. Query `index` of a seed does not depend on the others.
"""

import random
import re
from datetime import timedelta

import model
from compare import Mismatch
from expressions import Node
from queries import SINKS, Query
from time_data import DELAY, EPOCH, SECOND, declare

MINUTE = 60 * SECOND
# Aggregates in the text of both engines: (type, Tidemill, DuckDB, tolerance). `{o}` is DuckDB's order.
AGGREGATES = [
    ("BIGINT", "COUNT(*)", "count(*)", None), ("BIGINT", "COUNT(v)", "count(v)", None),
    ("BIGINT", "SUM(v)", "sum(v)::BIGINT", None), ("DOUBLE", "AVG(x)", "avg(x)", 1e-9), ("DOUBLE", "SUM(x)", "sum(x)", 1e-9),
    ("BIGINT", "MIN(v)", "min(v)", None), ("VARCHAR", "MAX(s)", "max(s)", None), ("DECIMAL(38,2)", "SUM(d)", "sum(d)", None),
    ("BIGINT", "COUNT(DISTINCT g)", "count(DISTINCT g)", None), ("DOUBLE", "MAX(x)", "max(x)", None),
    ("BIGINT", "COUNT(*) FILTER (WHERE v > 0)", "count(*) FILTER (WHERE v > 0)", None),
    ("DOUBLE", "STDDEV(x)", "stddev(x)", 1e-7), ("TIMESTAMP", "MAX(ts)", "max(ts)", None), ("DOUBLE", "MEDIAN(x)", "median(x)", 1e-9),
]  # fmt: skip
ORDERED = [
    ("BIGINT", "FIRST_VALUE(id)", "first(id{o})", None), ("BIGINT", "LAST_VALUE(v)", "last(v{o})", None),
    ("VARCHAR", "STRING_AGG(s, '-')", "string_agg(s, '-'{o})", None),
]  # fmt: skip
RUNNING = [a for a in AGGREGATES if "MEDIAN" not in a[1]]
HAVING = ["COUNT(*) > 2", "SUM(v) > 0", "MIN(v) < 0 OR MAX(x) > 10", "COUNT(s) >= 1"]
WHERE = ["v > -20", "g IS NOT NULL", "k <> 'a' OR k IS NULL", "x > -50 OR s IS NULL", "g % 2 = 0"]


def text(us):
    """A duration as an INTERVAL literal of both engines."""
    return f"INTERVAL '{us // MINUTE}' MINUTE" if us % MINUTE == 0 else f"INTERVAL '{us // SECOND}' SECOND"


class Maker:
    """Makes one query."""

    def __init__(self, seed, index, sources):
        self.rng = random.Random(f"time:{seed}:{index}")
        self.index, self.sources = index, sources

    def make(self):
        kinds = {"windows": 8, "sessions": 4, "over": 9, "window_changes": 4, "changes": 1, "top_n": 3, "window_top_n": 3, "modelled": 9}
        kind = self.rng.choices(list(kinds), kinds.values())[0]
        query = getattr(self, kind)()
        query.kind = f"time: {kind}"
        query.sink = self.rng.choice(SINKS)
        return query

    def source(self, *names):
        name = self.rng.choice(names)
        return next((made, source) for made, source in self.sources if made.name == name)

    def where(self, chance=0.35):
        return f" WHERE {self.rng.choice(WHERE)}" if self.rng.random() < chance else ""

    def keys(self, source):
        """Group keys; over a declared partitioning sometimes without it, which gathers."""
        return self.rng.choice([["k"], ["k"], ["k", "g"], ["g"], []])

    def query(self, tidemill, duckdb, picked, sources, is_ordered=False):
        nodes = [Node(kind, "", "", is_typed=not kind.startswith("DECIMAL")) for kind, *_ in picked]
        tolerances = [tolerance for *_, tolerance in picked]
        return Query(self.index, "", tidemill, duckdb, nodes, sources, is_ordered=is_ordered, tolerances=tolerances)

    # Windows of fixed size.

    def window(self):
        """(clause, alternative spellings, DuckDB's list of starts, DuckDB's list of ends)"""
        rng = self.rng
        t = "epoch_us(ts)"
        kind = rng.choice(["TUMBLING", "HOPPING", "CUMULATE"])
        if kind == "TUMBLING":
            size = rng.choice([7, 10, 60, 90, 300]) * SECOND
            step = size
            spelled = (f"({text(size)})", f"TUMBLE(TABLE {{}}, DESCRIPTOR(ts), {text(size)})", f"TUMBLE(ts, {text(size)})")
        elif kind == "HOPPING":
            size, step = rng.choice([(60, 20), (60, 30), (25, 10), (90, 60), (300, 60), (30, 7)])
            size, step = size * SECOND, step * SECOND
            spelled = (
                f"({text(size)}, {text(step)})", f"HOP(TABLE {{}}, DESCRIPTOR(ts), {text(step)}, {text(size)})",
                f"HOP(ts, {text(step)}, {text(size)})",
            )  # fmt: skip
        else:
            size, step = rng.choice([(60, 20), (300, 60), (90, 30)])
            size, step = size * SECOND, step * SECOND
            spelled = (f"({text(size)}, {text(step)})", f"CUMULATE(TABLE {{}}, DESCRIPTOR(ts), {text(step)}, {text(size)})", "")
        # floor(a / b) of integers that may be negative.
        if kind == "CUMULATE":
            start = f"({t} - ((({t}) % {size}) + {size}) % {size})"
            windows = (
                f"[struct_pack(s := {start}, e := {start} + {step} * n) for n in range(1, {size // step + 1}) "
                f"if {start} + {step} * n > {t}]"
            )
        else:
            last = f"({t} - ((({t}) % {step}) + {step}) % {step})"
            windows = (
                f"[struct_pack(s := {last} - {step} * n, e := {last} - {step} * n + {size}) for n in range(0, {-(-size // step)}) "
                f"if {last} - {step} * n + {size} > {t}]"
            )
        return kind, spelled, windows, (size, step)

    def unnested(self, source, where, windows):
        inner = f"SELECT *, unnest({windows}) AS _w FROM {source.table}{where}"
        return f"(SELECT *, make_timestamp(_w.s) AS window_start, make_timestamp(_w.e) AS window_end FROM ({inner}))"

    def grouping(self, source, keys, kind, spelled, is_plain=False):
        """FROM and GROUP BY in one of the three spellings; `{w}` in FROM's WHERE."""
        rng = self.rng
        forms = ["clause", "clause", "table"] + (["function"] if spelled[2] and not is_plain else [])
        form = rng.choice(forms)
        if form == "table":
            group = ", ".join([*keys, "window_start", "window_end"])
            return f"FROM TABLE({spelled[1].format(source.name)})", f" GROUP BY {group}"
        if form == "function":
            return f"FROM {source.name}", " GROUP BY " + ", ".join([*keys, spelled[2]])
        with_time = "(ts, " + spelled[0][1:]
        # Without a watermark there is no column to fall back on.
        named = with_time if source.name.startswith("timeless") else rng.choice([spelled[0], with_time])
        group = f" GROUP BY {', '.join(keys)}" if keys else ""
        return f"FROM {source.name}", f"{group} WINDOW {kind} {named}"

    def bounds(self):
        return [("TIMESTAMP", "window_start", "window_start", None), ("TIMESTAMP", "window_end", "window_end", None)]

    def pick(self, pool, most=4):
        return self.rng.sample(pool, self.rng.randint(1, most))

    def key_columns(self, keys):
        return [("INTEGER" if key == "g" else "VARCHAR", key, key, None) for key in keys]

    def lists(self, picked, order=""):
        ours = ", ".join(f"{p[1]} AS c{i}" for i, p in enumerate(picked))
        theirs = ", ".join(f"{p[2].replace('{o}', order)} AS c{i}" for i, p in enumerate(picked))
        return ours, theirs

    def windows(self):
        made, source = self.source("tick", "tock", "pair", "lax", "timeless")
        keys, where = self.keys(source), self.where()
        kind, spelled, windows, _ = self.window()
        is_one = source.partition_count == 1
        aggregates = self.pick(AGGREGATES + ORDERED)
        picked = self.key_columns(keys) + self.bounds() + aggregates
        ours, theirs = self.lists(picked, " ORDER BY _rid")
        having = f" HAVING {self.rng.choice(HAVING)}" if self.rng.random() < 0.3 else ""
        origin, group = self.grouping(source, keys, kind, spelled)
        if " WINDOW " in group and having and self.rng.random() < 0.5:
            # Either order of HAVING and WINDOW, where there is a GROUP BY.
            before, _, after = group.partition(" WINDOW ")
            tail = f"{before}{having} WINDOW {after}"
        else:
            tail = group + having
        emit = self.rng.choice(["", " EMIT FINAL"])
        tidemill = f"SELECT {ours} {origin}{where}{tail}{emit}"
        grouped = ", ".join([*keys, "window_start", "window_end"])
        duckdb = f"SELECT {theirs} FROM {self.unnested(source, where, windows)} GROUP BY {grouped}{having}"
        if is_one:
            duckdb += " ORDER BY window_end, window_start, min(_rid)"
        return self.query(tidemill, duckdb, picked, [source.name], is_ordered=is_one)

    # Sessions.

    def sessions(self):
        made, source = self.source("tick", "tock", "pair", "lax", "timeless")
        keys, where, gap = self.keys(source), self.where(), self.rng.choice([1, 3, 5, 10, 30]) * SECOND
        aggregates = self.pick(AGGREGATES)
        picked = self.key_columns(keys) + self.bounds() + aggregates
        ours, theirs = self.lists(picked)
        group = f" GROUP BY {', '.join(keys)}" if keys else ""
        named = f"(ts, {text(gap)})"
        # Without a watermark there is no column to fall back on.
        if not source.name.startswith("timeless"):
            named = self.rng.choice([named, f"({gap // SECOND}s)"])
        tidemill = f"SELECT {ours} FROM {source.name}{where}{group} WINDOW SESSION {named}"
        partition = f"PARTITION BY {', '.join(keys)} " if keys else ""
        jumps = (
            f"SELECT *, CASE WHEN epoch_us(ts) - lag(epoch_us(ts)) OVER ({partition}ORDER BY ts, _rid) < {gap} THEN 0 ELSE 1 END AS _new "
            f"FROM {source.table}{where}"
        )
        islands = f"SELECT *, sum(_new) OVER ({partition}ORDER BY ts, _rid ROWS UNBOUNDED PRECEDING) AS _island FROM ({jumps})"
        grouped = ", ".join([*keys, "_island"])
        theirs = theirs.replace("window_start AS", "min(ts) AS").replace("window_end AS", f"max(ts) + {text(gap)} AS")
        duckdb = f"SELECT {theirs} FROM ({islands}) GROUP BY {grouped}"
        return self.query(tidemill, duckdb, picked, [source.name])

    # Changes.

    def running(self, aggregate, partition, order):
        frame = f"({partition}ORDER BY {order} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
        name = aggregate.replace("{o}", "").replace("first(", "first_value(").replace("last(", "last_value(")
        return f"{name[:-8]} OVER {frame}::BIGINT" if name.endswith("::BIGINT") else f"{name} OVER {frame}"

    def window_changes(self):
        made, source = self.source("tick", "tock", "pair")
        keys = self.rng.choice([["k"], ["k", "g"]]) if source.is_keyed else self.keys(source)
        where = self.where()
        kind, spelled, windows, _ = self.window()
        picked = self.key_columns(keys) + self.bounds() + self.pick(RUNNING + ORDERED)
        ours, _ = self.lists(picked)
        origin, group = self.grouping(source, keys, kind, spelled)
        step = self.rng.choice([0, 0, 2, 7, 60])
        emit = f" EMIT CHANGES EVERY {step} ROWS" if step else " EMIT CHANGES"
        partition = "PARTITION BY " + ", ".join([*keys, "window_start", "window_end"]) + " "
        names = [p[2] if p[1] in ("k", "g", "window_start", "window_end") else self.running(p[2], partition, "_rid") for p in picked]
        theirs = ", ".join(f"{name} AS c{i}" for i, name in enumerate(names))
        rows = f"SELECT *, row_number() OVER (PARTITION BY _file ORDER BY _rid) - 1 AS _n FROM {source.table}{where}"
        flat = self.unnested(source, "", windows).replace(f"FROM {source.table})", f"FROM ({rows}))")
        is_one = source.partition_count == 1
        columns = ", ".join(f"c{i}" for i in range(len(picked)))
        changes = f"SELECT {theirs}, _rid, _file, _n, window_end AS _end, window_start AS _start FROM {flat}"
        if step:
            block = f"PARTITION BY _file, _n // {step}, _end, _start" + "".join(f", c{i}" for i in range(len(keys)))
            changes = (
                f"SELECT *, row_number() OVER ({block} ORDER BY _rid DESC) AS _last, min(_rid) OVER ({block}) AS _first FROM ({changes})"
            )
            order = f"_file, _n // {step}, _first, _end, _start"
            duckdb = f"SELECT {columns} FROM ({changes}) WHERE _last = 1 ORDER BY {order}"
        else:
            duckdb = f"SELECT {columns} FROM ({changes}) ORDER BY _rid, _end, _start"
        return self.query(f"SELECT {ours} {origin}{where}{group}{emit}", duckdb, picked, [source.name], is_ordered=is_one)

    def changes(self):
        """Running aggregates without a window: event time has no part in them."""
        made, source = self.source("tardy", "slow")
        keys, where = self.rng.choice([["k"], ["k", "g"]]), self.where()
        picked = self.key_columns(keys) + self.pick(RUNNING + ORDERED)
        ours, _ = self.lists(picked)
        partition = f"PARTITION BY {', '.join(keys)} "
        names = [p[2] if p[1] in ("k", "g") else self.running(p[2], partition, "_rid") for p in picked]
        theirs = ", ".join(f"{name} AS c{i}" for i, name in enumerate(names))
        return self.query(
            f"SELECT {ours} FROM {source.name}{where} GROUP BY {', '.join(keys)} EMIT CHANGES",
            f"SELECT {theirs} FROM {source.table}{where} ORDER BY _rid", picked, [source.name], source.partition_count == 1,
        )  # fmt: skip

    # OVER.

    def over(self):
        """Analytic functions, also with records that are too late for them."""
        rng = self.rng
        made, source = self.source("tick", "tock", "pair", "tardy", "slow", "timeless")
        is_by_time = rng.random() < 0.75
        keys = ["k"] if source.partition_count > 1 else self.rng.choice([["k"], ["k", "g"], ["g"], []])
        if made.name == "timeless":
            made, source = self.source("tardy")
        where = self.where(0.3)
        partition = f"PARTITION BY {', '.join(keys)} " if keys else ""
        order = "ts, _rid" if is_by_time else "_rid"
        ours_over = f"{partition}{'ORDER BY ts ' if is_by_time else ''}"
        calls = [self.call(ours_over, f"{partition}ORDER BY {order}", partition, is_by_time) for _ in range(rng.randint(1, 4))]
        picked = [("BIGINT", "id", "id", None), *calls]
        ours, theirs = self.lists(picked)
        good = f"SELECT * FROM {source.table}{where}"
        late = "SELECT * FROM ({}) WHERE _before IS NULL OR ts >= _before" if is_by_time else "{}"
        duckdb = f"SELECT {theirs} FROM ({late.format(good)}) ORDER BY {'_file, ' + order}"
        return self.query(f"SELECT {ours} FROM {source.name}{where}", duckdb, picked, [source.name], source.partition_count == 1)

    def call(self, ours, theirs, partition, is_by_time):
        rng = self.rng
        name = rng.choice(["aggregate", "aggregate", "aggregate", "range", "value", "nth", "lag", "rank", "row_number"])
        if name == "row_number":
            return "BIGINT", f"ROW_NUMBER() OVER ({ours.strip()})", f"row_number() OVER ({theirs})", None
        if name == "rank":
            function = rng.choice(["RANK", "DENSE_RANK"])
            peers = f"{partition}ORDER BY ts" if is_by_time else f"{partition}ORDER BY 1 + 0 * g IS NULL"
            duckdb = f"{function}() OVER ({peers})" if is_by_time else "1::BIGINT"
            return "BIGINT", f"{function}() OVER ({ours.strip()})", duckdb, None
        if name == "lag":
            rows = rng.choice([0, 1, 1, 2, 5])
            default = rng.choice(["", ", -7"])
            shown = f"LAG(v, {rows}{default})"
            return "BIGINT", f"{shown} OVER ({ours.strip()})", f"{shown} OVER ({theirs})", None
        rows = rng.choice([0, 1, 2, 5, 20])
        frame = rng.choice([f"ROWS BETWEEN {rows} PRECEDING AND CURRENT ROW", "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW", f"ROWS {rows} PRECEDING"])
        if name == "nth":
            shown = f"NTH_VALUE(v, {rng.randint(1, 4)})"
            return "BIGINT", f"{shown} OVER ({ours}{frame})", f"{shown} OVER ({theirs} {frame})", None
        if name == "value":
            function = rng.choice(["FIRST_VALUE", "LAST_VALUE"])
            kind, argument = rng.choice([("BIGINT", "v"), ("VARCHAR", "s"), ("DOUBLE", "x")])
            return kind, f"{function}({argument}) OVER ({ours}{frame})", f"{function}({argument}) OVER ({theirs} {frame})", None
        pool = [a for a in RUNNING if not any(w in a[1] for w in ("DISTINCT", "FILTER"))]
        kind, tidemill, duckdb, tolerance = rng.choice(pool)
        if name == "range" and is_by_time:
            span = rng.choice([0, 1, 5, 60])
            low = rng.choice([f"INTERVAL '{span}' SECOND PRECEDING", "UNBOUNDED PRECEDING"])
            frame, theirs = f"RANGE BETWEEN {low} AND CURRENT ROW", f"{partition}ORDER BY ts"
        plain, cast = (duckdb[:-8], "::BIGINT") if duckdb.endswith("::BIGINT") else (duckdb, "")
        return kind, f"{tidemill} OVER ({ours}{frame})", f"({plain} OVER ({theirs} {frame})){cast}", tolerance

    # The first rows of each.

    def top_n(self):
        made, source = self.source("tick", "tock", "pair", "lax", "tardy")
        keys, keep = self.rng.choice([["k"], ["k", "g"], ["g"]]), self.rng.choice([1, 1, 2, 5])
        order = self.rng.choice(["v DESC, id", "x, id DESC", "s NULLS FIRST, id", "d DESC NULLS LAST, id", "ts DESC, id"])
        inner = f"SELECT id, v, x, ROW_NUMBER() OVER (PARTITION BY {', '.join(keys)} ORDER BY {order}) AS n FROM "
        forms = [
            f"SELECT id AS c0, n AS c1, v AS c2 FROM ({inner}{name}{where}) WHERE n <= {keep}"
            for name, where in zip((source.name, source.table), [self.where()] * 2)
        ]
        # NULLs are last in both directions here and there.
        return self.query(*forms, [("BIGINT", "", "", None)] * 3, [source.name])

    def window_top_n(self):
        made, source = self.source("tick", "tock", "pair")
        kind, spelled, windows, _ = self.window()
        keep, where = self.rng.choice([1, 2, 3]), self.where()
        origin, group = self.grouping(source, ["k"], kind, spelled)
        order = "n DESC, low, k"
        ours = f"SELECT window_start, window_end, k, COUNT(*) AS n, MIN(id) AS low {origin}{where}{group}"
        theirs = (
            f"SELECT window_start, window_end, k, count(*) AS n, min(id) AS low FROM {self.unnested(source, where, windows)} "
            "GROUP BY k, window_start, window_end"
        )
        by = "window_start, window_end" + (", k" if source.is_keyed else "")
        forms = [
            f"SELECT window_end AS c0, k AS c1, n AS c2, low AS c3, place AS c4 FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY {by} "
            f"ORDER BY {order}) AS place FROM ({rows}) AS w) AS r WHERE place <= {keep}"
            for rows in (ours, theirs)
        ]
        kinds = ("TIMESTAMP", "VARCHAR", "BIGINT", "BIGINT", "BIGINT")
        return self.query(*forms, [(kind, "", "", None) for kind in kinds], [source.name])

    # Late records, answered by the model.

    def modelled(self):
        rng = self.rng
        made, source = self.source("tardy", "tardy", "slow", "tick")
        kind = rng.choice(["TUMBLING", "HOPPING", "CUMULATE", "SESSION", "SESSION"])
        size, step = {
            "TUMBLING": [(30, 0), (60, 0), (7, 0)], "HOPPING": [(60, 20), (90, 60), (25, 10), (300, 60)],
            "CUMULATE": [(60, 20), (120, 30)], "SESSION": [(5, 0), (15, 0), (60, 0)],
        }[kind][rng.randrange(2)]  # fmt: skip
        size, step = size * SECOND, step * SECOND
        lateness = rng.choice([0, 0, 15, 60, 400]) * SECOND
        delay = rng.choice([0, 5, 20, 60]) * SECOND
        ahead = rng.choice([None, 30 * SECOND + delay, 3600 * SECOND])
        emit = rng.choice(["", "", "", " EMIT CHANGES", " EMIT CHANGES EVERY 3 ROWS"])
        rules = model.Rules(kind, size, step, delay, lateness, ahead, "CHANGES" in emit, 3 if "EVERY" in emit else 0)
        condition = rng.choice(["", "", "g IS NOT NULL"])
        name = f"late_{self.index}"
        options = {"allowed.lateness": f"{lateness // SECOND}s", "watermark.max_ahead": f"{ahead // SECOND}s" if ahead else "off"}
        script = declare(name, source.path, made.variant, made.is_keyed, delay, **options)
        spelled = f"({text(size)}, {text(step)})" if step else f"({text(size)})"
        where = f" WHERE {condition}" if condition else ""
        tidemill = (
            "SELECT k AS c0, window_start AS c1, window_end AS c2, COUNT(*) AS c3, SUM(v) AS c4, FIRST_VALUE(id) AS c5, LAST_VALUE(id) AS c6, "
            f"MIN(s) AS c7 FROM {name}{where} GROUP BY k WINDOW {kind} {spelled}{emit}"
        )
        rows, late, partly = [], 0, 0
        for part in made.parts:
            windows = model.Windows(rules)
            rows += windows.run([((micros(r[1]), r[2], r), not condition or r[3] is not None) for r in part])
            late, partly = late + windows.late, partly + windows.partly_late
        kinds = ["VARCHAR", "TIMESTAMP", "TIMESTAMP", "BIGINT", "BIGINT", "BIGINT", "BIGINT", "VARCHAR"]
        duckdb = f"SELECT * FROM (VALUES {', '.join(shown(row, kinds) for row in rows)})"
        query = self.query(tidemill, duckdb, [(kind, "", "", None) for kind in kinds], [], is_ordered=True)
        query.script, query.check_summary = script, lambda summary: check_late(summary, name, kind, late, partly)
        return query


def micros(moment):
    return (moment - EPOCH) // timedelta(microseconds=1)


def shown(row, kinds):
    """A result row of the model as DuckDB's literals."""
    key, start, end, values = row
    numbers = [r[4] for r in values if r[4] is not None]
    texts = [r[6] for r in values if r[6] is not None]
    cells = [
        key, EPOCH + timedelta(microseconds=start), EPOCH + timedelta(microseconds=end), len(values), sum(numbers) if numbers else None,
        values[0][0], values[-1][0], min(texts, key=str.encode) if texts else None,
    ]  # fmt: skip
    spelled = ("NULL" if cell is None else f"'{cell}'" if not isinstance(cell, int) else str(cell) for cell in cells)
    return "(" + ", ".join(f"CAST({cell} AS {kind})" for cell, kind in zip(spelled, kinds)) + ")"


def check_late(summary, source, kind, late, partly):
    """Holds what the summary says is late to the model's counts."""
    found = re.search(rf"([\d,]+) late records? \({source}, {kind}\)(?:, ([\d,]+) late for some windows only)?", summary)
    counts = tuple(int((text or "0").replace(",", "")) for text in found.groups()) if found else (0, 0)
    if counts != (late, partly):
        raise Mismatch(f"the summary counts {counts[0]} late and {counts[1]} partly late records, expected {late} and {partly}")


def make(seed, index, sources):
    """Query `index` of a seed; `sources` are pairs of `TimeData` and `Source`."""
    return Maker(seed, index, sources).make()
