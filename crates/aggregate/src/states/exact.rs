//! A sum of decimals that cannot overflow: whether the total fits is asked when it leaves.

use tidemill_record::DataType;
use tidemill_record::image::{Image, ImageError};

use crate::state::{AsColumns, take_field};

/// `low + wraps * 2^128`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ExactSum {
    low: i128,
    wraps: i64,
}

impl AsColumns for ExactSum {
    fn put<'a>(states: impl ExactSizeIterator<Item = &'a Self> + Clone, image: &mut Image) {
        image.put("low", states.clone().map(|sum| sum.low));
        image.put("wraps", states.map(|sum| sum.wraps));
    }

    fn take(image: &mut Image, count: usize, _: &DataType) -> Result<Vec<Self>, ImageError> {
        let lows = image.take_exactly("low", count)?;
        let wraps = take_field(image, "wraps", count)?;
        Ok(lows.into_iter().zip(wraps).map(|(low, wraps)| Self { low, wraps }).collect())
    }
}

impl ExactSum {
    /// Adds one value.
    #[inline]
    pub(crate) fn add(&mut self, value: i128) {
        let (low, has_wrapped) = self.low.overflowing_add(value);
        self.low = low;
        if has_wrapped {
            self.wraps += if value < 0 { -1 } else { 1 };
        }
    }

    /// Adds another sum.
    pub(crate) fn add_sum(&mut self, other: Self) {
        self.add(other.low);
        self.wraps += other.wraps;
    }

    /// The total, if it has at most 38 digits.
    #[inline]
    pub(crate) fn total(self) -> Option<i128> {
        const DIGITS_38: u128 = 10_u128.pow(38);
        (self.wraps == 0 && self.low.unsigned_abs() < DIGITS_38).then_some(self.low)
    }

    /// The total, scaled down by `10^scale`, divided by `count`.
    ///
    /// A total that a `DOUBLE` cannot hold exactly is scaled as a whole part and a fraction, as
    /// `DuckDB` casts a decimal, so that averages agree to the last digit.
    #[expect(clippy::cast_precision_loss, reason = "a mean is a DOUBLE")]
    pub(crate) fn mean(self, count: u64, scale: u8) -> f64 {
        const EXACT_MAX: u128 = 1 << 53;
        let unit = 10_i128.pow(u32::from(scale));
        let total = if self.wraps == 0 && self.low.unsigned_abs() > EXACT_MAX {
            (self.low / unit) as f64 + (self.low % unit) as f64 / unit as f64
        } else {
            (self.wraps as f64 * 2.0_f64.powi(128) + self.low as f64) / unit as f64
        };
        total / count as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_that_comes_back_into_range_is_exact() {
        let large = 10_i128.pow(38) - 1;
        let mut sum = ExactSum::default();
        for _ in 0..10 {
            sum.add(large);
        }
        assert_eq!(sum.total(), None);
        for _ in 0..9 {
            sum.add(-large);
        }
        assert_eq!(sum.total(), Some(large));
        sum.add(1);
        assert_eq!(sum.total(), None, "10^38 has 39 digits");
    }

    #[test]
    fn means_of_sums_beyond_two_to_the_128() {
        let large = 10_i128.pow(38) - 1;
        let mut sum = ExactSum::default();
        for _ in 0..4 {
            sum.add(large);
        }
        assert_eq!(sum.mean(4, 0), 1e38);
    }
}
