//! Functions of the embedding program.

use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::Int64Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use tidemill_plan::UserFunction;

use DataType::BigInt;

use super::*;

fn user(
    body: impl Fn(&[ArrayRef], usize) -> Result<ArrayRef, String> + Send + Sync + 'static,
) -> Expr {
    let function = UserFunction {
        name: "twice".to_owned(),
        argument_types: vec![BigInt],
        return_type: BigInt,
        body: Box::new(body),
    };
    let arguments = vec![column(0, BigInt)];
    expr(ExprKind::CallUser { function: Arc::new(function), arguments }, BigInt)
}

fn rows() -> Batch {
    batch(vec![array(&BigInt, &[i(1), i(2), n(BigInt), i(4)])])
}

#[test]
fn a_good_function() {
    let twice = user(|arrays, _| {
        Ok(arc(arrays[0].as_primitive::<Int64Type>().unary::<_, Int64Type>(|x| x * 2)))
    });
    assert_eq!(outcomes(&twice, &rows()), ["2", "4", "NULL", "8"]);
}

#[test]
fn messages_and_panics_fail_rows_one_by_one() {
    let picky = user(|arrays, _| {
        let array = arrays[0].as_primitive::<Int64Type>();
        let has = |sought| array.iter().any(|value| value == Some(sought));
        assert!(!has(4), "four");
        if has(2) { Err("two is not welcome".to_owned()) } else { Ok(arrays[0].clone()) }
    });
    assert_eq!(
        outcomes(&picky, &rows()),
        ["1", "bad: two is not welcome", "NULL", "bad: function twice panicked"]
    );
}

#[test]
fn a_broken_contract_fails_every_row() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let short = user(move |_, _| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(arc(Int64Array::from(vec![1])))
    });
    let texts = outcomes(&short, &rows());
    assert_eq!(texts.len(), 4);
    assert!(
        texts
            .iter()
            .all(|text| text == "bad: function twice gave 1 values of Int64 for 4 rows of Int64")
    );
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    let wrong = user(|_, rows| Ok(arc(arrow_array::Int32Array::from_value(1, rows))));
    assert!(
        outcomes(&wrong, &rows()).iter().all(|text| text.starts_with("bad: function twice gave"))
    );
}
