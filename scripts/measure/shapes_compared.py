"""`scripts/measure/compare --shapes`: many kinds of data, in the forms that other programs write, against the rivals.

Each cell is a query over one kind of data (`benches/shapes/cells.py`). Engines run interleaved, their answers are
compared before any time is looked at, and the table is sorted by how far ahead of the best rival Tidemill is,
worst first.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
import numpy

from lab.places import ROOT
from lab.process import timed
from measure.rivals.shapes import translated

sys.path.insert(0, str(ROOT / "benches" / "shapes"))
from cells import CELLS  # noqa: E402
from write import make  # noqa: E402

RIVAL = ROOT / "scripts" / "measure" / "rivals" / "shapes.py"
COMPARED = {
    "i": "CAST(CAST({0} AS DECIMAL(38, 3)) AS BIGINT)",
    "f": "CAST({0} AS DOUBLE)",
    "t": "coalesce({0}, '')",
    "s": "CAST(replace(replace({0}, 'T', ' '), 'Z', '') AS TIMESTAMP)",
    "b": "lower({0})",
}


def rows_of(path: Path, types: str) -> list[numpy.ndarray]:
    """The columns of an answer, in an order that does not depend on the engine."""
    names = [f"c{number}" for number in range(len(types))]
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
    values = [COMPARED[kind].format(name) for name, kind in zip(names, types)]
    # Floating-point numbers last: they may differ in their last digits.
    order = sorted(range(1, len(types) + 1), key=lambda place: types[place - 1] == "f")
    source = f"read_csv('{path}', header = true, columns = {{{columns}}}, auto_detect = false, quote = '\"', escape = '\"')"
    table = duckdb.sql(f"SELECT {', '.join(values)} FROM {source} ORDER BY {', '.join(map(str, order))}").fetchnumpy()
    return list(table.values())


def difference(path: Path, other: Path, types: str) -> str | None:
    """What differs between two answers; floating-point numbers may by one in a million."""
    ours, theirs = rows_of(path, types), rows_of(other, types)
    if len(ours[0]) != len(theirs[0]):
        return f"{len(ours[0])} rows and {len(theirs[0])}"
    for number, (a, b, kind) in enumerate(zip(ours, theirs, types)):
        a_null, b_null = numpy.ma.getmaskarray(a), numpy.ma.getmaskarray(b)
        if not (a_null == b_null).all():
            return f"column {number + 1}: NULLs"
        a, b = numpy.ma.getdata(a)[~a_null], numpy.ma.getdata(b)[~b_null]
        same = numpy.isclose(a, b, rtol=1e-6, atol=1e-9, equal_nan=True) if kind == "f" else a == b
        if not numpy.all(same):
            place = int(numpy.flatnonzero(~same)[0])
            return f"column {number + 1}: {a[place]!r} and {b[place]!r}"
    return None


def command(engine: str, options, cell, files: str, out: Path) -> list[str] | None:
    query = translated(cell.query, engine)
    if query is None:
        return None
    if engine != "tidemill":
        return [sys.executable, str(RIVAL), engine, cell.form, files, str(out), str(options.cores), query]
    query = re.sub(r"\bFROM t\b", f"FROM '{files}'", query)
    script = f"COPY ({query}) TO '{out}' (FORMAT csv, HEADER true, DURABLE false)"
    return [str(options.binary), "run", "--quiet", "--cores", str(options.cores), "-e", script]


def measured(options, cell, files: str, seconds_max: float) -> tuple[dict, dict]:
    """Seconds of each run by engine, and by engine why it has none."""
    with tempfile.TemporaryDirectory(dir=options.data) as place:
        out = {engine: Path(place) / f"{engine}.csv" for engine in ("tidemill", *options.engines)}
        commands = {engine: command(engine, options, cell, files, path) for engine, path in out.items()}
        missing = {engine: "no such function" for engine, line in commands.items() if line is None}
        taken = {engine: [] for engine in commands if engine not in missing}
        os.environ["POLARS_MAX_THREADS"] = str(options.cores)
        for run in range(options.runs):
            names = list(taken)
            for engine in names[run % len(names) :] + names[: run % len(names)]:
                if run > 1 and engine != "tidemill" and min(taken[engine]) > seconds_max * fastest(taken):
                    continue
                out[engine].unlink(missing_ok=True)
                try:
                    done = timed(commands[engine])
                except SystemExit as error:
                    if engine == "tidemill":
                        raise
                    del taken[engine]
                    missing[engine] = str(error).strip().splitlines()[-1][:100]
                    continue
                taken[engine].append(done.seconds if engine == "tidemill" else float(done.output))
            if run == 0:
                for engine in [name for name in taken if name != "tidemill"]:
                    try:
                        differs = difference(out["tidemill"], out[engine], cell.types)
                    except duckdb.Error as error:
                        differs = str(error).splitlines()[0]
                    if differs:
                        missing[engine] = f"another answer: {differs}"
                        del taken[engine]
    return taken, missing


def fastest(taken: dict) -> float:
    return min(min(runs) for runs in taken.values() if runs)


def run(options) -> None:
    chosen = [
        (number, cell)
        for number, cell in enumerate(CELLS, 1)
        if not options.cells or any(word in f"{number} {cell.group} {cell.kind} {cell.form} {cell.query}" for word in options.cells)
    ]
    results = []
    for number, cell in chosen:
        files = make(cell.kind, cell.form, options.seed, options.scale, options.data)
        taken, missing = measured(options, cell, files, seconds_max=4.0)
        for engine, why in missing.items():
            print(f"  {number}: {engine} is left out: {why}", file=sys.stderr)
        ours = taken.pop("tidemill")
        if not taken:
            print(f"  {number}: nobody to compare with", file=sys.stderr)
            continue
        best = min(taken, key=lambda engine: statistics.median(taken[engine]))
        ratio = statistics.median(taken[best]) / statistics.median(ours)
        results.append((ratio, number, cell, ours, best, taken[best]))
        print(f"  {number}: {ratio:.2f} {cell.form} {cell.query[:90]}", file=sys.stderr, flush=True)
    results.sort(key=lambda result: result[0])
    print("| times the best rival | seconds | the best rival | kind | form | query |")
    print("|---|---|---|---|---|---|")
    for ratio, number, cell, ours, best, theirs in results:
        print(
            f"| {ratio:.2f} | {statistics.median(ours):.3f} ({min(ours):.3f}–{max(ours):.3f}) | {best} {statistics.median(theirs):.3f}"
            f" ({min(theirs):.3f}–{max(theirs):.3f}) | {cell.kind} | {cell.form} | {number}: `{cell.query}` |"
        )
    ratios = [result[0] for result in results]
    print(
        f"\n{len(ratios)} cells, seed {options.seed}: median {statistics.median(ratios):.2f}, worst {min(ratios):.2f},"
        f" {sum(ratio < 1 for ratio in ratios)} below 1"
    )
