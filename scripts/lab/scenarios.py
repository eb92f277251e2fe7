"""The scenarios: their input, their SQL with the places where dialects differ, and their results."""

COLUMNS = {
    "trades": {
        "trade_id": "BIGINT",
        "trade_time": "TIMESTAMP",
        "trader_id": "VARCHAR",
        "symbol": "VARCHAR",
        "price": "DOUBLE",
        "quantity": "BIGINT",
    },
    "orders": {
        "order_id": "BIGINT",
        "customer_id": "BIGINT",
        "order_date": "TIMESTAMP",
        "total_amount": "DOUBLE",
        "status": "VARCHAR",
    },
    "measurements413": {"station": "VARCHAR", "temperature": "DOUBLE"},
    "measurements10k": {"station": "VARCHAR", "temperature": "DOUBLE"},
}
# The query of the One Billion Row Challenge, but that means are not rounded.
STATIONS = (
    "SELECT station, MIN(temperature) AS min_temperature, AVG(temperature) AS avg_temperature,"
    " MAX(temperature) AS max_temperature FROM {source} GROUP BY station"
)
# {source}, {frame}, {end} and {window} are each engine's own.
SCENARIOS = {
    "s0": (
        "orders",
        "SELECT order_id, customer_id, order_date, total_amount FROM {source}"
        " WHERE total_amount > 100",
    ),
    "s2": (
        "trades",
        "SELECT symbol, COUNT(*) AS trade_count, AVG(price) AS avg_price,"
        " MIN(price) AS min_price, MAX(price) AS max_price, SUM(quantity) AS total_quantity"
        " FROM {source} GROUP BY symbol",
    ),
    "s1": (
        "trades",
        "SELECT symbol, price, AVG(price) OVER ({frame}) AS moving_avg FROM {source}",
    ),
    "s3a": (
        "trades",
        "SELECT trader_id, symbol, {end} AS window_end, COUNT(*) AS trade_count,"
        " AVG(price) AS avg_price, SUM(quantity) AS total_quantity,"
        " SUM(price * quantity) AS total_value"
        " FROM {source} GROUP BY trader_id, symbol{window}",
    ),
    "brc413": ("measurements413", STATIONS),
    "brc10k": ("measurements10k", STATIONS),
}
# What the challenge's records are about: as many stations as it has, and its larger variant.
BILLION = ("brc413", "brc10k")
# Trades of one millisecond come in order of their number, which engines without order have to be told.
LAST_HUNDRED = (
    "PARTITION BY symbol ORDER BY trade_time, trade_id ROWS BETWEEN 99 PRECEDING AND CURRENT ROW"
)
EXTENSIONS = {"csv": "csv", "json": "jsonl", "parquet": "parquet", "arrow": "arrow"}
# Formats of columns are read where most of a query is reading.
FORMATS = {
    "s0": ("csv", "json"),
    "s2": tuple(EXTENSIONS),
    "s1": ("csv", "json"),
    "s3a": ("csv", "json"),
    "brc413": ("csv",),
    "brc10k": ("csv",),
}
MEANS = (
    "{'station': 'VARCHAR', 'min_temperature': 'DOUBLE', 'avg_temperature': 'DOUBLE',"
    " 'max_temperature': 'DOUBLE'}"
)
RESULTS = {
    "s0": "{'order_id': 'BIGINT', 'customer_id': 'BIGINT', 'order_date': 'TIMESTAMP',"
    " 'total_amount': 'DOUBLE'}",
    "s2": "{'symbol': 'VARCHAR', 'trade_count': 'BIGINT', 'avg_price': 'DOUBLE',"
    " 'min_price': 'DOUBLE', 'max_price': 'DOUBLE', 'total_quantity': 'BIGINT'}",
    "s1": "{'symbol': 'VARCHAR', 'price': 'DOUBLE', 'moving_avg': 'DOUBLE'}",
    "s3a": "{'trader_id': 'VARCHAR', 'symbol': 'VARCHAR', 'window_end': 'TIMESTAMP',"
    " 'trade_count': 'BIGINT', 'avg_price': 'DOUBLE', 'total_quantity': 'BIGINT',"
    " 'total_value': 'DOUBLE'}",
    "brc413": MEANS,
    "brc10k": MEANS,
}
# Sums of floats depend on the order of addition, which no two engines share. Exact values are often
# halves of what they are rounded to: what is added moves them away from that. Ten million averages are
# rounded as whole numbers of millionths, which is a third of the work.
ROUNDED = {
    "s0": "*",
    "s2": "* REPLACE (round(avg_price, 6) AS avg_price)",
    "s1": "* REPLACE (CAST(moving_avg * 1e6 + 0.12345 AS BIGINT) / 1e6 AS moving_avg)",
    "s3a": "* REPLACE (round(avg_price + 1.2345e-7, 6) AS avg_price,"
    " round(total_value + 1.2345e-3) AS total_value)",
} | dict.fromkeys(BILLION, "* REPLACE (round(avg_temperature + 1.2345e-7, 6) AS avg_temperature)")


def delimiter(scenario: str) -> str:
    """What separates fields in its CSV, records and results."""
    return ";" if scenario in BILLION else ","


def has_header(scenario: str) -> bool:
    """Whether its records as CSV begin with a line of names; results always do."""
    return scenario not in BILLION


def query(name: str, source: str, end: str = "", window: str = "", frame: str = LAST_HUNDRED) -> str:
    """The scenario's SQL with an engine's own pieces in it."""
    return SCENARIOS[name][1].format(source=source, end=end, window=window, frame=frame)


# How Tidemill writes what is left to each engine.
TIDEMILL_FRAME = "ROWS WINDOW BUFFER 100 ROWS PARTITION BY symbol ORDER BY trade_time"
TIDEMILL_WINDOW = " WINDOW TUMBLING (trade_time, INTERVAL '1' MINUTE)"


def tidemill_query(name: str) -> str:
    """The scenario's SQL as Tidemill takes it, over `source_files`."""
    return query(name, "source_files", "window_end", TIDEMILL_WINDOW, TIDEMILL_FRAME)


def event_time(name: str) -> tuple[str, str]:
    """What a source has to declare for the scenario: behind its columns, and behind its brackets."""
    if name not in ("s1", "s3a"):
        return "", ""
    return ", WATERMARK FOR trade_time AS trade_time - INTERVAL '5' SECOND", " PARTITIONED BY (symbol)"
