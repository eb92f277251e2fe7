//! How much a table holds, and what it does when that is too much.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, StringViewArray, UInt64Array};
use tidemill_aggregate::{AggTable, AggregateError, predicted_state};
use tidemill_plan::{AggregateFunction as F, AggregateSpec, Stage};
use tidemill_record::{Batch, DataType};

use crate::groups::{call, distinct, spec};

fn five_aggregates() -> AggregateSpec {
    let calls = vec![
        call(F::Count, None, DataType::BigInt),
        call(F::Avg, Some(1), DataType::Double),
        call(F::Min, Some(1), DataType::Double),
        call(F::Max, Some(1), DataType::Double),
        call(F::Sum, Some(2), DataType::BigInt),
    ];
    spec(vec![DataType::Varchar, DataType::Double, DataType::BigInt], vec![0], calls)
}

/// Rows whose keys are all different, eight bytes each.
fn distinct_rows(start: u32, row_count: u32) -> Batch {
    let rows = start..start + row_count;
    let keys: StringViewArray = rows.clone().map(|row| Some(format!("k{row:07}"))).collect();
    let prices: Float64Array = rows.clone().map(|row| Some(f64::from(row))).collect();
    let quantities: Int64Array = rows.clone().map(|row| Some(i64::from(row))).collect();
    let columns: Vec<ArrayRef> = vec![Arc::new(keys), Arc::new(prices), Arc::new(quantities)];
    Batch::new(columns, UInt64Array::from_iter_values(rows.map(u64::from)))
}

/// By hand, per group: key view 16; COUNT 8; AVG 8 + 8; MIN and MAX 8 + 1 each; SUM 16 + 1: 75.
/// Columns grow by an eighth: at most 84.4. The index has 8 bytes a slot, of which at most
/// 13/16 are taken and 13/20 after it has grown by a quarter: at most 12.3. They are not at their most at once.
#[test]
fn a_group_of_five_aggregates_takes_at_most_96_bytes() {
    const BATCH_ROWS: u32 = 1000;
    let mut table = AggTable::new(five_aggregates(), u64::MAX);
    let mut most = 0.0_f64;
    for start in (0..300_000).step_by(BATCH_ROWS as usize) {
        table.update(&distinct_rows(start, BATCH_ROWS)).unwrap();
        if table.group_count() >= 20_000 {
            most = most.max(table.state_bytes() as f64 / table.group_count() as f64);
        }
    }
    assert!(most <= 96.0, "{most} bytes a group");
    assert!(most >= 80.0, "{most} bytes a group: less than the states themselves");
    assert_predicted(&Stage::Aggregate { spec: five_aggregates(), audited_keys: Vec::new() }, most);
}

/// What `EXPLAIN` says a stage will hold is within an eighth of what it held.
pub(crate) fn assert_predicted(stage: &Stage, bytes: f64) {
    let text = predicted_state(stage).unwrap();
    let number = text.strip_prefix("about ").and_then(|text| text.split(' ').next()).unwrap();
    let predicted: f64 = number.parse().unwrap();
    assert!((predicted - bytes).abs() <= bytes / 8.0, "{text}, but there were {bytes}");
}

#[test]
fn what_a_stage_will_hold_is_said_beforehand() {
    let types = vec![DataType::Varchar, DataType::Double, DataType::BigInt];
    let calls = vec![
        distinct(call(F::Count, Some(2), DataType::BigInt)),
        call(F::Max, Some(0), DataType::Varchar),
    ];
    let grouping = |keys| Stage::Aggregate {
        spec: spec(types.clone(), keys, calls.clone()),
        audited_keys: Vec::new(),
    };
    // COUNT 8, MAX of text 16 and 1, a key of text 16 and one of eight bytes; an eighth of spare room,
    // half used; 11 for the index.
    let labels = calls.iter().map(|call| format!(", and what {} keeps of its values", call.label));
    let labels: String = labels.collect();
    assert_eq!(
        predicted_state(&grouping(vec![0, 2])).unwrap(),
        format!("about 63 bytes a group{labels}, and the text of keys beyond 12 bytes")
    );
    assert_eq!(
        predicted_state(&grouping(Vec::new())).unwrap(),
        format!("about 26 bytes a group{labels}")
    );
}

#[test]
fn passing_the_budget_is_an_error_with_the_figures() {
    let mut table = AggTable::new(five_aggregates(), 1_000_000);
    let error = (0..100).find_map(|at| table.update(&distinct_rows(1000 * at, 1000)).err());
    let Some(AggregateError::BudgetExceeded { state_bytes, budget_bytes, group_count }) = error
    else {
        panic!("{error:?}");
    };
    assert_eq!(budget_bytes, 1_000_000);
    assert!((1_000_001..1_200_000).contains(&state_bytes), "{state_bytes}");
    assert!((8_000..14_000).contains(&group_count), "{group_count}");
}

/// A table of few groups holds little else, and of such tables there is one for every open window.
#[test]
fn what_is_remembered_of_keys_met_lately_counts() {
    // An entry for each of 1024 keys: a view of 16 bytes and a group, aligned as the view is.
    const REMEMBERED: u64 = 1024 * 32;
    let mut table = AggTable::new(five_aggregates(), u64::MAX);
    let rows = distinct_rows(0, 100);
    table.update(&rows).unwrap();
    let first = table.state_bytes();
    (0..1000).for_each(|_| table.update(&rows).unwrap());
    assert_eq!(table.group_count(), 100);
    assert_eq!(table.state_bytes() - first, REMEMBERED);
    // Of a thousand keys many share an entry, so that there are more once there are rows enough to pay for them.
    let mut table = AggTable::new(five_aggregates(), u64::MAX);
    let rows = distinct_rows(0, 1000);
    table.update(&rows).unwrap();
    let first = table.state_bytes();
    (0..100).for_each(|_| table.update(&rows).unwrap());
    assert_eq!(table.state_bytes() - first, REMEMBERED);
    (0..300).for_each(|_| table.update(&rows).unwrap());
    assert_eq!(table.state_bytes() - first, 8 * REMEMBERED);
}

#[test]
fn what_states_hold_elsewhere_counts() {
    let types = vec![DataType::Varchar, DataType::Double, DataType::BigInt];
    let list = DataType::Array(Box::new(DataType::BigInt));
    let separator = String::new();
    // Bytes a row that cannot be avoided: text 8, values 8 and a place 4, doubles 8, a
    // value 8.
    let calls = [
        (call(F::StringAgg { separator }, Some(0), DataType::Varchar), 8),
        (call(F::ArrayAgg, Some(2), list), 12),
        (call(F::PercentileCont { fraction: 0.5 }, Some(1), DataType::Double), 8),
        (distinct(call(F::Count, Some(2), DataType::BigInt)), 8),
    ];
    for (call, row_bytes) in calls {
        let mut table =
            AggTable::new(spec(types.clone(), Vec::new(), vec![call.clone()]), u64::MAX);
        for start in 0..100 {
            table.update(&distinct_rows(1000 * start, 1000)).unwrap();
        }
        let bytes = table.state_bytes();
        assert!(
            (100_000 * row_bytes..300_000 * row_bytes + 50_000).contains(&bytes),
            "{call:?}: {bytes}"
        );
    }
    let registers = call(F::ApproxCountDistinct, Some(2), DataType::BigInt);
    let mut table = AggTable::new(spec(types, Vec::new(), vec![registers]), u64::MAX);
    (0..100).for_each(|at| table.update(&distinct_rows(1000 * at, 1000)).unwrap());
    assert!((4096..20_000).contains(&table.state_bytes()), "{}", table.state_bytes());
}
