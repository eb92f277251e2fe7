//! `STDDEV` and `VARIANCE`, of a population and of a sample, and `SEM`.
//!
//! Source: B. P. Welford, "Note on a Method for Calculating Corrected Sums of Squares and
//! Products", Technometrics 4(3), 1962, one value at a time; T. F. Chan, G. H. Golub and
//! R. J. LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances",
//! 1979, for two partitions. The order of operations is `DuckDB`'s, so that results agree to the
//! last bit within one partition.

use arrow_array::ArrayRef;
use arrow_array::types::Float64Type;
use tidemill_plan::AggregateFunction;
use tidemill_record::DataType;

use super::sum::values;
use crate::state::{Accumulator, Build, Numbers, columns_of_fields};

/// The state for one of the five functions; `None` unless the argument is `DOUBLE`.
pub(crate) fn state<B: Build>(
    build: &B,
    function: &AggregateFunction,
    argument: &DataType,
    result: &DataType,
) -> Option<B::Built> {
    use AggregateFunction as F;
    let is_sample = matches!(function, F::StddevSamp | F::VarSamp);
    let is_root = matches!(function, F::StddevPop | F::StddevSamp | F::Sem);
    let is_of_mean = *function == F::Sem;
    let variance = Variance { is_sample, is_root, is_of_mean };
    (*argument == DataType::Double).then(|| build.build(variance, result))
}

struct Variance {
    /// Divides by one less than the count.
    is_sample: bool,
    /// Takes the square root.
    is_root: bool,
    /// Is the error of the mean, and not of one value.
    is_of_mean: bool,
}

/// Moments of the values so far.
#[derive(Clone, Copy, Default)]
struct Moments {
    count: u64,
    mean: f64,
    /// Sum of the squared distances to the mean.
    squares: f64,
}

columns_of_fields!(Moments { count, mean, squares });

impl Accumulator for Variance {
    const TRACKS_SEEN: bool = false;
    type State = Moments;
    type Column<'a> = &'a [f64];
    type Output = Numbers<Float64Type>;

    fn open<'a>(&self, arguments: &[&'a ArrayRef]) -> &'a [f64] {
        values::<Float64Type>(arguments)
    }

    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "counts beyond 2^53 cannot be reached")]
    fn add(&self, state: &mut Moments, _: bool, column: &&[f64], row: usize) -> usize {
        let value = column[row];
        state.count += 1;
        let mean = state.mean + (value - state.mean) / state.count as f64;
        state.squares += (value - mean) * (value - state.mean);
        state.mean = mean;
        0
    }

    #[expect(clippy::cast_precision_loss, reason = "counts beyond 2^53 cannot be reached")]
    fn merge(&self, state: &mut Moments, _: bool, later: Moments) -> usize {
        if state.count == 0 {
            *state = later;
        } else if later.count > 0 {
            let (here, there) = (state.count as f64, later.count as f64);
            let all = here + there;
            let delta = later.mean - state.mean;
            state.mean = (there * later.mean + here * state.mean) / all;
            state.squares += later.squares + delta * delta * there * here / all;
            state.count += later.count;
        }
        0
    }

    fn output(&self, row_count: usize, data_type: &DataType) -> Numbers<Float64Type> {
        Numbers::new(row_count, data_type)
    }

    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "counts beyond 2^53 cannot be reached")]
    fn append(&self, output: &mut Numbers<Float64Type>, state: &Moments, _: bool) -> bool {
        let least = if self.is_sample { 2 } else { 1 };
        let variance = (state.count >= least).then(|| {
            let divisor = if self.is_sample { state.count - 1 } else { state.count };
            // A population of one does not vary, even if its value is not finite.
            if state.count == 1 { 0.0 } else { state.squares / divisor as f64 }
        });
        let error = variance.map(|v| if self.is_root { v.sqrt() } else { v });
        let of_mean = |error: f64| error / (state.count as f64).sqrt();
        output.append(if self.is_of_mean { error.map(of_mean) } else { error });
        true
    }
}
