"""Runs a command and says what it took: wall seconds, peak resident memory, and what it printed."""

import os
import signal
import subprocess
import sys
import threading
import time
from typing import NamedTuple


class Taken(NamedTuple):
    """`seconds` of wall time, `peak_kib` resident as the kernel counts it, standard output and error."""

    seconds: float
    peak_kib: int
    output: str
    errors: str


def timed(command: list[str]) -> Taken:
    """Runs a command to its end; an exit code but 0 ends this script with what the command said.

    `peak_kib` is at least this process's own memory at the start: the kernel keeps the peak over exec. Where
    a small peak matters, take `peak_kib()`.
    """
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    output, errors, usage, code = collect(process)
    seconds = time.perf_counter() - started
    if code != 0:
        raise SystemExit(f"{' '.join(map(str, command[:4]))} … ended with {code}: {errors}")
    return Taken(seconds, usage.ru_maxrss, output, errors)


def collect(process: subprocess.Popen) -> tuple:
    """Both outputs of a process to their ends, what it used, and its exit code."""
    # Neither pipe may fill up while the other is read.
    errors = []
    reader = threading.Thread(target=lambda: errors.append(process.stderr.read()))
    reader.start()
    output = process.stdout.read()
    reader.join()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return output, errors[0], usage, process.returncode


# Runs a command, and writes its number, then its status, its peak and the launcher's own peak in KiB.
LAUNCHER = """
import os, sys
report = int(sys.argv[1])
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
os.write(report, b"%d\\n" % pid)
_, status, usage = os.wait4(pid, 0)
own = open("/proc/self/status").read().split("VmHWM:")[1].split()[0]
os.write(report, f"{status} {usage.ru_maxrss} {own}\\n".encode())
"""


def peak_kib(command: list[str], until_rows: int | None = None) -> tuple[int, str]:
    """Peak resident KiB of a command and its standard error.

    The command is started by an interpreter that holds less than any job, which is checked. With
    `until_rows` it is asked to stop once so many lines have come from its standard output.
    """
    read_end, write_end = os.pipe()
    launcher = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", LAUNCHER, str(write_end), *command],
        stdout=subprocess.PIPE if until_rows else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=(write_end,),
    )
    os.close(write_end)
    with os.fdopen(read_end) as report:
        pid = int(report.readline())
        if until_rows:
            for _ in range(until_rows):
                launcher.stdout.readline()
            os.kill(pid, signal.SIGINT)
            launcher.stdout.read()
        said = launcher.stderr.read().decode()
        status, peak, floor = (int(word) for word in report.readline().split())
    launcher.wait()
    code = os.waitstatus_to_exitcode(status)
    # 1 is also how a job ends that was asked to stop.
    if code not in ((0, 1) if until_rows else (0,)):
        raise SystemExit(f"{command[0]}: exit code {code}: {said}")
    if peak <= floor:
        raise SystemExit(f"{command[0]}: {peak} KiB are the launcher's memory, not the command's")
    return peak, said
