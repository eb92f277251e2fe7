//! A wave from the first pipeline to the last: what becomes of one that fails, panics or is stopped, and
//! of the others.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow_array::{ArrayRef, Int64Array, UInt64Array};
use tidemill_control::{
    ControlError, CoreMeter, Cores, Host, Node, Notices, PartitionMeters, Planned, Root, StopFlag,
    Wave, WaveOutcome, run,
};
use tidemill_expr::Context;
use tidemill_pipeline::{BadRecordSpec, InputSpec, OutputSpec, PipelineSpec};
use tidemill_plan::{BadRecords, LateRecords, LimitSpec, Merge};
use tidemill_record::{Batch, DataType, EventTime, PartitionId, Polled};
use tidemill_rt::{Backend, allowed_cpus};
use tidemill_sink::{ColumnWriter, SinkError};
use tidemill_source::{ColumnReader, SourceError};

/// What a pipeline does when it is asked for a batch.
#[derive(Clone, Copy)]
enum Does {
    /// Gives so many rows, one a turn, each its partition's number.
    Gives(usize),
    /// The same, and asks the job to stop as it comes to its end.
    GivesAndStops(usize),
    /// The same, a millisecond each, then fails.
    Fails(usize),
    Panics,
    /// Gives rows for ever; counted, so that it can be seen to end.
    GoesOn,
}

struct Reader {
    partition: u32,
    does: Does,
    turn: usize,
    /// Turns of readers that go on.
    turns: Arc<AtomicUsize>,
    stop: StopFlag,
}

impl ColumnReader for Reader {
    fn next_batch(&mut self, _: usize) -> Result<Polled<Batch>, SourceError> {
        let turn = self.turn;
        self.turn += 1;
        match self.does {
            Does::Gives(turns) if turn >= turns => return Ok(Polled::Ended),
            Does::GivesAndStops(turns) if turn >= turns => {
                self.stop.stop();
                return Ok(Polled::Ended);
            }
            Does::Fails(turns) if turn >= turns => {
                let (name, partition) = ("s".to_owned(), self.partition);
                let reason = format!("{partition} fails");
                return Err(SourceError::Registered { name, partition, reason });
            }
            Does::Panics => panic!("{} panics", self.partition),
            Does::Fails(_) => std::thread::sleep(Duration::from_millis(1)),
            Does::GoesOn => {
                self.turns.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_micros(100));
            }
            Does::Gives(_) | Does::GivesAndStops(_) => {}
        }
        let column: ArrayRef = Arc::new(Int64Array::from(vec![i64::from(self.partition)]));
        Ok(Polled::Ready(Batch::new(vec![column], UInt64Array::from(vec![turn as u64]))))
    }
}

/// Notes the number of rows of each pipeline that has finished.
struct Writer {
    row_count: usize,
    finished: Arc<Mutex<Vec<usize>>>,
}

impl ColumnWriter for Writer {
    fn write(&mut self, batch: &Batch) -> Result<u64, SinkError> {
        self.row_count += batch.row_count();
        Ok(batch.row_count() as u64)
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        self.finished.lock().unwrap().push(self.row_count);
        Ok(())
    }

    fn checksum(&self) -> Option<u64> {
        None
    }
}

/// What a wave came to.
struct Ran {
    result: Result<WaveOutcome, ControlError>,
    /// Rows of pipelines that came to their end, ascending.
    finished: Vec<usize>,
    turns: usize,
}

impl Ran {
    fn error(&self) -> String {
        let error = self.result.as_ref().err().expect("the wave fails");
        let source = std::error::Error::source(error).and_then(std::error::Error::source);
        source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
    }
}

struct Running {
    finished: Arc<Mutex<Vec<usize>>>,
    turns: Arc<AtomicUsize>,
    stop: StopFlag,
}

