//! `GREATEST`, `LEAST` and `NULLIF`: functions that compare their arguments.

use arrow_arith::boolean::{is_null, or};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_select::filter::prep_null_mask_filter;
use arrow_select::nullif::nullif;
use arrow_select::zip::zip;
use tidemill_plan::{BinaryOp, Function};

use super::{Compiled, Problem};
use crate::comparison::comparison;
use crate::node::{Kernel, Node};
use crate::value::{Failure, Value};

/// Compiles a function of this file.
pub(super) fn kernel(function: Function, arguments: &[Node]) -> Compiled {
    match function {
        Function::Greatest => extreme(arguments, true),
        Function::Least => extreme(arguments, false),
        Function::NullIf => null_if(arguments),
        _ => Err(Problem::Types),
    }
}

fn is_true(array: &ArrayRef) -> BooleanArray {
    let mask = array.as_boolean();
    if mask.null_count() > 0 { prep_null_mask_filter(mask) } else { mask.clone() }
}

/// The greatest or least argument that is not NULL; of equal ones the first.
fn extreme(arguments: &[Node], is_greatest: bool) -> Compiled {
    let Some(first) = arguments.first() else { return Err(Problem::Types) };
    let data_type = first.data_type().clone();
    if arguments.iter().any(|node| *node.data_type() != data_type) {
        return Err(Problem::Types);
    }
    let op = if is_greatest { BinaryOp::Greater } else { BinaryOp::Less };
    let beats = comparison(op, &data_type).ok_or(Problem::Types)?;
    let kernel = Kernel::total(move |values, rows| {
        let mut best = values[0].clone().into_array(rows)?;
        for value in &values[1..] {
            let challenger = value.clone().into_array(rows)?;
            let sides = [Value::column(challenger.clone()), Value::column(best.clone())];
            let wins = or(&is_true(&beats.run(&sides, rows)?), &is_null(&best)?)?;
            best = zip(&wins, &challenger, &best)?;
        }
        Ok(best)
    });
    Ok((kernel, data_type))
}

/// NULL where the arguments are equal, else the first.
fn null_if(arguments: &[Node]) -> Compiled {
    let [left, right] = arguments else { return Err(Problem::Types) };
    if left.data_type() != right.data_type() {
        return Err(Problem::Types);
    }
    let data_type = left.data_type().clone();
    let equal = comparison(BinaryOp::Equal, &data_type).ok_or(Problem::Types)?;
    let kernel = Kernel::total(move |values, rows| {
        let same = is_true(&equal.run(values, rows)?);
        let array = values[0].clone().into_array(rows)?;
        Ok::<ArrayRef, Failure>(nullif(&array, &same)?)
    });
    Ok((kernel, data_type))
}
