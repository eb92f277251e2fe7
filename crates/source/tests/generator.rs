//! The generator: exact counts, and values that depend on nothing but options, partition and row.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, StringViewArray};
use tidemill_plan::{GeneratorModel, GeneratorSource};
use tidemill_record::{Batch, DataType, PartitionId, Polled};
use tidemill_source::{ColumnReader, Generator};

const START_US: i64 = 1_704_067_200_000_000;

fn options(model: GeneratorModel) -> GeneratorSource {
    GeneratorSource {
        model,
        rows: Some(20_000),
        rate: None,
        partitions: 2,
        seed: 42,
        keys: 200,
        skew: 0.0,
        disorder_ms: 0,
        late_fraction: 0.0,
        idle_partitions: 0,
    }
}

/// All rows of a partition, in batches of the given size.
fn batches(
    source: &GeneratorSource,
    partition: u32,
    columns: &[usize],
    rows: usize,
) -> (Vec<Batch>, Generator) {
    let mut generator = Generator::new(source, PartitionId(partition), columns).unwrap();
    let mut batches = Vec::new();
    while let Polled::Ready(batch) = generator.next_batch(rows).unwrap() {
        batches.push(batch);
    }
    (batches, generator)
}

fn whole(source: &GeneratorSource, partition: u32, columns: &[usize]) -> Batch {
    batches(source, partition, columns, usize::MAX).0.pop().unwrap()
}

fn times(batch: &Batch, column: usize) -> Vec<i64> {
    batch.column(column).as_primitive::<TimestampMicrosecondType>().values().to_vec()
}

#[test]
fn columns_have_the_types_of_the_models() {
    let check = |model, types: &[DataType]| {
        let columns: Vec<usize> = (0..types.len()).collect();
        let batch = whole(&options(model), 0, &columns);
        let found: Vec<_> = batch.columns().iter().map(|c| c.data_type().clone()).collect();
        assert_eq!(found, types.iter().map(DataType::arrow).collect::<Vec<_>>());
        assert!(batch.columns().iter().all(|column| column.null_count() == 0));
        let beyond = Generator::new(&options(model), PartitionId(0), &[types.len()]);
        assert!(beyond.unwrap_err().to_string().contains("columns"));
    };
    use DataType::{BigInt, Double, Timestamp, Varchar};
    check(GeneratorModel::Trades, &[BigInt, Timestamp, Varchar, Varchar, Double, BigInt]);
    check(GeneratorModel::Orders, &[BigInt, BigInt, Timestamp, Double, Varchar]);
    check(GeneratorModel::Measurements, &[Varchar, Double]);
}

#[test]
fn rows_do_not_depend_on_batches_or_columns() {
    for model in [GeneratorModel::Trades, GeneratorModel::Orders, GeneratorModel::Measurements] {
        let source = GeneratorSource {
            rows: Some(3_000),
            skew: 0.8,
            disorder_ms: 50,
            late_fraction: 0.01,
            ..options(model)
        };
        let count = if model == GeneratorModel::Measurements { 2 } else { 5 };
        let all: Vec<usize> = (0..count).collect();
        let reference = whole(&source, 1, &all);
        for rows in [1, 7, 1000] {
            let (parts, _) = batches(&source, 1, &all, rows);
            let mut start = 0;
            for part in parts {
                let expected = reference.slice(start, part.row_count());
                assert_eq!(part.columns(), expected.columns());
                assert_eq!(part.offsets(), expected.offsets());
                start += part.row_count();
            }
            assert_eq!(start, reference.row_count());
        }
        for column in 0..count {
            assert_eq!(whole(&source, 1, &[column]).column(0), reference.column(column));
        }
        let none = whole(&source, 1, &[]);
        assert_eq!((none.row_count(), none.columns().len()), (reference.row_count(), 0));
    }
}

