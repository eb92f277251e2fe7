-- The same as s3a, with a row for every trade, from CSV and from JSON lines.
--
--   tidemill gen trades --rows 3000000 --partitions 2 --disorder 5000 --late 0.001 \
--       --format csv --out data/trades-csv
--   tidemill gen trades --rows 3000000 --partitions 2 --disorder 5000 --late 0.001 \
--       --format json --out data/trades-json
--   tidemill run examples/s3b.sql
--
-- A row leaves for every trade, with the new values of its group. Trades may come up to five seconds out of
-- order; a trade that comes after its window has closed is late, and counted in the summary.

CREATE SOURCE trades_csv (
    trade_id   BIGINT NOT NULL,
    trade_time TIMESTAMP NOT NULL,
    trader_id  VARCHAR,
    symbol     VARCHAR NOT NULL,
    price      DOUBLE,
    quantity   BIGINT,
    WATERMARK FOR trade_time AS trade_time - INTERVAL '5' SECOND
) PARTITIONED BY (symbol)
WITH ('connector' = 'file', 'path' = 'data/trades-csv/*.csv', 'format' = 'csv');

CREATE SOURCE trades_json (
    trade_id   BIGINT NOT NULL,
    trade_time TIMESTAMP NOT NULL,
    trader_id  VARCHAR,
    symbol     VARCHAR NOT NULL,
    price      DOUBLE,
    quantity   BIGINT,
    WATERMARK FOR trade_time AS trade_time - INTERVAL '5' SECOND
) PARTITIONED BY (symbol)
WITH ('connector' = 'file', 'path' = 'data/trades-json/*.jsonl', 'format' = 'json');

CREATE SINK by_minute_csv WITH (
    'connector' = 'file', 'path' = 'out/s3b-csv', 'format' = 'csv', 'on.existing' = 'replace'
);

CREATE SINK by_minute_json WITH (
    'connector' = 'file', 'path' = 'out/s3b-json', 'format' = 'json', 'on.existing' = 'replace'
);

INSERT INTO by_minute_csv
SELECT trader_id, symbol, COUNT(*) AS trade_count, AVG(price) AS avg_price,
       SUM(quantity) AS total_quantity, SUM(price * quantity) AS total_value
FROM trades_csv
GROUP BY trader_id, symbol WINDOW TUMBLING (trade_time, INTERVAL '1' MINUTE)
EMIT CHANGES;

INSERT INTO by_minute_json
SELECT trader_id, symbol, COUNT(*) AS trade_count, AVG(price) AS avg_price,
       SUM(quantity) AS total_quantity, SUM(price * quantity) AS total_value
FROM trades_json
GROUP BY trader_id, symbol WINDOW TUMBLING (trade_time, INTERVAL '1' MINUTE)
EMIT CHANGES;
