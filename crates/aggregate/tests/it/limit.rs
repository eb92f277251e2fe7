//! `LIMIT` and `OFFSET`, streaming and sealed.

use tidemill_aggregate::{Limit, LimitTable, Sealed};
use tidemill_plan::{LimitSpec, Scalar};
use tidemill_record::{Batch, DataType};

use crate::values::{Random, batch, joined, lines, random_cuts};

const TYPES: [DataType; 1] = [DataType::BigInt];

fn numbers(row_count: usize) -> Batch {
    let rows: Vec<Vec<Scalar>> =
        (0..row_count).map(|row| vec![Scalar::BigInt(row as i64)]).collect();
    batch(&TYPES, &rows, 0)
}

fn lines_of(batches: &[Batch]) -> Vec<String> {
    joined(batches).map_or(Vec::new(), |batch| lines(&TYPES, &batch))
}

#[test]
fn rows_after_skip_up_to_keep_however_cut() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let row_count = random.below(300);
        let whole = numbers(row_count);
        let (skip, keep) = (random.below(350), random.below(350));
        let keep = (keep < 300).then_some(keep);
        let spec = LimitSpec { skip: skip as u64, keep: keep.map(|keep| keep as u64) };
        let end = keep.map_or(row_count, |keep| row_count.min(skip + keep));
        let expected: Vec<String> = (skip..end).map(|row| format!("{}: {row}", 10 * row)).collect();

        let mut limit = Limit::new(spec);
        let mut passed = Vec::new();
        let mut seen = 0;
        for batch in random_cuts(&mut random, &whole) {
            assert_eq!(
                limit.is_satisfied(),
                keep.is_some_and(|keep| seen >= skip + keep) || keep == Some(0)
            );
            seen += batch.row_count();
            passed.extend(limit.apply(batch));
        }
        assert_eq!(lines_of(&passed), expected, "seed {seed}, {spec:?}");

        let mut merged = Sealed::Limited(LimitTable::new(spec, vec![DataType::BigInt], u64::MAX));
        for batch in random_cuts(&mut random, &whole) {
            let mut partition = LimitTable::new(spec, vec![DataType::BigInt], u64::MAX);
            for batch in random_cuts(&mut random, &batch) {
                partition.update(&batch).unwrap();
            }
            let needed = spec.needed().unwrap_or(u64::MAX);
            assert_eq!(partition.is_full(), partition.row_count() >= needed);
            assert!(partition.row_count() <= needed);
            merged.merge(Sealed::Limited(partition)).unwrap();
        }
        let Sealed::Limited(merged) = merged else { unreachable!() };
        let batches: Vec<Batch> = merged.into_batches(7).collect();
        assert!(batches.iter().all(|batch| (1..=7).contains(&batch.row_count())));
        assert_eq!(lines_of(&batches), expected, "seed {seed}, {spec:?}");
    }
}

#[test]
fn a_limit_table_has_a_budget() {
    let mut table =
        LimitTable::new(LimitSpec { skip: 0, keep: None }, vec![DataType::BigInt], 1000);
    let error = table.update(&numbers(1000)).unwrap_err();
    assert!(error.to_string().starts_with("the 1000 rows kept take "), "{error}");
}
