"""The section on scaling: its table for the page, and its picture."""

import statistics

from measure.scaling.ratios import coefficients, gain, implications, processor_time, share


def table(result: dict, origin: str) -> str:
    """Measured figures first; what the fitted laws say of more cores is apart from them, and marked."""
    lines = [
        f"`{result['command']}`",
        "",
        f"{result['records_a_core']:,} records a core; medians of {result['rounds']} interleaved rounds with"
        " quartiles; ratios are within a round.",
        "",
        "| scenario | cores | M records/s | share of S_max | X, times one core | S_max | plain loop |"
        " CPU time |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for cell in result["cells"]:
        for point in cell["points"]:
            speed = point["n"] * result["records_a_core"] / statistics.median(point["job"]) / 1e6
            gains = " | ".join(
                gain(point, cell["points"][0], kind).text(2) if point["n"] > 1 else "1"
                for kind in ("job", "independent", "plain")
            )
            lines.append(
                f"| {cell['scenario']} {cell['format']} | {point['n']} | {speed:.1f} | {share(point).text(3)}"
                f" | {gains} | {processor_time(point):.3f} |"
            )
    if any(cell["fit_own"] for cell in result["cells"]):
        lines += ["", *fits(result)]
    return "\n".join([*lines, "", f"Host: {origin}.", "", "![Scaling by cores](scale.svg)"])


def fits(result: dict) -> list[str]:
    cells = [cell for cell in result["cells"] if cell["fit_own"]]
    numbers = len(cells[0]["points"])
    untold = " Two numbers of cores cannot tell κ: it is set to 0." if numbers < 3 else ""
    lines = [
        "Extrapolated, not measured: a universal scalability law, X(n) = n / (1 + σ(n−1) + κn(n−1)), by least"
        f" squares through {numbers} numbers of cores, with {cells[0]['fit_own']['confidence']:.0%} intervals"
        f" from resampled rounds.{untold} `job` is fitted to the job's share of S_max, `job and host` to its"
        " throughput.",
        "",
        "| scenario | law of | σ | κ | implied, not measured |",
        "|---|---|---|---|---|",
    ]
    for cell in cells:
        for name, label in (("fit_own", "job"), ("fit_host", "job and host")):
            sigma, kappa = coefficients(cell[name])
            lines.append(
                f"| {cell['scenario']} {cell['format']} | {label} | {sigma} | {kappa}"
                f" | {implications(cell[name])} |"
            )
    return lines
