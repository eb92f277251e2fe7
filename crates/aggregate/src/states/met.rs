//! Which values of which groups have been met, a bit for each, where whole numbers lie close together and groups are few.
//!
//! `COUNT(DISTINCT)` of a thousand numbers in five groups has a million rows of which nearly none is new. A bit tells so
//! without a hash. What is not set may still have been met: pairs stand in [`super::seen_values`], and these bits only
//! spare the look there. So they may be forgotten at any time, and a pair that lies outside of them costs what it did.

use arrow_array::ArrayRef;
use arrow_buffer::BooleanBuffer;
use tidemill_record::DataType;

use crate::argument::Groups;
use crate::keys::{KeyColumn, KeyInput};

/// Rows that come before it is asked whether bits would pay.
const ROWS_MIN: u64 = 1 << 15;
/// They pay where rows are so many times the pairs.
const ROWS_A_PAIR: u64 = 4;
/// Bits at most, which stay in L2; and as many for each row that has come.
const BITS_MAX: usize = 1 << 22;
const BITS_A_ROW: u64 = 32;
/// Of a batch, the share of rows that may lie outside before there are other bits.
const OUTSIDE_SHARE: usize = 16;

/// Bits of the values of one column of whole numbers.
pub(super) struct Met {
    column: KeyColumn,
    bits: Option<Bits>,
    row_count: u64,
    /// How many rows there are to be when it is asked again whether bits pay.
    next_look: u64,
}

/// A bit for each value from `least` on, of each of the first groups.
struct Bits {
    least: i64,
    /// Values of a group.
    span: usize,
    group_count: usize,
    words: Vec<u64>,
}

impl Bits {
    /// None set, with room for these values and groups and some beside them; `None` where those are too many.
    fn new(least: i64, greatest: i64, group_count: usize, row_count: u64) -> Option<Self> {
        let length = greatest.checked_sub(least)?;
        let least = least.saturating_sub(length / 8);
        let last = greatest.saturating_add(length / 4 + 2);
        let span = usize::try_from(last.checked_sub(least)?).ok()?.checked_add(1)?;
        let group_count = group_count.checked_next_power_of_two()?;
        let most = usize::try_from(row_count.saturating_mul(BITS_A_ROW)).unwrap_or(usize::MAX);
        let count = span.checked_mul(group_count).filter(|&count| count <= most.min(BITS_MAX))?;
        Some(Self { least, span, group_count, words: vec![0; count.div_ceil(64)] })
    }

    /// Sets the bit of a value of a group, and says whether it was set; `None` where there is none.
    #[inline(always)]
    fn set(&mut self, group: u32, value: u64) -> Option<bool> {
        let group = group as usize;
        let distance = value.cast_signed().wrapping_sub(self.least).cast_unsigned();
        let distance = usize::try_from(distance).expect("on 64 bits");
        if distance >= self.span || group >= self.group_count {
            return None;
        }
        let bit = group * self.span + distance;
        let (word, mask) = (&mut self.words[bit / 64], 1 << (bit % 64));
        let is_set = *word & mask != 0;
        *word |= mask;
        Some(is_set)
    }
}

impl Met {
    /// Of arguments of these types; `None` where they are not one whole number.
    pub(super) fn new(types: &[&DataType]) -> Option<Self> {
        let [data_type] = types else { return None };
        let column = KeyColumn::new(data_type).filter(KeyColumn::is_whole)?;
        Some(Self { column, bits: None, row_count: 0, next_look: ROWS_MIN })
    }

    /// Of the rows that are `counted`, none of them NULL, those whose value may be new to their group. The caller keeps
    /// these values: they are taken to be met from now on. `pair_count` is how many it has kept before.
    ///
    /// # Cost
    /// O(rows), without a hash.
    pub(super) fn narrowed(
        &mut self,
        groups: Groups<'_>,
        values: &ArrayRef,
        counted: Option<BooleanBuffer>,
        pair_count: usize,
    ) -> Option<BooleanBuffer> {
        self.row_count += groups.len() as u64;
        if self.bits.is_none() && self.row_count < self.next_look {
            return counted;
        }
        let KeyInput::Fixed(input) = self.column.input(values) else {
            unreachable!("whole numbers are of fixed size")
        };
        let numbers = &*input.canonical;
        if self.bits.is_none() {
            self.look(groups, numbers, counted.as_ref(), pair_count);
        }
        let Some(bits) = &mut self.bits else { return counted };
        let mut outside_count = 0;
        let mut may_be_new = |row: usize| match bits.set(groups[row], numbers[row]) {
            Some(is_set) => !is_set,
            None => {
                outside_count += 1;
                true
            }
        };
        let narrowed = match &counted {
            None => BooleanBuffer::collect_bool(groups.len(), may_be_new),
            Some(counted) => BooleanBuffer::collect_bool(groups.len(), |row| {
                counted.value(row) && may_be_new(row)
            }),
        };
        if outside_count > groups.len() / OUTSIDE_SHARE {
            self.bits = None;
            self.look(groups, numbers, counted.as_ref(), pair_count);
        }
        Some(narrowed)
    }

