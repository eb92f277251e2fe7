"""The cells: a question put to a kind of data in a form.

`$minute(…)`, `$extract(…)` and the like are written in each engine's way (see the engines); everything else is SQL that
all of them read. `types` has a letter for each column of the answer: `i` whole number, `f` floating point or exact
fraction, `t` text, `s` time, `b` truth value.
"""

from typing import NamedTuple


class Cell(NamedTuple):
    """`group` is what the quotas count by; `table` is what stands for the input in `query`."""

    group: str
    kind: str
    form: str
    query: str
    types: str


CELLS = [
    # Text to text: filters and what is handed through.
    Cell("text to text", "rides", "csv", "SELECT ride_id, pickup_at, fare FROM t WHERE total > 130", "isf"),
    Cell("text to text", "rides", "csv", "SELECT ride_id, pickup_at, dropoff_at, distance, payment, fare, total FROM t WHERE vendor <> 3", "issftff"),
    Cell("text to text", "rides", "csv", "SELECT ride_id, total - fare AS extra FROM t WHERE passengers > 2", "if"),
    Cell("text to text", "web", "csv", "SELECT ts, url, agent FROM t WHERE status >= 500", "stt"),
    Cell("text to text", "web", "csv", "SELECT ts, method, url, status, bytes FROM t WHERE bytes > 1000", "sttii"),
    Cell("text to text", "sensors", "csv", "SELECT device, ts, temperature, pressure FROM t WHERE pressure > 900", "tsff"),
    Cell("text to text", "notes", "csv", "SELECT note_id, body FROM t WHERE stars = 5", "it"),
    Cell("text to text", "ticks", "csv", "SELECT ts, symbol, price, size FROM t WHERE venue = 'IEXG'", "stfi"),
    Cell("text to text", "doubles", "csv", "SELECT x, y, z, energy FROM t WHERE converged", "ffff"),
    Cell("text to text", "customers", "csv", "SELECT customer, amount FROM t WHERE amount < 5000", "tf"),
    Cell("text to text", "keys", "csv", "SELECT uuid, value FROM t WHERE units > 250", "tf"),
    Cell("text to text", "messages", "csv", "SELECT ts, host, message FROM t WHERE level = 'ERROR'", "stt"),
    Cell("text to text", "flows", "csv", "SELECT started_ms, source, target, bytes FROM t WHERE protocol = 17", "itti"),
    Cell("text to text", "shipments", "csv", "SELECT parcel, city, shipped_on, delivered_on, price FROM t WHERE country = 'AT'", "ttttf"),
    Cell("text to text", "variants", "csv", "SELECT chromosome, position, reference, alternative, info FROM t WHERE quality > 1500", "tittt"),
    Cell("text to text", "bids", "csv", "SELECT auction, bidder, price, placed, url FROM t WHERE price > 90000", "iifst"),
    # JSON.
    Cell("json", "services", "json", "SELECT service, COUNT(*) AS n, AVG(latency_ms) AS a FROM t GROUP BY service", "tif"),
    Cell("json", "services", "json", "SELECT $member(http, status, int) AS status, COUNT(*) AS n FROM t GROUP BY $member(http, status, int)", "ii"),
    Cell("json", "services", "json", "SELECT $member(http, method, text) AS method, $member(http, status, int) AS status, COUNT(*) AS n, MAX(latency_ms) AS m FROM t GROUP BY $member(http, method, text), $member(http, status, int)", "tiif"),
    Cell("json", "services", "json", "SELECT ts, service, message FROM t WHERE level = 'error'", "stt"),
    Cell("json", "services", "json", "SELECT \"user\", COUNT(*) AS n FROM t GROUP BY \"user\"", "ii"),
    Cell("json", "services", "json", "SELECT $minute(ts) AS m, COUNT(*) AS n, AVG(latency_ms) AS a FROM t GROUP BY $minute(ts)", "sif"),
    Cell("json", "events", "json", "SELECT type, COUNT(*) AS n FROM t GROUP BY type", "ti"),
    Cell("json", "events", "json", "SELECT $member(actor, id, int) AS actor_id, COUNT(*) AS n FROM t GROUP BY $member(actor, id, int)", "ii"),
    Cell("json", "events", "json", "SELECT id, type, created_at FROM t WHERE type = 'ForkEvent'", "its"),
    Cell("json", "events", "json.gz", "SELECT type, COUNT(*) AS n FROM t GROUP BY type", "ti"),
    Cell("json", "services", "json.zst", "SELECT level, COUNT(*) AS n FROM t GROUP BY level", "ti"),
    Cell("json", "chats", "json", "SELECT room, COUNT(*) AS n, MAX(score) AS m FROM t GROUP BY room", "tif"),
    Cell("json", "chats", "json", "SELECT sender, text FROM t WHERE score > 40", "it"),
    Cell("json", "chats", "json", "SELECT sender, COUNT(*) AS n FROM t GROUP BY sender", "ii"),
    # Groups, few.
    Cell("few groups", "rides", "csv", "SELECT payment, COUNT(*) AS n, AVG(total) AS a, SUM(tip) AS s FROM t GROUP BY payment", "tiff"),
    Cell("few groups", "rides", "csv", "SELECT passengers, COUNT(*) AS n, AVG(distance) AS a FROM t GROUP BY passengers", "iif"),
    Cell("few groups", "web", "csv", "SELECT status, COUNT(*) AS n, SUM(bytes) AS s FROM t GROUP BY status", "iii"),
    Cell("few groups", "web", "csv.gz", "SELECT method, status, COUNT(*) AS n FROM t GROUP BY method, status", "tii"),
    Cell("few groups", "sensors", "csv", "SELECT device, AVG(temperature) AS a, MIN(pressure) AS lo, MAX(pressure) AS hi FROM t GROUP BY device", "tfff"),
    Cell("few groups", "notes", "csv", "SELECT author, COUNT(*) AS n, AVG(stars) AS a FROM t GROUP BY author", "tif"),
    Cell("few groups", "ticks", "csv", "SELECT symbol, SUM(price * size) AS turnover, MIN(price) AS lo, MAX(price) AS hi FROM t GROUP BY symbol", "tfff"),
    Cell("few groups", "doubles", "csv", "SELECT run, AVG(x) AS x, AVG(y) AS y, MAX(energy) AS e FROM t GROUP BY run", "ifff"),
    Cell("few groups", "flows", "csv", "SELECT target_port, COUNT(*) AS n, SUM(bytes) AS s FROM t GROUP BY target_port", "iii"),
    Cell("few groups", "shipments", "csv", "SELECT carrier, status, COUNT(*) AS n, AVG(weight) AS a FROM t GROUP BY carrier, status", "ttif"),
    # Parquet and Arrow.
    Cell("columnar", "rides", "parquet-pyarrow", "SELECT payment, COUNT(*) AS n, AVG(total) AS a FROM t GROUP BY payment", "tif"),
    Cell("columnar", "rides", "parquet-duckdb", "SELECT vendor, passengers, COUNT(*) AS n, SUM(fare) AS s FROM t GROUP BY vendor, passengers", "iiif"),
    Cell("columnar", "rides", "parquet-polars", "SELECT ride_id, fare, total FROM t WHERE total > 135", "iff"),
    Cell("columnar", "web", "parquet-pyarrow", "SELECT agent, COUNT(*) AS n, SUM(bytes) AS s FROM t GROUP BY agent", "tii"),
    Cell("columnar", "web", "parquet-fastparquet", "SELECT status, COUNT(*) AS n FROM t WHERE method = 'GET' GROUP BY status", "ii"),
    Cell("columnar", "ticks", "parquet-polars", "SELECT symbol, AVG(price) AS a, SUM(size) AS s FROM t GROUP BY symbol", "tfi"),
    Cell("columnar", "messages", "parquet-pyarrow", "SELECT COUNT(*) AS n FROM t WHERE message LIKE '%timeout%'", "i"),
    Cell("columnar", "ticks", "arrow-pyarrow", "SELECT venue, COUNT(*) AS n, SUM(size) AS s FROM t GROUP BY venue", "tii"),
    Cell("columnar", "web", "arrow-pyarrow", "SELECT agent, COUNT(*) AS n FROM t GROUP BY agent", "ti"),
    Cell("columnar", "rides", "arrow-polars", "SELECT ride_id, total FROM t WHERE total > 130", "if"),
    Cell("columnar", "doubles", "parquet-duckdb", "SELECT run, x, energy FROM t WHERE x > 0", "iff"),
    Cell("columnar", "flows", "parquet-duckdb", "SELECT protocol, SUM(packets) AS p, MAX(bytes) AS b FROM t GROUP BY protocol", "iii"),
    Cell("columnar", "shipments", "parquet-polars", "SELECT shipped_on, COUNT(*) AS n, SUM(price) AS s FROM t GROUP BY shipped_on", "tif"),
    Cell("columnar", "shipments", "arrow-polars", "SELECT city, status, COUNT(*) AS n FROM t GROUP BY city, status", "tti"),
    Cell("columnar", "shipments", "parquet-pyarrow", "SELECT parcel, city, price FROM t WHERE country IN ('SE', 'CZ') AND is_insured", "ttf"),
    # Many groups.
    Cell("many groups", "keys", "csv", "SELECT skewed_key, COUNT(*) AS n, SUM(units) AS s FROM t GROUP BY skewed_key", "iii"),
    Cell("many groups", "keys", "csv", "SELECT uniform_key, COUNT(*) AS n, AVG(value) AS a FROM t GROUP BY uniform_key", "iif"),
    Cell("many groups", "keys", "csv", "SELECT uuid, COUNT(*) AS n, SUM(units) AS s FROM t GROUP BY uuid", "tii"),
    Cell("many groups", "keys", "csv", "SELECT shop, sku, COUNT(*) AS n, SUM(units) AS s FROM t GROUP BY shop, sku", "itii"),
    Cell("many groups", "keys", "parquet-pyarrow", "SELECT skewed_key, COUNT(*) AS n, SUM(units) AS s FROM t GROUP BY skewed_key", "iii"),
    Cell("many groups", "keys", "parquet-pyarrow", "SELECT uniform_key, COUNT(*) AS n, MAX(units) AS m FROM t GROUP BY uniform_key", "iii"),
    Cell("many groups", "keys", "parquet-pyarrow", "SELECT uuid, COUNT(*) AS n FROM t GROUP BY uuid", "ti"),
    Cell("many groups", "keys", "parquet-duckdb", "SELECT COUNT(DISTINCT uuid) AS n FROM t", "i"),
    Cell("many groups", "keys", "parquet-duckdb", "SELECT grade, COUNT(DISTINCT uniform_key) AS n FROM t GROUP BY grade", "ii"),
    Cell("many groups", "keys", "csv", "SELECT grade, COUNT(DISTINCT skewed_key) AS n FROM t GROUP BY grade", "ii"),
    Cell("many groups", "rides", "csv", "SELECT pickup_zone, dropoff_zone, COUNT(*) AS n, AVG(total) AS a FROM t GROUP BY pickup_zone, dropoff_zone", "iiif"),
    Cell("many groups", "customers", "csv", "SELECT customer, COUNT(*) AS n, SUM(amount) AS s FROM t GROUP BY customer", "tif"),
    Cell("many groups", "customers", "csv", "SELECT code, MIN(customer) AS lo, MAX(customer) AS hi FROM t GROUP BY code", "ttt"),
    Cell("many groups", "customers", "parquet-duckdb", "SELECT code, MIN(customer) AS lo, MAX(amount) AS hi FROM t GROUP BY code", "ttf"),
    Cell("many groups", "flows", "csv", "SELECT source, target, SUM(bytes) AS s FROM t GROUP BY source, target", "tti"),
    Cell("many groups", "bids", "csv", "SELECT auction, MAX(price) AS m, COUNT(*) AS n FROM t GROUP BY auction", "ifi"),
    Cell("many groups", "bids", "parquet-pyarrow", "SELECT channel, COUNT(DISTINCT bidder) AS n FROM t GROUP BY channel", "ti"),
    Cell("many groups", "shipments", "parquet-duckdb", "SELECT parcel, COUNT(*) AS n FROM t GROUP BY parcel", "ti"),
    # Functions.
    Cell("functions", "web", "csv", "SELECT $extract(url, 'q=([^&]*)') AS q, COUNT(*) AS n FROM t GROUP BY $extract(url, 'q=([^&]*)')", "ti"),
    Cell("functions", "web", "csv", "SELECT $split(url, '?', 1) AS path, COUNT(*) AS n, AVG(bytes) AS a FROM t GROUP BY $split(url, '?', 1)", "tif"),
    Cell("functions", "messages", "csv", "SELECT host, COUNT(*) AS n FROM t WHERE $matches(message, 'took [0-9]{5}ms') GROUP BY host", "ti"),
    Cell("functions", "messages", "csv", "SELECT level, MAX(LENGTH(message)) AS m FROM t WHERE message LIKE '%timeout%' GROUP BY level", "ti"),
    Cell("functions", "messages", "parquet-pyarrow", "SELECT ts, UPPER(message) AS m FROM t WHERE level = 'WARN'", "st"),
    Cell("functions", "customers", "csv", "SELECT SUBSTRING(customer, 1, 4) AS head, COUNT(*) AS n FROM t GROUP BY SUBSTRING(customer, 1, 4)", "ti"),
    Cell("functions", "rides", "csv", "SELECT $hour(pickup_at) AS h, COUNT(*) AS n, AVG(total) AS a FROM t GROUP BY $hour(pickup_at)", "iif"),
    Cell("functions", "rides", "parquet-pyarrow", "SELECT CASE WHEN distance < 2 THEN 'short' WHEN distance < 8 THEN 'middle' ELSE 'long' END AS d, COUNT(*) AS n FROM t GROUP BY CASE WHEN distance < 2 THEN 'short' WHEN distance < 8 THEN 'middle' ELSE 'long' END", "ti"),
    Cell("functions", "variants", "csv", "SELECT $split(info, ';', 3) AS kind, COUNT(*) AS n, AVG(quality) AS a FROM t GROUP BY $split(info, ';', 3)", "tif"),
    Cell("functions", "bids", "csv", "SELECT $minute(placed) AS m, COUNT(*) AS n, MAX(price) AS p FROM t GROUP BY $minute(placed)", "sif"),
    # Order and windows over rows.
    Cell("order", "rides", "csv", "SELECT ride_id, total FROM t ORDER BY total DESC, ride_id LIMIT 100", "if"),
    Cell("order", "keys", "parquet-pyarrow", "SELECT uniform_key, uuid, units FROM t ORDER BY uniform_key, uuid, units", "iti"),
    Cell("order", "customers", "csv", "SELECT customer, amount FROM t ORDER BY customer, amount LIMIT 100000", "tf"),
    Cell("order", "ticks", "csv", "SELECT symbol, sequence, price, AVG(price) OVER (PARTITION BY symbol $arrival(sequence) ROWS BETWEEN 19 PRECEDING AND CURRENT ROW) AS a FROM t", "tiff"),
    Cell("order", "ticks", "parquet-polars", "SELECT symbol, sequence, price - LAG(price) OVER (PARTITION BY symbol $arrival(sequence)) AS d FROM t", "tif"),
    Cell("order", "variants", "csv", "SELECT chromosome, position, quality FROM t WHERE quality > 0 ORDER BY quality DESC, position, chromosome LIMIT 1000", "tif"),
    Cell("order", "bids", "parquet-pyarrow", "SELECT bidder, price, price - LAG(price) OVER (PARTITION BY bidder $arrival(placed)) AS d FROM t", "iff"),
    # Many files.
    Cell("many files", "web", "csv-many", "SELECT status, COUNT(*) AS n, SUM(bytes) AS s FROM t GROUP BY status", "iii"),
    Cell("many files", "keys", "csv-many", "SELECT shop, COUNT(*) AS n, SUM(units) AS s FROM t GROUP BY shop", "iii"),
    Cell("many files", "customers", "csv-many", "SELECT customer, COUNT(*) AS n, SUM(amount) AS s FROM t GROUP BY customer", "tif"),
    Cell("many files", "rides", "csv-many", "SELECT ride_id, total FROM t WHERE total > 130", "if"),
    Cell("many files", "flows", "csv-many", "SELECT source, COUNT(*) AS n, MAX(bytes) AS m FROM t GROUP BY source", "tii"),
]
