"""Apache Flink SQL in streaming mode: one TaskManager within this process's JVM, a slot for each core.

`python scripts/measure/rivals/flink_sql.py SCENARIO FORMAT SOURCE CORES [--warm-up SOURCE] [--out DIRECTORY]`, by
scripts/measure/compare-flink. Prints, as JSON, the seconds that Flink itself counts for the job
(`JobExecutionResult.getNetRuntime`: neither the JVM's start nor planning) and the JVM's peak memory.
Without `--out` the rows are discarded; with it every change is written as CSV, its kind first.
"""

import argparse
import ast
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

# Run by a path of its own, in an environment of its own.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from lab.scenarios import COLUMNS, RESULTS, SCENARIOS, query  # noqa: E402

# Of Java's collectors the parallel one cost least: with G1, the default, s3b took more than half as much
# again of the processors' time.
JVM = "-Xms6g -Xmx6g -XX:+UseParallelGC"
# Tried on s3a without a difference that stood out of the noise: a longer queue between reading and
# decoding (source.reader.element.queue.capacity), and one aggregation of a window in place of a local
# and a global one (table.optimizer.agg-phase-strategy).
SETTINGS = {
    "execution.runtime-mode": "streaming",
    "pipeline.object-reuse": "true",
    # Buffers leave when they are full: nobody waits for the latency of a file's records.
    "execution.buffer-timeout.enabled": "false",
    "taskmanager.memory.managed.size": "2g",
    "taskmanager.memory.network.min": "256m",
    "taskmanager.memory.network.max": "256m",
    "state.backend.type": "hashmap",
    # In one process nobody can be lost; on a busy machine a heartbeat may be late by more than the default.
    "heartbeat.timeout": "600000",
    "rest.bind-port": "0",
    "parallelism.default": "{cores}",
    "taskmanager.numberOfTaskSlots": "{cores}",
}
# Groups are updated once for each batch of records: fine for s2, of which the last row counts; s3b is
# about a change for each record.
MINI_BATCH = {
    "table.exec.mini-batch.enabled": "true",
    "table.exec.mini-batch.allow-latency": "2 s",
    "table.exec.mini-batch.size": "50000",
    "table.optimizer.agg-phase-strategy": "TWO_PHASE",
}
FORMATS = {"csv": "'format' = 'csv'", "json": "'format' = 'json', 'json.timestamp-format.standard' = 'SQL'"}
# The generator's times have three digits of a second, and Flink's event times may have no more.
TYPES = {"BIGINT": "BIGINT", "TIMESTAMP": "TIMESTAMP(3)", "VARCHAR": "STRING", "DOUBLE": "DOUBLE"}
# The scenario whose input and results another has too.
SAME = {"s3b": "s3a"}
WATERMARK = ", WATERMARK FOR trade_time AS trade_time - INTERVAL '5' SECOND"
MINUTE = "TABLE(TUMBLE(TABLE {source}, DESCRIPTOR(trade_time), INTERVAL '1' MINUTE))"


def statement(scenario: str, source: str) -> str:
    """The scenario in Flink's dialect."""
    if scenario == "s3a":
        return query("s3a", MINUTE.format(source=source), "window_end", ", window_start, window_end")
    if scenario == "s3b":
        # Of a window Flink tells nothing until it closes; of a group, every change.
        end = "FLOOR(trade_time TO MINUTE) + INTERVAL '1' MINUTE"
        return query("s3a", source, end, ", FLOOR(trade_time TO MINUTE)")
    return query(scenario, source)


def uri(directory: str) -> str:
    return Path(directory).resolve().as_uri()


def create_source(environment, name: str, scenario: str, form: str, directory: str) -> None:
    model = SCENARIOS[SAME.get(scenario, scenario)][0]
    columns = ", ".join(f"{column} {TYPES[kind]}" for column, kind in COLUMNS[model].items())
    watermark = WATERMARK if scenario == "s3a" else ""
    environment.execute_sql(
        f"CREATE TEMPORARY TABLE {name} ({columns}{watermark}) WITH ('connector' = 'filesystem',"
        f" 'path' = '{uri(directory)}', {FORMATS[form]})"
    )


def run(environment, scenario: str, source: str, sink: str, out: str | None = None) -> float:
    """Creates a sink for the scenario's results, fills it, and returns the seconds that took."""
    kinds = ast.literal_eval(RESULTS[SAME.get(scenario, scenario)])
    columns = [f"{column} {TYPES[kind]}" for column, kind in kinds.items()]
    rows = statement(scenario, source)
    if out:
        # A row of CSV cannot take back another, so that what kind of change it is becomes a column.
        environment.execute_sql(f"CREATE TEMPORARY VIEW {sink}_rows AS {rows}")
        rows, columns = f"SELECT * FROM TO_CHANGELOG(input => TABLE {sink}_rows)", ["op STRING", *columns]
        place = f"'connector' = 'filesystem', 'path' = '{uri(out)}', 'format' = 'csv'"
    else:
        place = "'connector' = 'blackhole'"
    environment.execute_sql(f"CREATE TEMPORARY TABLE {sink} ({', '.join(columns)}) WITH ({place})")
    result = environment.execute_sql(f"INSERT INTO {sink} {rows}")
    result.wait()
    return result.get_job_client().get_job_execution_result().result().get_net_runtime() / 1000


def peak_kib() -> int:
    """The most that the JVM, this process's only child, had in memory so far."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    status = [Path(f"/proc/{child}/status").read_text() for child in children]
    lines = [line for text in status for line in text.splitlines() if line.startswith("VmHWM:")]
    return sum(int(line.split()[1]) for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("scenario")
    parser.add_argument("format", choices=FORMATS)
    parser.add_argument("source")
    parser.add_argument("cores", type=int)
    parser.add_argument("--warm-up", help="records of the same kind, for a first job that is not timed")
    parser.add_argument("--out", help="where to write results, rather than to discard them")
    options = parser.parse_args()
    # Read when the JVM starts.
    os.environ["JVM_ARGS"] = JVM
    from pyflink.common import Configuration
    from pyflink.table import EnvironmentSettings, TableEnvironment

    configuration = Configuration()
    settings = SETTINGS | (MINI_BATCH if options.scenario == "s2" else {})
    for key, value in settings.items():
        configuration.set_string(key, value.format(cores=options.cores))
    environment = TableEnvironment.create(
        EnvironmentSettings.new_instance().with_configuration(configuration).in_streaming_mode().build()
    )
    if options.warm_up:
        create_source(environment, "small_files", options.scenario, options.format, options.warm_up)
        run(environment, options.scenario, "small_files", "warmed_up")
    create_source(environment, "source_files", options.scenario, options.format, options.source)
    seconds = run(environment, options.scenario, "source_files", "results", options.out)
    print(json.dumps({"seconds": seconds, "peak_kib": peak_kib(), "version": version("apache-flink")}))


if __name__ == "__main__":
    main()
