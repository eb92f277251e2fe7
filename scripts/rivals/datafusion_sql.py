"""DataFusion: declared columns, as many partitions as cores, one file written."""

import time

import pyarrow as pa
from datafusion import SessionConfig, SessionContext
from pyarrow import dataset
from scenarios import COLUMNS, EXTENSIONS, SCENARIOS, query

TYPES = {
    "BIGINT": pa.int64(),
    "TIMESTAMP": pa.timestamp("us"),
    "VARCHAR": pa.string_view(),
    "DOUBLE": pa.float64(),
}


def run(scenario: str, form: str, source: str, out: str, cores: int) -> float:
    columns = COLUMNS[SCENARIOS[scenario][0]]
    schema = pa.schema([(name, TYPES[kind]) for name, kind in columns.items()])
    context = SessionContext(SessionConfig().with_target_partitions(cores))
    if form == "arrow":
        context.register_dataset("source_files", dataset.dataset(source, format="ipc"))
    elif form == "parquet":
        context.register_parquet("source_files", source)
    else:
        register = context.register_csv if form == "csv" else context.register_json
        register("source_files", source, schema=schema, file_extension=f".{EXTENSIONS[form]}")
    end = "date_bin(INTERVAL '1 minute', trade_time) + INTERVAL '1 minute'"
    sql = query(scenario, "source_files", end, f", {end}")
    started = time.perf_counter()
    context.sql(f"COPY ({sql}) TO '{out}' STORED AS CSV OPTIONS ('format.has_header' 'true')").collect()
    return time.perf_counter() - started
