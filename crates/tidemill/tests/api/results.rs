//! Results that are pulled, and sinks that receive them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use futures_lite::future::{block_on, poll_once};
use futures_lite::stream::StreamExt;
use tidemill::{BatchSink, ErrorKind, HostError, Rows, Session, SourceRegistration};

use crate::support::{endless, rows_of, session_of, source_of, wait_until};

fn values(batch: &RecordBatch) -> Vec<i64> {
    batch.column(0).as_primitive::<Int64Type>().values().to_vec()
}

fn pulled(rows: Rows) -> Vec<i64> {
    rows.collect().unwrap().iter().flat_map(values).collect()
}

#[test]
fn rows_are_pulled_and_their_schema_is_known_before() {
    let (session, _) = session_of(source_of(&[&[&[3, 1], &[2]]]));
    let mut rows = session.query("SELECT v * 10 AS ten FROM t WHERE v > 1").unwrap();
    let ten = Field::new("ten", DataType::Int64, true);
    assert_eq!(*rows.output_schema(), Schema::new(vec![ten]));
    assert!(rows.explain().unwrap().unwrap().contains("input t: 1 partition(s)"));
    let mut seen = Vec::new();
    while let Some(batch) = rows.next() {
        let batch = batch.unwrap();
        assert_eq!(batch.schema(), rows.output_schema());
        seen.extend(values(&batch));
    }
    assert_eq!(seen, [30, 20]);
    assert_eq!(rows.summary().unwrap().statistics.records_in, 3);
    assert!(rows.next().is_none() && rows.explain().unwrap().is_none());
}

#[test]
fn other_statements_of_the_script_run_with_it() {
    let (session, written) = session_of(source_of(&[&[&[3, 1, 2]]]));
    let sql =
        "CREATE SOURCE g WITH ('connector' = 'generator', 'schema' = 'trades', 'rows' = '10');
         INSERT INTO out SELECT COUNT(*) FROM g; SELECT v FROM t ORDER BY v";
    assert_eq!(pulled(session.query(sql).unwrap()), [1, 2, 3]);
    assert_eq!(rows_of(&written), [[10]]);
}

#[test]
fn a_select_that_nobody_asked_for_is_refused_and_never_printed() {
    let (session, _) = session_of(source_of(&[&[&[1]]]));
    let error = session.prepare("SELECT v FROM t").unwrap_err();
    let report = error.report();
    assert!(error.kind() == ErrorKind::Sql && report.starts_with("sql:1:1: "), "{report}");
    assert!(report.contains("Session::query") && report.contains("set_stdout"), "{report}");
    session.prepare("EXPLAIN SELECT v FROM t").unwrap().run().unwrap();
    let two = session.query("SELECT v FROM t; SELECT 1 AS a").unwrap_err().report();
    assert!(two.starts_with("sql:1:18: ") && two.contains("second SELECT"), "{two}");
    assert!(session.query("INSERT INTO out SELECT v FROM t").unwrap_err().is_usage());
}

#[test]
fn a_stream_gives_the_same() {
    let (session, _) = session_of(source_of(&[&[&[3, 1], &[2]]]));
    let mut rows = session.query("SELECT v FROM t").unwrap().into_stream();
    let seen: Vec<i64> = block_on(async {
        let mut seen = Vec::new();
        while let Some(batch) = rows.next().await {
            seen.extend(values(&batch.unwrap()));
        }
        seen
    });
    assert_eq!(seen, [3, 1, 2]);
    assert!(rows.rows().summary().is_some() && block_on(rows.next()).is_none());
}

/// A partition that counts the batches which are asked of it, and says when it is dropped.
struct Counting {
    given: Arc<AtomicUsize>,
    batch_count: usize,
    is_dropped: Arc<AtomicBool>,
}

impl Iterator for Counting {
    type Item = Result<RecordBatch, HostError>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.given.fetch_add(1, Ordering::SeqCst);
        (at < self.batch_count).then(|| {
            let column = Arc::new(Int64Array::from(vec![i64::try_from(at).unwrap()]));
            Ok(RecordBatch::try_from_iter_with_nullable([("v", column as _, true)]).unwrap())
        })
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.is_dropped.store(true, Ordering::SeqCst);
    }
}

