//! Sessions against a model that reads one record at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::Float64Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use tidemill_aggregate::{Late, SealedSessions, SessionTable};
use tidemill_plan::{AggregateFunction as F, AggregateSpec, Emit, WindowKind, WindowSpec};
use tidemill_record::{Batch, DataType, EventTime};

use crate::groups::{call, spec};
use crate::values::Random;
use crate::windows::{Record, Row, batch, event_times, rows};

const GAP: i64 = 5;

fn by_session(emit: Emit, allowed_lateness_us: i64) -> AggregateSpec {
    let types = vec![DataType::Timestamp, DataType::BigInt, DataType::BigInt];
    let calls =
        vec![call(F::Count, None, DataType::BigInt), call(F::Sum, Some(2), DataType::BigInt)];
    let window = Some(WindowSpec {
        kind: WindowKind::Session { gap_us: GAP },
        time: 0,
        allowed_lateness_us,
    });
    AggregateSpec { window, emit, ..spec(types, vec![1], calls) }
}

/// What a table gives for records that come in these batches, and how many were late.
fn run(
    spec: &AggregateSpec,
    records: &[Record],
    delay_us: i64,
    cuts: &[usize],
) -> (Vec<Row>, usize) {
    let mut times = event_times(delay_us);
    let mut table = SessionTable::new(spec.clone(), &[], u64::MAX);
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
    (rows(&results), late.len())
}

/// A session of the model: its records' times and values, by place.
#[derive(Clone, Debug, Default)]
struct Session {
    key: i64,
    records: BTreeMap<usize, (i64, i64)>,
    has_left: bool,
}

impl Session {
    fn start(&self) -> i64 {
        self.records.values().map(|r| r.0).min().unwrap()
    }

    fn end(&self) -> i64 {
        self.records.values().map(|r| r.0).max().unwrap() + GAP
    }

    fn row(&self) -> Row {
        let sum = self.records.values().map(|r| r.1).sum();
        let count = i64::try_from(self.records.len()).unwrap();
        (self.key, self.start(), self.end(), count, sum)
    }
}

/// The rules of `docs/SQL.md`, one record at a time.
fn model(spec: &AggregateSpec, records: &[Record], delay_us: i64) -> (Vec<Row>, usize) {
    let lateness = spec.window.unwrap().allowed_lateness_us;
    let mut watermark = i64::MIN;
    let mut sessions: Vec<Session> = Vec::new();
    let mut forgotten: Vec<Session> = Vec::new();
    let (mut rows, mut late) = (Vec::new(), 0);
    // Places of the records that changed something in the block.
    let mut changed: Vec<usize> = Vec::new();
    for (place, &(time, key, value)) in records.iter().enumerate() {
        let is_past = |session: &Session| session.end() + lateness <= watermark;
        let (past, mut open): (Vec<_>, Vec<_>) = sessions.into_iter().partition(is_past);
        forgotten.extend(past);
        let mut whole = Session { key, ..Session::default() };
        whole.records.insert(place, (time, value));
        let near = |r: &(i64, i64)| (r.0 - time).abs() < GAP;
        let joins = |session: &Session| session.key == key && session.records.values().any(near);
        let mut united = whole.clone();
        for session in open.iter().filter(|session| joins(session)) {
            united.records.extend(&session.records);
        }
        sessions = if is_past(&united) {
            late += 1;
            open
        } else {
            changed.push(place);
            open.retain(|session| !joins(session));
            if spec.emit == Emit::Changes || spec.emit == Emit::Final && united.end() <= watermark {
                united.has_left = true;
                rows.push(united.row());
            }
            open.push(united);
            open
        };
        if let Emit::ChangesEvery(n) = spec.emit
            && (place + 1).is_multiple_of(usize::try_from(n).unwrap())
        {
            give_changes(&mut changed, sessions.iter().chain(&forgotten), &mut rows);
        }
        watermark = watermark.max(time - delay_us);
        if spec.emit == Emit::Final {
            close(&mut sessions, watermark, &mut rows);
        }
    }
    match spec.emit {
        Emit::Final => close(&mut sessions, i64::MAX, &mut rows),
        Emit::ChangesEvery(_) => {
            give_changes(&mut changed, sessions.iter().chain(&forgotten), &mut rows);
        }
        Emit::Changes => {}
    }
    (rows, late)
}

