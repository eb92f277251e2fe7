//! Windows that partitions seal and a gather merges, against a model of all records.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use tidemill_aggregate::{AggregateError, Gathering, PaneTable, Sealed};
use tidemill_plan::{AggregateFunction as F, AggregateSpec, Emit, Merge, WindowKind, WindowSpec};
use tidemill_record::{Batch, DataType, EventTime};

use crate::groups::{call, distinct, spec};
use crate::values::Random;
use crate::windows::{Record, Row, batch, event_times, rows, windows};

fn counted(kind: WindowKind, is_distinct: bool) -> AggregateSpec {
    let types = vec![DataType::Timestamp, DataType::BigInt, DataType::BigInt];
    let sum = call(F::Sum, Some(2), DataType::BigInt);
    let mut calls = vec![call(F::Count, None, DataType::BigInt), sum];
    if is_distinct {
        calls.push(distinct(call(F::Count, Some(2), DataType::BigInt)));
    }
    let window = Some(WindowSpec { kind, time: 0, allowed_lateness_us: 0 });
    AggregateSpec { window, emit: Emit::Final, ..spec(types, vec![1], calls) }
}

/// Place of the first record, count, sum and distinct values of groups, by window end, start and key.
type Groups = BTreeMap<(i64, i64, i64), (usize, i64, i64, BTreeSet<i64>)>;

