//! `PERCENTILE_CONT` and `MEDIAN`: every value of a group is kept, eight bytes each.
//!
//! A group that is asked once has its values in order of arrival. One that is asked again and again
//! (`EMIT CHANGES`) has them in two heaps, of those up to the place that is asked for and those beyond, so
//! that a value costs its way through a heap and not a look at all of them. The result depends on which
//! values there are, and not on their order.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use arrow_array::ArrayRef;
use arrow_array::types::Float64Type;
use tidemill_record::DataType;

use super::rank::Ranked;
use super::sum::values;
use crate::state::{Accumulator, Cells, Numbers, State, allocated, reserve_outside};

/// The state for a fraction in `0.0..=1.0`; `None` unless the argument is `DOUBLE`.
pub(crate) fn state(
    fraction: f64,
    argument: &DataType,
    result: &DataType,
) -> Option<Box<dyn State>> {
    (*argument == DataType::Double).then(|| Cells::boxed(Percentile { fraction }, result))
}

/// The values of a group.
#[derive(Clone)]
enum Kept {
    /// In order of arrival.
    Values(Vec<f64>),
    /// On both sides of the place that is asked for.
    Halves(Box<Halves>),
}

impl Default for Kept {
    fn default() -> Self {
        Self::Values(Vec::new())
    }
}

/// Invariant: no value of `low` comes after one of `high`; `low` has as many as [`Percentile::low_count`]
/// says.
#[derive(Clone, Default)]
struct Halves {
    low: BinaryHeap<InOrder>,
    high: BinaryHeap<Reverse<InOrder>>,
}

/// A value in the order of SQL, and of equal ones in that of their bits, so that no two differ in nothing.
#[derive(Clone, Copy)]
struct InOrder(f64);

impl Ord for InOrder {
    fn cmp(&self, other: &Self) -> Ordering {
        #[cfg(test)]
        tests::COMPARED.with(|count| count.set(count.get() + 1));
        self.0.rank(&other.0).then_with(|| self.0.total_cmp(&other.0))
    }
}

impl PartialOrd for InOrder {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for InOrder {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for InOrder {}

impl Kept {
    fn len(&self) -> usize {
        match self {
            Self::Values(values) => values.len(),
            Self::Halves(halves) => halves.low.len() + halves.high.len(),
        }
    }

    fn into_values(self) -> Vec<f64> {
        match self {
            Self::Values(values) => values,
            Self::Halves(halves) => {
                let Halves { low, high } = *halves;
                let high = high.into_iter().map(|Reverse(value)| value);
                low.into_iter().chain(high).map(|value| value.0).collect()
            }
        }
    }
}

struct Percentile {
    fraction: f64,
}

impl Percentile {
    /// How far from the first to the last of so many values (at least one) the place is, as the value
    /// below it and the distance from that to the next.
    #[expect(clippy::cast_precision_loss, reason = "counts beyond 2^53 cannot be reached")]
    #[expect(clippy::cast_possible_truncation, reason = "floor of a value in 0.0..count")]
    #[expect(clippy::cast_sign_loss, reason = "the fraction is not negative")]
    fn place(&self, count: usize) -> (usize, f64) {
        let last = count - 1;
        let place = last as f64 * self.fraction;
        ((place.floor() as usize).min(last), place - place.floor())
    }

    /// Of so many values, how many are up to the place.
    fn low_count(&self, count: usize) -> usize {
        if count == 0 { 0 } else { self.place(count).0 + 1 }
    }

    /// The value at the fraction of the way from the least to the greatest, between the two
    /// nearest ones by their distance.
    fn of(&self, kept: &Kept) -> Option<f64> {
        if kept.len() == 0 {
            return None;
        }
        let (below, weight) = self.place(kept.len());
        let (low, high) = match kept {
            Kept::Values(values) => {
                let mut values: Vec<InOrder> = values.iter().copied().map(InOrder).collect();
                let (_, low, above) = values.select_nth_unstable(below);
                (*low, above.iter().min().copied())
            }
            Kept::Halves(halves) => {
                (*halves.low.peek()?, halves.high.peek().map(|&Reverse(value)| value))
            }
        };
        let Some(high) = high.filter(|_| weight != 0.0) else { return Some(low.0) };
        // This form cannot overflow between two finite values. It is rounded once, as DuckDB's is.
        Some(low.0.mul_add(1.0 - weight, high.0 * weight))
    }

    fn push(&self, halves: &mut Halves, value: f64) {
        let Halves { low, high } = halves;
        let value = InOrder(value);
        if low.peek().is_some_and(|greatest| value >= *greatest) {
            high.push(Reverse(value));
        } else {
            low.push(value);
        }
        let wanted = self.low_count(low.len() + high.len());
        while low.len() < wanted {
            low.extend(high.pop().map(|Reverse(value)| value));
        }
        while low.len() > wanted {
            high.extend(low.pop().map(Reverse));
        }
    }

    fn halves_of(&self, values: Vec<f64>) -> Halves {
        let mut values: Vec<InOrder> = values.into_iter().map(InOrder).collect();
        let count = self.low_count(values.len());
        if count < values.len() {
            values.select_nth_unstable(count);
        }
        let high = values.split_off(count).into_iter().map(Reverse).collect();
        Halves { low: values.into(), high }
    }
}

impl Accumulator for Percentile {
    const TRACKS_SEEN: bool = false;
    const PREPARES_RUNNING: bool = true;
    type State = Kept;
    type Column<'a> = &'a [f64];
    type Output = Numbers<Float64Type>;

