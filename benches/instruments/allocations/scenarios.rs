//! The scenarios, as scripts from one file to another.

use std::path::Path;

use tidemill::GeneratorModel;

/// One query over one kind of record.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) model: GeneratorModel,
    query: &'static str,
}

/// In the order in which they are shown.
pub(crate) const SCENARIOS: [Scenario; 4] = [
    Scenario {
        name: "s0",
        model: GeneratorModel::Orders,
        query: "SELECT order_id, customer_id, order_date, total_amount FROM records \
                WHERE total_amount > 100",
    },
    Scenario {
        name: "s1",
        model: GeneratorModel::Trades,
        query: "SELECT symbol, price, AVG(price) OVER (ROWS WINDOW BUFFER 100 ROWS \
                PARTITION BY symbol ORDER BY trade_time) AS moving_avg FROM records",
    },
    Scenario {
        name: "s2",
        model: GeneratorModel::Trades,
        query: "SELECT symbol, COUNT(*) AS trade_count, AVG(price) AS avg_price, \
                MIN(price) AS min_price, MAX(price) AS max_price, SUM(quantity) AS total_quantity \
                FROM records GROUP BY symbol",
    },
    Scenario {
        name: "s3a",
        model: GeneratorModel::Trades,
        query: "SELECT trader_id, symbol, window_end, COUNT(*) AS trade_count, \
                AVG(price) AS avg_price, SUM(quantity) AS total_quantity, \
                SUM(price * quantity) AS total_value FROM records \
                GROUP BY trader_id, symbol WINDOW TUMBLING (trade_time, INTERVAL '1' MINUTE)",
    },
];

impl Scenario {
    /// The script that reads the files of `input` and leaves CSV in `output`.
    pub(crate) fn script(&self, format: &str, input: &Path, output: &Path) -> String {
        let columns = match self.model {
            GeneratorModel::Orders => {
                "order_id BIGINT, customer_id BIGINT, order_date TIMESTAMP, total_amount DOUBLE, \
                 status VARCHAR"
            }
            _ => {
                "trade_id BIGINT, trade_time TIMESTAMP, trader_id VARCHAR, symbol VARCHAR, \
                 price DOUBLE, quantity BIGINT, \
                 WATERMARK FOR trade_time AS trade_time - INTERVAL '5' SECOND"
            }
        };
        format!(
            "CREATE SOURCE records ({columns}) WITH ('connector' = 'file', 'path' = '{}', \
             'format' = '{format}', 'splits' = '1'); \
             CREATE SINK results WITH ('connector' = 'file', 'path' = '{}', 'format' = 'csv', \
             'on.existing' = 'replace'); INSERT INTO results {};",
            input.display(),
            output.display(),
            self.query,
        )
    }
}