fn close(sessions: &mut [Session], watermark: i64, rows: &mut Vec<Row>) {
    let mut ended: Vec<_> =
        sessions.iter_mut().filter(|s| s.end() <= watermark && !s.has_left).collect();
    ended.sort_by_key(|s| (s.end(), s.start(), *s.records.keys().next().unwrap()));
    for session in ended {
        session.has_left = true;
        rows.push(session.row());
    }
}

fn give_changes<'a>(
    changed: &mut Vec<usize>,
    sessions: impl Iterator<Item = &'a Session>,
    rows: &mut Vec<Row>,
) {
    let sessions: Vec<&Session> = sessions.collect();
    let mut given: Vec<usize> = Vec::new();
    for place in changed.drain(..) {
        let at = sessions.iter().position(|s| s.records.contains_key(&place)).unwrap();
        if !given.contains(&at) {
            given.push(at);
            rows.push(sessions[at].row());
        }
    }
}

fn disordered(random: &mut Random, count: usize, behind_most: usize, keys: usize) -> Vec<Record> {
    let mut now = -40;
    let mut whole = |below: usize| i64::try_from(random.below(below)).unwrap();
    (0..count)
        .map(|_| {
            now += whole(4);
            let behind = whole(behind_most);
            (now - behind, whole(keys), behind * 7 - 50)
        })
        .collect()
}

#[test]
fn sessions_are_what_one_record_at_a_time_gives_however_batches_are_cut() {
    let (mut late_count, mut row_count, mut corrected_count) = (0, 0, 0);
    for seed in 0..600 {
        let mut random = Random(seed);
        let emit = [Emit::Final, Emit::Final, Emit::Changes, Emit::ChangesEvery(7)];
        let emit = emit[random.below(4)];
        let lateness = [0, 0, 7, 30][random.below(4)];
        let delay_us = [0, 3, 10][random.below(3)];
        let spec = by_session(emit, lateness);
        let count = random.below(150);
        let records = disordered(&mut random, count, 25, 4);
        let expected = model(&spec, &records, delay_us);
        let whole = run(&spec, &records, delay_us, &[]);
        assert_eq!(whole, expected, "seed {seed}: {emit}, lateness {lateness}");
        let single: Vec<usize> = (1..records.len()).collect();
        assert_eq!(run(&spec, &records, delay_us, &single), expected, "seed {seed}, single rows");
        let cuts: Vec<usize> = (1..records.len()).filter(|_| random.below(6) == 0).collect();
        assert_eq!(run(&spec, &records, delay_us, &cuts), expected, "seed {seed}, {cuts:?}");
        late_count += expected.1;
        row_count += expected.0.len();
        corrected_count += usize::from(lateness > 0 && emit == Emit::Final);
    }
    assert!(late_count > 500 && row_count > 5000 && corrected_count > 100, "all of it was tried");
}

/// Records of one key or two in bursts far from each other, some of one cell of time and some of many.
fn bursts(random: &mut Random, count: usize, open: usize) -> Vec<Record> {
    let keys = 1 + random.below(2);
    (0..count)
        .map(|at| {
            let burst = at / 12 + random.below(open);
            let reach = [1, 4, 12, 30, 90][burst % 5];
            let time = 101 * burst + random.below(reach);
            let whole = |value: usize| i64::try_from(value).unwrap();
            (whole(time) - 1000, whole(random.below(keys)), whole(at % 7))
        })
        .collect()
}

