//! What each stage of a pipeline costs by itself, on one core, beside its ceiling.
//!
//! `cargo bench -p tidemill-bench-stages`, or with a filter behind it: `… -- decode`. Input is the generator's
//! trades, as columns, CSV and JSON lines; plans are those of SQL text, so that a stage does here what it
//! does in a job. Throughput is in records, but for the ceilings and decoders, which are in bytes of text:
//!
//! - `ceiling`: reading memory, and finding newlines: what no decoder of text can pass.
//! - `decode`: bytes to columns, in pieces as a reader lends them, with the columns that s2, s3a and `SELECT *` need.
//! - `filter`: one comparison, half of the rows kept.
//! - `intern`: keys to groups and one `COUNT(*)`, so that keys are most of it; 200 to a million keys.
//! - `update`: the five aggregates of s2 for 200 keys; less `intern/200` is what the states cost.
//! - `window`: s3a's tumbling minute and a session, in time, with the watermark noted beforehand.
//! - `over`: s1's frame of a hundred rows.
//! - `encode`: columns to text.

#![allow(clippy::unwrap_used, reason = "benches")]

mod input;
mod plans;

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tidemill_aggregate::{AggTable, EventTimes, OverTable, WindowTable};
use tidemill_expr::{Context, Filter};
use tidemill_format::{Decoder, DecoderSpec, Encoder};
use tidemill_plan::{Format, GeneratorModel, Stage};
use tidemill_record::{Batch, EventTime, FrameBytes, Frames, Offset, PartitionId};
use tidemill_source::PIECE_BYTES;

use crate::input::{ROWS, Trades};
use crate::plans::stages_of;

const BATCH_ROWS: usize = 8192;

fn ceiling(criterion: &mut Criterion) {
    // As the command does: no stage is to be charged for page faults.
    tidemill_rt::keep_freed_memory();
    let trades = Trades::new(200);
    let mut group = criterion.benchmark_group("ceiling");
    for (name, text) in [("csv", &trades.csv), ("json", &trades.json)] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(BenchmarkId::new("read", name), |bencher| {
            bencher.iter(|| {
                let words = text.as_slice().chunks_exact(8);
                let sum = words.fold(0_u64, |sum, word| {
                    sum.wrapping_add(u64::from_le_bytes(word.try_into().unwrap()))
                });
                black_box(sum)
            });
        });
        group.bench_function(BenchmarkId::new("newlines", name), |bencher| {
            bencher.iter(|| black_box(memchr::memchr_iter(b'\n', text).count()));
        });
    }
}

fn decode(criterion: &mut Criterion) {
    let trades = Trades::new(200);
    let schema = GeneratorModel::Trades.schema();
    let mut group = criterion.benchmark_group("decode");
    let formats = [("csv", plans::csv(), &trades.csv), ("json", plans::json(), &trades.json)];
    for (name, format, text) in &formats {
        group.throughput(Throughput::Bytes(text.len() as u64));
        for (query, columns) in
            [("s2", &[3, 4, 5][..]), ("s3a", &[1, 2, 3, 4, 5]), ("all", &[0, 1, 2, 3, 4, 5])]
        {
            group.bench_function(BenchmarkId::new(*name, query), |bencher| {
                bencher.iter(|| {
                    let mut decoder = Decoder::new(&DecoderSpec {
                        format,
                        schema: &schema,
                        columns,
                        batch_rows: BATCH_ROWS,
                        csv_header: None,
                        is_inferred: false,
                        is_union: false,
                    })
                    .unwrap();
                    let (mut bad, mut row_count, mut position) = (Vec::new(), 0, 0);
                    while position < text.len() {
                        let piece = text.len().min(position + PIECE_BYTES);
                        let bytes = FrameBytes::Sequential {
                            bytes: text.slice_with_length(position, piece - position),
                            start: Offset(position as u64),
                            end: Offset(u64::MAX),
                            is_last: piece == text.len(),
                        };
                        decoder.begin(Frames { partition: PartitionId(0), bytes }).unwrap();
                        while let Some(batch) = decoder.decode(&mut bad).unwrap() {
                            row_count += black_box(batch).row_count();
                        }
                        position += usize::try_from(decoder.consumed()).unwrap();
                    }
                    assert_eq!((row_count, bad.len()), (ROWS, 0));
                });
            });
        }
    }
}

fn filter(criterion: &mut Criterion) {
    let (batches, stages) = stages_of("SELECT symbol, price FROM trades WHERE price > 500", 200);
    let Some(Stage::Filter(predicate)) = stages.first() else { panic!("{stages:?}") };
    let mut filter = Filter::new(predicate, &Context { job_start: EventTime(0) }).unwrap();
    let mut group = criterion.benchmark_group("filter");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("price", |bencher| {
        bencher.iter(|| {
            for batch in &batches {
                black_box(filter.apply(batch.clone(), &mut Vec::new()).unwrap());
            }
        });
    });
}

