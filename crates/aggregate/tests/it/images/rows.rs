//! Tables of rows: in order, the first of each partition, and the first of all.

use tidemill_aggregate::{Limit, Sealed, TopNTable};
use tidemill_plan::{LimitSpec, Merge, Scalar, SortKey, SortSpec, Span, TopNSpec};
use tidemill_record::image::Image;
use tidemill_record::{Batch, DataType, EventTime};

use super::damage::damaged;
use super::{cut_by, image_of, with_cuts};
use crate::groups::random_rows;
use crate::values::{Random, all_types, batch, joined, random_cuts};

/// A table in place of another, made from its image.
fn again(table: &Sealed, merge: &Merge) -> Sealed {
    let mut fresh = Sealed::new(merge, u64::MAX);
    fresh.import(table.export()).unwrap();
    fresh
}

fn types_of(merge: &Merge) -> &[DataType] {
    match merge {
        Merge::TopN(spec) => &spec.input_types,
        Merge::Sorted(spec) => &spec.input_types,
        Merge::Limited { input_types, .. } => input_types,
        Merge::Groups(_) | Merge::Windows(_) => unreachable!("not made here"),
    }
}

/// The rows of a table as an image.
fn rows_of(table: Sealed, merge: &Merge) -> Image {
    let batches = table.into_batches(50).unwrap();
    let batches: Vec<Batch> = batches.collect::<Result<_, _>>().unwrap();
    let mut types = types_of(merge).to_vec();
    if let Merge::TopN(_) = merge {
        types.push(DataType::BigInt);
    }
    image_of(&types, joined(&batches).as_ref())
}

fn table_of(merge: &Merge, batches: &[Batch], cuts: Option<&mut Random>) -> Sealed {
    let mut table = Sealed::new(merge, u64::MAX);
    let go_on = |table: &mut Sealed, batch: &Batch| table.update(batch).unwrap();
    let Some(random) = cuts else {
        batches.iter().for_each(|batch| go_on(&mut table, batch));
        return table;
    };
    with_cuts(random, table, batches, go_on, |table| again(&table, merge))
}

/// Holds tables that are cut against one that is not, each by itself and merged.
fn check(merge: &Merge, random: &mut Random, whole: &Batch, batch_rows: &[usize]) {
    let uncut = table_of(merge, std::slice::from_ref(whole), None);
    let (image, rows) = (uncut.export(), rows_of(uncut, merge));
    for &batch_rows in batch_rows {
        let batches = cut_by(whole, batch_rows);
        let table = table_of(merge, &batches, None);
        assert_eq!(table.export(), image, "{batch_rows} rows, {merge:?}");
        let table = table_of(merge, &batches, Some(random));
        assert_eq!(table.export(), image, "cut, {batch_rows} rows, {merge:?}");
        assert_eq!(rows_of(table, merge), rows, "cut, {batch_rows} rows, {merge:?}");
    }
    let partitions = cut_by(whole, whole.row_count() / 3 + 1);
    let merged = |is_again: bool| {
        let tables = partitions.iter().map(|batch| {
            let mut table = table_of(merge, &cut_by(batch, batch_rows[0].max(20)), None);
            table.arrange().unwrap();
            if is_again { again(&table, merge) } else { table }
        });
        let mut all = Sealed::new(merge, u64::MAX);
        tables.for_each(|table| all.merge(table).unwrap());
        rows_of(all, merge)
    };
    assert_eq!(merged(true), merged(false), "{merge:?}");
    assert_eq!(merged(true), rows, "{merge:?}");
}

