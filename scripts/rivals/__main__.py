"""Runs one scenario on one engine and prints the seconds of the query alone.

`python scripts/rivals ENGINE SCENARIO FORMAT SOURCE_DIRECTORY OUT_FILE CORES`, by scripts/compare: a
process each, so that no engine finds another's threads or memory.
"""

import importlib
import sys

MODULES = {
    "duckdb": "duckdb_sql",
    "polars": "polars_frames",
    "clickhouse": "clickhouse_sql",
    "datafusion": "datafusion_sql",
}

engine, scenario, form, source, out, cores = sys.argv[1:]
print(importlib.import_module(MODULES[engine]).run(scenario, form, source, out, int(cores)))
