"""Random typed expressions, rendered for both engines at once.

Every expression is made so that it cannot fail: integers carry the range their values lie in, and
an operation whose result could leave its type is not made. What each engine calls differently
stands in `DIALECT`; the intended differences, which are not compared, in `queries.KNOWN`.

Absent on purpose: aggregates and whole queries.
"""

from dataclasses import dataclass

from data import TYPES

# Name: how Tidemill writes it, how DuckDB writes the same.
DIALECT = {
    "INT_DIVIDE": ("({0} / {1})", "({0} // {1})"),
    "DATE_FORMAT": ("DATE_FORMAT({0}, {1})", "strftime({0}, {1})"),
    "TO_TIMESTAMP": ("TO_TIMESTAMP({0})", "make_timestamp(CAST({0} AS BIGINT) * 1000000)"),
    "TO_TIMESTAMP_TEXT": ("TO_TIMESTAMP({0})", "CAST({0} AS TIMESTAMP)"),
    "REGEXP_LIKE": ("REGEXP_LIKE({0}, {1})", "regexp_matches({0}, {1})"),
    "REGEXP_LIKE_FLAGS": ("REGEXP_LIKE({0}, {1}, {2})", "regexp_matches({0}, {1}, {2})"),
    # DuckDB's own JSON_VALUE keeps the quotes, its json_extract_string shows objects and arrays.
    "JSON_VALUE": (
        "JSON_VALUE({0}, {1})",
        "CASE WHEN json_type({0}, {1}) NOT IN ('OBJECT', 'ARRAY') THEN json_extract_string({0}, {1}) END",
    ),
    "SIGN": ("CAST(SIGN({0}) AS BIGINT)", "CAST(sign({0}) AS BIGINT)"),
    "EPOCH": ("EXTRACT(EPOCH FROM {0})", "CAST(EXTRACT(EPOCH FROM {0}) AS BIGINT)"),
    "FIRST_VALUE": ("FIRST_VALUE({0})", "first({0} ORDER BY _rid)"),
    "LAST_VALUE": ("LAST_VALUE({0})", "last({0} ORDER BY _rid)"),
    "STRING_AGG": ("STRING_AGG({0}, {1})", "string_agg({0}, {1} ORDER BY _rid)"),
    "ARRAY_AGG": ("ARRAY_AGG({0})", "array_agg({0} ORDER BY _rid)"),
}

