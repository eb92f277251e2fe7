"""Makes a result of the changes that flink_sql.py wrote."""

import ast
from pathlib import Path

from measure.rivals.flink_sql import SAME
from lab.scenarios import RESULTS


def gather(scenario: str, written: Path, gathered: Path) -> int:
    """Makes of Flink's changes one file as `answers` reads it, and counts groups that were taken back.

    To be run in a process of its own, as `answers.fingerprint`.
    """
    import duckdb  # only the environment has it

    columns = {"op": "VARCHAR"} | ast.literal_eval(RESULTS[SAME.get(scenario, scenario)])
    rows = f"read_csv('{written}/*', header = false, columns = {columns})"
    # A group only grows, so that its last change is the one with most trades.
    last = " QUALIFY trade_count = max(trade_count) OVER (PARTITION BY symbol)" if scenario == "s2" else ""
    duckdb.sql(
        f"COPY (SELECT * EXCLUDE op FROM {rows} WHERE op IN ('INSERT', 'UPDATE_AFTER'){last})"
        f" TO '{gathered}' (HEADER true)"
    )
    return duckdb.sql(f"SELECT count(*) FROM {rows} WHERE op LIKE 'DELETE%'").fetchall()[0][0]