#[test]
fn sessions_of_busy_keys_are_what_one_record_at_a_time_gives() {
    let (mut open_most, mut late_count) = (0, 0);
    for seed in 0..60 {
        let mut random = Random(seed);
        let emit = [Emit::Final, Emit::Changes, Emit::ChangesEvery(5)][random.below(3)];
        let (lateness, delay_us) = ([0, 0, 300][random.below(3)], [500, 2500][random.below(2)]);
        let spec = by_session(emit, lateness);
        let records = bursts(&mut random, 700, 30);
        let expected = model(&spec, &records, delay_us);
        let cuts: Vec<usize> = (1..records.len()).filter(|_| random.below(40) == 0).collect();
        assert_eq!(run(&spec, &records, delay_us, &cuts), expected, "seed {seed}, {cuts:?}");
        late_count += expected.1;
        let mut table = SessionTable::new(spec, &[], u64::MAX);
        let noted = event_times(delay_us).apply(batch(&records, 0), &mut Vec::new());
        table.update(&noted, &mut Vec::new(), &mut Vec::new()).unwrap();
        open_most = open_most.max(table.group_count());
    }
    assert!(open_most > 40 && late_count > 100, "{open_most} sessions, {late_count} late");
}

#[test]
fn memory_that_is_given_back_changes_nothing() {
    // More sessions go than may before the others are copied, several times.
    for (seed, emit) in [(1, Emit::Final), (2, Emit::Changes), (3, Emit::ChangesEvery(500))] {
        let mut random = Random(seed);
        let records = disordered(&mut random, 6000, 40, 300);
        for lateness in [0, 15] {
            let spec = by_session(emit, lateness);
            let expected = model(&spec, &records, 20);
            let cuts: Vec<usize> = (1..records.len()).filter(|_| random.below(90) == 0).collect();
            assert_eq!(run(&spec, &records, 20, &cuts), expected, "{emit}, lateness {lateness}");
        }
    }
}

#[test]
fn a_record_at_last_plus_gap_opens_a_new_session() {
    let spec = by_session(Emit::Final, 0);
    let (rows, _) = run(&spec, &[(0, 1, 1), (GAP - 1, 1, 1), (2 * GAP - 1, 1, 1)], 100, &[]);
    assert_eq!(rows, [(1, 0, 9, 2, 2), (1, 9, 14, 1, 1)]);
}

#[test]
fn a_record_between_two_sessions_makes_one_of_them() {
    let spec = by_session(Emit::Final, 0);
    let (rows, _) = run(&spec, &[(0, 1, 1), (8, 1, 2), (4, 1, 4)], 100, &[1, 2]);
    assert_eq!(rows, [(1, 0, 13, 3, 7)]);
}

#[test]
fn partitions_join_where_sessions_touch() {
    let spec = by_session(Emit::Final, 0);
    let sealed = |records: &[Record]| {
        let mut table = SessionTable::sealing(spec.clone(), u64::MAX);
        let noted = event_times(0).apply(batch(records, 0), &mut Vec::new());
        table.update(&noted, &mut Vec::new(), &mut Vec::new()).unwrap();
        table.into_sealed().unwrap()
    };
    let mut first = sealed(&[(0, 1, 1), (20, 1, 2), (21, 2, 4)]);
    first.merge(&sealed(&[(4, 1, 8), (12, 2, 64), (24, 3, 32), (25, 1, 16)])).unwrap();
    let batches: Vec<Batch> = first.into_batches(2).unwrap().map(Result::unwrap).collect();
    assert_eq!(batches[0].row_count(), 2);
    // 0 and 4 touch, 20 and 25 do not; they leave by end.
    assert_eq!(
        rows(&batches),
        [
            (1, 0, 9, 2, 9),
            (2, 12, 17, 1, 64),
            (1, 20, 25, 1, 2),
            (2, 21, 26, 1, 4),
            (3, 24, 29, 1, 32),
            (1, 25, 30, 1, 16),
        ]
    );
}

