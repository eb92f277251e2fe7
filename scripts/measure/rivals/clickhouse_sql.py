"""ClickHouse, embedded (chdb): declared columns."""

import time

import chdb
from lab.scenarios import COLUMNS, EXTENSIONS, SCENARIOS, delimiter, has_header, query

TYPES = {"BIGINT": "Int64", "TIMESTAMP": "DateTime64(6, 'UTC')", "VARCHAR": "String", "DOUBLE": "Float64"}
FORMATS = {"csv": "CSVWithNames", "json": "JSONEachRow", "parquet": "Parquet", "arrow": "Arrow"}


def run(scenario: str, form: str, source: str, out: str, cores: int) -> float:
    columns = COLUMNS[SCENARIOS[scenario][0]]
    structure = ", ".join(f"{name} {TYPES[kind]}" for name, kind in columns.items())
    structure = structure.replace("'", "\\'")
    kind = FORMATS[form] if has_header(scenario) else "CSV"
    reader = f"file('{source}/*.{EXTENSIONS[form]}', '{kind}', '{structure}')"
    end = "toDateTime64(toStartOfMinute(trade_time), 6, 'UTC') + INTERVAL 1 MINUTE"
    sql = query(scenario, reader, end, ", window_end")
    sql += (
        f" INTO OUTFILE '{out}' FORMAT CSVWithNames"
        f" SETTINGS max_threads = {cores}, date_time_input_format = 'best_effort',"
        f" format_csv_delimiter = '{delimiter(scenario)}'"
    )
    started = time.perf_counter()
    chdb.query(sql)
    return time.perf_counter() - started
