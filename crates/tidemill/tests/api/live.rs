//! Input that comes while a job runs.

use std::cell::Cell;
use std::collections::VecDeque;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow_schema::SchemaRef;
use tidemill::{
    BatchReader, BatchSender, End, ErrorKind, HostError, Query, Runtime, SendError, Session,
    Source, TrySendError,
};

use crate::support::{endless, session_of};

fn batch(values: &[i64]) -> RecordBatch {
    let column: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
    RecordBatch::try_from_iter([("v", column)]).unwrap()
}

fn schema() -> SchemaRef {
    batch(&[]).schema()
}

/// Seconds of event time, and a number.
fn timed(rows: &[(i64, i64)]) -> RecordBatch {
    let at = rows.iter().map(|(at, _)| at * 1_000_000);
    let at: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter_values(at));
    let value: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1)));
    RecordBatch::try_from_iter([("at", at), ("v", value)]).unwrap()
}

fn one_core() -> Runtime {
    Runtime::builder().cores(1).build().unwrap()
}

/// Gives ones as fast as it is asked, and counts how often.
struct Ones(Arc<AtomicU64>);

impl BatchReader for Ones {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<RecordBatch, HostError>>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Some(Ok(batch(&[1; 100]))))
    }
}

/// A query that sums what each partition gives, on cores that are there.
fn submit(runtime: &Runtime, source: Source, sql: &str) -> (Query, mpsc::Receiver<RecordBatch>) {
    let mut session = Session::new();
    session.register_source("t", source).unwrap();
    let (rows, received) = mpsc::channel();
    let rows = Mutex::new(rows);
    let sink = move |_| {
        let rows = rows.lock().unwrap().clone();
        move |batch: RecordBatch| {
            // Whoever has seen enough is gone.
            let _ = rows.send(batch);
            Ok(())
        }
    };
    session.register_sink("out", sink).unwrap();
    (runtime.submit(session.prepare(sql).unwrap()), received)
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn endless_partitions_on_fewer_cores_all_go_on() {
    let counts: [Arc<AtomicU64>; 4] = Default::default();
    let source = counts.iter().fold(Source::unbounded(schema()), |source, count| {
        let count = Arc::clone(count);
        source.partition(move || Ones(count))
    });
    let (query, _rows) = submit(&one_core(), source, "INSERT INTO out SELECT v FROM t WHERE v > 1");
    wait_until("all are read", || counts.iter().all(|count| count.load(Ordering::Relaxed) > 100));
    query.stop();
    assert_eq!(query.join().unwrap().end, End::Stopped);
    // Also where they are registered as such that end.
    let (session, _) = session_of(endless(4));
    let job = session.prepare("INSERT INTO out SELECT COUNT(*) FROM t").unwrap();
    let query = one_core().submit(job);
    let records = || query.progress().records_in;
    wait_until("some is read", || records() > 1000);
    query.stop();
    assert_eq!(query.join().unwrap().end, End::Stopped);
}

#[test]
fn a_silent_partition_costs_its_neighbours_nothing_and_a_stop_does_not_wait_for_it() {
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let (source, sender) = Source::unbounded(schema()).channel(1);
    let source = source.partition(move || Ones(counted));
    let sql = "INSERT INTO out SELECT v FROM t WHERE v <> 1";
    let runtime = one_core();
    let (query, rows) = submit(&runtime, source, sql);
    wait_until("its neighbour is read", || count.load(Ordering::Relaxed) > 100);
    sender.send(batch(&[5])).unwrap();
    assert_eq!(rows.recv().unwrap().column(0).as_primitive::<Int64Type>().value(0), 5);
    query.stop();
    let ended = query.join().unwrap();
    assert_eq!((ended.end, ended.statistics.rows_out), (End::Stopped, 1));
    assert!(sender.is_closed() && sender.send(batch(&[6])).is_err());

    // Alone, with nothing that makes the core look around.
    for is_bounded in [true, false] {
        let source =
            if is_bounded { Source::bounded(schema()) } else { Source::unbounded(schema()) };
        let (source, sender) = source.channel(1);
        let (query, rows) = submit(&runtime, source, "INSERT INTO out SELECT v FROM t");
        sender.send(batch(&[7])).unwrap();
        assert_eq!(rows.recv().unwrap().num_rows(), 1);
        query.stop();
        assert_eq!(query.join().unwrap().end, End::Stopped);
        let (source, sender) = Source::unbounded(schema()).channel(1);
        let (query, _rows) = submit(&runtime, source, "INSERT INTO out SELECT v FROM t");
        query.cancel();
        assert_eq!(query.join().unwrap().end, End::Cancelled);
        assert!(sender.is_closed());
    }
}

/// Has nothing for ever, and says so with empty batches.
struct Empty;

impl BatchReader for Empty {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<RecordBatch, HostError>>> {
        Poll::Ready(Some(Ok(batch(&[]))))
    }
}

#[test]
fn an_empty_batch_gives_way_and_sees_the_stop() {
    for source in [Source::unbounded(schema()), Source::bounded(schema())] {
        let (source, sender) = source.partition(|| Empty).channel(1);
        let (query, rows) = submit(&one_core(), source, "INSERT INTO out SELECT v FROM t");
        sender.send(batch(&[1])).unwrap();
        rows.recv().unwrap();
        query.stop();
        query.join().unwrap();
    }
}

#[test]
fn a_sender_waits_for_room_and_hears_of_the_end() {
    let (source, sender) = Source::unbounded(schema()).channel(2);
    let runtime = one_core();
    assert!(sender.try_send(batch(&[1])).is_ok() && sender.try_send(batch(&[2])).is_ok());
    let full = sender.try_send(batch(&[3])).unwrap_err();
    assert!(matches!(full, TrySendError::Full(_)));
    let context = &mut Context::from_waker(Waker::noop());
    let third = full.into_batch();
    let mut sending = pin!(sender.send_async(third));
    assert!(sending.as_mut().poll(context).is_pending());
    let (query, rows) = submit(&runtime, source, "INSERT INTO out SELECT v FROM t");
    (0..2).for_each(|_| drop(rows.recv().unwrap()));
    wait_until("there is room", || !matches!(sending.as_mut().poll(context), Poll::Pending));
    assert_eq!(rows.recv().unwrap().column(0).as_primitive::<Int64Type>().value(0), 3);
    drop(sender.clone());
    sender.send(batch(&[4])).unwrap();
    drop(sender);
    let ended = query.join().unwrap();
    assert_eq!((ended.end, ended.statistics.records_in), (End::Input, 4));
    // A source that nobody reads.
    let (source, sender) = Source::unbounded(schema()).channel(1);
    drop(source);
    let SendError(back) = sender.send(batch(&[8])).unwrap_err();
    assert_eq!(back.num_rows(), 1);
}

#[test]
fn a_blocked_sender_goes_on_when_the_query_ends() {
    let (source, sender) = Source::unbounded(schema()).channel(1);
    let (query, _rows) = submit(&one_core(), source, "INSERT INTO out SELECT v FROM t LIMIT 3");
    let feed = std::thread::spawn(move || while sender.send(batch(&[1])).is_ok() {});
    assert_eq!(query.join().unwrap().statistics.rows_out, 3);
    feed.join().unwrap();
}

#[test]
fn windows_of_live_input_close_by_its_event_time_and_late_records_are_counted() {
    let sql = "INSERT INTO out SELECT window_start, SUM(v) AS n \
               FROM TUMBLE(t, at, INTERVAL '1' SECOND) GROUP BY window_start";
    for partition_count in [1, 2] {
        let source = Source::unbounded(timed(&[]).schema()).watermark("at", Duration::ZERO);
        let (mut source, first) = source.channel(8);
        let mut senders: Vec<BatchSender> = vec![first];
        for _ in 1..partition_count {
            let (more, sender) = source.channel(8);
            source = more;
            senders.push(sender);
        }
        let (query, rows) = submit(&one_core(), source, sql);
        let send = |rows: &[(i64, i64)]| {
            senders.iter().for_each(|sender| sender.send(timed(rows)).unwrap());
        };
        let factor = i64::from(partition_count);
        let mut left = VecDeque::new();
        let mut window = |at: i64, sum: i64| {
            if left.is_empty() {
                let rows = rows.recv_timeout(Duration::from_secs(60)).unwrap();
                let starts = rows.column(0).as_primitive::<TimestampMicrosecondType>();
                let sums = rows.column(1).as_primitive::<Int64Type>();
                left.extend(starts.values().iter().copied().zip(sums.values().iter().copied()));
            }
            assert_eq!(left.pop_front(), Some((at * 1_000_000, sum * factor)));
        };
        // The first two alone move no watermark: `watermark.max_ahead`.
        send(&[(10, 1), (10, 1), (10, 1)]);
        send(&[(11, 4)]);
        window(10, 3);
        // Too late: its window has gone.
        send(&[(10, 100)]);
        send(&[(12, 8)]);
        window(11, 4);
        send(&[(13, 16)]);
        window(12, 8);
        drop(senders);
        window(13, 16);
        let ended = query.join().unwrap();
        assert_eq!(ended.end, End::Input);
        assert!(ended.left_out().contains(&format!("{partition_count} late records")), "{ended}");
    }
}

#[test]
fn a_silent_partition_holds_up_no_windows_behind_its_idle_timeout() {
    let source = Source::unbounded(timed(&[]).schema()).watermark("at", Duration::ZERO);
    let source = source.idle_timeout(Duration::from_millis(20));
    let (source, _silent) = source.channel(1);
    let (source, sender) = source.channel(1);
    let sql = "INSERT INTO out SELECT window_start, SUM(v) AS n \
               FROM TUMBLE(t, at, INTERVAL '1' SECOND) GROUP BY window_start";
    let (query, rows) = submit(&one_core(), source, sql);
    sender.send(timed(&[(10, 1), (10, 1), (10, 1)])).unwrap();
    sender.send(timed(&[(20, 1)])).unwrap();
    assert_eq!(rows.recv_timeout(Duration::from_secs(60)).unwrap().num_rows(), 1);
    query.cancel();
}

#[test]
fn what_is_wrong_with_a_source_is_said_as_it_is_registered() {
    let refused = |source: Source, part: &str| {
        let (source, _sender) = source.channel(1);
        let error = Session::new().register_source("t", source).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains(part), "{error}");
    };
    let source = || Source::unbounded(timed(&[]).schema());
    refused(source().watermark("when", Duration::ZERO), "when, which is not among its columns");
    refused(source().watermark("v", Duration::ZERO), "v, which is BIGINT: give a timestamp");
    refused(source().idle_timeout(Duration::from_secs(1)), "call watermark, too");
}

