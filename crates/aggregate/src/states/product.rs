//! `PRODUCT`: of doubles, in record order within a partition and in partition order after that.

use arrow_array::ArrayRef;
use arrow_array::types::Float64Type;
use tidemill_record::DataType;

use super::sum::values;
use crate::state::{Accumulator, Build, Numbers};

/// The state; `None` unless the argument is `DOUBLE`.
pub(crate) fn state<B: Build>(
    build: &B,
    argument: &DataType,
    result: &DataType,
) -> Option<B::Built> {
    (*argument == DataType::Double).then(|| build.build(Product, result))
}

struct Product;

impl Accumulator for Product {
    type State = f64;
    type Column<'a> = &'a [f64];
    type Output = Numbers<Float64Type>;

    fn open<'a>(&self, arguments: &[&'a ArrayRef]) -> &'a [f64] {
        values::<Float64Type>(arguments)
    }

    #[inline]
    fn add(&self, state: &mut f64, is_first: bool, column: &&[f64], row: usize) -> usize {
        self.merge(state, is_first, column[row])
    }

    #[inline]
    fn merge(&self, state: &mut f64, is_first: bool, later: f64) -> usize {
        *state = if is_first { later } else { *state * later };
        0
    }

    fn output(&self, row_count: usize, data_type: &DataType) -> Numbers<Float64Type> {
        Numbers::new(row_count, data_type)
    }

    #[inline]
    fn append(&self, output: &mut Numbers<Float64Type>, state: &f64, is_seen: bool) -> bool {
        output.append(is_seen.then_some(*state));
        true
    }
}
