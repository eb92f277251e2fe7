//! `SKEWNESS`, `KURTOSIS` and `KURTOSIS_POP`.
//!
//! Moments are kept around the mean, which loses less than sums of powers do. Source: P. Pébay, "Formulas
//! for Robust, One-Pass Parallel Computation of Covariances and Arbitrary-Order Statistical Moments",
//! SAND2008-6212, 2008, equations 2.1 and 3.1. The estimators are `DuckDB`'s.

use arrow_array::ArrayRef;
use arrow_array::types::Float64Type;
use tidemill_plan::AggregateFunction;
use tidemill_record::DataType;

use super::sum::values;
use crate::state::{Accumulator, Build, Numbers, columns_of_fields};

/// The state for one of the three functions; `None` unless the argument is `DOUBLE`.
pub(crate) fn state<B: Build>(
    build: &B,
    function: &AggregateFunction,
    argument: &DataType,
    result: &DataType,
) -> Option<B::Built> {
    let measure = match function {
        AggregateFunction::Skewness => Measure::Skewness,
        AggregateFunction::Kurtosis => Measure::Kurtosis,
        _ => Measure::KurtosisPop,
    };
    (*argument == DataType::Double).then(|| build.build(Shape(measure), result))
}

enum Measure {
    Skewness,
    Kurtosis,
    KurtosisPop,
}

struct Shape(Measure);

/// Sums of powers of the distances to the mean.
#[derive(Clone, Copy, Default)]
struct Moments {
    count: u64,
    mean: f64,
    second: f64,
    third: f64,
    fourth: f64,
}

columns_of_fields!(Moments { count, mean, second, third, fourth });

impl Moments {
    /// Adds values that are all behind those here.
    #[expect(clippy::cast_precision_loss, reason = "counts beyond 2^53 cannot be reached")]
    fn add(&mut self, later: Self) {
        if self.count == 0 {
            *self = later;
            return;
        }
        let (here, there) = (self.count as f64, later.count as f64);
        let all = here + there;
        let delta = later.mean - self.mean;
        let step = delta / all;
        self.fourth += later.fourth
            + here * there * (here * here - here * there + there * there) * delta * step.powi(3)
            + 6.0 * (here * here * later.second + there * there * self.second) * step * step
            + 4.0 * (here * later.third - there * self.third) * step;
        self.third += later.third
            + here * there * (here - there) * delta * step * step
            + 3.0 * (here * later.second - there * self.second) * step;
        self.second += later.second + here * there * delta * step;
        self.mean += there * step;
        self.count += later.count;
    }
}

impl Accumulator for Shape {
    const TRACKS_SEEN: bool = false;
    type State = Moments;
    type Column<'a> = &'a [f64];
    type Output = Numbers<Float64Type>;

    fn open<'a>(&self, arguments: &[&'a ArrayRef]) -> &'a [f64] {
        values::<Float64Type>(arguments)
    }

    #[inline]
    fn add(&self, state: &mut Moments, _: bool, column: &&[f64], row: usize) -> usize {
        state.add(Moments { count: 1, mean: column[row], ..Moments::default() });
        0
    }

    fn merge(&self, state: &mut Moments, _: bool, later: Moments) -> usize {
        if later.count > 0 {
            state.add(later);
        }
        0
    }

    fn output(&self, row_count: usize, data_type: &DataType) -> Numbers<Float64Type> {
        Numbers::new(row_count, data_type)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts beyond 2^53 cannot be reached")]
    fn append(&self, output: &mut Numbers<Float64Type>, state: &Moments, _: bool) -> bool {
        let (n, Moments { second, third, fourth, .. }) = (state.count as f64, *state);
        let least = match self.0 {
            Measure::Skewness => 3,
            Measure::Kurtosis => 4,
            Measure::KurtosisPop => 2,
        };
        // What does not vary has no shape.
        let has_shape = state.count >= least && second != 0.0;
        output.append(has_shape.then(|| {
            // The fourth moment by the square of the second.
            let ratio = n * fourth / (second * second);
            match self.0 {
                Measure::Skewness => {
                    let of_population = n.sqrt() * third / second.powf(1.5);
                    of_population * (n * (n - 1.0)).sqrt() / (n - 2.0)
                }
                Measure::Kurtosis => {
                    let divisor = (n - 2.0) * (n - 3.0);
                    (n - 1.0) * ((n + 1.0) * ratio - 3.0 * (n - 1.0)) / divisor
                }
                Measure::KurtosisPop => ratio - 3.0,
            }
        }));
        true
    }
}