/// Orders, partitions and limits of columns of these types.
fn merges(random: &mut Random, types: &[DataType]) -> Vec<Merge> {
    let mut key = || SortKey {
        column: random.below(types.len()),
        is_descending: random.below(2) == 0,
        is_nulls_first: random.below(2) == 0,
    };
    let keys = vec![key(), key()];
    let input_types = types.to_vec();
    let limits = [(0, None), (3, Some(9)), (0, Some(1)), (0, Some(0)), (0, Some(70))];
    let limits = limits.map(|(skip, keep)| LimitSpec { skip, keep });
    let sorted = limits.iter().map(|&limit| {
        let (input_types, keys) = (input_types.clone(), keys.clone());
        Merge::Sorted(SortSpec { input_types, keys, limit })
    });
    let limited =
        limits.iter().map(|&spec| Merge::Limited { spec, input_types: input_types.clone() });
    let numbered = [None, Some(0), Some(1), Some(4)].map(|keep| {
        let partition_by = [vec![], vec![0], vec![1, 0]][random.below(3)].clone();
        let (input_types, order) = (input_types.clone(), keys.clone());
        let span = Span::default();
        Merge::TopN(TopNSpec { input_types, partition_by, order, keep, window_end: None, span })
    });
    sorted.chain(limited).chain(numbered).collect()
}

#[test]
fn rows_of_every_type_go_on_where_they_were() {
    for (at, data_type) in (0..).zip(all_types()) {
        for seed in 10 * at..10 * at + 2 {
            let mut random = Random(seed);
            let types = [data_type.clone(), DataType::TinyInt, DataType::Varchar];
            let rows = random_rows(&mut random, &types, 120);
            let whole = batch(&types, &rows, 0);
            for merge in merges(&mut random, &types) {
                check(&merge, &mut random, &whole, &[1, 7, 1000]);
            }
        }
    }
}

/// More than are held before those not needed are dropped, and than a part of an image has.
#[test]
fn many_rows_go_on_where_they_were() {
    let types = [DataType::BigInt, DataType::BigInt, DataType::BigInt];
    let mut random = Random(5);
    let rows = (0..100_000).map(|_| {
        let mut value = |below: usize| Scalar::BigInt(random.below(below) as i64);
        vec![value(20_000), value(1_000_000), value(10)]
    });
    let whole = batch(&types, &rows.collect::<Vec<_>>(), 0);
    let input_types = types.to_vec();
    let key = SortKey { column: 1, is_descending: true, is_nulls_first: false };
    let limit = |keep| LimitSpec { skip: 5, keep };
    for keep in [None, Some(100), Some(70_000)] {
        let (input_types, keys) = (input_types.clone(), vec![key]);
        let sorted = Merge::Sorted(SortSpec { input_types, keys, limit: limit(keep) });
        check(&sorted, &mut random, &whole, &[20_001]);
        let input_types = types.to_vec();
        let limited = Merge::Limited { spec: limit(keep), input_types };
        check(&limited, &mut random, &whole, &[20_001]);
    }
    for (keep, partition_by) in [(None, vec![0]), (Some(3), vec![0]), (Some(100), vec![2])] {
        let (input_types, order) = (input_types.clone(), vec![key]);
        let span = Span::default();
        let spec = TopNSpec { input_types, partition_by, order, keep, window_end: None, span };
        check(&Merge::TopN(spec), &mut random, &whole, &[20_001]);
    }
}

fn windowed(keep: Option<u64>) -> TopNSpec {
    TopNSpec {
        input_types: vec![DataType::Timestamp, DataType::SmallInt, DataType::Double],
        partition_by: vec![1, 0],
        order: vec![SortKey { column: 2, is_descending: true, is_nulls_first: false }],
        keep,
        window_end: Some(1),
        span: Span::default(),
    }
}