#[test]
fn trades_are_as_described() {
    let source = options(GeneratorModel::Trades);
    let mut ids = BTreeSet::new();
    let mut symbols: BTreeMap<String, u32> = BTreeMap::new();
    let mut traders = BTreeSet::new();
    for partition in 0..2 {
        let batch = whole(&source, partition, &[0, 1, 2, 3, 4, 5]);
        assert_eq!(batch.row_count(), 10_000);
        ids.extend(batch.column(0).as_primitive::<Int64Type>().values().iter().copied());
        // 20 records a millisecond over both partitions: 10 rows of one share a millisecond.
        let expected: Vec<i64> = (0..10_000).map(|row| START_US + row / 10 * 1000).collect();
        assert!(times(&batch, 1) == expected);
        let texts =
            |column: usize| -> StringViewArray { batch.column(column).as_string_view().clone() };
        traders.extend(texts(2).iter().map(|trader| trader.unwrap().to_owned()));
        for symbol in texts(3).iter() {
            let owner = symbols.entry(symbol.unwrap().to_owned()).or_insert(partition);
            assert_eq!(*owner, partition, "a symbol stands in one partition");
        }
        for &price in batch.column(4).as_primitive::<Float64Type>().values() {
            assert!(price > 0.0 && price < 1000.0);
            assert_eq!(price, format!("{price:.2}").parse::<f64>().unwrap(), "two decimals");
        }
        let quantities = batch.column(5).as_primitive::<Int64Type>().values().to_vec();
        assert_eq!(quantities.iter().min(), Some(&1));
        assert_eq!(quantities.iter().max(), Some(&1000));
    }
    assert_eq!(ids, (1..=20_000).collect());
    assert_eq!(symbols.len(), 200);
    assert!(symbols.keys().all(|symbol| symbol.len() == 4));
    assert_eq!(traders.len(), 50);
    assert!(traders.contains("T001") && traders.contains("T050"));
}

#[test]
fn orders_and_measurements_stay_in_range() {
    let orders = whole(&options(GeneratorModel::Orders), 0, &[1, 3, 4]);
    let customers = orders.column(0).as_primitive::<Int64Type>();
    assert!(customers.values().iter().all(|customer| (1..=200).contains(customer)));
    let amounts = orders.column(1).as_primitive::<Float64Type>();
    assert!(amounts.values().iter().all(|amount| (1.0..=500.0).contains(amount)));
    let statuses: BTreeSet<_> =
        orders.column(2).as_string_view().iter().map(Option::unwrap).collect();
    assert_eq!(statuses.into_iter().collect::<Vec<_>>(), ["cancelled", "new", "paid", "shipped"]);
    let source = GeneratorSource { keys: 413, ..options(GeneratorModel::Measurements) };
    let mut stations = BTreeSet::new();
    for partition in 0..2 {
        let batch = whole(&source, partition, &[0, 1]);
        let names = batch.column(0).as_string_view().iter();
        stations.extend(names.map(|name| name.unwrap().to_owned()));
        for &degrees in batch.column(1).as_primitive::<Float64Type>().values() {
            assert!((-99.9..=99.9).contains(&degrees));
            assert_eq!(degrees, format!("{degrees:.1}").parse::<f64>().unwrap(), "one decimal");
        }
    }
    assert_eq!(stations.len(), 413);
}

#[test]
fn disorder_is_bounded_and_late_rows_are_counted() {
    let source = GeneratorSource {
        disorder_ms: 100,
        late_fraction: 0.05,
        ..options(GeneratorModel::Trades)
    };
    let (parts, generator) = batches(&source, 0, &[1], 512);
    let mut late = 0;
    let mut displaced = 0;
    let rows = parts.iter().flat_map(|part| times(part, 0));
    for (row, time) in (0..).zip(rows) {
        let behind_ms = (START_US + row / 10 * 1000 - time) / 1000;
        if behind_ms > 100 {
            // From the last row that is a multiple of 1024, and so at most 103 ms further behind.
            assert!((60_200..=600_200 + 103).contains(&behind_ms));
            late += 1;
        } else {
            assert!(behind_ms >= 0);
            displaced += u64::from(behind_ms > 0);
        }
    }
    assert_eq!(generator.late_count(), late);
    // 500 expected; six standard deviations are 6 * sqrt(10_000 * 0.05 * 0.95) = 131.
    assert!((369..=631).contains(&late), "{late}");
    assert!(displaced > 9_000, "{displaced}");
    let all = GeneratorSource { late_fraction: 1.0, ..source };
    // All but rows 0, 1024 … 9216.
    assert_eq!(batches(&all, 0, &[], 512).1.late_count(), 9_990);
    let stations = GeneratorSource { model: GeneratorModel::Measurements, ..all };
    assert_eq!(batches(&stations, 0, &[], 512).1.late_count(), 0, "no event time, nothing late");
}

