//! What jobs leave behind in the process: nothing. Each test counts threads and descriptors of its process, so each runs in one
//! of its own.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use tidemill::{BatchSender, CoreSet, End, Job, Query, Runtime, Session, Source};

use crate::support::{rows_of, session_of, source_of};

/// Names the test that a child process is to run for real.
const CHILD: &str = "TIDEMILL_TEST_CHILD";

/// Descriptors and threads of this process, and bytes of memory that it has.
#[derive(Clone, Copy, Debug)]
struct Held {
    descriptors: usize,
    threads: usize,
    resident_bytes: u64,
}

impl Held {
    fn now() -> Self {
        let count = |path: &str| std::fs::read_dir(path).unwrap().count();
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: u64 = pages.split(' ').nth(1).unwrap().parse().unwrap();
        Self {
            descriptors: count("/proc/self/fd"),
            threads: count("/proc/self/task"),
            resident_bytes: pages * 4096,
        }
    }

    /// Once threads that have ended are gone: a join comes shortly before.
    fn settled(threads: usize) -> Self {
        let started = Instant::now();
        loop {
            let now = Self::now();
            if now.threads <= threads || started.elapsed() > Duration::from_secs(60) {
                return now;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Held {
    /// A thread of the last query before may have been on its way out as it was counted.
    fn is_no_more_than(self, before: Self) {
        assert_eq!(self.descriptors, before.descriptors);
        assert!(self.threads <= before.threads, "{self:?}, and before {before:?}");
    }
}

/// Runs `body` in a child process of this test binary, which starts with the test of that name and may have so many
/// descriptors.
fn in_a_child(name: &str, descriptors: u64, body: fn()) {
    if std::env::var(CHILD).is_ok_and(|child| child == name) {
        let limit = libc::rlimit { rlim_cur: descriptors, rlim_max: descriptors };
        // SAFETY: `limit` is a valid rlimit.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
        return body();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(CHILD, name)
        .output()
        .unwrap();
    let (report, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && report.contains("1 passed"), "{report}{errors}");
}

/// A gathered query of two partitions, and what it has to give.
fn sum() -> (Job, impl FnOnce()) {
    let (mut session, rows) = session_of(source_of(&[&[&[1, 2]], &[&[3]]]));
    session.settings_mut().cores = CoreSet::Count(2.min(allowed_cpus()));
    let job = session.prepare("INSERT INTO out SELECT SUM(v) FROM t").unwrap();
    (job, move || assert_eq!(rows_of(&rows), [[6]]))
}

fn allowed_cpus() -> usize {
    std::thread::available_parallelism().unwrap().get()
}

#[test]
fn jobs_with_cores_of_their_own_give_all_back() {
    in_a_child("jobs_with_cores_of_their_own_give_all_back", 1024, || {
        let run = || {
            let (job, holds) = sum();
            job.run().unwrap();
            holds();
        };
        // What is made once a process stays.
        (0..6).for_each(|_| run());
        let before = Held::now();
        (0..500).for_each(|_| run());
        let after = Held::settled(before.threads);
        after.is_no_more_than(before);
    });
}

#[test]
fn queries_that_follow_each_other_on_a_runtime_leave_nothing() {
    in_a_child("queries_that_follow_each_other_on_a_runtime_leave_nothing", 1024, || {
        let runtime = Runtime::builder().build().unwrap();
        let run = |at: usize| {
            let (job, holds) = sum();
            let query = runtime.submit(job);
            match at % 3 {
                0 => query.cancel(),
                1 => query.stop(),
                _ => {
                    assert_eq!(query.join().unwrap().end, End::Input);
                    return holds();
                }
            }
            query.join().unwrap();
        };
        (0..100).for_each(run);
        let before = Held::now();
        (0..500).for_each(run);
        let after = Held::settled(before.threads);
        after.is_no_more_than(before);
        // A query that left its own thread's stack, or a table, would leave far more than that of each.
        let grown = after.resident_bytes.saturating_sub(before.resident_bytes);
        assert!(grown < 500 * 8 * 1024, "{grown} bytes more");
    });
}

/// A query whose partition says nothing, and the end that could.
fn silent(runtime: &Runtime) -> (Query, BatchSender) {
    let (source, sender) = Source::unbounded(batch(0).schema()).channel(1);
    let mut session = Session::new();
    session.register_source("t", source).unwrap();
    session.register_sink("out", |_| |_: RecordBatch| Ok(())).unwrap();
    (runtime.submit(session.prepare("INSERT INTO out SELECT v FROM t").unwrap()), sender)
}

fn batch(value: i64) -> RecordBatch {
    let column: ArrayRef = Arc::new(Int64Array::from(vec![value]));
    RecordBatch::try_from_iter([("v", column)]).unwrap()
}

#[test]
fn hundreds_of_queries_at_once_need_few_descriptors_and_end_when_they_are_told() {
    let name = "hundreds_of_queries_at_once_need_few_descriptors_and_end_when_they_are_told";
    in_a_child(name, 128, || {
        let before = Held::now();
        let runtime = Runtime::builder().build().unwrap();
        let queries: Vec<(Query, BatchSender)> = (0..506).map(|_| silent(&runtime)).collect();
        for (value, (_, sender)) in (0..).zip(&queries) {
            sender.send(batch(value)).unwrap();
        }
        for (query, _) in &queries {
            let started = Instant::now();
            while query.progress().rows_out == 0 {
                assert!(started.elapsed() < Duration::from_secs(60), "no row of a query came");
                std::thread::yield_now();
            }
        }
        // Every other one by a stop, and the rest by a cancel.
        for (at, (query, _)) in queries.iter().enumerate() {
            if at % 2 == 0 { query.stop() } else { query.cancel() }
        }
        for (at, (query, sender)) in queries.iter().enumerate() {
            let end = if at % 2 == 0 { End::Stopped } else { End::Cancelled };
            assert_eq!(query.join().unwrap().end, end);
            assert!(sender.is_closed());
        }
        drop((queries, runtime));
        let after = Held::settled(before.threads);
        after.is_no_more_than(before);
    });
}

#[test]
fn jobs_with_a_core_each_take_cpus_of_their_own_while_there_are_some() {
    if allowed_cpus() < 2 {
        return;
    }
    in_a_child("jobs_with_a_core_each_take_cpus_of_their_own_while_there_are_some", 1024, || {
        let runtimes = [(); 2].map(|()| Runtime::builder().cores(1).build().unwrap());
        assert_ne!(runtimes[0].cpus(), runtimes[1].cpus());
        assert!(runtimes.iter().all(|runtime| runtime.shared_cpus().is_empty()));
    });
}