/// Of sessions with equal bounds that of the earlier first partition leaves first, and then as they were sealed.
#[test]
fn sessions_of_equal_bounds_leave_by_the_partition_that_had_them_first() {
    let spec = by_session(Emit::Final, 0);
    let sealed = |records: &[Record]| {
        let mut table = SessionTable::sealing(spec.clone(), u64::MAX);
        let noted = event_times(0).apply(batch(records, 0), &mut Vec::new());
        table.update(&noted, &mut Vec::new(), &mut Vec::new()).unwrap();
        table.into_sealed().unwrap()
    };
    let mut first = sealed(&[(0, 5, 1)]);
    first.merge(&sealed(&[(0, 2, 2), (0, 3, 4), (4, 2, 8), (4, 3, 16)])).unwrap();
    // Key 5 was in the first partition, though what makes it as long as the others comes last.
    first.merge(&sealed(&[(0, 1, 32), (4, 1, 64), (4, 5, 128)])).unwrap();
    let batches: Vec<Batch> = first.into_batches(2).unwrap().map(Result::unwrap).collect();
    assert_eq!(
        rows(&batches),
        [(5, 0, 9, 2, 129), (2, 0, 9, 2, 10), (3, 0, 9, 2, 20), (1, 0, 9, 2, 96)]
    );
}

#[test]
fn sessions_that_are_over_are_freed() {
    let spec = by_session(Emit::Final, 0);
    let mut times = event_times(10);
    let mut table = SessionTable::new(spec, &[], u64::MAX);
    let (mut early, mut most, mut row_count) = (0, 0, 0);
    for round in 0..3000_i64 {
        // Every record has a key and a session of its own.
        let records: Vec<Record> = (0..50).map(|i| (round * 50 + i, round * 50 + i, i)).collect();
        let noted = times.apply(batch(&records, 0), &mut Vec::new());
        let mut results = Vec::new();
        table.update(&noted, &mut Vec::new(), &mut results).unwrap();
        table.advance(times.watermark(), &mut results).unwrap();
        row_count += rows(&results).len();
        if round < 200 {
            early = table.state_bytes().max(early);
        }
        most = table.state_bytes().max(most);
    }
    assert!(row_count > 149_900, "{row_count}");
    assert_eq!(most, early, "what is held does not grow with the stream");
}

/// Times of sessions of one record each: ascending, descending, shuffled.
fn of_one_key(order: usize, count: usize) -> Vec<Record> {
    let mut times: Vec<i64> = (0..i64::try_from(count).unwrap()).map(|at| at * 2 * GAP).collect();
    match order {
        0 => {}
        1 => times.reverse(),
        _ => {
            let mut random = Random(9);
            (1..count).for_each(|at| times.swap(at, random.below(at + 1)));
        }
    }
    times.into_iter().map(|time| (time, 7, 1)).collect()
}

#[test]
fn sessions_of_one_key_cost_a_search_each_in_whichever_order_they_come() {
    for order in 0..3 {
        let looked_at = |count: usize| {
            // The watermark is behind all of them, so that all stay open.
            let mut times = event_times(i64::MAX);
            let mut table = SessionTable::new(by_session(Emit::Final, 0), &[], u64::MAX);
            let (mut late, mut results) = (Vec::new(), Vec::new());
            for records in of_one_key(order, count).chunks(1000) {
                let noted = times.apply(batch(records, 0), &mut Vec::new());
                table.update(&noted, &mut late, &mut results).unwrap();
            }
            assert_eq!(table.group_count(), count);
            let looked_at = table.looked_at_count();
            table.advance(EventTime::MAX, &mut results).unwrap();
            let rows = rows(&results);
            assert_eq!(rows.len(), count);
            assert!(rows.iter().all(|row| row.3 == 1) && rows.is_sorted_by_key(|row| row.2));
            looked_at
        };
        let (few, many) = (looked_at(4000), looked_at(40_000));
        assert!(many <= 11 * few.max(1), "order {order}: {few}, then {many}");
        assert!(many <= 2 * 40_000, "one or two of them a record: {many}");
    }
}

