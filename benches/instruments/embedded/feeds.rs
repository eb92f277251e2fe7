//! Queries that come and go, that wait, and that are stopped.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use hdrhistogram::Histogram;
use tidemill::{BatchSender, End, Query, Runtime, Session, Source};

fn batch(values: &[i64]) -> RecordBatch {
    let column: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
    RecordBatch::try_from_iter([("v", column)]).unwrap()
}

fn submit(runtime: &Runtime, source: Source, sql: &str) -> Query {
    let mut session = Session::new();
    session.register_source("t", source).unwrap();
    session.register_sink("out", |_| |_: RecordBatch| Ok(())).unwrap();
    runtime.submit(session.prepare(sql).unwrap())
}

/// Descriptors, threads, and KiB of memory of this process.
fn held() -> (usize, usize, u64) {
    let count = |path: &str| fs::read_dir(path).unwrap().count();
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = pages.split(' ').nth(1).unwrap().parse().unwrap();
    (count("/proc/self/fd"), count("/proc/self/task"), pages * 4)
}

fn show_held(when: &str) {
    let (descriptors, threads, kib) = held();
    println!("{when}: {descriptors} descriptors, {threads} threads, {kib} KiB");
}

pub(crate) fn churn(count: u32) {
    let runtime = Runtime::builder().build().unwrap();
    let started = Instant::now();
    for number in 1..=count {
        let source = Source::bounded(batch(&[]).schema())
            .iterator([Ok(batch(&[1, 2]))])
            .iterator([Ok(batch(&[3]))]);
        let query = submit(&runtime, source, "INSERT INTO out SELECT SUM(v) AS s FROM t");
        assert_eq!(query.join().unwrap().end, End::Input);
        if number == 100 || number == count {
            show_held(&format!("after {number} queries"));
        }
    }
    println!("{:.2} ms a query", started.elapsed().as_secs_f64() * 1e3 / f64::from(count));
}

/// CPU time of all threads so far.
fn busy() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let of_task = |path: std::path::PathBuf| -> u64 {
        let text = fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
    };
    Duration::from_nanos(tasks.map(|task| of_task(task.unwrap().path())).sum())
}

fn percent_of_a_core(what: impl FnOnce()) -> f64 {
    let (before, started) = (busy(), Instant::now());
    what();
    100.0 * (busy() - before).as_secs_f64() / started.elapsed().as_secs_f64()
}

pub(crate) fn trickle(count: u32, seconds: u64) {
    let runtime = Runtime::builder().build().unwrap();
    // Both cores are there before anything is counted.
    let source = Source::bounded(batch(&[]).schema()).iterator([]).iterator([]);
    submit(&runtime, source, "INSERT INTO out SELECT SUM(v) AS s FROM t").join().unwrap();
    show_held("before");
    let before = held();
    let sql = "INSERT INTO out SELECT v, COUNT(*) AS n FROM t GROUP BY v EMIT CHANGES";
    let queries: Vec<(Query, BatchSender)> = (0..count)
        .map(|_| {
            let (source, sender) = Source::unbounded(batch(&[]).schema()).channel(4);
            (submit(&runtime, source, sql), sender)
        })
        .collect();
    let send = |number: i64| {
        for (_, sender) in &queries {
            sender.send(batch(&[number])).unwrap();
        }
    };
    send(0);
    while queries.iter().any(|(query, _)| query.progress().rows_out == 0) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let after = held();
    let state: u64 = queries.iter().map(|(query, _)| query.metrics().counts.state_bytes).sum();
    show_held(&format!("with {count} queries"));
    println!(
        "{:.1} KiB a query, of which {:.1} KiB are state",
        (after.2 - before.2) as f64 / f64::from(count),
        state as f64 / 1024.0 / f64::from(count)
    );
    let silent = percent_of_a_core(|| std::thread::sleep(Duration::from_secs(seconds)));
    println!("silent: {silent:.2} % of a core");
    let fed = percent_of_a_core(|| {
        let started = Instant::now();
        for second in 1..=seconds {
            send(i64::try_from(second % 4).unwrap());
            std::thread::sleep(Duration::from_secs(second).saturating_sub(started.elapsed()));
        }
    });
    println!("a record a second each: {fed:.2} % of a core");
    let started = Instant::now();
    queries.iter().for_each(|(query, _)| query.stop());
    queries.iter().for_each(|(query, _)| assert_eq!(query.join().unwrap().end, End::Stopped));
    println!("all stopped in {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
}

pub(crate) fn stops(count: u32) {
    let runtime = Runtime::builder().cores(1).build().unwrap();
    let endless = Source::unbounded(batch(&[]).schema())
        .iterator(std::iter::repeat_with(|| Ok(batch(&[1; 8192]))));
    let fast = submit(&runtime, endless, "INSERT INTO out SELECT v FROM t WHERE v > 1");
    for (name, is_cancel, is_fast) in [
        ("stop of a silent feed", false, false),
        ("cancel of a silent feed", true, false),
        ("stop of a fast feed", false, true),
        ("cancel of a fast feed", true, true),
    ] {
        let mut times = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3).unwrap();
        for _ in 0..count {
            let (source, sender) = Source::unbounded(batch(&[]).schema()).channel(1);
            let source = match is_fast {
                false => source,
                true => source.iterator(std::iter::repeat_with(|| Ok(batch(&[1; 8192])))),
            };
            let query = submit(&runtime, source, "INSERT INTO out SELECT v FROM t");
            sender.send(batch(&[1])).unwrap();
            while query.progress().rows_out == 0 {
                std::thread::yield_now();
            }
            let started = Instant::now();
            if is_cancel {
                query.cancel()
            } else {
                query.stop()
            }
            let end = query.join().unwrap().end;
            assert_eq!(end, if is_cancel { End::Cancelled } else { End::Stopped });
            times.saturating_record(u64::try_from(started.elapsed().as_micros()).unwrap());
        }
        let [p50, p99, most] = [0.5, 0.99, 1.0].map(|q| times.value_at_quantile(q) as f64 / 1e3);
        println!("{name}: p50 {p50:.2} ms, p99 {p99:.2} ms, at most {most:.2} ms");
    }
    fast.cancel();
}
