"""DataFusion: declared columns, as many partitions as cores, one file written."""

import time

import pyarrow as pa
from datafusion import SessionConfig, SessionContext
from lab.scenarios import COLUMNS, EXTENSIONS, SCENARIOS, delimiter, has_header, query

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
        from pyarrow import dataset  # takes a while, and no other format needs it

        context.register_dataset("source_files", dataset.dataset(source, format="ipc"))
    elif form == "parquet":
        context.register_parquet("source_files", source)
    else:
        kind = {"schema": schema, "file_extension": f".{EXTENSIONS[form]}"}
        if form == "csv":
            dialect = {"has_header": has_header(scenario), "delimiter": delimiter(scenario)}
            context.register_csv("source_files", source, **kind, **dialect)
        else:
            context.register_json("source_files", source, **kind)
    end = "date_bin(INTERVAL '1 minute', trade_time) + INTERVAL '1 minute'"
    sql = query(scenario, "source_files", end, f", {end}")
    dialect = f"'format.has_header' 'true', 'format.delimiter' '{delimiter(scenario)}'"
    started = time.perf_counter()
    context.sql(f"COPY ({sql}) TO '{out}' STORED AS CSV OPTIONS ({dialect})").collect()
    return time.perf_counter() - started