/// Takes everything to a time out of a table, in pieces; `between` comes after the first of them.
fn drain(table: &mut SessionTable, until: EventTime, between: Option<Batch>) -> Vec<Row> {
    let (mut all, mut between) = (Vec::new(), between);
    loop {
        let step = table.next_step(until);
        let mut results = Vec::new();
        table.advance(step, &mut results).unwrap();
        let piece = rows(&results);
        assert!(piece.len() <= 8192 + 2, "a piece is those of one end and 8192 others");
        all.extend(piece);
        if let Some(noted) = between.take() {
            table.update(&noted, &mut Vec::new(), &mut Vec::new()).unwrap();
        }
        if step == until {
            return all;
        }
    }
}

#[test]
fn many_sessions_that_leave_together_are_not_searched_for_one_by_one() {
    const COUNT: usize = 40_000;
    let row = |&(time, key, value): &Record| (key, time, time + GAP, 1, value);
    let spec = by_session(Emit::Final, 0);
    for order in 0..3 {
        // Two keys have a session at each time.
        let records = of_one_key(order, COUNT).into_iter();
        let records = records
            .map(|(time, _, value)| (time / (4 * GAP) * 2 * GAP, time / (2 * GAP) % 2, value));
        let records: Vec<Record> = records.collect();
        let middle = 10_000 * 2 * GAP + 1;
        let (before, after) = records.split_at(30_000);
        let after: Vec<Record> =
            after.iter().copied().filter(|record| record.0 >= middle).collect();

        let mut times = event_times(1 << 40);
        let mut noted =
            |records: &[Record], first: usize| times.apply(batch(records, first), &mut Vec::new());
        let mut table = SessionTable::new(spec.clone(), &[], u64::MAX);
        table.update(&noted(before, 0), &mut Vec::new(), &mut Vec::new()).unwrap();
        let mut given = drain(&mut table, EventTime(middle), Some(noted(&after, before.len())));
        given.extend(drain(&mut table, EventTime::MAX, None));
        let (mut early, late): (Vec<Record>, Vec<Record>) =
            before.iter().copied().partition(|record| record.0 + GAP <= middle);
        let mut late: Vec<Record> = late.into_iter().chain(after).collect();
        // Of those that begin and end together the first in the input leaves first.
        early.sort_by_key(|record| record.0);
        late.sort_by_key(|record| record.0);
        let expected: Vec<Row> = early.iter().chain(&late).map(row).collect();
        assert!(given == expected, "order {order}");
        assert!(table.due_one_by_one_count() * 5 <= COUNT as u64, "order {order}");
        assert_eq!(table.group_count(), 0);

        let mut table = SessionTable::sealing(spec.clone(), u64::MAX);
        table.update(&noted(&records, 0), &mut Vec::new(), &mut Vec::new()).unwrap();
        table.advance(EventTime::MAX, &mut Vec::new()).unwrap();
        assert!(table.due_one_by_one_count() * 5 <= COUNT as u64, "order {order}");
        let sealed = table.take_sealed().into_batches(1000).unwrap();
        let sealed: Vec<Batch> = sealed.map(Result::unwrap).collect();
        let mut expected: Vec<Row> = records.iter().map(row).collect();
        // Stable: of those that begin and end together the first in the input leaves first.
        expected.sort_by_key(|row| (row.2, row.1));
        assert!(rows(&sealed) == expected, "order {order}");
    }
}

