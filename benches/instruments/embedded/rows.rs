//! Groups of trades: from a file, from bytes in memory, and from Arrow batches.

use std::path::Path;
use std::time::Instant;

use arrow_array::RecordBatch;
use tidemill::{ByteSource, CoreSet, Format, JsonOptions, Session, Source};

use crate::counting::Counts;

const S2: &str = "SELECT symbol, COUNT(*) AS trade_count, AVG(price) AS avg_price, MIN(price) AS min_price, \
                  MAX(price) AS max_price, SUM(quantity) AS total_quantity FROM trades GROUP BY symbol";

fn trades(rows: u64, partitions: u32) -> String {
    format!(
        "CREATE SOURCE made WITH ('connector' = 'generator', 'schema' = 'trades', 'rows' = '{rows}', \
         'partitions' = '{partitions}');"
    )
}

fn session(cores: usize) -> Session {
    let mut session = Session::new();
    session.settings_mut().cores = CoreSet::Count(cores);
    session
}

/// Seconds of a run, and what its threads asked of the allocator.
fn run(session: &Session, sql: &str) -> (f64, u64) {
    let (before, started) = (Counts::now(), Instant::now());
    let batches = session.query(sql).unwrap().collect().unwrap();
    let seconds = started.elapsed().as_secs_f64();
    let allocations = Counts::now().since(&before).allocations;
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 200);
    (seconds, allocations)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn show(name: &str, rows: u64, seconds: Vec<f64>) -> f64 {
    let rate = rows as f64 / median(seconds);
    println!("{name}: {:.2} M records/s", rate / 1e6);
    rate
}

pub(crate) fn measure(rows: u64, runs: u32, directory: Option<&Path>) {
    tidemill::keep_freed_memory();
    let scratch = tempfile::tempdir().unwrap();
    text(rows, runs, scratch.path());
    let batches = batches(rows);
    if let Some(directory) = directory {
        let path = directory.join("trades.arrow");
        let mut session = session(1);
        session.register_source("trades", source(&batches, rows)).unwrap();
        let sink = format!(
            "CREATE SINK file WITH ('connector' = 'file', 'path' = '{}', 'format' = 'arrow');
             INSERT INTO file SELECT symbol, price, quantity FROM trades",
            path.display()
        );
        session.prepare(&sink).unwrap().run().unwrap();
    }
    let mut seconds = Vec::new();
    for _ in 0..runs {
        let mut session = session(2);
        session.register_source("trades", source(&batches, rows)).unwrap();
        seconds.push(run(&session, S2).0);
    }
    show("Arrow batches, two cores", rows, seconds);
    // What a batch costs beyond the start: half of them beside all.
    let asked = [1, 2].map(|parts| {
        let mut session = session(1);
        let given = batches[..batches.len() * parts / 2].to_vec();
        let count = given.len();
        session.register_source("trades", source_of(given)).unwrap();
        run(&session, S2);
        (run(&session, S2).1, count)
    });
    let more = (asked[1].0 as f64 - asked[0].0 as f64) / (asked[1].1 - asked[0].1) as f64;
    println!("Arrow batches: {more:.2} allocations a batch");
}

/// JSON lines of a file, and the same bytes from memory, in turn; one core.
fn text(rows: u64, runs: u32, scratch: &Path) {
    let path = scratch.join("trades.json");
    let made = session(1);
    let sink = format!(
        "{} CREATE SINK file WITH ('connector' = 'file', 'path' = '{}', 'format' = 'json');
         INSERT INTO file SELECT * FROM made",
        trades(rows, 1),
        path.display()
    );
    made.prepare(&sink).unwrap().run().unwrap();
    let bytes = bytes::Bytes::from(std::fs::read(&path).unwrap());
    let (mut of_file, mut of_bytes) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let file = S2.replace("FROM trades", &format!("FROM '{}'", path.display()));
        of_file.push(run(&session(1), &file).0);
        let mut session = session(1);
        // Chunks as they come from a socket.
        let size = 64 << 10;
        let bytes = bytes.clone();
        let chunk = move |at: usize| Ok(bytes.slice(at..bytes.len().min(at + size)));
        let length = std::fs::metadata(&path).unwrap().len();
        let ends = 0..usize::try_from(length).unwrap();
        let source = ByteSource::new(Format::Json(JsonOptions::default()))
            .fallible_partition(ends.step_by(size).map(chunk));
        session.register_bytes("trades", source).unwrap();
        of_bytes.push(run(&session, S2).0);
    }
    let file = show("JSON lines of a file, one core", rows, of_file);
    let memory = show("JSON lines in memory, one core", rows, of_bytes);
    println!("memory beside the file: {:.0} %", 100.0 * memory / file);
}

fn batches(rows: u64) -> Vec<RecordBatch> {
    let sql = format!("{} SELECT symbol, price, quantity FROM made", trades(rows, 1));
    session(1).query(&sql).unwrap().collect().unwrap()
}

/// In two partitions.
fn source(batches: &[RecordBatch], rows: u64) -> Source {
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>() as u64, rows);
    let (left, right) = batches.split_at(batches.len() / 2);
    let (left, right) = (left.to_vec(), right.to_vec());
    Source::bounded(batches[0].schema())
        .iterator(left.into_iter().map(Ok))
        .iterator(right.into_iter().map(Ok))
}

/// In one, to be read again.
fn source_of(batches: Vec<RecordBatch>) -> Source {
    Source::bounded(batches[0].schema())
        .repeatable_iterator(move || batches.clone().into_iter().map(Ok))
}
