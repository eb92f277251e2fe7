-- The average of each symbol's last hundred trades, beside every trade, from CSV and from JSON lines.
--
--   tidemill gen trades --rows 3000000 --partitions 2 --disorder 5000 --late 0.001 \
--       --format csv --out data/trades-csv
--   tidemill gen trades --rows 3000000 --partitions 2 --disorder 5000 --late 0.001 \
--       --format json --out data/trades-json
--   tidemill run examples/s1.sql
--
-- Trades are looked at in the order of their time: each waits until the watermark has passed it. One
-- that comes later than that is late, and counted in the summary.

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

CREATE SINK moving_csv WITH (
    'connector' = 'file', 'path' = 'out/s1-csv', 'format' = 'csv', 'on.existing' = 'replace'
);

CREATE SINK moving_json WITH (
    'connector' = 'file', 'path' = 'out/s1-json', 'format' = 'json', 'on.existing' = 'replace'
);

INSERT INTO moving_csv
SELECT symbol, price,
       AVG(price) OVER (ROWS WINDOW BUFFER 100 ROWS PARTITION BY symbol ORDER BY trade_time)
           AS moving_avg
FROM trades_csv;

INSERT INTO moving_json
SELECT symbol, price,
       AVG(price) OVER (ROWS WINDOW BUFFER 100 ROWS PARTITION BY symbol ORDER BY trade_time)
           AS moving_avg
FROM trades_json;
