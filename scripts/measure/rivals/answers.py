"""Holds the results of two engines against each other: all rows, in any order.

pyarrow reads the files and DuckDB rounds and hashes what it read, which takes two thirds of the time that
DuckDB's own reader of CSV needs for it. All of it is to be run in a process of its own: what this one takes
of memory would count as the peak of every command that is started after it.
"""

import ast
from pathlib import Path

from lab.scenarios import RESULTS, ROUNDED, delimiter

# At once, to keep both cores busy until the end of a file.
BLOCK_BYTES = 4 << 20


def connect(scenario: str, **results: Path):
    """DuckDB with the rows of each result, rounded, as a view of that name."""
    import duckdb  # only the environment has it, and pyarrow

    connection = duckdb.connect()
    for name, path in results.items():
        connection.register(f"{name}_read", read(scenario, path))
        connection.execute(f"CREATE VIEW {name} AS SELECT {ROUNDED[scenario]} FROM {name}_read")
    return connection


def read(scenario: str, path: Path):
    """The rows of a file, or of all parts in a directory, of the types that the scenario's results have.

    Raises where a name, the number of fields or a value is not what it should be.
    """
    import pyarrow as pa
    from pyarrow import csv

    types = {"BIGINT": pa.int64(), "TIMESTAMP": pa.timestamp("us"), "VARCHAR": pa.string()}
    types["DOUBLE"] = pa.float64()
    columns = {name: types[kind] for name, kind in ast.literal_eval(RESULTS[scenario]).items()}
    # An empty field is NULL, and nothing else is: neither `""` nor any word.
    values = csv.ConvertOptions(
        column_types=columns, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
    )
    # Names go by place, as engines make them up for columns of expressions.
    layout = csv.ReadOptions(column_names=list(columns), skip_rows=1, block_size=BLOCK_BYTES)
    dialect = csv.ParseOptions(delimiter=delimiter(scenario))
    files = sorted(path.glob("part-*.csv")) if path.is_dir() else [path]
    return pa.concat_tables(csv.read_csv(file, layout, dialect, values) for file in files)


def fingerprint(scenario: str, path: Path) -> tuple:
    """The same for two results if and, but for chance, only if they have the same rows."""
    rows = connect(scenario, result=path)
    return rows.sql("SELECT count(*), sum(hash(r)::HUGEINT), bit_xor(hash(r)) FROM result r").fetchall()[0]


def differences(scenario: str, left: Path, right: Path) -> list:
    """Some rows that only one side has, with that side."""
    rows = connect(scenario, one=left, other=right)
    found = []
    for a, b, who in (("one", "other", left), ("other", "one", right)):
        only = rows.sql(f"SELECT * FROM (FROM {a} EXCEPT ALL FROM {b}) LIMIT 3").fetchall()
        found += [(who.name, row) for row in only]
    return found
