"""Input that `tidemill gen` makes, and what a script declares of it."""

import os
import subprocess
from pathlib import Path

from lab.scenarios import COLUMNS, EXTENSIONS


def generate(
    binary: Path, out: Path, model: str, form: str, rows: int, partitions: int = 1, *more: str
) -> list[Path]:
    """Makes a directory of so many files with so many records in all; the files, in order of name."""
    command = [binary, "gen", model, "--rows", str(rows), "--partitions", str(partitions), "--format", form]
    subprocess.run([*command, "--out", out, *more], check=True, capture_output=True)
    made = sorted(out.glob(f"*.{EXTENSIONS[form]}"))
    if len(made) != partitions:
        raise SystemExit(f"{out} holds {len(made)} files, not {partitions}")
    return made


def link(file: Path, directory: Path, count: int) -> Path:
    """A new directory in which one file stands under so many names."""
    directory.mkdir()
    for index in range(count):
        os.link(file, directory / f"{index:05}{file.suffix}")
    return directory


def declared(model: str, path: Path, form: str, columns: str = "", clauses: str = "", options: str = "") -> str:
    """`CREATE SOURCE source_files` over a path.

    `columns` stands behind the model's columns, `clauses` before WITH, `options` behind the usual ones.
    """
    names = ", ".join(f"{name} {kind}" for name, kind in COLUMNS[model].items())
    return (
        f"CREATE SOURCE source_files ({names}{columns}){clauses}"
        f" WITH ('connector' = 'file', 'path' = '{path}', 'format' = '{form}'{options});"
    )