impl Running {
    /// Pipelines of what `input` and `output` say of each.
    fn planned(
        count: usize,
        is_gather: bool,
        input: impl Fn(usize) -> InputSpec + Send + Sync + 'static,
        output: impl Fn() -> OutputSpec + Send + Sync + 'static,
    ) -> Planned {
        let make = move |partition| {
            let bad_records = BadRecordSpec {
                policy: BadRecords::Fail,
                late_records: LateRecords::Drop,
                dead_letters: None,
                rolling_interval: None,
            };
            Ok(PipelineSpec {
                query: "q".to_owned(),
                source: "s".to_owned(),
                partition: PartitionId(u32::try_from(partition).unwrap()),
                backend: Backend::Std,
                input: input(partition),
                stages: Vec::new(),
                output: output(),
                bad_records,
                context: Context { job_start: EventTime(0) },
                batch_rows: 10,
                is_measured: false,
                is_kept: false,
                resume: None,
            })
        };
        Planned {
            query: "q".to_owned(),
            source: "s".to_owned(),
            late: Vec::new(),
            is_open_ended: false,
            retired: std::collections::BTreeSet::new(),
            weights: vec![1; count],
            make: Box::new(make),
            is_gather,
            is_sealed: false,
            is_chained: false,
            may_wait: false,
            rows_wanted: None,
            window_us: 0,
            idle_timeout: None,
            resident: None,
        }
    }

    fn scan(&self, does: &[Does]) -> impl Fn(usize) -> InputSpec + Send + Sync + 'static {
        let (turns, stop, does) = (Arc::clone(&self.turns), self.stop.clone(), does.to_vec());
        move |partition| {
            let (turns, stop) = (Arc::clone(&turns), stop.clone());
            let number = u32::try_from(partition).unwrap();
            let does = does[partition];
            let reader = Reader { partition: number, does, turn: 0, turns, stop };
            InputSpec::Columns(Box::new(reader))
        }
    }

    fn writer(&self) -> impl Fn() -> OutputSpec + Send + Sync + 'static {
        let finished = Arc::clone(&self.finished);
        move || {
            let finished = Arc::clone(&finished);
            OutputSpec::Columns(Box::new(Writer { row_count: 0, finished }))
        }
    }
}

/// Runs one pipeline for each, behind a gather or not, on as many cores as there are up to two.
fn wave(does: &[Does], is_gathered: bool, has_no_end: bool, stop: &StopFlag) -> Ran {
    wave_of(does, is_gathered, has_no_end, has_no_end, stop)
}

/// The same of a query whose own input may have an end where that of others has none.
fn wave_of(
    does: &[Does],
    is_gathered: bool,
    has_no_end: bool,
    ends_by_stop: bool,
    stop: &StopFlag,
) -> Ran {
    run_wave(does, is_gathered, has_no_end, ends_by_stop, None, stop)
}

/// The same, of whose rows only the first so many are wanted.
fn run_wave(
    does: &[Does],
    is_gathered: bool,
    has_no_end: bool,
    ends_by_stop: bool,
    keep: Option<u64>,
    stop: &StopFlag,
) -> Ran {
    let running = Running { finished: Arc::default(), turns: Arc::default(), stop: stop.clone() };
    let merge = move || {
        let spec = LimitSpec { skip: 0, keep };
        Merge::Limited { spec, input_types: vec![DataType::BigInt] }
    };
    let (count, input) = (does.len(), running.scan(does));
    let pipelines = match is_gathered {
        true => Planned {
            rows_wanted: keep,
            ..Running::planned(count, false, input, move || OutputSpec::Seal(merge()))
        },
        false => Running::planned(count, false, input, running.writer()),
    };
    let scan = Node { pipelines, children: Vec::new(), are_splits: false, declared: None };
    let node = if is_gathered {
        let input = move |_| match has_no_end {
            true => InputSpec::Closing(merge()),
            false => InputSpec::Sealed(Vec::new(), merge(), None),
        };
        let pipelines = Running::planned(1, true, input, running.writer());
        Node { pipelines, children: vec![scan], are_splits: false, declared: None }
    } else {
        scan
    };
    let roots = vec![Root { node, query: 0, ends_by_stop, is_ordered: false }];
    let cpus: Vec<usize> = allowed_cpus().into_iter().take(2).collect();
    let meters = cpus.iter().map(|_| Arc::new(CoreMeter::default())).collect();
    let host = Arc::new(Host::new(Backend::Std, cpus, "tidemill").unwrap());
    let partitions = PartitionMeters::default();
    let cores = Cores { host, meters, partitions, notices: Notices::new() };
    let result = run(
        Wave { roots, has_no_end, budget_bytes: 1 << 20, keeping: None, arrivals: None },
        &cores,
        stop,
    );
    let mut finished = running.finished.lock().unwrap().clone();
    finished.sort_unstable();
    Ran { result, finished, turns: running.turns.load(Ordering::Relaxed) }
}

