"""The host that figures were measured on, as it stands beside them."""

import os
import platform
from pathlib import Path


def cpu_model(cpuinfo: str) -> str:
    """The model in the text of /proc/cpuinfo; `?` where it has none."""
    lines = cpuinfo.splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "?")


def describe() -> dict:
    """CPU, number of cores this process may use, memory in whole GiB, kernel."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": cpu_model(Path("/proc/cpuinfo").read_text()),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": memory >> 30,
        "kernel": platform.release(),
    }