#[test]
fn records_between_sessions_join_them_in_whichever_order_they_come() {
    // Every gap between two sessions is closed, so that one is left.
    for order in 0..3 {
        for emit in [Emit::Final, Emit::Changes, Emit::ChangesEvery(170)] {
            let mut records = of_one_key(order, 150);
            let between: Vec<Record> = of_one_key(2 - order, 149)
                .into_iter()
                .flat_map(|(time, key, _)| [(time + GAP - 1, key, 2), (time + 2 * GAP - 2, key, 3)])
                .collect();
            records.extend(between);
            let spec = by_session(emit, 0);
            assert_eq!(
                run(&spec, &records, 1 << 40, &[100, 210]),
                model(&spec, &records, 1 << 40),
                "order {order}, {emit}"
            );
        }
    }
}

#[test]
fn what_is_taken_step_by_step_while_more_come_is_what_is_taken_in_the_end() {
    let spec = by_session(Emit::Final, 0);
    for seed in 0..60 {
        let mut random = Random(seed);
        let partitions: Vec<Vec<Record>> =
            (0..3).map(|_| disordered(&mut random, 300, 20, 3)).collect();
        let sealed = |records: &[Record], cuts: &[usize]| {
            // What each partition gives, and no session that it gives later begins before.
            let mut times = event_times(25);
            let mut table = SessionTable::sealing(spec.clone(), u64::MAX);
            let mut gives = Vec::new();
            let mut start = 0;
            for &end in cuts.iter().chain([&records.len()]) {
                let noted = times.apply(batch(&records[start..end], start), &mut Vec::new());
                table.update(&noted, &mut Vec::new(), &mut Vec::new()).unwrap();
                table.advance(times.watermark(), &mut Vec::new()).unwrap();
                let until = table.sealed_until(times.watermark());
                gives.push((table.take_sealed(), until));
                start = end;
            }
            gives.push((table.into_sealed().unwrap(), EventTime::MAX));
            gives
        };
        let all: Vec<_> = partitions.iter().map(|records| sealed(records, &[90, 180])).collect();
        let mut gathered = SealedSessions::new(&spec, u64::MAX);
        let mut leaving: Vec<Batch> = Vec::new();
        let mut given = [0; 3];
        let mut passed = [EventTime::MIN; 3];
        let mut all: Vec<_> = all.into_iter().map(Vec::into_iter).collect();
        while given != [4; 3] {
            let from = random.below(3);
            let Some((sessions, until)) = all[from].next() else { continue };
            given[from] += 1;
            passed[from] = until;
            gathered.merge_of(u32::try_from(from).unwrap(), &sessions).unwrap();
            let least = *passed.iter().min().unwrap();
            let taken = gathered.take_until(least).unwrap();
            leaving.extend(taken.into_batches(50).unwrap().map(Result::unwrap));
        }
        assert_eq!(gathered.group_count(), 0);
        // The same in one piece.
        let mut whole = SealedSessions::new(&spec, u64::MAX);
        for (partition, records) in (0..).zip(&partitions) {
            for (sessions, _) in sealed(records, &[]) {
                whole.merge_of(partition, &sessions).unwrap();
            }
        }
        let whole: Vec<Batch> = whole.into_batches(50).unwrap().map(Result::unwrap).collect();
        assert_eq!(rows(&leaving), rows(&whole), "seed {seed}");
    }
}

#[test]
fn what_stays_is_not_copied_at_each_step() {
    let copied = |count: usize| {
        let spec = by_session(Emit::Final, 0);
        let mut gathered = SealedSessions::new(&spec, u64::MAX);
        for partition in 0..2 {
            let mut table = SessionTable::sealing(spec.clone(), u64::MAX);
            let noted =
                event_times(i64::MAX).apply(batch(&of_one_key(2, count), 0), &mut Vec::new());
            table.update(&noted, &mut Vec::new(), &mut Vec::new()).unwrap();
            gathered.merge_of(partition, &table.into_sealed().unwrap()).unwrap();
        }
        let mut row_count = 0;
        for step in 1..=count / 10 {
            let time = EventTime(i64::try_from(step * 10).unwrap() * 2 * GAP);
            let taken = gathered.take_until(time).unwrap();
            row_count +=
                taken.into_batches(64).unwrap().map(|b| b.unwrap().row_count()).sum::<usize>();
        }
        assert_eq!((row_count, gathered.group_count()), (count, 0), "both partitions' became one");
        gathered.copied_count()
    };
    for count in [3000, 30_000] {
        let copied = copied(count);
        assert!(copied > 0 && copied <= 2 * count as u64, "{copied} of two times {count}");
    }
}