#[test]
fn the_lowest_partition_that_fails_is_reported_whichever_is_first() {
    use Does::{Fails, Gives, Panics};
    for slow in [0, 30, 60] {
        let ran = wave(
            &[Gives(2), Fails(slow), Gives(3), Fails(30 - slow / 2), Panics],
            false,
            false,
            &StopFlag::new(),
        );
        assert!(ran.error().contains("1 fails"), "{}", ran.error());
        assert!(ran.finished.contains(&2), "the one before it came to its end");
    }
}

#[test]
fn those_before_one_that_fails_run_on_and_those_behind_it_end() {
    use Does::{Fails, Gives, GoesOn};
    // Partition 1 fails at once, partition 0 has 500 turns left; the last would never end.
    let ran = wave(&[Gives(500), Fails(0), GoesOn], false, false, &StopFlag::new());
    assert!(ran.error().contains("1 fails"), "{}", ran.error());
    assert_eq!(ran.finished, [500]);
    // Turned around, what goes on for ever is behind.
    let ran = wave(&[Fails(20), GoesOn], false, false, &StopFlag::new());
    assert!(ran.error().contains("0 fails"), "{}", ran.error());
    assert!(ran.finished.is_empty() && ran.turns < 100_000);
}

#[test]
fn a_failure_of_input_without_end_ends_all_at_once() {
    use Does::{Fails, GoesOn};
    let ran = wave(&[GoesOn, GoesOn, Fails(5)], false, true, &StopFlag::new());
    assert!(ran.error().contains("2 fails"), "{}", ran.error());
    assert!(ran.finished.is_empty(), "nothing was completed");
}

#[test]
fn a_panic_is_an_error_of_its_pipeline() {
    use Does::{Fails, Gives, Panics};
    let ran = wave(&[Gives(4), Panics, Fails(0)], false, false, &StopFlag::new());
    assert!(ran.error().contains("1 panics"), "{}", ran.error());
    assert!(ran.error().contains("partition 1"), "{}", ran.error());
    assert_eq!(ran.finished, [4]);
}

#[test]
fn a_gather_merges_in_order_of_partitions_and_does_not_begin_after_a_failure() {
    use Does::{Fails, Gives};
    let ran = wave(&[Gives(3), Gives(4)], true, false, &StopFlag::new());
    let statistics = ran.result.as_ref().unwrap();
    assert_eq!((statistics.statistics.records_in, ran.finished.clone()), (7, vec![7]));
    let ran = wave(&[Gives(3), Fails(2)], true, false, &StopFlag::new());
    assert!(ran.error().contains("1 fails"), "{}", ran.error());
    assert!(ran.finished.is_empty(), "the gather would have written");
}

#[test]
fn a_stop_ends_the_input_and_keeps_what_was_read() {
    let ran = wave(&[Does::GoesOn, Does::GivesAndStops(3)], true, true, &StopFlag::new());
    assert!(ran.result.unwrap().cut.is_empty());
    assert_eq!(ran.finished, [ran.turns + 3], "every row that was read has left");
}

#[test]
fn a_stop_before_the_end_of_bounded_input_leaves_nothing() {
    for has_no_end in [false, true] {
        let stop = StopFlag::new();
        let ran = wave_of(&[Does::GoesOn, Does::GivesAndStops(3)], true, has_no_end, false, &stop);
        let outcome = ran.result.unwrap();
        assert_eq!(outcome.cut.into_iter().collect::<Vec<_>>(), [0]);
        assert!(ran.finished.is_empty(), "the gather would have written");
        let read = u64::try_from(ran.turns + 3).unwrap();
        assert_eq!(outcome.statistics.records_in, read, "what was read is counted");
    }
}

#[test]
fn a_stop_that_comes_when_all_has_been_read_cuts_nothing() {
    for is_gathered in [false, true] {
        let ran = wave(&[Does::GivesAndStops(4)], is_gathered, false, &StopFlag::new());
        assert!(ran.result.unwrap().cut.is_empty());
        assert_eq!(ran.finished, [4]);
    }
}

