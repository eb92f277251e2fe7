//! Windows of fixed size against a model that reads one record at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, Int64Array, TimestampMicrosecondArray, UInt64Array};
use tidemill_aggregate::{EventTimes, Late, PaneTable};
use tidemill_plan::{
    AggregateFunction as F, AggregateSpec, Emit, EventTimeSpec, WindowKind, WindowSpec,
};
use tidemill_record::{Batch, DataType, EventTime};

use crate::groups::{call, spec};
use crate::values::Random;

/// Time, key, value.
pub(crate) type Record = (i64, i64, i64);
/// Groups by end, start and key: place of the first record, count, sum, whether it has left.
type Groups = BTreeMap<(i64, i64, i64), (usize, i64, i64, bool)>;
/// Key, start, end, count, sum.
pub(crate) type Row = (i64, i64, i64, i64, i64);

fn windowed(kind: WindowKind, emit: Emit, allowed_lateness_us: i64) -> AggregateSpec {
    let types = vec![DataType::Timestamp, DataType::BigInt, DataType::BigInt];
    let calls =
        vec![call(F::Count, None, DataType::BigInt), call(F::Sum, Some(2), DataType::BigInt)];
    let window = Some(WindowSpec { kind, time: 0, allowed_lateness_us });
    AggregateSpec { window, emit, ..spec(types, vec![1], calls) }
}

pub(crate) fn batch(records: &[Record], first: usize) -> Batch {
    let times = TimestampMicrosecondArray::from_iter_values(records.iter().map(|r| r.0));
    let keys = Int64Array::from_iter_values(records.iter().map(|r| r.1));
    let values = Int64Array::from_iter_values(records.iter().map(|r| r.2));
    let offsets = UInt64Array::from_iter_values((first..first + records.len()).map(|o| o as u64));
    let columns: Vec<ArrayRef> = vec![Arc::new(times), Arc::new(keys), Arc::new(values)];
    Batch::new(columns, offsets)
}

pub(crate) fn rows(batches: &[Batch]) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in batches {
        let integer = |at: usize| batch.column(at).as_primitive::<Int64Type>().clone();
        let time = |at: usize| batch.column(at).as_primitive::<TimestampMicrosecondType>().clone();
        let (keys, starts, ends) = (integer(0), time(1), time(2));
        let (counts, sums) = (integer(3), integer(4));
        for row in 0..batch.row_count() {
            assert!(!sums.is_null(row), "every group has a row");
            rows.push((
                keys.value(row),
                starts.value(row),
                ends.value(row),
                counts.value(row),
                sums.value(row),
            ));
        }
    }
    rows
}

pub(crate) fn event_times(delay_us: i64) -> EventTimes {
    EventTimes::new(EventTimeSpec {
        column: 0,
        name: "t".to_owned(),
        delay_us: Some(delay_us),
        max_ahead_us: None,
    })
}

/// What a table gives for records that come in these batches; how many were late, wholly and partly.
fn run(
    spec: &AggregateSpec,
    records: &[Record],
    delay_us: i64,
    cuts: &[usize],
) -> (Vec<Row>, [usize; 2]) {
    let mut times = event_times(delay_us);
    let mut table = PaneTable::new(spec.clone(), &[], u64::MAX);
    let (mut late, mut results): (Vec<Late>, Vec<Batch>) = (Vec::new(), Vec::new());
    let mut start = 0;
    for &end in cuts.iter().chain([&records.len()]) {
        let noted = times.apply(batch(&records[start..end], start), &mut Vec::new());
        table.update(&noted, &mut late, &mut results).unwrap();
        table.advance(times.watermark(), &mut results).unwrap();
        start = end;
    }
    table.advance(EventTime::MAX, &mut results).unwrap();
    assert_eq!(table.group_count(), 0, "nothing is kept at the end");
    assert_eq!(table.state_bytes(), 0);
    let partly = late.iter().filter(|late| late.is_partly).count();
    (rows(&results), [late.len() - partly, partly])
}

/// Every start and end of the windows that a time lies in, by end, by trying all.
pub(crate) fn windows(kind: WindowKind, time: i64) -> Vec<(i64, i64)> {
    let (size, step) = match kind {
        WindowKind::Tumbling { size_us } => (size_us, size_us),
        WindowKind::Hopping { size_us, advance_us } => (size_us, advance_us),
        WindowKind::Cumulating { size_us, step_us } => {
            let start = (time - size_us..=time).rfind(|start| start % size_us == 0).unwrap();
            let ends = (1..=size_us / step_us).map(|n| start + n * step_us);
            return ends.filter(|end| *end > time).map(|end| (start, end)).collect();
        }
        WindowKind::Session { .. } => unreachable!("sessions are in a module of their own"),
    };
    let starts = (time - size + 1..=time).filter(|start| start % step == 0);
    starts.map(|start| (start, start + size)).collect()
}