fn counting(batch_count: usize) -> (SourceRegistration, Arc<AtomicUsize>, Arc<AtomicBool>) {
    let (given, is_dropped) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
    let partition =
        Counting { given: Arc::clone(&given), batch_count, is_dropped: Arc::clone(&is_dropped) };
    let mut source = source_of(&[]);
    source.partitions.push(Box::new(partition));
    (source, given, is_dropped)
}

#[test]
fn nothing_is_read_that_nobody_takes() {
    let (source, given, _) = counting(500);
    let (session, _) = session_of(source);
    let rows = session.query("SELECT v FROM t").unwrap();
    assert_eq!(given.load(Ordering::SeqCst), 0, "it begins with the first batch");
    for (taken, batch) in rows.enumerate() {
        assert_eq!(values(&batch.unwrap()), [i64::try_from(taken).unwrap()]);
        // Eight wait, one waits for room, one is being read.
        let ahead = given.load(Ordering::SeqCst) - taken;
        assert!(ahead <= 11, "{ahead} batches have been read ahead");
        thread::yield_now();
    }
}

#[test]
fn rows_that_are_dropped_cancel_the_job() {
    for takes in [0, 1, 20] {
        let (source, _, is_dropped) = counting(usize::MAX);
        let (session, _) = session_of(source);
        let mut rows = session.query("SELECT v FROM t").unwrap();
        for _ in 0..takes {
            rows.next().unwrap().unwrap();
        }
        drop(session);
        drop(rows);
        wait_until("the input is dropped", || is_dropped.load(Ordering::SeqCst));
    }
}

#[test]
fn a_stream_that_is_dropped_while_it_waits_cancels_the_job() {
    let (session, _) = session_of(endless(2));
    let mut rows = session.query("SELECT v FROM t WHERE v = 2").unwrap().into_stream();
    assert!(block_on(poll_once(rows.next())).is_none(), "no row of it is 2");
    drop(rows);
}

#[test]
fn stopped_rows_end_with_what_was_read() {
    let (session, _) = session_of(endless(2));
    let mut rows = session.query("SELECT v FROM t").unwrap();
    let first = rows.next().unwrap().unwrap().num_rows();
    rows.stop();
    let rest: usize = rows.by_ref().map(|batch| batch.unwrap().num_rows()).sum();
    let records = rows.summary().unwrap().statistics.records_in;
    assert_eq!(u64::try_from(first + rest).unwrap(), records);
    let (session, _) = session_of(endless(1));
    let mut never = session.query("SELECT v FROM t").unwrap();
    never.stop();
    assert!(never.next().is_none());
}

#[test]
fn an_error_comes_behind_the_rows_before_it_and_ends_them() {
    let mut source = source_of(&[&[&[1], &[2]]]);
    let good = source.partitions.remove(0);
    source.partitions.push(Box::new(good.chain([Err("the feed is gone".into())])));
    let (mut session, _) = session_of(source);
    session.settings_mut().batch_rows = 1;
    let mut rows = session.query("SELECT v FROM t").unwrap();
    assert_eq!(values(&rows.next().unwrap().unwrap()), [1]);
    assert_eq!(values(&rows.next().unwrap().unwrap()), [2]);
    let error = rows.next().unwrap().unwrap_err();
    assert_eq!((error.kind(), error.query()), (ErrorKind::RegisteredSource, Some("SELECT")));
    assert!(rows.next().is_none() && rows.summary().is_none());
}

type Calls = Arc<Mutex<Vec<String>>>;

/// A sink that notes what is asked of it, and fails in one of the calls.
struct Noting {
    calls: Calls,
    fails_in: &'static str,
}

impl Noting {
    fn note(&self, call: &str) -> Result<(), HostError> {
        self.calls.lock().unwrap().push(call.to_owned());
        match call.split(' ').next() == Some(self.fails_in) {
            true => Err(format!("{} fails", self.fails_in).into()),
            false => Ok(()),
        }
    }
}

impl BatchSink for Noting {
    fn open(&mut self, schema: &SchemaRef, partition: u32) -> Result<(), HostError> {
        self.note(&format!("open {} {partition}", schema.field(0).name()))
    }