/// Rows in order of window end, start, first record by partition and place, and the distinct values of each.
fn model(kind: WindowKind, partitions: &[Vec<Record>]) -> (Vec<Row>, Vec<i64>) {
    let mut groups = Groups::new();
    for (place, &(time, key, value)) in partitions.iter().flatten().enumerate() {
        for (start, end) in windows(kind, time) {
            let fresh = (place, 0, 0, BTreeSet::new());
            let (_, count, sum, distinct) = groups.entry((end, start, key)).or_insert(fresh);
            (*count, *sum) = (*count + 1, *sum + value);
            distinct.insert(value);
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|((end, start, _), (place, ..))| (*end, *start, *place));
    let distinct = groups.iter().map(|(_, group)| i64::try_from(group.3.len()).unwrap()).collect();
    let row = |((end, start, key), (_, count, sum, _))| (key, start, end, count, sum);
    (groups.into_iter().map(row).collect(), distinct)
}

/// In order of time; one stretch in four has a thousand keys.
fn records(random: &mut Random) -> Vec<Record> {
    let mut now = 0;
    let mut whole = |below: usize| i64::try_from(random.below(below)).unwrap();
    (0..1500)
        .map(|at| {
            let is_crowded = at / 100 % 4 == 1;
            now += if is_crowded { 0 } else { whole(30) };
            (now, whole(if is_crowded { 1000 } else { 3 }), whole(5))
        })
        .collect()
}

/// What leaves while partitions seal and give by turns, a hundred records at a time.
fn gathered(spec: &AggregateSpec, partitions: &[Vec<Record>], steps: bool) -> Vec<Batch> {
    let merge = Merge::Windows(spec.clone());
    let mut gathering = Gathering::new(&merge, u64::MAX);
    let mut tables: Vec<_> = partitions
        .iter()
        .map(|_| (event_times(3), PaneTable::sealing(spec.clone(), u64::MAX)))
        .collect();
    let mut results = Vec::new();
    let mut take = |gathering: &mut Gathering, until: EventTime| {
        let taken = gathering.take_until(until).unwrap();
        results.extend(taken.into_batches(64).unwrap().map(Result::unwrap));
    };
    for piece in 0..15 {
        let mut until = EventTime::MAX;
        for (at, (times, table)) in tables.iter_mut().enumerate() {
            let records = &partitions[at][100 * piece..][..100];
            let noted = times.apply(batch(records, 100 * piece), &mut Vec::new());
            table.update(&noted, &mut Vec::new(), &mut Vec::new()).unwrap();
            table.advance(times.watermark(), &mut Vec::new()).unwrap();
            until = until.min(times.watermark());
            if steps && table.has_sealed() {
                gathering.add(at as u64, Sealed::Windows(table.take_sealed())).unwrap();
            }
        }
        if steps {
            take(&mut gathering, until);
        }
    }
    for (at, (_, table)) in tables.into_iter().enumerate() {
        gathering.add(at as u64, Sealed::Windows(table.into_sealed().unwrap())).unwrap();
    }
    take(&mut gathering, EventTime::MAX);
    assert_eq!((gathering.group_count(), gathering.state_bytes()), (0, 0), "all have left");
    results
}

#[test]
fn windows_of_few_groups_and_of_many_leave_merged_and_in_order() {
    let kinds = [
        WindowKind::Tumbling { size_us: 50 },
        WindowKind::Hopping { size_us: 120, advance_us: 10 },
        WindowKind::Cumulating { size_us: 200, step_us: 20 },
        WindowKind::Hopping { size_us: 30, advance_us: 30 },
    ];
    for seed in 0..24 {
        let mut random = Random(seed);
        let kind = kinds[random.below(4)];
        let is_distinct = random.below(2) == 0;
        let spec = counted(kind, is_distinct);
        let partitions: Vec<_> = (0..=random.below(3)).map(|_| records(&mut random)).collect();
        let (expected, distinct) = model(kind, &partitions);
        for steps in [false, true] {
            let batches = gathered(&spec, &partitions, steps);
            assert!(rows(&batches) == expected, "seed {seed}, {kind}, in steps: {steps}");
            if is_distinct {
                let counts = batches.iter().flat_map(|batch| {
                    batch.column(5).as_primitive::<Int64Type>().values().to_vec()
                });
                assert!(counts.eq(distinct.iter().copied()), "seed {seed}, {kind}");
            }
        }
    }
}

#[test]
fn a_sum_that_does_not_fit_names_its_key_and_comes_behind_the_windows_before() {
    let kind = WindowKind::Tumbling { size_us: 10 };
    for keys in [vec![1], vec![]] {
        let sealed = |records: &[Record]| {
            let spec = AggregateSpec { keys: keys.clone(), ..counted(kind, false) };
            let mut table = PaneTable::sealing(spec, u64::MAX);
            let noted = event_times(0).apply(batch(records, 0), &mut Vec::new());
            table.update(&noted, &mut Vec::new(), &mut Vec::new()).unwrap();
            table.into_sealed().unwrap()
        };
        let mut windows = sealed(&[(1, 7, 1), (11, 7, i64::MAX), (21, 7, 1)]);
        windows.merge(sealed(&[(12, 7, 1)])).unwrap();
        let mut batches = windows.into_batches(100).unwrap();
        let first = batches.next().unwrap().unwrap();
        assert_eq!(first.row_count(), 1, "the window before");
        let error = batches.next().unwrap().unwrap_err();
        let AggregateError::SumOverflow { group_key, .. } = error else { panic!("{error}") };
        assert_eq!(group_key, if keys.is_empty() { "" } else { "7" });
    }
}

/// A window of one group is a few numbers, and not a table.
#[test]
fn a_small_window_takes_little() {
    let kind = WindowKind::Tumbling { size_us: 10 };
    let records: Vec<Record> = (0..20_000).map(|at| (10 * at, 1, 1)).collect();
    let mut table = PaneTable::sealing(counted(kind, false), u64::MAX);
    let mut times = event_times(0);
    for (at, records) in records.chunks(1000).enumerate() {
        let noted = times.apply(batch(records, 1000 * at), &mut Vec::new());
        table.update(&noted, &mut Vec::new(), &mut Vec::new()).unwrap();
        table.advance(times.watermark(), &mut Vec::new()).unwrap();
    }
    let windows = table.into_sealed().unwrap();
    // By hand: bounds 16, a place 4 and an offset 8, a key 8, COUNT 8, SUM 16 and a byte; a quarter to spare.
    let bytes = windows.state_bytes() / 20_000;
    assert!((60..=85).contains(&bytes), "{bytes} bytes a window");
}
