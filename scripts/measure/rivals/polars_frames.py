"""Polars: its streaming engine, scanning and sinking files; declared columns.

Where times only pass through (s0) they stay text, which spares Polars reading and writing them.
"""

import os
import time

from lab.scenarios import BILLION, COLUMNS, EXTENSIONS, SCENARIOS, delimiter, has_header


def run(scenario: str, form: str, source: str, out: str, cores: int) -> float:
    os.environ["POLARS_MAX_THREADS"] = str(cores)
    import polars as pl  # reads the variable once, when it is imported

    types = {"BIGINT": pl.Int64, "TIMESTAMP": pl.String, "VARCHAR": pl.String, "DOUBLE": pl.Float64}
    columns = COLUMNS[SCENARIOS[scenario][0]]
    schema = {name: types[kind] for name, kind in columns.items()}
    files = f"{source}/*.{EXTENSIONS[form]}"
    started = time.perf_counter()
    scans = {
        "csv": lambda: pl.scan_csv(
            files, schema=schema, separator=delimiter(scenario), has_header=has_header(scenario)
        ),
        "json": lambda: pl.scan_ndjson(files, schema=schema),
        "parquet": lambda: pl.scan_parquet(files),
        "arrow": lambda: pl.scan_ipc(files),
    }
    frame = scans[form]()
    if scenario == "s0":
        frame = frame.filter(pl.col("total_amount") > 100).select(
            "order_id", "customer_id", "order_date", "total_amount"
        )
    elif scenario == "s2":
        frame = frame.group_by("symbol").agg(
            pl.len().alias("trade_count"),
            pl.col("price").mean().alias("avg_price"),
            pl.col("price").min().alias("min_price"),
            pl.col("price").max().alias("max_price"),
            pl.col("quantity").sum().alias("total_quantity"),
        )
    elif scenario in BILLION:
        frame = frame.group_by("station").agg(
            pl.col("temperature").min().alias("min_temperature"),
            pl.col("temperature").mean().alias("avg_temperature"),
            pl.col("temperature").max().alias("max_temperature"),
        )
    elif scenario == "s1":
        # In each file numbers order trades as their times do, and no symbol is in two files.
        average = pl.col("price").rolling_mean(100, min_samples=1)
        frame = frame.select(
            "symbol", "price", average.over("symbol", order_by="trade_id").alias("moving_avg")
        )
    else:
        minute = pl.col("trade_time").str.slice(0, 16) + ":00"
        frame = (
            frame.group_by("trader_id", "symbol", minute.alias("minute"))
            .agg(
                pl.len().alias("trade_count"),
                pl.col("price").mean().alias("avg_price"),
                pl.col("quantity").sum().alias("total_quantity"),
                (pl.col("price") * pl.col("quantity")).sum().alias("total_value"),
            )
            .with_columns(
                (pl.col("minute").str.to_datetime("%Y-%m-%d %H:%M:%S") + pl.duration(minutes=1)).alias(
                    "window_end"
                )
            )
            .select(
                "trader_id", "symbol", "window_end", "trade_count", "avg_price", "total_quantity",
                "total_value",
            )
        )
    frame.sink_csv(out, separator=delimiter(scenario), engine="streaming")
    return time.perf_counter() - started
