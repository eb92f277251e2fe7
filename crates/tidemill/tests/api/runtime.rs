//! Jobs that share cores, and what their handles can do.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use tidemill::{BatchSink, End, ErrorKind, HostError, Job, Query, Runtime, Session};

use crate::support::{endless, rows_of, session_of, source_of, wait_for_records};

/// A job over generated rows, so many of them or without end.
fn counting(rows: Option<u64>) -> Job {
    let rows = rows.map_or("unlimited".to_owned(), |rows| rows.to_string());
    let sql = format!(
        "CREATE SOURCE trades WITH ('connector' = 'generator', 'schema' = 'trades', 'rows' = '{rows}');
         CREATE SINK nowhere WITH ('connector' = 'discard');
         INSERT INTO nowhere SELECT symbol, price FROM trades;"
    );
    Session::new().prepare(&sql).unwrap()
}

fn one_core() -> Runtime {
    Runtime::builder().cores(1).build().unwrap()
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Descriptors and threads that the process has.
fn held() -> (usize, usize) {
    let count = |path: &str| std::fs::read_dir(path).unwrap().count();
    (count("/proc/self/fd"), count("/proc/self/task"))
}

#[test]
fn endless_queries_on_one_core_both_go_on_and_a_short_one_ends_beside_them() {
    let runtime = one_core();
    let queries = [runtime.submit(counting(None)), runtime.submit(counting(None))];
    queries.iter().for_each(wait_for_records);
    let short = runtime.submit(counting(Some(100_000)));
    assert_eq!(short.join().unwrap().statistics.records_in, 100_000);
    let before: Vec<u64> = queries.iter().map(|query| query.progress().records_in).collect();
    for (query, before) in queries.iter().zip(before) {
        wait_until("it goes on", || query.progress().records_in > before);
        let metrics = query.metrics();
        assert_eq!(metrics.partitions.len(), 1);
        assert_eq!(
            (&*metrics.partitions[0].query, metrics.partitions[0].partition),
            ("nowhere", 0)
        );
        assert!(metrics.partitions[0].counts.records_in > 0 && !metrics.partitions[0].has_ended);
    }
    queries[0].stop();
    let stopped = queries[0].join().unwrap();
    assert_eq!(stopped.end, End::Stopped);
    assert!(queries[0].metrics().partitions[0].has_ended);
    assert!(!queries[1].has_ended(), "the other goes on");
    queries[1].cancel();
    assert_eq!(queries[1].join().unwrap().end, End::Cancelled);
}

#[test]
fn what_is_cancelled_publishes_nothing_and_says_how_far_it_came() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let sql = format!(
        "CREATE SOURCE trades WITH ('connector' = 'generator', 'schema' = 'trades',
                                      'rows' = '1000000000000');
         CREATE SINK files WITH ('connector' = 'file', 'path' = '{}', 'format' = 'csv');
         INSERT INTO files SELECT symbol FROM trades;",
        out.display()
    );
    let query = one_core().submit(Session::new().prepare(&sql).unwrap());
    wait_for_records(&query);
    query.cancel();
    let summary = query.join().unwrap();
    assert_eq!(summary.end, End::Cancelled);
    assert!(summary.statistics.records_in > 0);
    let names = std::fs::read_dir(out).unwrap().map(|file| file.unwrap().file_name());
    let visible: Vec<_> = names.filter(|name| !name.as_encoded_bytes().starts_with(b".")).collect();
    assert!(visible.is_empty(), "{visible:?}");
}

#[test]
fn a_bounded_job_says_whether_its_input_ended() {
    let ended = one_core().submit(counting(Some(10))).join().unwrap();
    assert_eq!((ended.end, ended.statistics.records_in), (End::Input, 10));
}

#[test]
fn the_last_clone_that_is_dropped_stops_the_job_unless_it_was_detached() {
    // As it ends it drops its receiver.
    let job = |told: mpsc::Sender<()>| {
        let mut session = Session::new();
        session.register_source("t", endless(1)).unwrap();
        let sink = move |_| {
            let told = told.clone();
            move |_: RecordBatch| Ok(told.send(())?)
        };
        session.register_sink("out", sink).unwrap();
        session.prepare("INSERT INTO out SELECT v FROM t").unwrap()
    };
    let runtime = one_core();
    let (told, rows) = mpsc::channel();
    let query = runtime.submit(job(told));
    let clone = query.clone();
    drop(query);
    rows.recv().unwrap();
    assert!(!clone.has_ended());
    drop(clone);
    while rows.recv_timeout(Duration::from_secs(60)).is_ok() {}
    assert_eq!(rows.try_recv(), Err(mpsc::TryRecvError::Disconnected));

    let (told, rows) = mpsc::channel();
    let query = runtime.submit(job(told));
    query.detach();
    let flag = query.stop_flag();
    drop(query);
    (0..10_000).for_each(|_| rows.recv().unwrap());
    flag.stop();
    while rows.recv_timeout(Duration::from_secs(60)).is_ok() {}
    assert_eq!(rows.try_recv(), Err(mpsc::TryRecvError::Disconnected));
}

