//! A scalar function of your own, used from SQL over generated trades.
//!
//! `cargo run -p tidemill --example function`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{ArrayRef, Float64Array, RecordBatch};
use tidemill::{DataType, Error, Session};

fn main() -> Result<(), Error> {
    let mut session = Session::new();
    // Whole columns in, a whole column out. NULL in either argument gives NULL.
    session.register_function(
        "fee",
        vec![DataType::Double, DataType::BigInt],
        DataType::Double,
        |arguments, row_count| {
            let prices = arguments[0].as_primitive::<Float64Type>();
            let quantities = arguments[1].as_primitive::<Int64Type>();
            let fees: Float64Array = prices
                .iter()
                .zip(quantities)
                .map(|(price, quantity)| {
                    let quantity = i32::try_from(quantity?).ok()?;
                    Some((price? * f64::from(quantity) * 0.001).max(1.0))
                })
                .collect();
            assert_eq!(fees.len(), row_count);
            Ok(Arc::new(fees) as ArrayRef)
        },
    )?;

    let row_count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&row_count);
    session.register_sink("fees", move |_partition| {
        let counted = Arc::clone(&counted);
        Box::new(move |batch: RecordBatch| {
            let rows = u64::try_from(batch.num_rows()).map_err(|error| error.to_string())?;
            counted.fetch_add(rows, Ordering::Relaxed);
            Ok(())
        })
    })?;

    let summary = session
        .prepare(
            "CREATE SOURCE trades WITH ('connector' = 'generator', 'schema' = 'trades',
                                        'rows' = '100000', 'partitions' = '2');
             INSERT INTO fees SELECT symbol, SUM(fee(price, quantity)) AS fees
             FROM trades GROUP BY symbol",
        )?
        .run()?;
    let symbols = row_count.load(Ordering::Relaxed);
    println!("{symbols} symbols, from {} trades", summary.statistics.records_in);
    assert_eq!((symbols, summary.statistics.records_in), (200, 100_000));
    Ok(())
}