#[test]
fn late_rows_are_late_for_the_watermark_and_for_their_minute_and_no_others_are() {
    const MINUTE_US: i64 = 60_000_000;
    let check = |source: &GeneratorSource| {
        let delay_us = source.disorder_ms.cast_signed() * 1000;
        let mut late_rows = 0;
        for partition in 0..source.partitions {
            let (parts, _) = batches(source, partition, &[1], 1000);
            let (mut greatest, mut meant) = (None, 0);
            let mut generator = Generator::new(source, PartitionId(partition), &[]).unwrap();
            for time in parts.iter().flat_map(|part| times(part, 0)) {
                generator.next_batch(1).unwrap();
                let is_meant = generator.late_count() > meant;
                meant = generator.late_count();
                let watermark = greatest.map_or(i64::MIN, |greatest: i64| greatest - delay_us);
                let window_end = time.div_euclid(MINUTE_US) * MINUTE_US + MINUTE_US;
                assert_eq!(time < watermark, is_meant, "{source:?}, partition {partition}");
                assert_eq!(watermark >= window_end, is_meant, "{source:?}, partition {partition}");
                greatest = Some(greatest.map_or(time, |greatest: i64| greatest.max(time)));
            }
            late_rows += meant;
        }
        late_rows
    };
    let options = GeneratorSource { disorder_ms: 5_000, ..options(GeneratorModel::Trades) };
    for seed in [1, 7, 42] {
        for late_fraction in [0.0, 0.01, 0.5, 1.0] {
            let source = GeneratorSource { seed, late_fraction, partitions: 3, ..options };
            let late_rows = check(&source);
            assert_eq!(late_rows == 0, late_fraction == 0.0);
        }
    }
    // Disorder of minutes, none at all, partitions of very few rows far apart, and orders.
    let half = GeneratorSource { late_fraction: 0.5, ..options };
    check(&GeneratorSource { disorder_ms: 600_000, ..half });
    check(&GeneratorSource { disorder_ms: 0, ..half });
    let few = GeneratorSource { rows: Some(100_000), partitions: 6, skew: 3.0, keys: 20, ..half };
    assert!(check(&few) > 0);
    check(&GeneratorSource { idle_partitions: 1, ..half });
}

#[test]
fn a_rate_changes_when_rows_come_and_nothing_else() {
    let free = GeneratorSource { disorder_ms: 50, ..options(GeneratorModel::Trades) };
    let paced = GeneratorSource { rate: Some(400_000), ..free };
    let expected = whole(&free, 1, &[0, 1, 2]);
    let mut generator = Generator::new(&paced, PartitionId(1), &[0, 1, 2]).unwrap();
    let started = std::time::Instant::now();
    assert!(matches!(generator.next_batch(512).unwrap(), Polled::NotReady), "none is due at 0 ms");
    let mut start = 0;
    loop {
        match generator.next_batch(512).unwrap() {
            Polled::Ready(batch) => {
                assert!(batch.row_count() <= 512);
                let part = expected.slice(start, batch.row_count());
                assert_eq!(part.columns(), batch.columns());
                assert_eq!(part.offsets(), batch.offsets());
                start += batch.row_count();
                // 200 rows a millisecond for this partition, never early.
                let due_ms = start / 200;
                assert!(started.elapsed().as_millis() >= due_ms as u128, "{start} rows are early");
            }
            Polled::NotReady => std::thread::yield_now(),
            Polled::Ended => break,
        }
    }
    assert_eq!(start, 10_000);
}