/// Counts wake-ups.
#[derive(Default)]
struct Counting(AtomicUsize);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn an_end_can_be_awaited_and_who_gives_up_awaiting_cancels() {
    let counted = Arc::new(Counting::default());
    let waker = Waker::from(Arc::clone(&counted));
    let mut context = Context::from_waker(&waker);
    let runtime = one_core();
    let query = runtime.submit(counting(None));
    {
        let mut end = pin!(query.wait());
        assert!(end.as_mut().poll(&mut context).is_pending());
        assert!(end.as_mut().poll(&mut context).is_pending());
        query.stop();
        wait_until("it is woken", || counted.0.load(Ordering::SeqCst) == 1);
        let Poll::Ready(ended) = end.as_mut().poll(&mut context) else { panic!("it has ended") };
        assert_eq!(ended.unwrap().end, End::Stopped);
    }
    let query = runtime.submit(counting(None));
    wait_for_records(&query);
    let mut end = Box::pin(query.wait());
    assert!(end.as_mut().poll(&mut context).is_pending());
    drop(end);
    assert_eq!(query.join().unwrap().end, End::Cancelled);
}

#[test]
fn a_handle_is_used_by_any_thread_at_the_same_time() {
    let query = Arc::new(one_core().submit(counting(None)));
    wait_for_records(&query);
    let joined: Vec<_> = (0..4)
        .map(|_| {
            let query = Arc::clone(&query);
            std::thread::spawn(move || {
                assert!(query.progress().records_in > 0);
                query.stop();
                query.join().unwrap().end
            })
        })
        .collect();
    for thread in joined {
        assert_eq!(thread.join().unwrap(), End::Stopped);
    }
}

#[test]
fn who_joins_first_has_the_error_and_a_panic_of_one_query_is_no_others() {
    let runtime = one_core();
    let neighbour = runtime.submit(counting(None));
    wait_for_records(&neighbour);
    let (mut session, _) = session_of(source_of(&[&[&[1]]]));
    let bad = |_| -> fn(RecordBatch) -> _ { panic!("no such receiver") };
    session.register_sink("bad", bad).unwrap();
    let query = runtime.submit(session.prepare("INSERT INTO bad SELECT v FROM t").unwrap());
    let error = query.join().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Panicked);
    assert!(error.to_string().contains("no such receiver"), "{error}");
    assert!(query.join().unwrap_err().to_string().contains("no such receiver"));
    let before = neighbour.progress().records_in;
    wait_until("it goes on", || neighbour.progress().records_in > before);
}

#[test]
fn a_runtime_says_which_cpus_others_have_and_refuses_what_it_cannot_be() {
    let _all = Runtime::builder().build().unwrap();
    let first = Runtime::builder().cores(1).build().unwrap();
    assert_eq!(first.shared_cpus(), first.cpus(), "all are taken");
    let refused = |name: &str| Runtime::builder().thread_name(name).build().unwrap_err();
    assert_eq!(refused("").kind(), ErrorKind::Usage);
    assert_eq!(refused("much too long").kind(), ErrorKind::Usage);
    assert_eq!(Runtime::builder().cores(0).build().unwrap_err().kind(), ErrorKind::Runtime);
}

#[test]
fn a_runtime_has_threads_of_its_name_as_long_as_it_lives_and_queries_leave_nothing_behind() {
    let runtime = Runtime::builder().cores(1).thread_name("mill").build().unwrap();
    let name = format!("mill-{}", runtime.cpus()[0]);
    let threads = |name: &str| {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names = tasks
            .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
        names.filter(|comm| comm.trim() == name).count()
    };
    assert_eq!(threads(&name), 0, "nothing runs yet");
    let (session, rows) = session_of(source_of(&[&[&[1, 2]]]));
    runtime
        .submit(session.prepare("INSERT INTO out SELECT SUM(v) FROM t").unwrap())
        .join()
        .unwrap();
    assert_eq!(rows_of(&rows), [[3]]);
    assert_eq!(threads(&name), 1);
    let run = || {
        let (session, _) = session_of(source_of(&[&[&[1, 2]]]));
        let query =
            runtime.submit(session.prepare("INSERT INTO out SELECT SUM(v) FROM t").unwrap());
        query.join().unwrap();
    };
    (0..20).for_each(|_| run());
    let before = held().0;
    (0..200).for_each(|_| run());
    // Tests beside this one have some, too; what leaks would be of the order of the queries.
    assert!(held().0 < before + 100, "{} and {before} descriptors", held().0);
    drop(runtime);
    wait_until("its threads end with it", || threads(&name) == 0);
}

/// A sink that never has room.
struct Full(mpsc::Sender<()>);

impl BatchSink for Full {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), HostError>> {
        // The test may be over.
        let _ = self.0.send(());
        Poll::Pending
    }

    fn write(&mut self, _: RecordBatch) -> Result<(), HostError> {
        Err("it was not ready".into())
    }
}

#[test]
fn a_sink_without_room_holds_up_no_other_query_of_its_core_and_is_cancelled() {
    let runtime = one_core();
    let (mut session, _) = session_of(endless(1));
    let (asked, is_asked) = mpsc::channel();
    session.register_sink("full", move |_| Full(asked.clone())).unwrap();
    let held = runtime.submit(session.prepare("INSERT INTO full SELECT v FROM t").unwrap());
    is_asked.recv().unwrap();
    let beside = runtime.submit(counting(Some(100_000)));
    assert_eq!(beside.join().unwrap().statistics.records_in, 100_000);
    assert!(!held.has_ended());
    held.cancel();
    assert_eq!(held.join().unwrap().end, End::Cancelled);
}

#[test]
fn metrics_say_what_a_query_holds() {
    let (session, _) = session_of(endless(2));
    let query: Query = one_core()
        .submit(session.prepare("INSERT INTO out SELECT v, COUNT(*) FROM t GROUP BY v").unwrap());
    wait_for_records(&query);
    wait_until("there is a table", || query.metrics().counts.state_bytes > 0);
    assert!(query.metrics().counts.records_in > 0);
}
