"""Files of a kind of data, written by the programs that people write such files with."""

import shutil
from pathlib import Path
from random import Random

import duckdb
import pyarrow
from kinds import KINDS

# Rows a file of the many small ones.
SMALL_FILE_ROWS = 1_000


def make(kind: str, form: str, seed: int, scale: float, data: Path) -> str:
    """Makes the files of a kind in a form, unless they are there, and gives the glob that names them.

    A form is `csv`, `csv.gz`, `json`, `json.gz`, `json.zst`, `csv-many`, `parquet-<writer>` or `arrow-<writer>`.
    """
    place = data / f"{kind}-{form}-{seed}-{scale:g}"
    extension = form.split("-")[0]
    pattern = f"{place}/*.{extension}"
    if not (place / "done").exists():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        write(kind, form, seed, scale, place)
        (place / "done").touch()
    return pattern


def write(kind: str, form: str, seed: int, scale: float, place: Path) -> None:
    # A string seeds it the same way in every process, which a tuple does not.
    rng = Random(f"{kind} {seed}")
    rows, columns, is_one_file = KINDS[kind](rng)
    rows = max(1, int(rows * scale))
    connection = duckdb.connect()
    connection.execute("SET enable_progress_bar = false")
    is_typed = form.startswith(("parquet", "arrow"))
    names = ", ".join(
        f"CAST({column.sql} AS {column.typed}) AS {column.name}" if is_typed and column.typed else f"{column.sql} AS {column.name}"
        for column in columns
    )
    query = f"SELECT {names} FROM range({rows}) AS _(i)"
    file_count = 1 if is_one_file else rng.choice([1, 1, 2, 3])
    if form == "csv-many":
        file_count = rows // SMALL_FILE_ROWS
        connection.execute(f"CREATE TABLE all_rows AS SELECT row_number() OVER () AS _n, * FROM ({query})")
    extension = form.split("-")[0]
    for number in range(file_count):
        low, high = rows * number // file_count, rows * (number + 1) // file_count
        path = place / f"part{number:05}.{extension}"
        part = f"{query} WHERE i >= {low} AND i < {high}"
        if form == "csv-many":
            part = f"SELECT * EXCLUDE _n FROM all_rows WHERE _n > {low} AND _n <= {high}"
        write_file(connection, part, form, path)


def write_file(connection: duckdb.DuckDBPyConnection, query: str, form: str, path: Path) -> None:
    match form:
        case "csv" | "csv-many":
            connection.execute(f"COPY ({query}) TO '{path}' (FORMAT csv, HEADER)")
        case "csv.gz":
            connection.execute(f"COPY ({query}) TO '{path}' (FORMAT csv, HEADER, COMPRESSION gzip)")
        case "json" | "json.gz" | "json.zst":
            plain = path.with_suffix(".lines")
            # No text has the delimiter or the quote, so that each line is written as it is.
            connection.execute(
                f"COPY ({query}) TO '{plain}' (FORMAT csv, HEADER false, DELIMITER '\x01', QUOTE '\x02', ESCAPE '\x02')"
            )
            compress(plain, path)
        case "parquet-duckdb":
            connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
        case "parquet-pyarrow":
            from pyarrow import parquet

            parquet.write_table(connection.sql(query).to_arrow_table(), path)
        case "parquet-polars":
            connection.sql(query).pl().write_parquet(path)
        case "parquet-fastparquet":
            import fastparquet

            fastparquet.write(str(path), connection.sql(query).df(), compression="SNAPPY")
        case "arrow-pyarrow":
            from pyarrow import feather

            feather.write_feather(connection.sql(query).to_arrow_table(), path, compression="uncompressed")
        case "arrow-polars":
            connection.sql(query).pl().write_ipc(path, compression="lz4")
        case _:
            raise ValueError(f"no form is named {form}")


def compress(plain: Path, path: Path) -> None:
    if path.suffix == ".json":
        plain.rename(path)
        return
    with (
        plain.open("rb") as source,
        pyarrow.output_stream(path, compression={".gz": "gzip", ".zst": "zstd"}[path.suffix]) as target,
    ):
        shutil.copyfileobj(source, target, 1 << 20)
    plain.unlink()
