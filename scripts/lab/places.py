"""Where things lie: the clone, its builds, and the Python environments that scripts/host/setup makes."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tidemill"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
RELEASE_BINARY = TARGET / "release" / "tidemill"


def go_on_in(environment: str, install: str) -> None:
    """Starts the running script again in an environment of the cache, unless it runs there already.

    Does not return where it starts again. Ends the script with the command `install` where the environment
    is missing.
    """
    venv = CACHE / environment
    if Path(sys.prefix) == venv:
        return
    if not venv.is_dir():
        sys.exit(f"{Path(sys.argv[0]).name}: there is no {venv}; run {install}")
    os.execv(venv / "bin" / "python", [str(venv / "bin" / "python"), *sys.argv])


def add_binary(parser: argparse.ArgumentParser) -> None:
    """`--binary`, by default the release build."""
    parser.add_argument("--binary", type=existing_file, default=str(RELEASE_BINARY))


def existing_file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"there is no {path}; run cargo build --release -p tidemill-cli")
    return path.resolve()


def commit() -> str:
    """The commit of the clone, 12 digits."""
    command = ["git", "rev-parse", "--short=12", "HEAD"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