fn aggregate(criterion: &mut Criterion, name: &str, sql: &str, keys: u64, id: &str) {
    let (batches, stages) = stages_of(sql, keys);
    let spec = stages.iter().find_map(|stage| match stage {
        Stage::Aggregate { spec, .. } => Some(spec.clone()),
        _ => None,
    });
    let spec = spec.unwrap();
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function(id, |bencher| {
        bencher.iter_batched(
            || AggTable::new(spec.clone(), u64::MAX),
            |mut table| {
                batches.iter().for_each(|batch| table.update(batch).unwrap());
                table
            },
            BatchSize::PerIteration,
        );
    });
}

fn intern(criterion: &mut Criterion) {
    for keys in [200, 10_000, 1_000_000] {
        let sql = "SELECT symbol, COUNT(*) AS n FROM trades GROUP BY symbol";
        aggregate(criterion, "intern", sql, keys, &keys.to_string());
    }
}

fn update(criterion: &mut Criterion) {
    let sql = "SELECT symbol, COUNT(*) AS n, AVG(price) AS a, MIN(price) AS l, MAX(price) AS h, \
               SUM(quantity) AS q FROM trades GROUP BY symbol";
    aggregate(criterion, "update", sql, 200, "s2");
}

fn window(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("window");
    group.throughput(Throughput::Elements(ROWS as u64));
    let s3a = "SELECT trader_id, symbol, COUNT(*) AS n, AVG(price) AS a, SUM(quantity) AS q FROM trades \
               GROUP BY trader_id, symbol WINDOW TUMBLING (trade_time, INTERVAL '1' MINUTE)";
    let session = "SELECT trader_id, COUNT(*) AS n, AVG(price) AS a FROM trades \
                   GROUP BY trader_id WINDOW SESSION (trade_time, INTERVAL '1' SECOND)";
    for (id, sql) in [("s3a", s3a), ("session", session)] {
        let (batches, stages) = stages_of(sql, 200);
        let (batches, spec) = with_watermarks(batches, &stages);
        let Some(Stage::Aggregate { spec, .. }) = spec else { panic!("{stages:?}") };
        group.bench_function(id, |bencher| {
            bencher.iter_batched(
                || WindowTable::new(spec.clone(), &[], u64::MAX),
                |mut table| {
                    let mut results = Vec::new();
                    for (batch, watermark) in &batches {
                        table.update(batch, &mut Vec::new(), &mut results).unwrap();
                        table.advance(*watermark, &mut results).unwrap();
                    }
                    (table, results)
                },
                BatchSize::PerIteration,
            );
        });
    }
}

fn over(criterion: &mut Criterion) {
    let sql = "SELECT symbol, price, AVG(price) OVER (ROWS WINDOW BUFFER 100 ROWS PARTITION BY symbol \
               ORDER BY trade_time) AS m FROM trades";
    let (batches, stages) = stages_of(sql, 200);
    let (batches, spec) = with_watermarks(batches, &stages);
    let Some(Stage::Over { spec, .. }) = spec else { panic!("{stages:?}") };
    let mut group = criterion.benchmark_group("over");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("s1", |bencher| {
        bencher.iter_batched(
            || OverTable::new(spec.clone(), &[], u64::MAX, BATCH_ROWS),
            |mut table| {
                let mut results = Vec::new();
                for (batch, watermark) in &batches {
                    results.clear();
                    table.update(batch, &mut Vec::new(), &mut results).unwrap();
                    table.advance(*watermark, &mut results).unwrap();
                }
                table
            },
            BatchSize::PerIteration,
        );
    });
}

/// The batches as they reach the stage that keeps state, each with the watermark behind it, and that stage.
fn with_watermarks(
    batches: Vec<Batch>,
    stages: &[Stage],
) -> (Vec<(Batch, EventTime)>, Option<Stage>) {
    let mut times = None;
    let mut stateful = None;
    let mut projects = Vec::new();
    for stage in stages {
        match stage {
            Stage::EventTime(spec) => times = Some(EventTimes::new(spec.clone())),
            Stage::Project(columns) => {
                let context = Context { job_start: EventTime(0) };
                projects.push(tidemill_expr::Project::new(columns, &context).unwrap());
            }
            stage => {
                stateful = Some(stage.clone());
                break;
            }
        }
    }
    let mut times = times.unwrap();
    let noted = batches.into_iter().map(|batch| {
        let mut batch = times.apply(batch, &mut Vec::new());
        for project in &mut projects {
            batch = project.apply(batch, &mut Vec::new()).unwrap();
        }
        (batch, times.watermark())
    });
    (noted.collect(), stateful)
}

fn encode(criterion: &mut Criterion) {
    let trades = Trades::new(200);
    let schema = GeneratorModel::Trades.schema();
    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Elements(ROWS as u64));
    let formats: [(&str, Format); 2] = [("csv", plans::csv()), ("json", plans::json())];
    for (name, format) in &formats {
        group.bench_function(*name, |bencher| {
            let mut out = Vec::new();
            bencher.iter(|| {
                let mut encoder = Encoder::new(format, &schema).unwrap();
                for batch in &trades.batches {
                    out.clear();
                    encoder.encode(batch, &mut out).unwrap();
                    black_box(out.as_slice());
                }
            });
        });
    }
}

criterion_group! {
    name = stages;
    // A stage takes up to 200 ms: two minutes for all.
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = ceiling, decode, filter, intern, update, window, over, encode
}
criterion_main!(stages);