#[test]
fn partitions_are_counted_on_the_core_that_ran_them() {
    use Does::Gives;
    let ran = wave(&[Gives(5), Gives(6), Gives(7)], false, false, &StopFlag::new());
    let outcome = ran.result.unwrap();
    let by_core: u64 = outcome.per_core.iter().map(|core| core.records_in).sum();
    assert_eq!((by_core, outcome.statistics.records_in), (18, 18));
    assert_eq!(ran.finished, [5, 6, 7]);
}

/// More pipelines than are run one by one.
const MANY: usize = 1200;

#[test]
fn of_many_pipelines_what_blocks_have_sealed_is_merged_in_order_and_counted() {
    let does: Vec<Does> = (0..MANY).map(|at| Does::Gives(at % 3)).collect();
    let expected: u64 = (0..MANY as u64).map(|at| at % 3).sum();
    for is_gathered in [false, true] {
        let ran = wave(&does, is_gathered, false, &StopFlag::new());
        let outcome = ran.result.as_ref().unwrap();
        assert_eq!(outcome.statistics.records_in, expected);
        assert_eq!(ran.finished.iter().sum::<usize>() as u64, expected);
        assert_eq!(ran.finished.len(), if is_gathered { 1 } else { MANY });
    }
}

#[test]
fn within_a_block_the_lowest_partition_that_fails_is_reported_too() {
    let mut does = vec![Does::Gives(1); MANY];
    for (first, second) in [(700, 701), (3, 1100), (255, 256), (510, 900)] {
        (does[first], does[second]) = (Does::Fails(3), Does::Panics);
        let ran = wave(&does, true, false, &StopFlag::new());
        assert!(ran.error().contains(&format!("{first} fails")), "{}", ran.error());
        (does[first], does[second]) = (Does::Gives(1), Does::Gives(1));
    }
}

#[test]
fn a_stop_ends_many_pipelines_without_making_them() {
    let mut does = vec![Does::GivesAndStops(2); MANY];
    does[1] = Does::GoesOn;
    let ran = wave(&does, true, false, &StopFlag::new());
    assert_eq!(ran.result.unwrap().cut.into_iter().collect::<Vec<_>>(), [0]);
    assert!(ran.finished.is_empty());
}

/// The first rows of pipelines behind a gather.
fn first_rows(does: &[Does], keep: u64) -> Ran {
    run_wave(does, true, false, false, Some(keep), &StopFlag::new())
}

#[test]
fn what_is_behind_enough_rows_is_neither_read_nor_missed() {
    use Does::{Fails, Gives, GoesOn, Panics};
    // On one core or on two, whichever is faster: the first two have the three rows.
    for behind in [Fails(0), Panics, Gives(9), GoesOn] {
        let mut does = vec![behind; 40];
        (does[0], does[1]) = (Gives(2), Gives(3));
        let ran = first_rows(&does, 3);
        let outcome = ran.result.unwrap();
        assert_eq!(ran.finished, [3]);
        let gather = outcome.per_node.last().unwrap();
        assert_eq!(gather.statistics.rows_out, 3);
        assert_eq!(outcome.statistics.records_in, 2 + 3, "of those that are wanted");
    }
    // One has all by itself, and is followed by nothing that ends.
    let ran = first_rows(&[GoesOn, GoesOn, Fails(5)], 4);
    assert_eq!((ran.finished, ran.turns < 20), (vec![4], true));
}

#[test]
fn a_failure_before_enough_rows_counts() {
    use Does::{Fails, Gives, Panics};
    let ran = first_rows(&[Gives(2), Fails(0), Gives(9), Panics], 3);
    assert!(ran.error().contains("1 fails"), "{}", ran.error());
    // Its own rows before the failure are none.
    let ran = first_rows(&[Fails(2), Gives(9)], 3);
    assert!(ran.error().contains("0 fails"), "{}", ran.error());
    let mut does = vec![Gives(0); MANY];
    (does[900], does[1100]) = (Fails(0), Panics);
    assert!(first_rows(&does, 1).error().contains("900 fails"));
}
