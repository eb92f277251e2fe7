"""DuckDB: declared columns, so that it need not guess types; order of rows need not be kept."""

import time

import duckdb
from lab.scenarios import COLUMNS, EXTENSIONS, SCENARIOS, delimiter, has_header, query


def run(scenario: str, form: str, source: str, out: str, cores: int) -> float:
    columns = COLUMNS[SCENARIOS[scenario][0]]
    files = f"{source}/*.{EXTENSIONS[form]}"
    delim = delimiter(scenario)
    dialect = f"header = {str(has_header(scenario)).lower()}, delim = '{delim}'"
    readers = {
        "csv": f"read_csv('{files}', {dialect}, columns = {columns})",
        "json": f"read_json('{files}', format = 'newline_delimited', columns = {columns})",
        "parquet": f"read_parquet('{files}')",
        "arrow": "arrow_files",
    }
    end = "time_bucket(INTERVAL '1' MINUTE, trade_time) + INTERVAL '1' MINUTE"
    sql = query(scenario, readers[form], end, ", window_end")
    connection = duckdb.connect()
    connection.execute(f"SET threads = {cores}")
    connection.execute("SET enable_progress_bar = false")
    connection.execute("SET preserve_insertion_order = false")
    if form == "arrow":
        # Its own reader of Arrow files is an extension that has to be fetched.
        from pyarrow import dataset  # takes a while, and no other format needs it

        connection.register("arrow_files", dataset.dataset(source, format="ipc"))
    started = time.perf_counter()
    connection.execute(f"COPY ({sql}) TO '{out}' (FORMAT csv, HEADER true, DELIMITER '{delim}')")
    return time.perf_counter() - started