    fn write(&mut self, batch: RecordBatch) -> Result<(), HostError> {
        self.note(&format!("write {:?}", values(&batch)))
    }

    fn finish(&mut self) -> Result<(), HostError> {
        self.note("finish")
    }

    fn abort(&mut self) {
        let _ = self.note("abort");
    }
}

fn calls_of(fails_in: &'static str, partitions: &[&[&[i64]]]) -> (Vec<String>, Option<String>) {
    let (mut session, _) = session_of(source_of(partitions));
    session.settings_mut().cores = tidemill::CoreSet::Count(1);
    let calls = Calls::default();
    let noted = Arc::clone(&calls);
    let sink = move |_| Noting { calls: Arc::clone(&noted), fails_in };
    session.register_sink("Noting", sink).unwrap();
    let ran = session.prepare("INSERT INTO noting SELECT v AS w FROM t").unwrap().run();
    let calls = calls.lock().unwrap().clone();
    (calls, ran.err().map(|error| error.report()))
}

#[test]
fn a_sink_is_opened_written_and_finished_or_ended_before() {
    let good = calls_of("", &[&[&[1, 2]], &[]]);
    // Partitions of a core take turns.
    let expected = ["open w 0", "write [1, 2]", "open w 1", "finish", "finish"];
    assert_eq!(good, (expected.map(str::to_owned).to_vec(), None));
    let fails = |call, expected: &[&str]| {
        let (calls, error) = calls_of(call, &[&[&[1]]]);
        assert_eq!(calls, expected);
        let error = error.unwrap();
        assert!(
            error.contains("partition 0") && error.ends_with(&format!("{call} fails")),
            "{error}"
        );
    };
    fails("open", &["open w 0"]);
    fails("write", &["open w 0", "write [1]", "abort"]);
    fails("finish", &["open w 0", "write [1]", "finish", "abort"]);
}

#[test]
fn a_panic_in_a_factory_is_an_error_of_the_job() {
    let (mut session, _) = session_of(source_of(&[&[&[1]]]));
    let factory = |partition: u32| -> Noting { panic!("no receiver for {partition}") };
    session.register_sink("none", factory).unwrap();
    let error = session.prepare("INSERT INTO none SELECT v FROM t").unwrap().run().unwrap_err();
    assert_eq!((error.kind(), error.query()), (ErrorKind::Panicked, Some("none")));
    assert!(error.report().contains("no receiver for 0"), "{}", error.report());
}

/// A sink that has no room before each batch, until another thread makes some.
struct Slow {
    has_room: Arc<AtomicBool>,
    row_count: Arc<AtomicUsize>,
}

impl BatchSink for Slow {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), HostError>> {
        if self.has_room.swap(false, Ordering::SeqCst) {
            return Poll::Ready(Ok(()));
        }
        let (has_room, waker) = (Arc::clone(&self.has_room), context.waker().clone());
        thread::spawn(move || {
            has_room.store(true, Ordering::SeqCst);
            waker.wake();
        });
        Poll::Pending
    }

    fn write(&mut self, batch: RecordBatch) -> Result<(), HostError> {
        self.row_count.fetch_add(batch.num_rows(), Ordering::SeqCst);
        Ok(())
    }
}

#[test]
fn a_sink_without_room_is_waited_for() {
    for runtime in [tidemill::RuntimeChoice::Std, tidemill::RuntimeChoice::Auto] {
        let (mut session, _) = session_of(source_of(&[&[&[1], &[2], &[3]]]));
        session.settings_mut().runtime = runtime;
        let row_count = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&row_count);
        let slow = move |_| Slow { has_room: Arc::default(), row_count: Arc::clone(&counted) };
        session.register_sink("slow", slow).unwrap();
        session.prepare("INSERT INTO slow SELECT v FROM t").unwrap().run().unwrap();
        assert_eq!(row_count.load(Ordering::SeqCst), 3);
    }
}

#[test]
fn rows_may_be_pulled_from_another_thread() {
    let session = Session::new();
    let rows = session.query("SELECT 1 AS one").unwrap();
    let thread = thread::spawn(move || rows.collect().unwrap().len());
    assert_eq!(thread.join().unwrap(), 1);
}