#[test]
fn without_an_end_rows_go_on_with_numbers_of_their_own() {
    let source = GeneratorSource { rows: None, partitions: 3, ..options(GeneratorModel::Trades) };
    for partition in 0..3 {
        let mut generator = Generator::new(&source, PartitionId(partition), &[0, 1]).unwrap();
        let mut row = 0;
        while row < 30_000 {
            let Polled::Ready(batch) = generator.next_batch(4096).unwrap() else {
                panic!("it never ends");
            };
            let ids = batch.column(0).as_primitive::<Int64Type>().values().to_vec();
            let expected: Vec<i64> =
                (row..).take(ids.len()).map(|row| row * 3 + i64::from(partition) + 1).collect();
            assert_eq!(ids, expected);
            row += i64::try_from(ids.len()).unwrap();
            // 67, 67 and 66 keys of 200, so a third of 20 rows a millisecond, about.
            let reached_ms = (times(&batch, 1).pop().unwrap() - START_US) / 1000;
            let expected_ms = row * 3 / 20;
            assert!((reached_ms - expected_ms).abs() <= expected_ms / 50 + 1, "{reached_ms}");
        }
    }
    // Two keys on three partitions: one has nothing to give.
    let source = GeneratorSource { keys: 2, ..source };
    let mut generator = Generator::new(&source, PartitionId(2), &[0]).unwrap();
    assert!(matches!(generator.next_batch(10).unwrap(), Polled::Ended));
}

#[test]
fn idle_partitions_stop_halfway() {
    let source = GeneratorSource {
        partitions: 4,
        idle_partitions: 1,
        rows: Some(70_000),
        ..options(GeneratorModel::Trades)
    };
    // 70,000 rows last 3,500 ms; weights 2 : 2 : 2 : 1.
    let last = |partition| {
        let (parts, generator) = batches(&source, partition, &[1], 4096);
        (generator.row_count(), (times(parts.last().unwrap(), 0).pop().unwrap() - START_US) / 1000)
    };
    assert_eq!(last(0), (20_000, 3499));
    assert_eq!(last(3), (10_000, 1749));
}

#[test]
fn contradictions_are_refused() {
    let check = |source: GeneratorSource, partition, part: &str| {
        let error = Generator::new(&source, PartitionId(partition), &[]).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    let good = || options(GeneratorModel::Trades);
    check(good(), 2, "partition 2 of 2");
    check(GeneratorSource { keys: 0, ..good() }, 0, "keys = 0");
    check(GeneratorSource { late_fraction: 1.5, ..good() }, 0, "late = 1.5");
    check(GeneratorSource { skew: f64::NAN, ..good() }, 0, "skew = NaN");
    check(GeneratorSource { rate: Some(0), ..good() }, 0, "rate = 0");
    check(GeneratorSource { rows: Some(u64::MAX), ..good() }, 0, "rows = ");
}

#[test]
fn values_are_the_same_on_every_machine() {
    // Computed apart from this code by the Python script in the comment at the end of this file.
    let batch =
        whole(&GeneratorSource { rows: Some(4), ..options(GeneratorModel::Trades) }, 0, &[3, 5]);
    let symbols: Vec<_> = batch.column(0).as_string_view().iter().map(Option::unwrap).collect();
    let quantities = batch.column(1).as_primitive::<Int64Type>().values().to_vec();
    assert_eq!((symbols, quantities), (vec!["AACU", "AADM"], vec![600, 216]));
}

// M = 2**64 - 1; G = 0x9e3779b97f4a7c15
// def mix(z):
//     z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9 & M
//     z = (z ^ (z >> 27)) * 0x94d049bb133111eb & M
//     return z ^ (z >> 31)
// def at(purpose, row, seed=42, partition=0):
//     base = mix(mix(seed ^ mix((partition + G) & M)) ^ mix(purpose * G & M))
//     return mix((base + row * G) & M)
// def symbol(k):  # partition 0 of 2 has the even ones of 200 symbols
//     s = ""
//     for _ in range(4): s = chr(65 + k % 26) + s; k //= 26
//     return s
// print([symbol(2 * (at(1, r) * 100 >> 64)) for r in range(2)],
//       [1 + (at(3, r) * 1000 >> 64) for r in range(2)])
