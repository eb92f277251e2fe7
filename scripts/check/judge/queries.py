"""Random queries over the data sets, each in the text of both engines.

`make` gives query `index` of a seed, whatever came before it, so that one query can be run again
alone. A query is stateless, grouped (once, or as a changelog), ordered, distinct, a union or
nested; what its columns hold comes from `expressions`.

Absent on purpose: running and comparing.
"""

import random
from dataclasses import dataclass, field

from expressions import LIMITS, Expressions, call, column, form

# What the two engines are meant to do differently, and why. None of it is generated; where
# something near it is, the DIALECT table of `expressions` names the form DuckDB is given.
KNOWN = [
    ("a / b on integers", "truncates, as standard SQL; DuckDB's `/` is float division, `//` truncates"),
    ("overflow, integer division by zero, failing CAST", "make the record bad; DuckDB ends the query"),
    ("SUM and AVG past the range of BIGINT", "SUM is an error; DuckDB sums into HUGEINT"),
    ("decimal / decimal", "a DECIMAL; DuckDB gives DOUBLE"),
    ("precision of decimal arithmetic", "wider than DuckDB's, up to 38 digits; values are equal"),
    ("EXTRACT(EPOCH …)", "BIGINT; DuckDB gives DOUBLE"),
    ("SIGN", "compared as a number; DuckDB gives TINYINT"),
    ("TIMESTAMP - TIMESTAMP, INTERVAL results", "DuckDB normalises intervals differently"),
    ("CAST of text such as '1_000' and '0x1F' to an integer", "fails; DuckDB takes it"),
    ("CAST of text such as 'yes' to BOOLEAN", "left out: DuckDB takes more words"),
    ("LPAD and RPAD without fill", "fill is a space; DuckDB asks for one"),
    ("UPPER of ß and of ligatures", "full case mapping; DuckDB maps one character to one"),
    ("REGEXP syntax", "that of the `regex` crate; only what RE2 shares is compared"),
    ("JSON_VALUE", "DuckDB's keeps the quotes of text; its json_extract_string is compared instead"),
    ("HASH, NOW, APPROX_COUNT_DISTINCT", "the first two have no counterpart, the third is checked by error bounds"),
    ("order of groups without ORDER BY", "defined here, undefined there: compared as multisets"),
]

SINKS = ["csv", "json", "parquet"]
CHANGE_AGGREGATES = ["count", "count_x", "sum", "avg", "extreme", "extreme", "deviation", "distinct", "first_last", "string_agg", "truth"]
AGGREGATES = [*CHANGE_AGGREGATES, "sum", "avg", "median", "percentile", "array_agg", "sum_distinct"]


@dataclass
class Query:
    """One query in both dialects, and how to compare its answers."""

    index: int
    kind: str
    tidemill: str
    duckdb: str
    columns: list  # of Node, in output order; names are c0, c1, …
    sources: list  # names of the sources it reads
    sink: str = "csv"
    is_ordered: bool = False
    tolerances: list = field(default_factory=list)  # absolute, by column; None compares exactly
    script: str = ""  # declarations of its own, before the query
    check_summary: object = None  # called with standard error of the run; raises `compare.Mismatch`

    def __post_init__(self):
        self.tolerances = self.tolerances or [tolerance(node) for node in self.columns]


def tolerance(node):
    """How far apart two values of a column may be, beside the relative bound of `compare`."""
    if node.type not in ("DOUBLE", "REAL") or node.is_exact:
        return None
    return 1e-11 * max(node.size, 1.0)


