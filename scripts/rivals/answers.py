"""Holds the results of two engines against each other: all rows, in any order."""

from pathlib import Path

from scenarios import RESULTS, ROUNDED


def rows_of(scenario: str, path: Path) -> str:
    files = path / "part-*.csv" if path.is_dir() else path
    reader = f"read_csv('{files}', header = true, columns = {RESULTS[scenario]})"
    return f"(SELECT {ROUNDED[scenario]} FROM {reader})"


def fingerprint(scenario: str, path: Path) -> tuple:
    """The same for two results if and, but for chance, only if they have the same rows.

    To be run in a process of its own: what this one takes of memory would count as the peak of every
    command that is started after it.
    """
    import duckdb  # only the environment has it

    rows = rows_of(scenario, path)
    return duckdb.sql(
        f"SELECT count(*), sum(hash(r)::HUGEINT), bit_xor(hash(r)) FROM {rows} r"
    ).fetchall()[0]


def differences(scenario: str, left: Path, right: Path) -> list:
    """Some rows that only one side has, with that side."""
    import duckdb

    one, other = rows_of(scenario, left), rows_of(scenario, right)
    found = []
    for a, b, who in ((one, other, left), (other, one, right)):
        rows = duckdb.sql(f"SELECT * FROM (FROM {a} EXCEPT ALL FROM {b}) LIMIT 3").fetchall()
        found += [(who.name, row) for row in rows]
    return found
