"""Commands on chosen CPUs that begin at one moment, and the time until the last of them has ended."""

import os
import re
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

# Waits until its standard input ends, one moment for all who hold the pipe, and becomes the command.
GATE = ["sh", "-c", 'read -r _; exec "$@"', "sh"]


class Loop(NamedTuple):
    """A command, and the CPUs that it may run on."""

    cpus: tuple[int, ...]
    command: list[str]


class Taken(NamedTuple):
    """From the opening of the gate to the end of the last loop, and the CPU seconds of all."""

    seconds: float
    cpu_seconds: float


def allowed_cpus() -> list[int]:
    """CPUs of the affinity mask: first one thread of each physical core, then their siblings."""
    order = []
    for cpu in sorted(os.sched_getaffinity(0)):
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            members = listed(siblings.read_text())
        except OSError:
            members = [cpu]
        order.append((members.index(cpu), cpu))
    return [cpu for _, cpu in sorted(order)]


def listed(text: str) -> list[int]:
    """The CPUs of a list such as `0,2,4-7`."""
    cpus: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        cpus += range(int(first), int(last or first) + 1)
    return cpus


def behind_gate(loops: list[Loop]) -> tuple[list[subprocess.Popen], int]:
    """Starts every loop pinned and waiting; closing the descriptor lets all of them go."""
    read_end, write_end = os.pipe()
    processes = []
    for loop in loops:
        pinned = ["taskset", "-c", ",".join(map(str, loop.cpus)), *GATE, *loop.command]
        streams = {"stdin": read_end, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        processes.append(subprocess.Popen(pinned, **streams))
    os.close(read_end)
    for process, loop in zip(processes, loops, strict=True):
        wait_for_gate(process, loop)
    return processes, write_end


def wait_for_gate(process: subprocess.Popen, loop: Loop) -> None:
    """Until the shell sleeps in its read: what comes before is no part of the time."""
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        if "\nName:\tsh\n" in f"\n{status}" and "\nState:\tS" in status:
            return
        os.sched_yield()
    raise SystemExit(f"scale: {' '.join(loop.command[:3])} … could not be started on CPUs {loop.cpus}")


def timed(loops: list[Loop]) -> Taken:
    """Runs loops side by side. Ends the program where one of them fails."""
    processes, gate = behind_gate(loops)
    started = time.perf_counter()
    os.close(gate)
    cpu_seconds = 0.0
    for process in processes:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        cpu_seconds += usage.ru_utime + usage.ru_stime
    seconds = time.perf_counter() - started
    for process, loop in zip(processes, loops, strict=True):
        said = process.stderr.read().decode()
        process.stderr.close()
        if process.returncode != 0:
            raise SystemExit(f"scale: {' '.join(loop.command[:3])} … ended with {process.returncode}: {said}")
    return Taken(seconds, cpu_seconds)


def watched(loop: Loop) -> tuple[set[tuple[int, ...]], str]:
    """Runs one loop without a clock: the CPUs that its cores' threads are held to, and its standard error."""
    (process,), gate = behind_gate([loop])
    os.close(gate)
    # By thread, and the last one counts: it is named shortly before it is pinned.
    held: dict[str, tuple[int, ...]] = {}
    while process.poll() is None:
        for status in Path(f"/proc/{process.pid}/task").glob("*/status"):
            try:
                text = status.read_text()
            except OSError:
                continue  # The thread has ended.
            if re.match(r"Name:\ttidemill-\d+\n", text):
                held[status.parent.name] = tuple(listed(text.split("Cpus_allowed_list:")[1].split()[0]))
    said = process.stderr.read().decode()
    process.stderr.close()
    if process.returncode != 0:
        raise SystemExit(f"scale: {' '.join(loop.command[:3])} … ended with {process.returncode}: {said}")
    return set(held.values()), said
