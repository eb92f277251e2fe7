"""Runs one query over one kind of files on one engine, result to CSV, and prints the seconds of the query alone.

`python scripts/measure/rivals/shapes.py ENGINE FORM GLOB OUT_FILE CORES QUERY`, by scripts/measure/compare --shapes: a
process each, so that no engine finds another's threads or memory. No engine is told the columns: each finds them out.
"""

import glob
import os
import re
import sys
import time
from pathlib import Path

import duckdb
import polars

# What is written differently: a macro's name, and for each engine a function of its arguments. An engine without an
# entry cannot be asked.
DIALECTS = {
    "minute": {
        "tidemill": "DATE_TRUNC('minute', {0})",
        "duckdb": "DATE_TRUNC('minute', {0})",
        "clickhouse": "toStartOfMinute({0})",
        "datafusion": "date_trunc('minute', CAST({0} AS TIMESTAMP))",
    },
    "hour": {
        "tidemill": "EXTRACT(HOUR FROM {0})",
        "duckdb": "EXTRACT(HOUR FROM {0})",
        "clickhouse": "toHour({0})",
        "datafusion": "date_part('hour', {0})",
        "polars": "EXTRACT(HOUR FROM {0})",
    },
    "extract": {
        "tidemill": "REGEXP_EXTRACT({0}, {1}, 1)",
        "duckdb": "REGEXP_EXTRACT({0}, {1}, 1)",
        "clickhouse": "extract({0}, {1})",
        "datafusion": "regexp_match({0}, {1})[1]",
    },
    "matches": {
        "tidemill": "REGEXP_MATCHES({0}, {1})",
        "duckdb": "REGEXP_MATCHES({0}, {1})",
        "clickhouse": "match({0}, {1})",
        "datafusion": "regexp_like({0}, {1})",
        "polars": "REGEXP_LIKE({0}, {1})",
    },
    "split": {
        "tidemill": "SPLIT_PART({0}, {1}, {2})",
        "duckdb": "SPLIT_PART({0}, {1}, {2})",
        "clickhouse": "splitByChar({1}, {0})[{2}]",
        "datafusion": "split_part({0}, {1}, {2})",
        "polars": "SPLIT_PART({0}, {1}, {2})",
    },
    # The files have their rows in this order; a stream needs no word for that.
    "arrival": {
        "tidemill": "",
        "duckdb": "ORDER BY {0}",
        "clickhouse": "ORDER BY {0}",
        "datafusion": "ORDER BY {0}",
        "polars": "ORDER BY {0}",
    },
    "member": {
        "tidemill": "JSON_VALUE({0}, '$.{1}' RETURNING {2})",
        "duckdb": "{0}.{1}",
        "clickhouse": "{0}.{1}",
        "datafusion": "{0}['{1}']",
        "polars": "{0} -> '{1}'",
    },
}
TYPES = {"tidemill": {"int": "BIGINT", "text": "VARCHAR"}}
READERS = {
    "csv": "read_csv('{0}')",
    "json": "read_json('{0}', format = 'newline_delimited')",
    "parquet": "read_parquet('{0}')",
}
CLICKHOUSE_FORMATS = {"csv": "CSVWithNames", "json": "JSONEachRow", "parquet": "Parquet", "arrow": "Arrow"}


def translated(query: str, engine: str) -> str | None:
    """The query in an engine's way; `None` where the engine has none."""

    def written(macro: re.Match) -> str:
        arguments = [part.strip() for part in re.split(r",(?=(?:[^']*'[^']*')*[^']*$)", macro[2])]
        kinds = TYPES.get(engine, {})
        return DIALECTS[macro[1]][engine].format(*(kinds.get(part, part) for part in arguments))

    try:
        return re.sub(r"\$(\w+)\(((?:'[^']*'|[^()'])*)\)", written, query)
    except KeyError:
        return None


def arrow_dataset(files: str):
    """Arrow files for an engine that has no reader of its own for them."""
    from pyarrow import dataset

    return dataset.dataset(sorted(glob.glob(files)), format="ipc")


def run_duckdb(kind: str, files: str, out: str, cores: int, query: str) -> float:
    connection = duckdb.connect()
    connection.execute(f"SET threads = {cores}")
    connection.execute("SET enable_progress_bar = false")
    connection.execute("SET preserve_insertion_order = false")
    if kind == "arrow":
        connection.register("arrow_files", arrow_dataset(files))
    reader = READERS.get(kind, "arrow_files").format(files)
    started = time.perf_counter()
    connection.execute(f"COPY (WITH t AS (FROM {reader}) {query}) TO '{out}' (FORMAT csv, HEADER true)")
    return time.perf_counter() - started


def run_polars(kind: str, files: str, out: str, _cores: int, query: str) -> float:
    # The number of threads was read from the environment as it was imported.
    started = time.perf_counter()
    scans = {
        "csv": lambda: polars.scan_csv(files, try_parse_dates=True),
        "json": lambda: polars.scan_ndjson(files),
        "parquet": lambda: polars.scan_parquet(files),
        "arrow": lambda: polars.scan_ipc(files),
    }
    frame = polars.SQLContext(t=scans[kind]()).execute(query, eager=False)
    frame.sink_csv(out, engine="streaming")
    return time.perf_counter() - started


def run_clickhouse(kind: str, files: str, out: str, cores: int, query: str) -> float:
    import chdb

    reader = f"file('{files}', '{CLICKHOUSE_FORMATS[kind]}')"
    sql = (
        f"WITH t AS (SELECT * FROM {reader}) {query} INTO OUTFILE '{out}' FORMAT CSVWithNames SETTINGS max_threads = {cores},"
        " format_csv_null_representation = ''"
    )
    started = time.perf_counter()
    chdb.query(sql)
    return time.perf_counter() - started


def run_datafusion(kind: str, files: str, out: str, cores: int, query: str) -> float:
    from datafusion import SessionConfig, SessionContext

    context = SessionContext(SessionConfig().with_target_partitions(cores))
    place = str(Path(files).parent)
    extension = Path(files).suffix
    compression = {".gz": "gzip", ".zst": "zstd"}.get(extension)
    started = time.perf_counter()
    if kind == "arrow":
        context.register_dataset("t", arrow_dataset(files))
    elif kind == "parquet":
        context.register_parquet("t", place)
    else:
        more = {"file_extension": Path(files).name.removeprefix("*")}
        if compression:
            more["file_compression_type"] = compression
        if kind == "csv":
            context.sql(
                f"CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '{place}/' OPTIONS ('format.has_header' 'true',"
                f" 'format.newlines_in_values' 'true'{', ' + repr('format.compression') + ' ' + repr(compression) if compression else ''})"
            )
        else:
            context.register_json("t", place, **more)
    context.sql(f"COPY ({query}) TO '{out}' STORED AS CSV OPTIONS ('format.has_header' 'true')").collect()
    return time.perf_counter() - started


RUN = {"duckdb": run_duckdb, "polars": run_polars, "clickhouse": run_clickhouse, "datafusion": run_datafusion}

if __name__ == "__main__":
    engine, form, files, out, cores, query = sys.argv[1:]
    kind = re.split(r"[-.]", form)[0]
    print(RUN[engine](kind, files, out, int(cores), query), flush=True)
    # Results are written by now, and to take an engine down in order is no part of any time.
    os._exit(0)