/// As event time passes their window, rows leave; whether memory has been given back does not show.
#[test]
fn partitions_leave_with_their_window_from_tables_made_again() {
    for seed in 0..20 {
        let mut random = Random(seed);
        let spec = windowed([None, Some(2)][random.below(2)]);
        let mut rows = random_rows(&mut random, &spec.input_types, 3000);
        for (at, row) in (0..).zip(&mut rows) {
            // Never of a window that has left.
            row[0] = Scalar::Timestamp(at / 600 * 10 + 10 + 10 * random.below(3) as i64);
        }
        let whole = batch(&spec.input_types, &rows, 0);
        let said = |batch_rows: usize, mut cuts: Option<&mut Random>| {
            let mut table = TopNTable::new(spec.clone(), u64::MAX);
            let mut left = Vec::new();
            let mut images = Vec::new();
            for part in cut_by(&whole, 300) {
                for batch in cut_by(&part, batch_rows) {
                    table.update(&batch).unwrap();
                }
                let first = i64::try_from(part.offsets().value(0)).unwrap() / 10;
                table.advance(EventTime(first / 600 * 10), &mut left).unwrap();
                images.push(table.export());
                if cuts.as_mut().is_some_and(|random| random.below(2) == 0) {
                    let mut fresh = TopNTable::new(spec.clone(), u64::MAX);
                    fresh.import(table.export()).unwrap();
                    assert_eq!(fresh.has_until(EventTime::MAX), table.row_count() > 0);
                    table = fresh;
                }
            }
            table.advance(EventTime::MAX, &mut left).unwrap();
            let types = [&spec.input_types[..], &[DataType::BigInt]].concat();
            (image_of(&types, joined(&left).as_ref()), images)
        };
        let expected = said(300, None);
        for batch_rows in [1, 7, 300] {
            assert_eq!(said(batch_rows, None), expected, "seed {seed}, {batch_rows}");
            assert_eq!(said(batch_rows, Some(&mut random)), expected, "seed {seed}, {batch_rows}");
        }
    }
}

#[test]
fn a_limit_goes_on_where_it_was() {
    let types = [DataType::Integer];
    for seed in 0..50 {
        let mut random = Random(seed);
        let rows = random_rows(&mut random, &types, 200);
        let whole = batch(&types, &rows, 0);
        let keep = [None, Some(random.below(150) as u64)][random.below(2)];
        let spec = LimitSpec { skip: random.below(150) as u64, keep };
        let mut uncut = Limit::new(spec);
        let expected: Vec<Batch> = uncut.apply(whole.clone()).into_iter().collect();
        let mut passed = Vec::new();
        let batches = random_cuts(&mut random, &whole);
        let go_on = |limit: &mut Limit, batch: &Batch| passed.extend(limit.apply(batch.clone()));
        let cut = |limit: Limit| {
            let mut fresh = Limit::new(spec);
            fresh.import(limit.export()).unwrap();
            fresh
        };
        let limit = with_cuts(&mut random, Limit::new(spec), &batches, go_on, cut);
        assert_eq!(limit.is_satisfied(), uncut.is_satisfied());
        let image = |batches: &[Batch]| image_of(&types, joined(batches).as_ref());
        assert_eq!(image(&passed), image(&expected), "seed {seed}");
    }
    let mut limit = Limit::new(LimitSpec { skip: 1, keep: Some(2) });
    let error = limit.import(Limit::new(LimitSpec { skip: 2, keep: Some(2) }).export());
    assert_eq!(error.unwrap_err().to_string(), "keep: is not what is left of this limit");
}

#[test]
fn damaged_rows_are_refused_or_go_on() {
    let mut taken = 0;
    for (at, data_type) in (0..).zip(all_types()) {
        let mut random = Random(at);
        let types = [data_type.clone(), DataType::TinyInt, DataType::Varchar];
        let rows = random_rows(&mut random, &types, 40);
        let whole = batch(&types, &rows, 0);
        let mut merges = merges(&mut random, &types);
        if let DataType::Timestamp = data_type {
            let spec = TopNSpec { input_types: types.to_vec(), ..windowed(Some(2)) };
            merges.push(Merge::TopN(spec));
        }
        for merge in merges {
            let image = table_of(&merge, &cut_by(&whole, 30), None).export();
            for _ in 0..40 {
                let damaged = damaged(&mut random, image.clone());
                let mut table = Sealed::new(&merge, u64::MAX);
                if table.import(damaged).is_err() {
                    continue;
                }
                taken += 1;
                table.update(&whole).unwrap();
                _ = table.export();
                if let Merge::TopN(TopNSpec { window_end: Some(_), .. }) = merge {
                    _ = table.take_until(EventTime(0)).unwrap();
                }
                let mut all = table_of(&merge, &cut_by(&whole, 30), None);
                all.merge(table).unwrap();
                all.into_batches(9).unwrap().for_each(drop);
            }
        }
    }
    assert!(taken > 1000, "values can be told from no others: {taken}");
}
