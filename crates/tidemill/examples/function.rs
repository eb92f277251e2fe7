//! A scalar function of your own, used from SQL over generated trades.
//!
//! `cargo run -p tidemill --example function`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{ArrayRef, Float64Array, RecordBatch};
use tidemill::{DataType, Error, Function, Session};

fn main() -> Result<(), Error> {
    let mut session = Session::new();
    // Whole columns in, a whole column out. Rows with a NULL are NULL, and never come here.
    let fee = Function::new([DataType::Double, DataType::BigInt], DataType::Double, |call| {
        let prices = call.argument(0).as_primitive::<Float64Type>().clone();
        let quantities = call.argument(1).as_primitive::<Int64Type>().clone();
        let mut fees = Vec::with_capacity(call.row_count());
        for (row, (price, quantity)) in prices.values().iter().zip(quantities.values()).enumerate()
        {
            // What cannot be computed is a bad record; its place has to hold something.
            let quantity = i32::try_from(*quantity).unwrap_or_else(|_| {
                call.fail_row(row, "nobody trades so many");
                0
            });
            fees.push((price * f64::from(quantity) * 0.001).max(1.0));
        }
        Ok(Arc::new(Float64Array::from(fees)) as ArrayRef)
    });
    session.register_function("fee", fee.null_strict())?;

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
