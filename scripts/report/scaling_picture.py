"""The picture of scaling: throughput on the left; on the right the share of S_max and a law fitted to it."""

import itertools
from math import log2

from measure.scaling.ratios import gain, share
from measure.scaling.usl import Law

COLOURS = ("#0b6e99", "#c8553d", "#5f7a3f", "#8d6bb8", "#b8860b")
WIDTH, HEIGHT, TOP, BOTTOM = 760, 340, 78, 296
# Marks that belong to one number of cores stand so far apart, or nearer where there are many.
BESIDE = 7.0
# Between the frame and the first or last number of cores.
MARGIN = 24.0


class Axes:
    """A rectangle of the picture, and where numbers of cores and values lie in it."""

    def __init__(self, left: float, right: float, cores: list[int], values: tuple[float, float]) -> None:
        self.left, self.right, self.cores, self.values = left, right, cores, values

    def x(self, cores: float) -> float:
        """Doublings are equally far apart."""
        spans = max(log2(self.cores[-1] / self.cores[0]), 1)
        width = self.right - self.left - 2 * MARGIN
        return self.left + MARGIN + width * log2(cores / self.cores[0]) / spans

    def beside(self, marks: int) -> float:
        """How far apart so many marks at one number of cores stand."""
        nearest = min((self.x(b) - self.x(a) for a, b in itertools.pairwise(self.cores)), default=100)
        return min(BESIDE, 0.8 * nearest / marks)

    def y(self, value: float) -> float:
        low, high = self.values
        return BOTTOM - (BOTTOM - TOP) * (value - low) / (high - low)

    def frame(self, title: str, ticks: list[float], form: str) -> list[str]:
        out = [f'<text x="{self.left - 30}" y="{TOP - 14}" font-size="11">{title}</text>']
        for tick in ticks:
            y = self.y(tick)
            out.append(line((self.left, y), (self.right, y), "#dddddd"))
            out.append(
                f'<text x="{self.left - 5}" y="{y + 3:.1f}" font-size="9" text-anchor="end">'
                f"{tick:{form}}</text>"
            )
        for cores in self.cores:
            out.append(
                f'<text x="{self.x(cores):.1f}" y="{BOTTOM + 14}" font-size="9" text-anchor="middle">'
                f"{cores}</text>"
            )
        middle = (self.left + self.right) / 2
        out.append(f'<text x="{middle}" y="{BOTTOM + 30}" font-size="10" text-anchor="middle">cores</text>')
        return out


def line(start: tuple[float, float], end: tuple[float, float], colour: str, more: str = "") -> str:
    return (
        f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}"'
        f' stroke="{colour}"{more}/>'
    )


def mark(axes: Axes, x: float, value: tuple[float, float, float], colour: str, filled: bool) -> list[str]:
    """A median as a circle, its quartiles as the line through it."""
    low, middle, high = value
    fill = colour if filled else "#ffffff"
    return [
        line((x, axes.y(low)), (x, axes.y(high)), colour),
        f'<circle cx="{x:.1f}" cy="{axes.y(middle):.1f}" r="3.5" fill="{fill}" stroke="{colour}"/>',
    ]


def gains(result: dict) -> list[str]:
    """X and S_max over numbers of cores."""
    counts = sorted({point["n"] for cell in result["cells"] for point in cell["points"]})
    spreads = [
        (index, side, point["n"], gain(point, cell["points"][0], kind))
        for index, cell in enumerate(result["cells"])
        for point in cell["points"]
        for side, kind in enumerate(("job", "independent"))
    ]
    top = 1.05 * max(counts[-1], *(spread.high for *_, spread in spreads))
    step = next(step for step in (0.5, 1, 2, 4, 8, 16, 32, 64, 128) if top / step <= 6)
    ticks = [step * index for index in range(int(top / step) + 1)]
    axes = Axes(50, 345, counts, (0, top))
    out = axes.frame("Measured: throughput, times that of one core", ticks, "g")
    marks = 2 * len(result["cells"])
    for index, side, cores, spread in spreads:
        x = axes.x(cores) + axes.beside(marks) * (2 * index + side - (marks - 1) / 2)
        out += mark(axes, x, spread, COLOURS[index], side == 0)
    return out


def shares(result: dict) -> list[str]:
    """The job's share of S_max, and the laws through it."""
    cells, fits = result["cells"], [cell["fit_own"] for cell in result["cells"] if cell["fit_own"]]
    measured = {point["n"] for cell in cells for point in cell["points"]}
    last, beyond = max(measured), max([fit["implied_cores"] for fit in fits], default=0)
    # Powers of two in between, where they do not run into the others.
    powers = {1 << power for power in range(beyond.bit_length()) if 1.4 * last < 1 << power < beyond / 1.4}
    axes = Axes(420, WIDTH - 12, sorted(measured | powers | ({beyond} if fits else set())), (0, 1.25))
    beside = axes.beside(len(cells))
    out = axes.frame("Measured: share of S_max", [0, 0.2, 0.4, 0.6, 0.8, 1, 1.2], ".1f")
    if fits:
        edge = axes.x(last) + min(beside * len(cells), (axes.x(beyond) - axes.x(last)) / 2)
        width = axes.right - edge
        out.insert(
            0, f'<rect x="{edge:.1f}" y="{TOP}" width="{width:.1f}" height="{BOTTOM - TOP}" fill="#f1f1f1"/>'
        )
        for row, text in enumerate(("dashed: a fitted law", "grey: extrapolated by it, not measured")):
            out.append(
                f'<text x="{axes.right}" y="{TOP - 14 + 11 * row}" font-size="10" fill="#555555"'
                f' text-anchor="end">{text}</text>'
            )
    for index, cell in enumerate(cells):
        aside = beside * (index - (len(cells) - 1) / 2)
        if cell["fit_own"]:
            out += curve(axes, cell["fit_own"], aside, COLOURS[index])
        for point in cell["points"]:
            out += mark(axes, axes.x(point["n"]) + aside, share(point), COLOURS[index], True)
    return out


def curve(axes: Axes, fit: dict, aside: float, colour: str) -> list[str]:
    """The fitted law, dashed, and at its end the interval of what it implies."""
    law, most = Law(1, fit["contention"], fit["coherence"] or 0), fit["implied_cores"]
    places = [2 ** (step / 8) for step in range(8 * most.bit_length()) if 2 ** (step / 8) < most] + [most]
    points = " ".join(f"{axes.x(n):.1f},{axes.y(1 / law.slowdown(n)):.1f}" for n in places)
    low, high = (axes.y(value / most) for value in fit["implied_interval"])
    end = axes.x(most) + aside
    return [
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-dasharray="5 3"/>',
        line((end, low), (end, high), colour, ' stroke-dasharray="2 2"'),
    ]


def picture(result: dict) -> str:
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}"'
        f' height="{HEIGHT}" font-family="sans-serif" font-size="10">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="8" y="18" font-size="13">Scaling: one job over n files on n of {result["host"]["cores"]}'
        " cores, beside n independent processes</text>",
    ]
    x = 20
    for index, cell in enumerate(result["cells"]):
        name = f"{cell['scenario']} {cell['format']}"
        for filled, label in ((COLOURS[index], f"{name}: job"), ("#ffffff", "S_max")):
            out.append(f'<circle cx="{x}" cy="36" r="3.5" fill="{filled}" stroke="{COLOURS[index]}"/>')
            out.append(f'<text x="{x + 7}" y="39">{label}</text>')
            x += 60 if filled == "#ffffff" else 20 + 6 * len(label)
    return "\n".join([*out, *gains(result), *shares(result), "</svg>"]) + "\n"