/// The rules of `docs/SQL.md`, one record at a time.
fn model(spec: &AggregateSpec, records: &[Record], delay_us: i64) -> (Vec<Row>, [usize; 2]) {
    let window = spec.window.unwrap();
    let mut watermark = i64::MIN;
    let mut groups = Groups::new();
    let (mut rows, mut late) = (Vec::new(), [0, 0]);
    for (place, &(time, key, value)) in records.iter().enumerate() {
        let all = windows(window.kind, time);
        let taken: Vec<_> =
            all.iter().filter(|(_, end)| watermark < end + window.allowed_lateness_us).collect();
        if taken.is_empty() {
            late[0] += 1;
        } else if taken.len() < all.len() {
            late[1] += 1;
        }
        for &&(start, end) in &taken {
            let group = groups.entry((end, start, key)).or_insert((place, 0, 0, false));
            group.1 += 1;
            group.2 += value;
            if spec.emit == Emit::Changes || end <= watermark {
                group.3 = true;
                rows.push((key, start, end, group.1, group.2));
            }
        }
        watermark = watermark.max(time - delay_us);
        if spec.emit == Emit::Final {
            close(&mut groups, watermark, &mut rows);
        }
    }
    if spec.emit == Emit::Final {
        close(&mut groups, i64::MAX, &mut rows);
    }
    (rows, late)
}

fn close(groups: &mut Groups, watermark: i64, rows: &mut Vec<Row>) {
    let mut ended: Vec<_> =
        groups.iter_mut().filter(|((end, ..), group)| *end <= watermark && !group.3).collect();
    ended.sort_by_key(|((end, start, _), group)| (*end, *start, group.0));
    for (&(end, start, key), group) in ended {
        group.3 = true;
        rows.push((key, start, end, group.1, group.2));
    }
}

fn kinds(random: &mut Random) -> WindowKind {
    let step = i64::try_from(random.below(6)).unwrap() + 1;
    match random.below(3) {
        0 => WindowKind::Tumbling { size_us: step * 3 },
        1 => {
            let size_us = step + i64::try_from(random.below(12)).unwrap();
            WindowKind::Hopping { size_us, advance_us: step }
        }
        _ => WindowKind::Cumulating { size_us: step * 3, step_us: step },
    }
}

#[test]
fn windows_are_what_one_record_at_a_time_gives_however_batches_are_cut() {
    let (mut late_count, mut partly_count, mut corrected_count) = (0, 0, 0);
    for seed in 0..400 {
        let mut random = Random(seed);
        let kind = kinds(&mut random);
        let emit = if random.below(3) == 0 { Emit::Changes } else { Emit::Final };
        let lateness = [0, 0, 7, 30][random.below(4)];
        let delay_us = [0, 3, 10][random.below(3)];
        let spec = windowed(kind, emit, lateness);
        let mut now = -40;
        let records: Vec<Record> = (0..random.below(120))
            .map(|_| {
                now += i64::try_from(random.below(4)).unwrap();
                let behind = i64::try_from(random.below(25)).unwrap();
                (now - behind, i64::try_from(random.below(3)).unwrap(), behind * 7 - 50)
            })
            .collect();
        let expected = model(&spec, &records, delay_us);
        let whole = run(&spec, &records, delay_us, &[]);
        assert_eq!(whole, expected, "seed {seed}: {kind} {emit}, lateness {lateness}");
        let single: Vec<usize> = (1..records.len()).collect();
        assert_eq!(run(&spec, &records, delay_us, &single), expected, "seed {seed}, single rows");
        let cuts: Vec<usize> = (1..records.len()).filter(|_| random.below(6) == 0).collect();
        assert_eq!(run(&spec, &records, delay_us, &cuts), expected, "seed {seed}, {cuts:?}");
        late_count += expected.1[0];
        partly_count += expected.1[1];
        corrected_count += usize::from(lateness > 0 && emit == Emit::Final);
    }
    assert!(late_count > 100 && partly_count > 100 && corrected_count > 50, "all of it was tried");
}

