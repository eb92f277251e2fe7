//! The order of values: as in SQL for most types, and total for floats.

use std::cmp::Ordering;

use arrow_buffer::IntervalMonthDayNano;
use tidemill_record::span_nanos;

use crate::state::AsColumns;

/// A total order in which NaN is greatest and equal to itself, and -0.0 equals 0.0.
pub(crate) trait Ranked: AsColumns + Copy + Default {
    /// Compares two values.
    fn rank(&self, other: &Self) -> Ordering;

    /// An order of values that are equal, such that those which differ in nothing are equal.
    #[inline]
    fn bits_rank(&self, _: &Self) -> Ordering {
        Ordering::Equal
    }

    /// Whether this value comes strictly before the other.
    #[inline]
    fn precedes(self, other: Self) -> bool {
        self.rank(&other) == Ordering::Less
    }
}

macro_rules! ranked_by_ord {
    ($($native:ty),*) => {$(
        impl Ranked for $native {
            #[inline]
            fn rank(&self, other: &Self) -> Ordering {
                self.cmp(other)
            }
        }
    )*};
}

ranked_by_ord!(bool, i8, i16, i32, i64, i128);

impl Ranked for IntervalMonthDayNano {
    #[inline]
    fn rank(&self, other: &Self) -> Ordering {
        span_nanos(*self).cmp(&span_nanos(*other))
    }

    #[inline]
    fn bits_rank(&self, other: &Self) -> Ordering {
        let parts = |span: &Self| (span.months, span.days, span.nanoseconds);
        parts(self).cmp(&parts(other))
    }
}

macro_rules! ranked_float {
    ($($native:ty),*) => {$(
        impl Ranked for $native {
            #[inline]
            fn rank(&self, other: &Self) -> Ordering {
                match self.partial_cmp(other) {
                    Some(ordering) => ordering,
                    None => self.is_nan().cmp(&other.is_nan()),
                }
            }

            #[inline]
            fn bits_rank(&self, other: &Self) -> Ordering {
                self.total_cmp(other)
            }

            #[inline]
            fn precedes(self, other: Self) -> bool {
                // Once there are a few values, nearly every one is not before the least.
                if self >= other {
                    return false;
                }
                std::hint::cold_path();
                !self.is_nan()
            }
        }
    )*};
}

ranked_float!(f32, f64);