    fn open<'a>(&self, argument: Option<&'a ArrayRef>) -> &'a [f64] {
        values::<Float64Type>(argument)
    }

    #[inline]
    fn add(&self, state: &mut Kept, _: bool, column: &&[f64], row: usize) -> usize {
        let bytes_before = Self::outside_bytes(state);
        match state {
            Kept::Values(values) => {
                reserve_outside(values, 1);
                values.push(column[row]);
            }
            Kept::Halves(halves) => self.push(halves, column[row]),
        }
        Self::outside_bytes(state) - bytes_before
    }

    /// The fewer values go to the more, so that groups that join one by one do not move all each time.
    fn merge(&self, state: &mut Kept, _: bool, mut later: Kept) -> usize {
        let bytes_before = Self::outside_bytes(state);
        if later.len() > state.len() {
            std::mem::swap(state, &mut later);
        }
        match state {
            Kept::Values(values) => values.append(&mut later.into_values()),
            Kept::Halves(halves) => {
                later.into_values().into_iter().for_each(|value| self.push(halves, value));
            }
        }
        Self::outside_bytes(state).saturating_sub(bytes_before)
    }

    fn prepare_running(&self, state: &mut Kept) {
        if let Kept::Values(values) = state {
            *state = Kept::Halves(Box::new(self.halves_of(std::mem::take(values))));
        }
    }

    fn output(&self, row_count: usize, data_type: &DataType) -> Numbers<Float64Type> {
        Numbers::new(row_count, data_type)
    }

    fn append(&self, output: &mut Numbers<Float64Type>, state: &Kept, _: bool) -> bool {
        output.append(self.of(state));
        true
    }

    fn outside_bytes(state: &Kept) -> usize {
        match state {
            Kept::Values(values) => allocated(values.capacity() * size_of::<f64>()),
            Kept::Halves(halves) => {
                let capacity = halves.low.capacity() + halves.high.capacity();
                capacity * size_of::<f64>() + size_of::<Halves>()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// Comparisons on this thread.
        pub(super) static COMPARED: Cell<u64> = const { Cell::new(0) };
    }

    /// The values that a group is given, in no order.
    fn given(count: u64) -> Vec<f64> {
        let mixed = |at: u64| at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44;
        (0..count).map(|at| mixed(at) as f64 / 8.0 - 60_000.0).collect()
    }

    /// All values in order, and between the two nearest.
    #[expect(clippy::cast_possible_truncation, reason = "a place among a few values")]
    fn model(values: &[f64], fraction: f64) -> f64 {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        let place = (values.len() - 1) as f64 * fraction;
        let (low, high) = (values[place.floor() as usize], values[place.ceil() as usize]);
        low.mul_add(1.0 - place.fract(), high * place.fract())
    }

    #[test]
    fn asked_after_every_value_it_is_what_all_in_order_say() {
        for fraction in [0.0, 0.1, 0.5, 0.9, 1.0] {
            let percentile = Percentile { fraction };
            let values = given(300);
            let mut kept = Kept::default();
            for count in 1..=values.len() {
                percentile.add(&mut kept, false, &&values[..], count - 1);
                // The first are in order of arrival, and asked all the same.
                if count > 20 {
                    percentile.prepare_running(&mut kept);
                }
                let expected = Some(model(&values[..count], fraction));
                assert_eq!(percentile.of(&kept), expected, "{fraction} of {count}");
            }
            let mut other = Kept::default();
            (0..80).for_each(|row| _ = percentile.add(&mut other, false, &&values[..], row));
            let all = [&values[..], &values[..80]].concat();
            percentile.merge(&mut other, false, kept);
            assert_eq!(percentile.of(&other), Some(model(&all, fraction)), "{fraction}, merged");
        }
    }

    #[test]
    fn values_that_are_equal_and_not_numbers_have_an_order() {
        let percentile = Percentile { fraction: 0.5 };
        for values in [[0.0, -0.0, 0.0], [f64::NAN, 1.0, -f64::NAN], [-0.0, -0.0, 0.0]] {
            let kept = Kept::Values(values.to_vec());
            let mut halves = kept.clone();
            percentile.prepare_running(&mut halves);
            let bits = |kept: &Kept| percentile.of(kept).map(f64::to_bits);
            assert_eq!(bits(&kept), bits(&halves), "{values:?}");
        }
    }

    #[test]
    fn a_value_costs_its_way_through_a_heap() {
        let compared = |count: u64| {
            let (percentile, values) = (Percentile { fraction: 0.5 }, given(count));
            let mut kept = Kept::default();
            percentile.prepare_running(&mut kept);
            let before = COMPARED.get();
            for row in 0..values.len() {
                percentile.add(&mut kept, false, &&values[..], row);
                percentile.of(&kept);
            }
            COMPARED.get() - before
        };
        let (few, many) = (compared(10_000), compared(100_000));
        assert!(few > 10_000 && many <= 14 * few, "{few}, then {many}: n log n, and not n n");
    }
}
