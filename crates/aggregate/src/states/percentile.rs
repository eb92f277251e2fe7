//! `PERCENTILE_CONT` and `MEDIAN`: every value of a group is kept, eight bytes each.

use arrow_array::ArrayRef;
use arrow_array::types::Float64Type;
use tidemill_record::DataType;

use super::rank::Ranked;
use super::sum::values;
use crate::state::{Accumulator, Cells, Numbers, State, reserve_outside};

/// The state for a fraction in `0.0..=1.0`; `None` unless the argument is `DOUBLE`.
pub(crate) fn state(
    fraction: f64,
    argument: &DataType,
    result: &DataType,
) -> Option<Box<dyn State>> {
    (*argument == DataType::Double).then(|| Cells::boxed(Percentile { fraction }, result))
}

struct Percentile {
    fraction: f64,
}

impl Percentile {
    /// The value at the fraction of the way from the least to the greatest, between the two
    /// nearest ones by their distance.
    #[expect(clippy::cast_precision_loss, reason = "counts beyond 2^53 cannot be reached")]
    #[expect(clippy::cast_possible_truncation, reason = "floor of a value in 0.0..count")]
    #[expect(clippy::cast_sign_loss, reason = "the fraction is not negative")]
    fn of(&self, values: &[f64]) -> Option<f64> {
        let last = values.len().checked_sub(1)?;
        let place = last as f64 * self.fraction;
        let below = (place.floor() as usize).min(last);
        let mut values = values.to_vec();
        let (_, low, above) = values.select_nth_unstable_by(below, f64::rank);
        let low = *low;
        let weight = place - place.floor();
        if weight == 0.0 || above.is_empty() {
            return Some(low);
        }
        let high = above.iter().copied().reduce(|a, b| if b.precedes(a) { b } else { a });
        // This form cannot overflow between two finite values. It is rounded once, as DuckDB's is.
        high.map(|high| low.mul_add(1.0 - weight, high * weight))
    }
}

impl Accumulator for Percentile {
    const TRACKS_SEEN: bool = false;
    type State = Vec<f64>;
    type Column<'a> = &'a [f64];
    type Output = Numbers<Float64Type>;

    fn open<'a>(&self, argument: Option<&'a ArrayRef>) -> &'a [f64] {
        values::<Float64Type>(argument)
    }

    #[inline]
    fn add(&self, state: &mut Vec<f64>, _: bool, column: &&[f64], row: usize) -> usize {
        let capacity_before = state.capacity();
        reserve_outside(state, 1);
        state.push(column[row]);
        (state.capacity() - capacity_before) * size_of::<f64>()
    }

    fn merge(&self, state: &mut Vec<f64>, _: bool, later: Vec<f64>) -> usize {
        let capacity_before = state.capacity();
        state.extend_from_slice(&later);
        (state.capacity() - capacity_before) * size_of::<f64>()
    }

    fn output(&self, row_count: usize, data_type: &DataType) -> Numbers<Float64Type> {
        Numbers::new(row_count, data_type)
    }

    fn append(&self, output: &mut Numbers<Float64Type>, state: &Vec<f64>, _: bool) -> bool {
        output.append(self.of(state));
        true
    }
}