#[test]
fn closed_windows_are_freed() {
    let spec = windowed(WindowKind::Hopping { size_us: 100, advance_us: 25 }, Emit::Final, 0);
    let mut times = event_times(10);
    let mut table = PaneTable::new(spec, &[], u64::MAX);
    let (mut early, mut most) = (0, 0);
    for round in 0..1000_i64 {
        let records: Vec<Record> = (0..50).map(|i| (round * 50 + i, i % 9, i)).collect();
        let noted = times.apply(batch(&records, 0), &mut Vec::new());
        table.update(&noted, &mut Vec::new(), &mut Vec::new()).unwrap();
        table.advance(times.watermark(), &mut Vec::new()).unwrap();
        if round < 20 {
            early = table.state_bytes().max(early);
        }
        most = table.state_bytes().max(most);
    }
    assert!(early > 0);
    assert_eq!(most, early, "what is held does not grow with the stream");
}

#[test]
fn times_at_the_ends_are_taken() {
    let records: Vec<Record> =
        [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1, i64::MAX].map(|time| (time, 1, 1)).to_vec();
    for kind in [
        WindowKind::Tumbling { size_us: 60_000_000 },
        WindowKind::Hopping { size_us: 60_000_000, advance_us: 7_000_000 },
        WindowKind::Cumulating { size_us: 60_000_000, step_us: 20_000_000 },
    ] {
        for emit in [Emit::Final, Emit::Changes] {
            let (rows, late) = run(&windowed(kind, emit, 0), &records, 5, &[]);
            assert_eq!(late, [0, 0], "{kind}");
            assert!(rows.len() >= 4, "{kind}: {rows:?}");
        }
    }
}

#[test]
fn windows_of_many_panes_are_what_one_record_at_a_time_gives() {
    let kinds = [
        WindowKind::Hopping { size_us: 40, advance_us: 2 },
        WindowKind::Hopping { size_us: 64, advance_us: 1 },
        WindowKind::Hopping { size_us: 30, advance_us: 7 },
        WindowKind::Hopping { size_us: 96, advance_us: 36 },
        WindowKind::Cumulating { size_us: 48, step_us: 3 },
        WindowKind::Cumulating { size_us: 33, step_us: 1 },
    ];
    for seed in 0..40 {
        let mut random = Random(seed);
        let spec = windowed(kinds[random.below(kinds.len())], Emit::Final, 0);
        // Late for some windows, so that panes change which blocks hold already.
        let (behind_most, keys) = ([2, 30, 60][random.below(3)], [1, 3, 40][random.below(3)]);
        let mut now = -200;
        let records: Vec<Record> = (0..400)
            .map(|_| {
                now += i64::try_from(random.below(3)).unwrap();
                let behind = i64::try_from(random.below(behind_most)).unwrap();
                (now - behind, i64::try_from(random.below(keys)).unwrap(), behind * 7 - 50)
            })
            .collect();
        let expected = model(&spec, &records, 3);
        for rows in [1, 7, 400] {
            let cuts: Vec<usize> = (rows..records.len()).step_by(rows).collect();
            assert_eq!(
                run(&spec, &records, 3, &cuts),
                expected,
                "seed {seed}, {rows} rows a batch"
            );
        }
    }
}

/// Groups merged, and windows looked at, for records of twenty keys in each of two thousand seconds.
fn work(kind: WindowKind, allowed_lateness_us: i64) -> (u64, u64) {
    let mut times = event_times(0);
    let mut table = PaneTable::new(windowed(kind, Emit::Final, allowed_lateness_us), &[], u64::MAX);
    let (mut late, mut row_count) = (Vec::new(), 0);
    for second in 0..2000 {
        let records: Vec<Record> = (0..20).map(|key| (second, key, 1)).collect();
        let noted = times.apply(batch(&records, 0), &mut Vec::new());
        let mut results = Vec::new();
        table.update(&noted, &mut late, &mut results).unwrap();
        table.advance(times.watermark(), &mut results).unwrap();
        row_count += rows(&results).len();
    }
    assert!(late.is_empty() && row_count > 0);
    table.work_counts()
}

#[test]
fn a_window_of_many_panes_merges_blocks_of_them() {
    for kinds in [
        [64, 640].map(|size_us| WindowKind::Hopping { size_us, advance_us: 1 }),
        [64, 640].map(|size_us| WindowKind::Cumulating { size_us, step_us: 1 }),
    ] {
        let [few, many] = kinds.map(|kind| work(kind, 0).0);
        assert!(few > 0 && many <= 2 * few, "{:?}: {few}, then {many}", kinds[0]);
    }
}

#[test]
fn windows_that_wait_for_corrections_are_not_looked_at_again() {
    let kind = WindowKind::Tumbling { size_us: 1 };
    let [few, many] = [20, 1000].map(|lateness_us| work(kind, lateness_us).1);
    assert!(few >= 1999 && many <= few, "each once: {few}, then {many}");
}
