-- Trades by symbol, from CSV and from JSON lines.
--
--   tidemill gen trades --rows 20000 --partitions 2 --format csv --out data/trades-csv
--   tidemill gen trades --rows 20000 --partitions 2 --format json --out data/trades-json
--   tidemill run examples/s2.sql
--
-- The CSV source says that no symbol stands in two files, so each file's groups are final by
-- themselves; the JSON source does not, so the tables of its files are gathered into one result.
-- `tidemill explain examples/s2.sql` shows the difference.

CREATE SOURCE trades_csv (
    trade_id   BIGINT NOT NULL,
    trade_time TIMESTAMP NOT NULL,
    trader_id  VARCHAR,
    symbol     VARCHAR NOT NULL,
    price      DOUBLE,
    quantity   BIGINT
) PARTITIONED BY (symbol)
WITH ('connector' = 'file', 'path' = 'data/trades-csv/*.csv', 'format' = 'csv');

CREATE SOURCE trades_json (
    trade_id   BIGINT NOT NULL,
    trade_time TIMESTAMP NOT NULL,
    trader_id  VARCHAR,
    symbol     VARCHAR NOT NULL,
    price      DOUBLE,
    quantity   BIGINT
) WITH ('connector' = 'file', 'path' = 'data/trades-json/*.jsonl', 'format' = 'json');

CREATE SINK by_symbol_csv WITH (
    'connector' = 'file', 'path' = 'out/s2-csv', 'format' = 'csv', 'on.existing' = 'replace'
);

CREATE SINK by_symbol_json WITH (
    'connector' = 'file', 'path' = 'out/s2-json', 'format' = 'json', 'on.existing' = 'replace'
);

INSERT INTO by_symbol_csv
SELECT symbol, COUNT(*) AS trade_count, AVG(price) AS avg_price, MIN(price) AS min_price,
       MAX(price) AS max_price, SUM(quantity) AS total_quantity
FROM trades_csv GROUP BY symbol;

INSERT INTO by_symbol_json
SELECT symbol, COUNT(*) AS trade_count, AVG(price) AS avg_price, MIN(price) AS min_price,
       MAX(price) AS max_price, SUM(quantity) AS total_quantity
FROM trades_json GROUP BY symbol;
