//! Arrow batches in, Arrow batches out: Tidemill as the aggregation tier of another program.
//!
//! `cargo run -p tidemill --example batches`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::{Arc, Mutex};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Float64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use tidemill::{Error, HostError, Session, SourceRegistration};

fn main() -> Result<(), Error> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("city", DataType::Utf8, false),
        Field::new("temperature", DataType::Float64, true),
    ]));
    let batch = |cities: Vec<&str>, temperatures: Vec<Option<f64>>| {
        let columns: Vec<arrow_array::ArrayRef> =
            vec![Arc::new(StringArray::from(cities)), Arc::new(Float64Array::from(temperatures))];
        RecordBatch::try_new(Arc::clone(&schema), columns).map_err(HostError::from)
    };

    let mut session = Session::new();
    // Two partitions, each read by one core. A city stands in one of them only, and says so.
    session.register_source(
        "readings",
        SourceRegistration {
            schema: Arc::clone(&schema),
            partitions: vec![
                Box::new(
                    vec![batch(vec!["Oslo", "Oslo"], vec![Some(-3.0), Some(1.0)])].into_iter(),
                ),
                Box::new(vec![batch(vec!["Lima", "Lima"], vec![Some(19.5), None])].into_iter()),
            ],
            partitioned_by: vec!["city".to_owned()],
        },
    )?;

    // Each partition of the results gets a receiver of its own; here they share a list.
    let rows = Arc::new(Mutex::new(Vec::new()));
    let collected = Arc::clone(&rows);
    session.register_sink("by_city", move |_partition| {
        let rows = Arc::clone(&collected);
        Box::new(move |batch: RecordBatch| {
            let (cities, counts) =
                (batch.column(0).as_string_view(), batch.column(1).as_primitive::<Int64Type>());
            let averages = batch.column(2).as_primitive::<Float64Type>();
            let mut rows = rows.lock().map_err(|error| error.to_string())?;
            for row in 0..batch.num_rows() {
                rows.push((cities.value(row).to_owned(), counts.value(row), averages.value(row)));
            }
            Ok(())
        })
    })?;

    let job = session.prepare(
        "INSERT INTO by_city
         SELECT city, COUNT(*) AS readings, AVG(temperature) AS average
         FROM readings GROUP BY city",
    )?;
    print!("{}", job.explain()?);
    let summary = job.run()?;

    let mut rows = rows.lock().expect("no receiver panicked").clone();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    for (city, count, average) in &rows {
        println!("{city}: {count} readings, {average} on average");
    }
    assert_eq!(rows, [("Lima".to_owned(), 2, 19.5), ("Oslo".to_owned(), 2, -1.0)]);
    assert_eq!(summary.statistics.records_in, 4);
    Ok(())
}
