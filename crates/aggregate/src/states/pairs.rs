//! `CORR`, `COVAR_POP`, `COVAR_SAMP` and the `REGR_…` functions: of pairs `(y, x)`.
//!
//! Source: as for `variance`, with the co-moment beside the two squares.

use arrow_array::ArrayRef;
use arrow_array::types::Float64Type;
use tidemill_plan::PairStatistic;
use tidemill_record::DataType;

use super::sum::values;
use crate::argument::Column;
use crate::state::{Accumulator, Build, Numbers, columns_of_fields};

/// The state for a statistic; `None` unless both arguments are `DOUBLE`.
pub(crate) fn state<B: Build>(
    build: &B,
    statistic: PairStatistic,
    arguments: &[&DataType],
    result: &DataType,
) -> Option<B::Built> {
    let are_doubles = arguments == [&DataType::Double, &DataType::Double];
    are_doubles.then(|| build.build(Pairs(statistic), result))
}

struct Pairs(PairStatistic);

/// Moments of the pairs so far.
#[derive(Clone, Copy, Default)]
struct Moments {
    count: u64,
    mean_x: f64,
    mean_y: f64,
    /// Sum of the squared distances of `x` to its mean.
    squares_x: f64,
    squares_y: f64,
    /// Sum of the products of both distances.
    products: f64,
}

columns_of_fields!(Moments { count, mean_x, mean_y, squares_x, squares_y, products });

/// Both arguments of a batch.
struct Columns<'a> {
    y: &'a [f64],
    x: &'a [f64],
}

// SAFETY: the lengths of what is borrowed stay, and rows are read with a look at bounds.
unsafe impl Column for Columns<'_> {
    fn row_count(&self) -> usize {
        self.y.len().min(self.x.len())
    }
}

impl Accumulator for Pairs {
    const TRACKS_SEEN: bool = false;
    type State = Moments;
    type Column<'a> = Columns<'a>;
    type Output = Numbers<Float64Type>;

    fn open<'a>(&self, arguments: &[&'a ArrayRef]) -> Columns<'a> {
        Columns { y: values::<Float64Type>(arguments), x: values::<Float64Type>(&arguments[1..]) }
    }

    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "counts beyond 2^53 cannot be reached")]
    fn add(&self, state: &mut Moments, _: bool, column: &Columns<'_>, row: usize) -> usize {
        let (y, x) = (column.y[row], column.x[row]);
        state.count += 1;
        let count = state.count as f64;
        let (delta_x, delta_y) = (x - state.mean_x, y - state.mean_y);
        state.mean_x += delta_x / count;
        state.mean_y += delta_y / count;
        state.products += delta_y * (x - state.mean_x);
        state.squares_x += delta_x * (x - state.mean_x);
        state.squares_y += delta_y * (y - state.mean_y);
        0
    }

    #[expect(clippy::cast_precision_loss, reason = "counts beyond 2^53 cannot be reached")]
    fn merge(&self, state: &mut Moments, _: bool, later: Moments) -> usize {
        if state.count == 0 {
            *state = later;
        } else if later.count > 0 {
            let (here, there) = (state.count as f64, later.count as f64);
            let all = here + there;
            let (delta_x, delta_y) = (later.mean_x - state.mean_x, later.mean_y - state.mean_y);
            state.mean_x = (there * later.mean_x + here * state.mean_x) / all;
            state.mean_y = (there * later.mean_y + here * state.mean_y) / all;
            let weight = there * here / all;
            state.squares_x += later.squares_x + delta_x * delta_x * weight;
            state.squares_y += later.squares_y + delta_y * delta_y * weight;
            state.products += later.products + delta_x * delta_y * weight;
            state.count += later.count;
        }
        0
    }

    fn output(&self, row_count: usize, data_type: &DataType) -> Numbers<Float64Type> {
        Numbers::new(row_count, data_type)
    }

    fn append(&self, output: &mut Numbers<Float64Type>, state: &Moments, _: bool) -> bool {
        output.append(statistic_of(self.0, state));
        true
    }
}

/// What does not vary has no slope: it is NaN, and what follows from it NULL, as in `DuckDB`.
#[expect(clippy::cast_precision_loss, reason = "counts beyond 2^53 cannot be reached")]
fn statistic_of(statistic: PairStatistic, moments: &Moments) -> Option<f64> {
    use PairStatistic as P;
    let Moments { count, mean_x, mean_y, squares_x, squares_y, products } = *moments;
    if count == 0 {
        return None;
    }
    let pairs = count as f64;
    let correlation = || {
        let deviations = (squares_x / pairs).sqrt() * (squares_y / pairs).sqrt();
        if deviations == 0.0 { f64::NAN } else { products / pairs / deviations }
    };
    let slope = || if squares_x == 0.0 { f64::NAN } else { products / squares_x };
    Some(match statistic {
        P::Corr => correlation(),
        P::CovarPop => products / pairs,
        P::CovarSamp if count < 2 => return None,
        P::CovarSamp => products / (pairs - 1.0),
        P::RegrAvgX => mean_x,
        P::RegrAvgY => mean_y,
        P::RegrSlope => slope(),
        P::RegrIntercept | P::RegrR2 if squares_x == 0.0 => return None,
        P::RegrIntercept => mean_y - slope() * mean_x,
        P::RegrR2 if squares_y == 0.0 => 1.0,
        P::RegrR2 => correlation().powi(2),
        P::RegrSxx => squares_x,
        P::RegrSxy => products,
        P::RegrSyy => squares_y,
    })
}