class Maker:
    """Makes one query."""

    def __init__(self, seed, index, sources):
        self.rng = random.Random(f"{seed}:{index}")
        self.index = index
        self.sources = sources
        self.expressions = Expressions(self.rng)

    def make(self):
        kinds = {
            "stateless": 9, "filter": 4, "grouped": 9, "global": 2, "changes": 5, "every": 3, "ordered": 4,
            "distinct": 2, "union": 2, "nested": 3, "regrouped": 2,
        }  # fmt: skip
        kind = self.rng.choices(list(kinds), kinds.values())[0]
        query = getattr(self, kind)()
        query.kind = kind
        sinks = list(SINKS)
        if not all(node.is_finite for node in query.columns):
            sinks.remove("json")
        if any(node.type.endswith("[]") for node in query.columns):
            sinks.remove("csv")
        query.sink = self.rng.choice(sinks)
        return query

    def source(self, *datasets):
        datasets = datasets or ("one", "one", "one", "keyed", "loose", "wide", "long")
        name = self.rng.choice(datasets)
        return self.rng.choice([s for s in self.sources if s.dataset == name])

    def where(self, depth=2, chance=0.5):
        """A WHERE clause in both dialects; conditions that few rows pass are widened."""
        if self.rng.random() > chance:
            return "", ""
        condition = self.expressions.boolean(depth)
        if self.rng.random() < 0.75:
            condition = form("BOOLEAN", "({0} OR id % 3 < 2)", condition)
        return f" WHERE {condition.tidemill}", f" WHERE {condition.duckdb}"

    def query(self, forms, nodes, sources, is_ordered=False, kind=""):
        return Query(self.index, kind, *forms, nodes, [s.name for s in sources], is_ordered=is_ordered)

    def select(self, nodes, first=0):
        """Select lists of both dialects with the names c0, c1, …"""
        return tuple(
            ", ".join(f"{getattr(node, side)} AS c{first + i}" for i, node in enumerate(nodes))
            for side in ("tidemill", "duckdb")
        )

    # Rows.

    def rows(self, chance, depth):
        source, rng = self.source(), self.rng
        nodes = [self.expressions.any(rng.randint(1, depth)) for _ in range(rng.randint(1, 5))]
        nodes.insert(rng.randint(0, len(nodes)), column("id"))
        lists, where = self.select(nodes), self.where(3, chance)
        forms = [f"SELECT {lists[d]} FROM {(source.name, source.table)[d]}{where[d]}" for d in (0, 1)]
        if source.partition_count == 1:
            forms[1] += " ORDER BY _rid"
        return self.query(forms, nodes, [source], is_ordered=source.partition_count == 1)

    def stateless(self):
        return self.rows(chance=0.3, depth=4)

    def filter(self):
        return self.rows(chance=1.0, depth=1)

    def ordered(self):
        """ORDER BY with `id` last, which makes every order total; LIMIT and OFFSET."""
        rng, source = self.rng, self.source()
        kinds = ["BIGINT", "DOUBLE", "VARCHAR", "TIMESTAMP", "DECIMAL", "BOOLEAN", "DATE"]
        nodes = [self.expressions.make(rng.choice(kinds), rng.randint(0, 2)) for _ in range(rng.randint(1, 3))]
        nodes = [column("extreme") if rng.random() < 0.1 else node for node in nodes]
        if any(node.is_literal for node in nodes):
            nodes = [column("price"), column("note")]
        nodes.append(column("id"))
        keys = []
        for i, node in enumerate(nodes):
            key = rng.choice([(f"c{i}",) * 2, (str(i + 1),) * 2, (node.tidemill, node.duckdb)])
            order = rng.choice(["", " ASC", " DESC"]) + rng.choice(["", "", " NULLS FIRST", " NULLS LAST"])
            keys.append([text + order for text in key])
        limit = rng.choice(["", f" LIMIT {rng.randint(5, 60)}", f" LIMIT {rng.randint(5, 60)} OFFSET {rng.randint(0, 20)}"])
        lists, where = self.select(nodes), self.where()
        forms = [
            f"SELECT {lists[d]} FROM {(source.name, source.table)[d]}{where[d]} ORDER BY {', '.join(k[d] for k in keys)}{limit}"
            for d in (0, 1)
        ]
        return self.query(forms, nodes, [source], is_ordered=True)

    def distinct(self):
        source = self.source()
        nodes = [self.key() for _ in range(self.rng.randint(1, 3))]
        lists, where = self.select(nodes), self.where()
        forms = [f"SELECT DISTINCT {lists[d]} FROM {(source.name, source.table)[d]}{where[d]}" for d in (0, 1)]
        return self.query(forms, nodes, [source])

    def union(self):
        rng = self.rng
        names = rng.sample(["id", "code", "price", "flag", "note", "seen_at", "cost", "ratio", "born_on", "huge"], rng.randint(2, 5))
        branches, sources = [], []
        for _ in range(rng.randint(2, 3)):
            source, where = self.source("one", "keyed", "loose"), self.where(2, 0.7)
            sources.append(source)
            lists = self.select([column(name) for name in names])
            branches.append([f"SELECT {lists[d]} FROM {(source.name, source.table)[d]}{where[d]}" for d in (0, 1)])
        forms = [" UNION ALL ".join(branch[d] for branch in branches) for d in (0, 1)]
        return self.query(forms, [column(name) for name in names], sources)

    def nested(self):
        """Expressions over expressions, through WITH or a subquery in FROM."""
        rng, source = self.rng, self.source()
        inner = [self.expressions.make(kind, 2) for kind in ("BIGINT", "DOUBLE", "VARCHAR", "BOOLEAN")]
        lists, where = self.select(inner, first=10), self.where()
        selects = [f"SELECT id, {lists[d]} FROM {(source.name, source.table)[d]}{where[d]}" for d in (0, 1)]
        size = inner[0].size
        outer = [
            column("id"),
            form("BIGINT", "COALESCE(c10, 0)", low=-size, high=size, is_typed=False),
            form("DOUBLE", "CASE WHEN c13 THEN c11 ELSE - c11 END"),
            form("VARCHAR", "UPPER(c12)"),
        ]
        names = self.select(outer)
        condition = rng.choice(["", " WHERE c10 IS NOT NULL", " WHERE c13 IS DISTINCT FROM (c11 > 0)", " WHERE LENGTH(c12) > 1 OR c10 > 2"])
        if rng.random() < 0.5:
            forms = [f"WITH inner_rows AS ({selects[d]}) SELECT {names[d]} FROM inner_rows{condition}" for d in (0, 1)]
        else:
            forms = [f"SELECT {names[d]} FROM ({selects[d]}) AS inner_rows{condition}" for d in (0, 1)]
        return self.query(forms, outer, [source])

    # Groups.

    def key(self):
        """A group key: a column of few values, or an expression over one."""
        rng = self.rng
        return rng.choice([
            lambda: column("code"), lambda: column("code"), lambda: column("grp"), lambda: column("flag"),
            lambda: column("word"), lambda: form("INTEGER", "(grp % 2)", is_typed=False),
            lambda: call("UPPER", "VARCHAR", call("LEFT", "VARCHAR", column("word"), "1")),
            lambda: form("BIGINT", "EXTRACT(YEAR FROM seen_at)"), lambda: call("DATE_TRUNC", "TIMESTAMP", "'year'", column("seen_at")),
            lambda: form("DOUBLE", "FLOOR({0} / 250)", column("price")), lambda: column("digits"),
            lambda: form("DECIMAL(8,1)", "CAST({0} AS DECIMAL(8,1))", column("small")),
            lambda: form("BOOLEAN", "(price > 0)"), lambda: form("DATE", "CAST(DATE_TRUNC('year', seen_at) AS DATE)"),
            lambda: form("VARCHAR", "CASE WHEN amount > 0 THEN 'up' WHEN amount < 0 THEN 'down' END"), lambda: column("extreme"),
        ])()  # fmt: skip

    def aggregate(self, names, is_change=False):
        """An aggregate call; a Node whose text is the call."""
        rng, make = self.rng, self.expressions.make
        name = rng.choice(names)
        inexact = dict(is_exact=False)
        if name == "count":
            node = form("BIGINT", "COUNT(*)", low=0, high=20_000)
        elif name == "count_x":
            node = call("COUNT", "BIGINT", self.expressions.any(1), low=0, high=20_000, is_finite=True)
        elif name in ("sum", "sum_distinct"):
            argument = make(rng.choice(["BIGINT", "DOUBLE", "DECIMAL"]), 1)
            if argument.size > 1e12 or argument.is_literal:
                argument = column("amount")
            kind = {"DOUBLE": "DOUBLE"}.get(argument.type, "BIGINT" if argument.type in LIMITS else "DECIMAL")
            distinct = "DISTINCT " if name == "sum_distinct" else ""
            typed = kind != "DECIMAL" or argument.is_typed
            node = form(kind, f"SUM({distinct}{{0}})", argument, low=0, high=argument.size * 1e4, is_exact=kind != "DOUBLE", is_typed=typed)
        elif name == "avg":
            argument = make(rng.choice(["BIGINT", "DOUBLE", "DECIMAL"]), 1)
            argument = column("qty") if argument.size > 1e12 else argument
            node = call("AVG", "DOUBLE", argument, high=argument.size, **inexact)
        elif name == "extreme":
            argument = self.expressions.any(1)
            while argument.is_literal or argument.type == "BOOLEAN":
                argument = self.expressions.any(1)
            argument = column(rng.choice(["huge", "extreme", "note", "seen_at", "ratio"])) if rng.random() < 0.3 else argument
            node = call(rng.choice(["MIN", "MAX"]), argument.type, argument, low=argument.low, high=argument.high, is_exact=argument.is_exact, is_typed=argument.is_typed)
        elif name == "deviation":
            function = rng.choice(["STDDEV", "STDDEV_SAMP", "STDDEV_POP", "VARIANCE", "VAR_SAMP", "VAR_POP"])
            argument = column(rng.choice(["price", "qty", "amount", "grp", "ratio"]))
            if argument.tidemill == "ratio":
                argument = form("DOUBLE", "({0} / 1e9)", column("ratio"), low=-10, high=10)
            power = 2 if function.startswith("VAR") else 1
            node = call(function, "DOUBLE", argument, high=argument.size**power, **inexact)
        elif name == "distinct":
            node = form("BIGINT", "COUNT(DISTINCT {0})", rng.choice([self.key(), column("note"), column("qty"), column("huge")]), high=20_000)
        elif name == "first_last":
            argument = column(rng.choice(["note", "price", "huge", "flag", "born_on", "seen_at", "cost"]))
            node = call(rng.choice(["FIRST_VALUE", "LAST_VALUE"]), argument.type, argument, low=argument.low, high=argument.high)
        elif name == "string_agg":
            node = call("STRING_AGG", "VARCHAR", column(rng.choice(["code", "word", "digits"])), rng.choice(["','", "''", "' | '"]))
        elif name == "array_agg":
            argument = column(rng.choice(["qty", "word", "flag"]))
            node = call("ARRAY_AGG", argument.type + "[]", argument)
        elif name == "median":
            argument = column(rng.choice(["price", "qty", "amount"]))
            node = call("MEDIAN", "DOUBLE", argument, high=argument.size, **inexact)
        elif name == "percentile":
            argument = form("DOUBLE", "CAST({0} AS DOUBLE)", column(rng.choice(["price", "qty", "cost"])), high=1e5)
            fraction = rng.choice(["0.25", "0.9", "0.5", "0.0", "1.0", "0.333"])
            node = form("DOUBLE", f"PERCENTILE_CONT({fraction}) WITHIN GROUP (ORDER BY {{0}})", argument, high=1e5, **inexact)
        else:
            node = call(rng.choice(["BOOL_AND", "BOOL_OR"]), "BOOLEAN", self.expressions.boolean(1))
        if not is_change and name != "distinct" and rng.random() < 0.2:
            condition = self.expressions.boolean(1)
            node = form(node.type, "{0} FILTER (WHERE {1})", node, condition, low=node.low, high=node.high, is_exact=node.is_exact, is_typed=node.is_typed)
        return node

    def aggregates(self, names, **options):
        return [self.aggregate(names, **options) for _ in range(self.rng.randint(1, 5))]

    def group_by(self, keys):
        """GROUP BY in both dialects: by expression, ordinal or alias."""
        style = self.rng.choice(["expression", "ordinal", "alias"])
        if style == "expression":
            return tuple(", ".join(getattr(key, side) for key in keys) for side in ("tidemill", "duckdb"))
        return (", ".join(f"c{i}" if style == "alias" else str(i + 1) for i in range(len(keys))),) * 2

    def having(self):
        """A HAVING clause over exact aggregates."""
        if self.rng.random() < 0.7:
            return ""
        return " HAVING " + self.rng.choice([
            "COUNT(*) > 2", "MIN(qty) < 0", "SUM(qty) > 0 OR COUNT(price) > 1", "MAX(note) IS NOT NULL", "COUNT(DISTINCT grp) >= 1",
            "SUM(cost) <> 0", "NOT (COUNT(*) < 2 AND MAX(amount) > 0)",
        ])  # fmt: skip

    def grouped(self):
        rng, source = self.rng, self.source()
        keys = [self.key() for _ in range(rng.choice([1, 1, 1, 2, 2, 3]))]
        aggregates = self.aggregates(AGGREGATES)
        nodes = keys + aggregates
        lists, where, groups, having = self.select(nodes), self.where(), self.group_by(keys), self.having()
        order = ""
        if rng.random() < 0.25:
            order = " ORDER BY " + ", ".join(f"{i + 1}{rng.choice(['', ' DESC'])}" for i in range(len(keys))) + rng.choice(["", " LIMIT 7"])
        final = rng.choice(["", "", " EMIT FINAL"]) if not order else ""
        forms = [
            f"SELECT {lists[d]} FROM {(source.name, source.table)[d]}{where[d]} GROUP BY {groups[d]}{having}{order}{('' if d else final)}"
            for d in (0, 1)
        ]
        return self.query(forms, nodes, [source], is_ordered=bool(order))

    def __getattr__(self, name):
        if name == "global":  # a keyword, and so no name for a method
            return self.whole
        raise AttributeError(name)

    def whole(self):
        """Aggregates without GROUP BY, sometimes of no rows at all."""
        source = self.source("one", "loose", "wide", "none", "keyed")
        nodes = [form("BIGINT", "COUNT(*)"), *self.aggregates(AGGREGATES)]
        lists, where = self.select(nodes), self.where()
        forms = [f"SELECT {lists[d]} FROM {(source.name, source.table)[d]}{where[d]}" for d in (0, 1)]
        return self.query(forms, nodes, [source])

    def regrouped(self):
        """Groups of groups."""
        source, inner = self.source(), self.key()
        selects = [
            f"SELECT code AS a, {(inner.tidemill, inner.duckdb)[d]} AS b, COUNT(*) AS n, SUM(qty) AS q, MAX(price) AS p "
            f"FROM {(source.name, source.table)[d]}{self_where} GROUP BY 1, 2"
            for d, self_where in enumerate(self.where())
        ]
        nodes = [
            form("VARCHAR", "a"), form("BIGINT", "COUNT(*)"), form("BIGINT", "SUM(n)"), form("BIGINT", "MIN(q)"),
            form("DOUBLE", "AVG(p)", is_exact=False, high=1000), form("DOUBLE", "MAX(p)"),
        ]  # fmt: skip
        lists = self.select(nodes)
        forms = [f"SELECT {lists[d]} FROM ({selects[d]}) AS groups WHERE n > 0 GROUP BY a" for d in (0, 1)]
        return self.query(forms, nodes, [source])

    # Changelogs.

    def change_parts(self):
        rng, source = self.rng, self.source("one", "one", "keyed", "long")
        keys = [column("code")] if source.is_keyed else []
        keys += [self.key() for _ in range(rng.randint(0 if source.is_keyed else 1, 2))]
        if not source.is_keyed and rng.random() < 0.1:
            keys = []
        aggregates = self.aggregates(CHANGE_AGGREGATES, is_change=True)
        return source, keys, aggregates, self.where()

    def running(self, aggregate, partition):
        """An aggregate over all rows of the group up to and with this one, as DuckDB says it."""
        text = aggregate.duckdb.replace(" ORDER BY _rid)", ")")
        frame = f"({partition}ORDER BY _rid ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
        text = text.replace("first(", "first_value(").replace("last(", "last_value(") if "_VALUE" in aggregate.tidemill else text
        return f"{text} OVER {frame}"

    def changes(self):
        source, keys, aggregates, where = self.change_parts()
        nodes = keys + aggregates
        groups = self.group_by(keys)[0] if keys else ""
        tidemill = f"SELECT {self.select(nodes)[0]} FROM {source.name}{where[0]}"
        tidemill += (f" GROUP BY {groups}" if keys else "") + " EMIT CHANGES"
        partition = f"PARTITION BY {', '.join(key.duckdb for key in keys)} " if keys else ""
        columns = [key.duckdb for key in keys] + [self.running(a, partition) for a in aggregates]
        names = ", ".join(f"{text} AS c{i}" for i, text in enumerate(columns))
        duckdb = f"SELECT {names} FROM {source.table}{where[1]} ORDER BY _rid"
        return self.query((tidemill, duckdb), nodes, [source], is_ordered=source.partition_count == 1)

    def every(self):
        """The last change of each group among every n records of a partition that pass WHERE."""
        source, keys, aggregates, where = self.change_parts()
        nodes, step = keys + aggregates, self.rng.choice([1, 2, 3, 7, 50, 1000, 100_000])
        groups = self.group_by(keys)[0] if keys else ""
        tidemill = f"SELECT {self.select(nodes)[0]} FROM {source.name}{where[0]}"
        tidemill += (f" GROUP BY {groups}" if keys else "") + f" EMIT CHANGES EVERY {step} ROWS"
        partition = f"PARTITION BY {', '.join(key.duckdb for key in keys)} " if keys else ""
        columns = [key.duckdb for key in keys] + [self.running(a, partition) for a in aggregates]
        names = ", ".join(f"{text} AS c{i}" for i, text in enumerate(columns))
        keys_out = "".join(f", c{i}" for i in range(len(keys)))
        numbered = (
            f"SELECT {names}, _rid, _file, (row_number() OVER (PARTITION BY _file ORDER BY _rid) - 1) // {step} AS _block "
            f"FROM {source.table}{where[1]}"
        )
        marked = (
            f"SELECT *, row_number() OVER (PARTITION BY _file, _block{keys_out} ORDER BY _rid DESC) AS _last, "
            f"min(_rid) OVER (PARTITION BY _file, _block{keys_out}) AS _first FROM ({numbered})"
        )
        outputs = ", ".join(f"c{i}" for i in range(len(nodes)))
        duckdb = f"SELECT {outputs} FROM ({marked}) WHERE _last = 1 ORDER BY _file, _block, _first"
        return self.query((tidemill, duckdb), nodes, [source], is_ordered=source.partition_count == 1)


def make(seed, index, sources):
    """Query `index` of a seed."""
    return Maker(seed, index, sources).make()
