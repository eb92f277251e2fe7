"""Columns of made-up data as SQL expressions of DuckDB over the number `i` of a row.

Every expression is a function of `i` and a salt alone, so that the same seed gives the same bytes on any
host, as long as it is the same release of DuckDB.
"""

from random import Random
from typing import NamedTuple


class Column(NamedTuple):
    """A column by name, the expression that gives its value for row `i`, and its type where files have types."""

    name: str
    sql: str
    typed: str | None = None


class Columns:
    """Makes expressions; each call takes salts of its own from the seed."""

    def __init__(self, rng: Random):
        self.rng = rng

    def bits(self) -> str:
        """64 bits that look random."""
        return f"hash(i * 31 + {self.rng.getrandbits(40)})"

    def unit(self) -> str:
        """A DOUBLE in [0, 1)."""
        return f"(({self.bits()} >> 11)::DOUBLE * 1.1102230246251565e-16)"

    def whole(self, low: int, high: int) -> str:
        """A BIGINT in low..=high, uniform."""
        return f"({low} + ({self.bits()} % {high - low + 1})::BIGINT)"

    def skewed(self, count: int, power: float) -> str:
        """A BIGINT in 0..count; the greater the power, the more often a small one."""
        return f"(floor({count} * pow({self.unit()}, {power}))::BIGINT)"

    def decimal(self, high: float, scale: int) -> str:
        """A DECIMAL below `high`."""
        return f"(({self.unit()} * {high})::DECIMAL(18, {scale}))"

    def short_number(self, high: float) -> str:
        """Text of a number as people write them: `7`, `1.5` or `12.25`."""
        value = self.unit()
        return (
            f"CASE {self.bits()} % 3 WHEN 0 THEN floor({value} * {high})::BIGINT::VARCHAR"
            f" WHEN 1 THEN ({value} * {high})::DECIMAL(18, 1)::VARCHAR ELSE ({value} * {high})::DECIMAL(18, 2)::VARCHAR END"
        )

    def double(self) -> str:
        """A DOUBLE of fifteen to seventeen digits, a few with an exponent."""
        return (
            f"CASE WHEN {self.bits()} % 16 = 0 THEN {self.unit()} * 1e-9"
            f" ELSE ({self.unit()} - 0.3) * pow(10, {self.bits()} % 5)::DOUBLE END"
        )

    def uuid(self, of: str | None = None) -> str:
        """A UUID as text, of a key or of the row."""
        salt = self.rng.getrandbits(40)
        key = of or "i"
        return (
            f"printf('%s-%s-4%s-a%s-%s', left(printf('%016x', hash({key} + {salt})), 8), substr(printf('%016x', hash({key} + {salt})), 9, 4),"
            f" substr(printf('%016x', hash({key} + {salt})), 13, 3), left(printf('%016x', hash({key} * 7 + {salt})), 3),"
            f" right(printf('%016x', hash({key} * 7 + {salt})), 12))"
        )

    def one_of(self, texts: list[str], power: float = 1.0) -> str:
        """One of the texts, those in front more often where the power is above 1."""
        pool = ", ".join("'" + text.replace("'", "''") + "'" for text in texts)
        return f"([{pool}])[1 + {self.skewed(len(texts), power)}]"

    def words(self, pool: list[str], least: int, most: int) -> str:
        """Some words of the pool with spaces between."""
        first = self.one_of(pool)
        rest = [self.one_of(pool) for _ in range(most - 1)]
        count = self.whole(least, most)
        return f"array_to_string(list_slice([{', '.join([first, *rest])}], 1, {count}), ' ')"

    def time(self, start: str, step_us: int, jitter_us: int) -> str:
        """A TIMESTAMP that goes on by a step a row, give or take."""
        return (
            f"(TIMESTAMP '{start}' + to_microseconds(i * {step_us} + ({self.bits()} % {jitter_us + 1})::BIGINT))"
        )

    def null_in(self, share: float, sql: str) -> str:
        """NULL in a share of the rows."""
        return f"CASE WHEN {self.unit()} < {share:.3f} THEN NULL ELSE {sql} END"