INTEGERS = ("SMALLINT", "INTEGER", "BIGINT")
LIMITS = {"SMALLINT": 2**15 - 1, "INTEGER": 2**31 - 1, "BIGINT": 2**63 - 1}
RANGES = {
    "id": (1, 20_000), "grp": (0, 4), "amount": (-1_000_000, 1_000_000), "huge": (-(2**63), 2**63 - 1),
    "qty": (-10_000, 10_000), "small": (-100, 100), "price": (-1000, 1000), "extreme": (-1.8e308, 1.8e308),
    "ratio": (-1e10, 1e10), "cost": (-99_999.999, 99_999.999),
}  # fmt: skip
TEXTS = ["", "a", "B", "é", "it''s", " x ", "a,b", '"q"', "😀", "alpha", "%", "_", "漢字", "null"]
PATTERNS = ["%", "a%", "%a", "%e%", "_", "__%", "%\\%", "", "%b_", "A%", "%😀%", "%''%", "al_ha", "%\"%"]
REGEXES = ["a", "^a", "[a-e]+$", "\\\\d", "a.b", "(al|be)", "^$", "é", "[^a-z]", "t{2}", "\\\\s"]
DATES = ["1970-01-01", "1999-12-31", "2000-02-29", "2024-01-01", "1969-07-20"]
MOMENTS = ["1970-01-01 00:00:00", "2000-02-29 12:30:45.5", "1969-12-31 23:59:59.999999", "2015-06-30 00:00:01"]
INTERVALS = ["'1' DAY", "'36' HOUR", "'90' MINUTE", "'1' MONTH", "'2' YEAR", "'15' SECOND", "'3' WEEK"]
UNITS = ["YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "DOW", "ISODOW", "DOY"]
CLOCK_UNITS = ["HOUR", "MINUTE", "SECOND"]
TRUNCATIONS = ["year", "quarter", "month", "week", "day", "hour", "minute", "second"]
FORMATS = ["%Y-%m-%d", "%H:%M:%S", "%d/%m/%y", "%Y-%m-%dT%H:%M:%S", "%b %d, %Y", "%A %j", "%B%%", "%I %p", "%a"]
PATHS = ["$.s", "$.i", "$.t", "$.n", "$.a.b[0]", "$.a.b[2].c", "$.a.b[9]", "$.a", "$.a.b", "$.missing", "$.s.x"]
COMPARISONS = ["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"]


@dataclass
class Node:
    """A typed expression in both dialects."""

    type: str
    tidemill: str
    duckdb: str
    low: float = 0
    high: float = 0
    is_exact: bool = True  # False: the last bits may differ; not to be compared, rounded or grouped by
    is_typed: bool = True  # False: the engines may choose another width
    is_finite: bool = True  # False: may be NaN or infinite, which JSON cannot say
    is_literal: bool = False

    @property
    def size(self):
        return max(abs(self.low), abs(self.high))


def call(name, kind, *args, **attributes):
    """A call by name; arguments are nodes or text that both dialects share."""
    shown = ", ".join(f"{{{i}}}" for i in range(len(args)))
    forms = DIALECT.get(name, (f"{name}({shown})",) * 2)
    return form(kind, forms, *args, **attributes)


def form(kind, forms, *args, **attributes):
    """A template, or one for each engine, with nodes or shared text put in."""
    forms = (forms, forms) if isinstance(forms, str) else forms
    texts = [
        forms[side].format(*[getattr(a, dialect) if isinstance(a, Node) else a for a in args])
        for side, dialect in enumerate(("tidemill", "duckdb"))
    ]
    attributes.setdefault("is_finite", all(a.is_finite for a in args if isinstance(a, Node)))
    return Node(kind, *texts, **attributes)


def column(name):
    low, high = RANGES.get(name, (0, 0))
    return Node(TYPES[name], name, name, low, high)


def literal(kind, text, low=0, high=0):
    return Node(kind, text, text, low, high, is_typed=kind not in INTEGERS, is_literal=True)


class Expressions:
    """Makes expressions over the columns of `data.COLUMNS`."""

    def __init__(self, rng):
        self.rng = rng
        self.makers = {
            "BOOLEAN": self.boolean, "BIGINT": self.integer, "DOUBLE": self.double, "REAL": self.real,
            "DECIMAL": self.decimal, "VARCHAR": self.text, "DATE": self.date, "TIMESTAMP": self.moment,
        }  # fmt: skip

    def any(self, depth, exact=False):
        weights = {"BOOLEAN": 3, "BIGINT": 5, "DOUBLE": 4, "REAL": 1, "DECIMAL": 2, "VARCHAR": 6, "DATE": 1, "TIMESTAMP": 2}
        kind = self.rng.choices(list(weights), weights.values())[0]
        return self.make(kind, depth, exact)

    def make(self, kind, depth, exact=True):
        """An expression of a type; `exact` where its value will be compared, rounded or grouped by."""
        kind = "DECIMAL" if kind.startswith("DECIMAL") else "BIGINT" if kind in INTEGERS else kind
        while True:
            node = self.makers[kind](depth)
            if not exact or (node.is_exact and node.is_finite):
                return node

    def pick(self, *options):
        return self.rng.choice(options)()

    # Conditional forms that every type has.

    def choice(self, kind, depth):
        """CASE, COALESCE, NULLIF, GREATEST or LEAST of expressions of one type."""
        a, b = self.make(kind, depth - 1, False), self.make(kind, depth - 1, False)
        shape = self.rng.choice(["case", "case", "simple", "coalesce", "nullif", "extreme"])
        wide = a.type if a.type not in INTEGERS else max(a.type, b.type, key=lambda t: LIMITS[t])
        merged = dict(
            low=min(a.low, b.low), high=max(a.high, b.high), is_exact=a.is_exact and b.is_exact,
            is_typed=a.is_typed and b.is_typed and a.type == b.type and not (a.is_literal or b.is_literal),
            is_finite=a.is_finite and b.is_finite,
        )  # fmt: skip
        if shape in ("nullif", "extreme") and not merged["is_exact"]:
            shape = "case"
        if shape == "case":
            return form(wide, "CASE WHEN {0} THEN {1} ELSE {2} END", self.boolean(depth - 1), a, b, **merged)
        if shape == "simple":
            subject, value = self.comparable(depth - 1)
            return form(wide, "CASE {0} WHEN {1} THEN {2} ELSE {3} END", subject, value, a, b, **merged)
        if shape == "coalesce":
            return call("COALESCE", wide, a, b, **merged)
        if shape == "nullif":
            return call("NULLIF", wide if kind == "BIGINT" else a.type, a, b, **(merged | {"is_typed": False}))
        return call(self.rng.choice(["GREATEST", "LEAST"]), wide, a, b, **merged)

    # Truth.

    def comparable(self, depth):
        """Two exact expressions that compare, and are sometimes equal."""
        kind = self.rng.choice(["BIGINT", "DOUBLE", "DECIMAL", "VARCHAR", "VARCHAR", "DATE", "TIMESTAMP", "huge", "extreme"])
        if kind == "huge":
            return column("huge"), literal("BIGINT", self.rng.choice(["9223372036854775807", "1000000000000000000", "0", "(-1)"]))
        if kind == "extreme":
            return column("extreme"), literal("DOUBLE", self.rng.choice(["0.0", "0.1", "1e10", "-1e-7", "1e23", "3"]))
        if kind == "BIGINT" and self.rng.random() < 0.2:
            return self.make("BIGINT", depth), self.make("DOUBLE", depth)
        if kind == "DECIMAL" and self.rng.random() < 0.3:
            return self.make("DECIMAL", depth), self.make("BIGINT", depth)
        return self.make(kind, depth), self.make(kind, depth if self.rng.random() < 0.5 else 0)

    def boolean(self, depth):
        rng = self.rng
        if depth <= 0 or rng.random() < 0.1:
            return column("flag") if rng.random() < 0.8 else literal("BOOLEAN", rng.choice(["TRUE", "FALSE"]))
        shape = rng.choice(["compare", "compare", "compare", "logic", "logic", "null", "is", "in", "in", "between", "like", "like", "text", "choice"])
        if shape == "compare":
            a, b = self.comparable(depth - 1)
            return form("BOOLEAN", f"({{0}} {rng.choice(COMPARISONS)} {{1}})", a, b)
        if shape == "logic":
            a, b, c = (self.boolean(depth - 1) for _ in range(3))
            return form("BOOLEAN", rng.choice(["({0} AND {1})", "({0} OR {1})", "(NOT {0})", "({0} OR ({1} AND {2}))", "({0} AND {1} AND {2})", "({0} = {1})"]), a, b, c)
        if shape == "null":
            return form("BOOLEAN", f"({{0}} IS {rng.choice(['', 'NOT '])}NULL)", self.any(depth - 1), is_finite=True)
        if shape == "is":
            return form("BOOLEAN", f"({{0}} IS {rng.choice(['', 'NOT '])}{rng.choice(['TRUE', 'FALSE'])})", self.boolean(depth - 1))
        if shape == "in":
            operand, items = self.in_list(depth - 1)
            return form("BOOLEAN", f"({{0}} {rng.choice(['', 'NOT '])}IN ({items}))", operand)
        if shape == "between":
            kind = rng.choice(["BIGINT", "DOUBLE", "DECIMAL", "VARCHAR", "DATE", "TIMESTAMP"])
            low, high = self.make(kind, 0), self.make(kind, 0)
            return form("BOOLEAN", f"({{0}} {rng.choice(['', 'NOT '])}BETWEEN {{1}} AND {{2}})", self.make(kind, depth - 1), low, high)
        if shape == "like":
            like = rng.choice(["LIKE", "NOT LIKE", "ILIKE", "NOT ILIKE"])
            escape = rng.choice(["", "", " ESCAPE '!'"])
            pattern = rng.choice(["%!%%", "a!_b", "!!%"]) if escape else rng.choice(PATTERNS)
            return form("BOOLEAN", f"({{0}} {like} '{pattern}'{escape})", self.text(depth - 1))
        if shape == "text":
            text = self.text(depth - 1)
            return rng.choice([
                lambda: call("STARTS_WITH", "BOOLEAN", text, self.text(0)),
                lambda: call("REGEXP_LIKE", "BOOLEAN", text, f"'{rng.choice(REGEXES)}'".replace("\\\\", "\\")),
                lambda: call("REGEXP_LIKE_FLAGS", "BOOLEAN", text, "'A'", "'i'"),
            ])()  # fmt: skip
        return self.choice("BOOLEAN", depth)

    def in_list(self, depth):
        rng = self.rng
        kind = rng.choice(["BIGINT", "DOUBLE", "VARCHAR", "DATE"])
        items = {
            "BIGINT": ["-1", "0", "1", "2", "3", "42", "100"],
            "DOUBLE": ["0.5", "1", "-2.25", "1e3", "0"],
            "VARCHAR": [f"'{t}'" for t in TEXTS] + ["'A'", "'C'", "'beta'"],
            "DATE": [f"DATE '{d}'" for d in DATES],
        }[kind]
        chosen = rng.sample(items, rng.randint(1, min(5, len(items)))) + (["NULL"] if rng.random() < 0.2 else [])
        return self.make(kind, depth), ", ".join(chosen)

    # Numbers.

    def integer(self, depth):
        rng = self.rng
        if depth <= 0 or rng.random() < 0.15:
            if rng.random() < 0.7:
                return column(rng.choice(["id", "grp", "amount", "amount", "qty", "small"]))
            value = rng.choice([0, 1, -1, 2, 7, 10, -100, 1000])
            return literal("SMALLINT", str(value) if value >= 0 else f"({value})", value, value)
        for _ in range(20):
            node = self.integer_call(depth)
            if node is not None and node.size <= LIMITS[node.type]:
                return node
        return column("amount")

    def integer_call(self, depth):
        rng = self.rng
        shape = rng.choice(["op", "op", "op", "divide", "unary", "text", "time", "cast", "try", "choice", "choice"])
        if shape == "op":
            a, b = self.integer(depth - 1), self.integer(depth - 1)
            if a.is_literal:
                a = column("amount")
            op = rng.choice("+-*")
            ends = [{"+": x + y, "-": x - y, "*": x * y}[op] for x in (a.low, a.high) for y in (b.low, b.high)]
            wide = max(a.type, b.type, key=lambda t: LIMITS[t])
            return form(wide, f"({{0}} {op} {{1}})", a, b, low=min(ends), high=max(ends), is_typed=False)
        if shape == "divide":
            a, b = self.integer(depth - 1), self.integer(depth - 1)
            if a.is_literal or b.size > LIMITS["INTEGER"]:
                return None
            divisor = b if b.is_literal and b.low else call("NULLIF", b.type, b, "0")
            wide = max(a.type, b.type, key=lambda t: LIMITS[t])
            attributes = dict(low=-a.size, high=a.size, is_typed=False)
            return rng.choice([
                lambda: call("INT_DIVIDE", wide, a, divisor, **attributes),
                lambda: form(wide, "({0} % {1})", a, divisor, **attributes),
                lambda: call("MOD", wide, a, divisor, **attributes),
            ])()  # fmt: skip
        if shape == "unary":
            a = self.integer(depth - 1)
            if a.is_literal:
                return None
            return rng.choice([
                lambda: form(a.type, "(- {0})", a, low=-a.high, high=-a.low, is_typed=False),
                lambda: call("ABS", a.type, a, low=0, high=a.size, is_typed=False),
                lambda: call("SIGN", "BIGINT", self.pick(lambda: a, lambda: column("price"), lambda: column("cost")), low=-1, high=1),
                lambda: call("ROUND", a.type, a, low=a.low, high=a.high, is_typed=False),
            ])()  # fmt: skip
        if shape == "text":
            text = self.text(depth - 1)
            return rng.choice([
                lambda: call("LENGTH", "BIGINT", text, low=0, high=10_000),
                lambda: form("BIGINT", "POSITION({0} IN {1})", self.text(0), text, low=0, high=10_000, is_typed=False),
            ])()  # fmt: skip
        if shape == "time":
            if rng.random() < 0.5:
                source, unit = self.date(depth - 1), rng.choice(UNITS)
            else:
                source, unit = self.moment(depth - 1), rng.choice(UNITS + CLOCK_UNITS)
            if rng.random() < 0.2:
                truncated = call("DATE_TRUNC", "TIMESTAMP", "'second'", self.moment(depth - 1))
                return call("EPOCH", "BIGINT", truncated, low=-(10**11), high=10**11)
            if rng.random() < 0.3:
                return call("DATE_PART", "BIGINT", f"'{unit.lower()}'", source, low=0, high=10_000)
            return form("BIGINT", f"EXTRACT({unit} FROM {{0}})", source, low=0, high=10_000)
        if shape == "cast":
            source = self.pick(lambda: self.make("DOUBLE", depth - 1), lambda: self.decimal(depth - 1), lambda: self.integer(depth - 1))
            kind = "BIGINT" if source.size > 2e9 else rng.choice(["BIGINT", "INTEGER"])
            if source.size > 9e18:
                return None
            if rng.random() < 0.15:
                source = self.boolean(depth - 1)
                return form(kind, f"CAST({{0}} AS {kind})", source, low=0, high=1)
            return form(kind, f"CAST({{0}} AS {kind})", source, low=int(source.low) - 1, high=int(source.high) + 1)
        if shape == "try":
            if rng.random() < 0.5:
                return form("SMALLINT", "TRY_CAST({0} AS SMALLINT)", column(rng.choice(["amount", "huge", "qty"])), low=-32768, high=32767)
            return form("INTEGER", "TRY_CAST(digits AS INTEGER)", low=-1_000_000, high=1_000_000)
        return self.choice("BIGINT", depth)

    def double(self, depth):
        rng = self.rng
        if depth <= 0 or rng.random() < 0.15:
            if rng.random() < 0.8:
                return column("price")
            value = rng.choice([0.5, 1.25, 100.0, 0.1, 1000.0])
            return literal("DOUBLE", f"{value:e}", value, value)
        shape = rng.choice(["op", "op", "op", "divide", "round", "function", "cast", "cast", "try", "unary", "choice", "choice"])
        if shape == "op":
            a = self.make("DOUBLE", depth - 1)
            b = self.pick(lambda: self.make("DOUBLE", depth - 1), lambda: self.integer(depth - 1), lambda: literal("DOUBLE", "1.5", 1.5, 1.5))
            if max(a.size, 1) * max(b.size, 1) > 1e100:
                return column("price")
            op = rng.choice("+-*")
            ends = [{"+": x + y, "-": x - y, "*": x * y}[op] for x in (a.low, a.high) for y in (b.low, b.high)]
            return form("DOUBLE", f"({{0}} {op} {{1}})", a, b, low=min(ends), high=max(ends))
        if shape == "divide":
            a, b = self.make("DOUBLE", depth - 1), self.make("DOUBLE", 0)
            if rng.random() < 0.15:
                return form("DOUBLE", "({0} / (price - price))", a, is_finite=False)
            if rng.random() < 0.3:
                return call("MOD", "DOUBLE", a, "NULLIF(ABS(price), 0)", low=-1000, high=1000)
            return form("DOUBLE", "({0} / {1})", a, literal("DOUBLE", rng.choice(["3", "0.25", "1e2", "7.0"])), low=-4 * a.size, high=4 * a.size)
        if shape == "round":
            a = self.make("DOUBLE", depth - 1)
            name = rng.choice(["ROUND", "FLOOR", "CEIL"])
            if name == "ROUND" and rng.random() < 0.4:
                digits = rng.choice(["0", "1", "2", "-1"])
                return call(name, "DOUBLE", a, digits, low=a.low - 10, high=a.high + 10, is_exact=digits == "0")
            return call(name, "DOUBLE", a, low=a.low - 1, high=a.high + 1)
        if shape == "function":
            small = form("DOUBLE", "({0} / 1e3)", column("price"))
            inexact = dict(is_exact=False, low=-1e6, high=1e6)
            return rng.choice([
                lambda: call("SQRT", "DOUBLE", call("ABS", "DOUBLE", self.make("DOUBLE", depth - 1)), **inexact),
                lambda: call("LN", "DOUBLE", form("DOUBLE", "(ABS({0}) + 2)", column("price")), **inexact),
                lambda: call("LOG10", "DOUBLE", form("DOUBLE", "(ABS({0}) + 2)", column("price")), **inexact),
                lambda: call("EXP", "DOUBLE", small, **inexact),
                lambda: call("POWER", "DOUBLE", form("DOUBLE", "(ABS({0}) + 1e0)", column("price")), rng.choice(["2", "0.5", "-1", "1.5"]), **inexact),
            ])()  # fmt: skip
        if shape == "cast":
            source = self.pick(lambda: self.integer(depth - 1), lambda: self.decimal(depth - 1), lambda: self.real(0))
            return form("DOUBLE", "CAST({0} AS DOUBLE)", source, low=source.low, high=source.high)
        if shape == "try":
            return form("DOUBLE", "TRY_CAST(numeral AS DOUBLE)", low=-1001, high=1001)
        if shape == "unary":
            a = self.make("DOUBLE", depth - 1)
            return form("DOUBLE", rng.choice(["(- {0})", "ABS({0})"]), a, low=-a.size, high=a.size)
        return self.choice("DOUBLE", depth)

    def real(self, depth):
        rng = self.rng
        ratio = column("ratio")
        if depth <= 0 or rng.random() < 0.4:
            return ratio
        return rng.choice([
            lambda: form("REAL", "({0} + {1})", ratio, ratio, low=-2e10, high=2e10),
            lambda: form("REAL", "({0} * {1})", ratio, ratio, low=-1e20, high=1e20),
            lambda: form("REAL", "CAST({0} AS REAL)", self.make("DOUBLE", 0), low=-1001, high=1001),
            lambda: form("REAL", "(- {0})", ratio, low=-1e10, high=1e10),
            lambda: form("REAL", "CASE WHEN {0} THEN ratio END", self.boolean(depth - 1), low=-1e10, high=1e10),
        ])()  # fmt: skip

    def decimal(self, depth):
        rng = self.rng
        cost = column("cost")
        if depth <= 0 or rng.random() < 0.2:
            return cost if rng.random() < 0.8 else literal("DECIMAL(12,3)", "CAST(1.5 AS DECIMAL(12,3))", 1.5, 1.5)
        shape = rng.choice(["sum", "scale", "product", "round", "cast", "try", "unary", "modulo", "choice"])
        loose = dict(is_typed=False)
        if shape == "sum":
            b = self.pick(lambda: column("cost"), lambda: literal("DECIMAL", "0.125"), lambda: literal("INTEGER", "7"))
            return form("DECIMAL", f"({{0}} {rng.choice('+-')} {{1}})", cost, b, low=-2e5, high=2e5, **loose)
        if shape == "scale":
            return form("DECIMAL", "({0} * {1})", cost, rng.choice(["2", "(-3)", "0.5"]), low=-3e5, high=3e5, **loose)
        if shape == "product":
            return form("DECIMAL", "({0} * {1})", cost, cost, low=0, high=1e10, **loose)
        if shape == "round":
            return rng.choice([
                lambda: call("ROUND", "DECIMAL", cost, rng.choice(["0", "1", "2"]), low=-1e5, high=1e5, **loose),
                lambda: call(rng.choice(["ROUND", "FLOOR", "CEIL"]), "DECIMAL", cost, low=-1e5, high=1e5, **loose),
            ])()  # fmt: skip
        if shape == "cast":
            if rng.random() < 0.4:
                return form("DECIMAL(10,1)", "CAST(cost AS DECIMAL(10,1))", low=-1e5, high=1e5)
            return form("DECIMAL(14,2)", "CAST({0} AS DECIMAL(14,2))", column(rng.choice(["amount", "qty", "price"])), low=-1e6, high=1e6)
        if shape == "try":
            return form("DECIMAL(8,3)", "TRY_CAST({0} AS DECIMAL(8,3))", self.pick(lambda: column("numeral"), lambda: cost), low=-1e5, high=1e5)
        if shape == "unary":
            return form("DECIMAL", rng.choice(["(- {0})", "ABS({0})"]), cost, low=-1e5, high=1e5, **loose)
        if shape == "modulo":
            return form("DECIMAL", "({0} % CAST(7.5 AS DECIMAL(12,3)))", cost, low=-7.5, high=7.5, **loose)
        return self.choice("DECIMAL", depth)

    # Text.

    def text(self, depth):
        rng = self.rng
        if depth <= 0 or rng.random() < 0.15:
            if rng.random() < 0.8:
                return column(rng.choice(["code", "note", "note", "word", "word", "digits", "numeral"]))
            return literal("VARCHAR", f"'{rng.choice(TEXTS)}'")
        shape = rng.choice(["simple", "simple", "slice", "slice", "join", "join", "replace", "part", "pad", "cast", "cast", "format", "json", "json", "regexp", "choice"])
        text = self.text(depth - 1)
        few = [str(n) for n in range(6)]
        makers = {
            "simple": [
                lambda: call(rng.choice(["UPPER", "LOWER", "TRIM", "LTRIM", "RTRIM", "MD5"]), "VARCHAR", text),
                lambda: call(rng.choice(["TRIM", "LTRIM", "RTRIM"]), "VARCHAR", text, rng.choice(["'a'", "' '", "'ab'", "'é'"])),
            ],
            "slice": [
                lambda: call("SUBSTRING", "VARCHAR", text, rng.choice(["1", "2", "3", "0", "-2"]), rng.choice(few)),
                lambda: call("SUBSTRING", "VARCHAR", text, rng.choice(["1", "2", "4"])),
                lambda: form("VARCHAR", "SUBSTRING({0} FROM 2 FOR 3)", text),
                lambda: call(rng.choice(["LEFT", "RIGHT"]), "VARCHAR", text, rng.choice(few)),
                lambda: call("LEFT", "VARCHAR", text, column("small")),
            ],
            "join": [
                lambda: form("VARCHAR", "({0} || {1})", text, self.text(depth - 1)),
                lambda: form("VARCHAR", "({0} || '-' || {1})", text, self.pick(lambda: column("qty"), lambda: column("word"))),
                lambda: call("CONCAT", "VARCHAR", text, self.pick(lambda: column("amount"), lambda: column("flag"), lambda: column("code")), "'!'"),
            ],
            "replace": [lambda: call("REPLACE", "VARCHAR", text, rng.choice(["'a'", "'é'", "' '", "'ab'", "'\"'"]), rng.choice(["''", "'xyz'", "'😀'"]))],
            "part": [lambda: call("SPLIT_PART", "VARCHAR", text, rng.choice(["','", "' '", "'a'", "'b'"]), rng.choice(["1", "2", "-1", "3"]))],
            "pad": [lambda: call(rng.choice(["LPAD", "RPAD"]), "VARCHAR", text, rng.choice(["3", "8", "0"]), rng.choice(["' '", "'xy'", "'é'"]))],
            "cast": [lambda: form("VARCHAR", "CAST({0} AS VARCHAR)", self.shown(depth))],
            "format": [lambda: call("DATE_FORMAT", "VARCHAR", self.moment(depth - 1), f"'{rng.choice(FORMATS)}'")],
            "json": [lambda: call("JSON_VALUE", "VARCHAR", column("doc"), f"'{rng.choice(PATHS)}'")],
            "regexp": [
                lambda: call("REGEXP_REPLACE", "VARCHAR", text, rng.choice(["'[aeiou]'", "'^.'", "'\\d+'", "' +'"]), rng.choice(["''", "'<>'"])),
                lambda: call("REGEXP_REPLACE", "VARCHAR", text, rng.choice(["'[a-c]'", "'\\s'", "'e'"]), "'#'", "'g'"),
            ],
            "choice": [lambda: self.choice("VARCHAR", depth)],
        }  # fmt: skip
        return rng.choice(makers[shape])()

    def shown(self, depth):
        """What CAST turns into the same text everywhere."""
        return self.pick(
            lambda: self.integer(depth - 1), lambda: column("cost"), lambda: column("price"), lambda: self.boolean(depth - 1),
            lambda: self.date(depth - 1), lambda: self.moment(depth - 1), lambda: column("extreme"), lambda: column("huge"),
        )  # fmt: skip

    # Time.

    def date(self, depth):
        rng = self.rng
        if depth <= 0 or rng.random() < 0.3:
            return column("born_on") if rng.random() < 0.75 else literal("DATE", f"DATE '{rng.choice(DATES)}'")
        return rng.choice([
            lambda: form("DATE", "CAST({0} AS DATE)", self.moment(depth - 1)),
            lambda: form("DATE", "TRY_CAST(day_text AS DATE)"),
            lambda: self.choice("DATE", depth),
        ])()  # fmt: skip

    def moment(self, depth):
        rng = self.rng
        if depth <= 0 or rng.random() < 0.25:
            return column("seen_at") if rng.random() < 0.8 else literal("TIMESTAMP", f"TIMESTAMP '{rng.choice(MOMENTS)}'")
        inner = self.moment(depth - 1)
        return rng.choice([
            lambda: call("DATE_TRUNC", "TIMESTAMP", f"'{rng.choice(TRUNCATIONS)}'", inner),
            lambda: call("DATE_TRUNC", "TIMESTAMP", f"'{rng.choice(TRUNCATIONS)}'", inner),
            lambda: form("TIMESTAMP", f"({{0}} {rng.choice('+-')} INTERVAL {rng.choice(INTERVALS)})", inner),
            lambda: form("TIMESTAMP", f"({{0}} {rng.choice('+-')} INTERVAL {rng.choice(INTERVALS)})", self.date(depth - 1)),
            lambda: form("TIMESTAMP", "CAST({0} AS TIMESTAMP)", self.date(depth - 1)),
            lambda: call("TO_TIMESTAMP", "TIMESTAMP", form("BIGINT", "(amount * 1000)")),
            lambda: self.choice("TIMESTAMP", depth),
        ])()  # fmt: skip
