//! Cells of integers and doubles.

use arrow_array::PrimitiveArray;
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float64Type};

use super::block::{CELL_BYTES, Fill, write_word};
#[cfg(target_arch = "x86_64")]
use super::fours;
use super::rows::copy_short;
use crate::text::cell::not_finite;
use crate::text::digits;
#[cfg(target_arch = "x86_64")]
use crate::text::lanes::Avx2;
use crate::text::lanes::Level;

impl Fill<'_> {
    pub(super) fn integers<T: ArrowPrimitiveType<Native: Into<i64>>>(&mut self) {
        let array: &PrimitiveArray<T> = self.source.array.as_primitive();
        let values: &[T::Native] = array.values();
        match self.level() {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: there is such a value only where the host was found to have all that it takes.
            Level::Avx2(lanes) => unsafe { self.integers_avx2(lanes, values) },
            Level::Baseline => {
                self.each(|cell, row| Some(digits::write_integer(values[row].into(), cell)));
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn integers_avx2<T: Copy + Into<i64>>(&mut self, lanes: Avx2, values: &[T]) {
        self.each_four(
            |cells, row| {
                let four: &[T; 4] = values[row..].first_chunk()?;
                fours::integers(lanes, four.map(Into::into), cells)
            },
            |cell, row| Some(digits::write_integer(values[row].into(), cell)),
        );
    }

    pub(super) fn doubles(&mut self) {
        let values: &[f64] = self.source.array.as_primitive::<Float64Type>().values();
        match self.level() {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx2(lanes) => unsafe { self.doubles_avx2(lanes, values) },
            Level::Baseline => {
                let is_json = self.source.dialect.is_json();
                self.each(|cell, row| Some(write_double(values[row], is_json, cell)));
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn doubles_avx2(&mut self, lanes: Avx2, values: &[f64]) {
        let is_json = self.source.dialect.is_json();
        self.each_four(
            |cells, row| fours::cents(lanes, values[row..].first_chunk()?, cells),
            |cell, row| Some(write_double(values[row], is_json, cell)),
        );
    }
}

/// Writes a double in as few characters as name it: how many.
#[inline(always)]
fn write_double(value: f64, is_json: bool, cell: &mut [u8; CELL_BYTES]) -> usize {
    if let Some(len) = digits::write_cents(value, cell) {
        return len;
    }
    if let Some(len) = digits::write_fraction(value, cell) {
        return len;
    }
    if !value.is_finite() {
        return write_word(not_finite(value), is_json, cell);
    }
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value).as_bytes();
    copy_short(text, cell);
    text.len()
}
