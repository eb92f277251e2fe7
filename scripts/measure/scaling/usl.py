"""The universal scalability law (Gunther, "Guerrilla Capacity Planning", 2007, chapter 4), fitted to times.

With work that grows with the cores, n cores take T(n) = T(1) · (1 + σ(n−1) + κn(n−1)) and give a throughput
of X(n) = λn / (1 + σ(n−1) + κn(n−1)), where λ = 1 / T(1). Times are linear in T(1), T(1)·σ and T(1)·κ, so
the least squares with σ, κ ≥ 0 are exact: no search, no start value.
"""

import itertools
import random
import statistics
from typing import NamedTuple

CONFIDENCE = 0.95
RESAMPLES = 2000


class Law(NamedTuple):
    """λ in units of work a core and unit of time; σ and κ ≥ 0, without unit."""

    rate: float
    contention: float
    coherence: float

    def throughput(self, cores: float) -> float:
        return self.rate * cores / self.slowdown(cores)

    def slowdown(self, cores: float) -> float:
        """How many times as long as on one core the work of each core takes."""
        return 1 + self.contention * (cores - 1) + self.coherence * cores * (cores - 1)

    def peak(self) -> float | None:
        """The number of cores with the most throughput; none where it grows for ever."""
        if self.coherence <= 0:
            return None
        return max(1.0, ((1 - min(self.contention, 1)) / self.coherence) ** 0.5)


def solved(rows: list[list[float]]) -> list[float] | None:
    """The solution of linear equations, each a row with its right side last; none where they are singular."""
    rows = [row[:] for row in rows]
    for place in range(len(rows)):
        pivot = max(range(place, len(rows)), key=lambda index: abs(rows[index][place]))
        if abs(rows[pivot][place]) < 1e-12:
            return None
        rows[place], rows[pivot] = rows[pivot], rows[place]
        for index, row in enumerate(rows):
            if index != place:
                part = row[place] / rows[place][place]
                rows[index] = [value - part * over for value, over in zip(row, rows[place], strict=True)]
    return [row[-1] / row[place] for place, row in enumerate(rows)]


def fitted(times: dict[int, float]) -> Law:
    """The law that is nearest to the times of each number of cores.

    Fewer than three numbers of cores cannot tell σ from κ: κ is nought then, and all of the slowdown is σ.
    """
    terms = (lambda n: 1.0, lambda n: n - 1.0, lambda n: n * (n - 1.0))
    optional = (1, 2) if len(times) >= 3 else (1,)
    best: tuple[float, list[float]] | None = None
    # With two bounds, the optimum is that of one of four problems without any.
    for chosen in itertools.chain.from_iterable(itertools.combinations(optional, k) for k in range(3)):
        used = (0, *chosen)
        normal = [
            [sum(terms[i](n) * terms[j](n) for n in times) for j in used]
            + [sum(terms[i](n) * time for n, time in times.items())]
            for i in used
        ]
        found = solved(normal)
        if found is None or found[0] <= 0 or any(value < 0 for value in found[1:]):
            continue
        whole = [0.0, 0.0, 0.0]
        for place, value in zip(used, found, strict=True):
            whole[place] = value
        law = {n: sum(part * term(n) for part, term in zip(whole, terms, strict=True)) for n in times}
        error = sum((law[n] - time) ** 2 for n, time in times.items())
        if best is None or error < best[0]:
            best = (error, whole)
    assert best is not None, "a constant always fits positive times"
    base, contention, coherence = best[1]
    return Law(1 / base, contention / base, coherence / base)


def medians(rounds: list[dict[int, float]]) -> dict[int, float]:
    return {cores: statistics.median(each[cores] for each in rounds) for cores in rounds[0]}


def resampled(rounds: list[dict[int, float]], seed: int = 7) -> list[Law]:
    """The fits to rounds drawn from those measured, with replacement: how far chance moves the law."""
    chance = random.Random(seed)
    return [fitted(medians(chance.choices(rounds, k=len(rounds)))) for _ in range(RESAMPLES)]


def interval(values: list[float]) -> tuple[float, float]:
    """The middle of the values that holds CONFIDENCE of them."""
    ordered = sorted(values)
    cut = (1 - CONFIDENCE) / 2
    return ordered[round(cut * (len(ordered) - 1))], ordered[round((1 - cut) * (len(ordered) - 1))]