    /// Makes bits for values like these, if they pay.
    #[cold]
    fn look(
        &mut self,
        groups: Groups<'_>,
        numbers: &[u64],
        counted: Option<&BooleanBuffer>,
        pair_count: usize,
    ) {
        self.next_look = self.row_count.saturating_mul(2);
        if (pair_count as u64).saturating_mul(ROWS_A_PAIR) > self.row_count {
            return;
        }
        let rows = (0..groups.len()).filter(|&row| counted.is_none_or(|rows| rows.value(row)));
        let bounds = rows.map(|row| (numbers[row].cast_signed(), groups[row])).fold(
            None,
            |bounds: Option<(i64, i64, u32)>, (value, group)| match bounds {
                Some((least, greatest, most)) => {
                    Some((least.min(value), greatest.max(value), most.max(group)))
                }
                None => Some((value, value, group)),
            },
        );
        self.bits = bounds.and_then(|(least, greatest, group)| {
            Bits::new(least, greatest, (group as usize).saturating_add(1), self.row_count)
        });
    }

    /// Forgets all values.
    pub(super) fn clear(&mut self) {
        (self.bits, self.row_count, self.next_look) = (None, 0, ROWS_MIN);
    }

    /// Bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        self.bits.as_ref().map_or(0, |bits| bits.words.capacity() * size_of::<u64>())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::HashSet;
    use std::sync::Arc;

    use super::*;
    use arrow_array::{Array, Int64Array};

    const BATCH: usize = 8192;

    /// Steele, Lea and Flood's splitmix64: a number below `end`.
    fn below(state: &mut u64, end: u64) -> i64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end).cast_signed()
    }

    fn group(number: i64) -> u32 {
        u32::try_from(number).unwrap()
    }

    /// Hands batches of pairs over, and says of how many rows it was asked for no more. `pair(batch, row)` gives a row's
    /// group, and its value unless that is NULL.
    fn spared(
        batch_count: usize,
        mut pair: impl FnMut(usize, usize) -> (u32, Option<i64>),
    ) -> usize {
        let mut met = Met::new(&[&DataType::BigInt]).unwrap();
        let (mut kept, mut spared) = (HashSet::new(), 0);
        for batch in 0..batch_count {
            let rows: Vec<(u32, Option<i64>)> = (0..BATCH).map(|row| pair(batch, row)).collect();
            let groups: Vec<u32> = rows.iter().map(|row| row.0).collect();
            let values: ArrayRef = Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>());
            let counted = values.logical_nulls().map(|nulls| nulls.into_inner());
            let groups = Groups::new(&groups);
            let narrowed = met.narrowed(groups, &values, counted.clone(), kept.len());
            for (row, (group, value)) in rows.into_iter().enumerate() {
                let may_be_new = narrowed.as_ref().is_none_or(|rows| rows.value(row));
                let Some(value) = value else {
                    assert!(!may_be_new || narrowed.is_none(), "NULL is never counted");
                    continue;
                };
                let is_new = may_be_new && kept.insert((group, value));
                assert!(is_new || kept.contains(&(group, value)), "batch {batch}, row {row}");
                spared += usize::from(!may_be_new);
            }
        }
        assert!(met.heap_bytes() <= BITS_MAX / 8);
        spared
    }

    #[test]
    fn what_has_not_been_met_is_never_left_out() {
        for seed in 0..8 {
            let mut random = seed;
            let group_count = 1 + below(&mut random, 200);
            let range = 1 + below(&mut random, 3000);
            let least = below(&mut random, 1 << 40) * [1, -1][(seed % 2) as usize];
            let has_null = seed % 3 == 0;
            spared(20, |batch, _| {
                // Groups and values come that were not there at first; some lie far outside.
                let groups = if batch < 10 { group_count } else { group_count * 2 };
                let step = i64::try_from(batch).unwrap() / 6 * 20_000;
                let value = match below(&mut random, 1000) {
                    0 => i64::MIN,
                    1 => i64::MAX - below(&mut random, 1 << 62),
                    _ => least + step + below(&mut random, range.unsigned_abs()),
                };
                let is_null = has_null && below(&mut random, 3) == 0;
                (group(below(&mut random, groups.unsigned_abs())), (!is_null).then_some(value))
            });
        }
    }

    #[test]
    fn values_that_come_again_are_hardly_looked_up() {
        let mut random = 1;
        let rows =
            spared(100, |_, _| (group(below(&mut random, 5)), Some(below(&mut random, 1000))));
        assert!(rows > 90 * BATCH, "{rows}");
    }

    #[test]
    fn values_that_are_all_new_are_all_looked_up() {
        let value = |batch, row| i64::try_from(batch * BATCH + row).unwrap();
        assert_eq!(spared(40, |batch, row| (0, Some(value(batch, row)))), 0);
        assert_eq!(spared(40, |batch, row| (0, Some(value(batch, row) << 40))), 0);
    }

    #[test]
    fn only_single_whole_numbers_have_bits() {
        for types in [&[][..], &[&DataType::Varchar], &[&DataType::Double]] {
            assert!(Met::new(types).is_none(), "{types:?}");
        }
        assert!(Met::new(&[&DataType::BigInt, &DataType::BigInt]).is_none());
    }
}
