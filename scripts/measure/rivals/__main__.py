"""Runs one scenario on one engine and prints the seconds of the query alone.

`python scripts/measure/rivals ENGINE SCENARIO FORMAT SOURCE_DIRECTORY OUT_FILE CORES`, by scripts/measure/compare: a
process each, so that no engine finds another's threads or memory.
"""

import importlib
import os
import sys
from pathlib import Path

MODULES = {
    "duckdb": "duckdb_sql",
    "polars": "polars_frames",
    "clickhouse": "clickhouse_sql",
    "datafusion": "datafusion_sql",
}


class WithoutPandas:
    """Keeps pyarrow from importing pandas because it is there.

    That takes half a second and tens of MiB of every process, and no query needs it.
    """

    @staticmethod
    def find_spec(name: str, path=None, target=None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)


sys.meta_path.insert(0, WithoutPandas)
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
engine, scenario, form, source, out, cores = sys.argv[1:]
print(importlib.import_module(f"measure.rivals.{MODULES[engine]}").run(scenario, form, source, out, int(cores)), flush=True)
# Results are written by now, and to take an engine down in order is no part of any time.
os._exit(0)