#[test]
fn distinct_values_and_medians_of_sessions_that_join_are_those_of_their_records() {
    let types = vec![DataType::Timestamp, DataType::BigInt, DataType::BigInt, DataType::Double];
    let distinct = |function, argument, data_type| {
        let mut distinct = call(function, Some(argument), data_type);
        distinct.is_distinct = true;
        distinct
    };
    let calls = vec![
        distinct(F::Count, 2, DataType::BigInt),
        distinct(F::Sum, 2, DataType::BigInt),
        call(F::PercentileCont { fraction: 0.5 }, Some(3), DataType::Double),
    ];
    let kind = WindowKind::Session { gap_us: GAP };
    let window = Some(WindowSpec { kind, time: 0, allowed_lateness_us: 0 });
    let base = AggregateSpec { window, ..spec(types, vec![1], calls) };
    for seed in 0..30 {
        let mut random = Random(seed);
        let emit = [Emit::Final, Emit::Changes, Emit::ChangesEvery(50)][random.below(3)];
        let spec = AggregateSpec { emit, ..base.clone() };
        let records: Vec<Record> = (0..300)
            .map(|_| {
                let mut whole = |below: usize| i64::try_from(random.below(below)).unwrap();
                (whole(900), whole(2), whole(6))
            })
            .collect();
        let mut table = SessionTable::new(spec, &[], u64::MAX);
        let mut results = Vec::new();
        for (at, some) in records.chunks(37).enumerate() {
            let plain = batch(some, at * 37);
            let mut columns = plain.columns().to_vec();
            let doubles = some.iter().map(|r| f64::from(i32::try_from(r.2).unwrap()));
            columns.push(Arc::new(Float64Array::from_iter_values(doubles)));
            let rows = Batch::new(columns, plain.offsets().clone());
            table.update(&rows, &mut Vec::new(), &mut results).unwrap();
        }
        table.advance(EventTime::MAX, &mut results).unwrap();
        // The last row of each session is its final one.
        let mut last: BTreeMap<(i64, i64), (i64, i64, f64)> = BTreeMap::new();
        for batch in &results {
            let integer = |at: usize| batch.column(at).as_primitive::<Int64Type>().clone();
            let starts = batch.column(1).as_primitive::<TimestampMicrosecondType>();
            let medians = batch.column(5).as_primitive::<Float64Type>();
            for row in 0..batch.row_count() {
                let key = (integer(0).value(row), starts.value(row));
                let found = (integer(3).value(row), integer(4).value(row), medians.value(row));
                last.insert(key, found);
            }
        }
        let mut sorted = records.clone();
        sorted.sort_unstable_by_key(|r| (r.1, r.0));
        let sessions = sorted.chunk_by(|a, b| a.1 == b.1 && b.0 - a.0 < GAP);
        for session in sessions {
            let mut values: Vec<i64> = session.iter().map(|r| r.2).collect();
            values.sort_unstable();
            let middle = [values[(values.len() - 1) / 2], values[values.len() / 2]];
            let median = f64::from(i32::try_from(middle[0] + middle[1]).unwrap()) / 2.0;
            values.dedup();
            let count = i64::try_from(values.len()).unwrap();
            let expected = (count, values.iter().sum(), median);
            assert_eq!(last[&(session[0].1, session[0].0)], expected, "seed {seed}, {emit}");
        }
    }
}
