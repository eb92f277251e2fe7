"""What the times of one round say together: ratios of times that were taken next to each other."""

import statistics
from typing import NamedTuple


class Spread(NamedTuple):
    """A median with the quartiles around it."""

    low: float
    middle: float
    high: float

    def text(self, digits: int) -> str:
        return f"{self.middle:.{digits}f} ({self.low:.{digits}f}–{self.high:.{digits}f})"


def spread(values: list[float]) -> Spread:
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    return Spread(*statistics.quantiles(values, n=4, method="inclusive"))


def share(point: dict) -> Spread:
    """The job's part of what independent processes do on the same cores: 1 is all of it."""
    return spread([alone / job for job, alone in zip(point["job"], point["independent"], strict=True)])


def gain(point: dict, one: dict, kind: str) -> Spread:
    """How many times the throughput of one core, measured in the same round."""
    return spread([point["n"] * base / many for base, many in zip(one[kind], point[kind], strict=True)])


def processor_time(point: dict) -> float:
    """CPU seconds of the job over those of the independent processes."""
    pairs = zip(point["job_cpu"], point["independent_cpu"], strict=True)
    return statistics.median(job / alone for job, alone in pairs)


def implications(fit: dict) -> str:
    """What a fitted law says of numbers of cores that were not measured."""
    low, high = fit["implied_interval"]
    text = f"{fit['implied']:.0f} ({low:.0f}–{high:.0f}) times one core's at {fit['implied_cores']} cores"
    if fit["coherence"] is None:
        return text
    if fit["peak_cores"] is None:
        return f"{text}, no peak"
    if fit["peak_interval"] is None:
        return f"{text}, a peak at {fit['peak_cores']:.0f} cores that most resamples lack"
    low, high = fit["peak_interval"]
    return f"{text}, a peak at {fit['peak_cores']:.0f} ({low:.0f}–{high:.0f}) cores"


def coefficients(fit: dict) -> tuple[str, str]:
    """σ and κ with their intervals; κ is a dash where too few numbers of cores could tell it."""
    written = []
    for name in ("contention", "coherence"):
        if fit[name] is None:
            written.append("–")
            continue
        low, high = fit[f"{name}_interval"]
        digits = 3 if name == "contention" else 5
        written.append(f"{fit[name]:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})")
    return written[0], written[1]