/// A reader that cannot leave its thread.
struct Homebound(Rc<Cell<i64>>);

impl BatchReader for Homebound {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<RecordBatch, HostError>>> {
        self.0.set(self.0.get() + 1);
        match self.0.get() {
            4 => Poll::Ready(Some(Err("the feed is down".into()))),
            n => Poll::Ready(Some(Ok(batch(&[n])))),
        }
    }
}

#[test]
fn a_reader_is_made_on_its_core_and_its_error_ends_the_job() {
    let source = Source::unbounded(schema()).partition(|| Homebound(Rc::default()));
    let (query, rows) = submit(&one_core(), source, "INSERT INTO out SELECT v FROM t");
    let error = query.join().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RegisteredSource);
    assert!(error.report().contains("the feed is down"), "{}", error.report());
    assert_eq!(rows.iter().count(), 3);
    let source = Source::unbounded(schema()).partition(|| -> Ones { panic!("no feed") });
    let (query, _rows) = submit(&one_core(), source, "INSERT INTO out SELECT v FROM t");
    assert_eq!(query.join().unwrap_err().kind(), ErrorKind::Panicked);
}

#[test]
fn a_stream_is_a_partition() {
    let batches = futures_lite::stream::iter((1..=3).map(|n| Ok(batch(&[n]))));
    let source = Source::bounded(schema()).stream(batches);
    let (query, rows) = submit(&one_core(), source, "INSERT INTO out SELECT SUM(v) FROM t");
    query.join().unwrap();
    assert_eq!(rows.recv().unwrap().column(0).as_primitive::<Int64Type>().value(0), 6);
}
