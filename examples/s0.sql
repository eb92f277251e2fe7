-- Large orders, from CSV and from JSON lines. Two INSERTs of one script run together.
--
--   tidemill gen orders --rows 20000 --partitions 2 --format csv --out data/orders-csv
--   tidemill gen orders --rows 20000 --partitions 2 --format json --out data/orders-json
--   tidemill run examples/s0.sql

CREATE SOURCE orders_csv (
    order_id     BIGINT NOT NULL,
    customer_id  BIGINT,
    order_date   TIMESTAMP,
    total_amount DOUBLE,
    status       VARCHAR
) WITH ('connector' = 'file', 'path' = 'data/orders-csv/*.csv', 'format' = 'csv');

CREATE SOURCE orders_json (
    order_id     BIGINT NOT NULL,
    customer_id  BIGINT,
    order_date   TIMESTAMP,
    total_amount DOUBLE,
    status       VARCHAR
) WITH ('connector' = 'file', 'path' = 'data/orders-json/*.jsonl', 'format' = 'json');

CREATE SINK large_csv WITH (
    'connector' = 'file', 'path' = 'out/s0-csv', 'format' = 'csv', 'on.existing' = 'replace'
);

CREATE SINK large_json WITH (
    'connector' = 'file', 'path' = 'out/s0-json', 'format' = 'json', 'on.existing' = 'replace'
);

INSERT INTO large_csv
SELECT order_id, customer_id, order_date, total_amount FROM orders_csv WHERE total_amount > 100;

INSERT INTO large_json
SELECT order_id, customer_id, order_date, total_amount FROM orders_json WHERE total_amount > 100;
