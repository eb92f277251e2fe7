//! `APPROX_COUNT_DISTINCT`: `HyperLogLog` with 2^12 registers, standard error 1.04 / sqrt(2^12),
//! about 1.6 %.
//!
//! A group starts with a sorted list of its registers that are not zero, four bytes each, and
//! turns to all 4096 registers of one byte when that is smaller. The estimate is a function of
//! the set of values alone: not of their order, the partitions, or the representation.
//!
//! Source: P. Flajolet, É. Fusy, O. Gandouet and F. Meunier, "HyperLogLog", AofA 2007; the
//! estimator, which needs no correction for small or large counts, is algorithm 6 of O. Ertl,
//! "New cardinality estimation algorithms for HyperLogLog sketches", arXiv:1702.01284, 2017.

use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef};
use tidemill_record::DataType;
use tidemill_record::image::{Image, ImageError};

use crate::keys::{KeyColumn, hash};
use crate::state::{Accumulator, AsColumns, Cells, Numbers, State, put_counts, take_counts};

/// Bits of the hash that choose the register.
const INDEX_BITS: u32 = 12;
const REGISTER_COUNT: usize = 1 << INDEX_BITS;
/// Bits of the hash whose leading zeros are counted; a register holds `0..=VALUE_BITS + 1`.
const VALUE_BITS: u32 = 64 - INDEX_BITS;
/// Beyond this many a list of registers is no smaller than all of them.
const LISTED_MAX: usize = REGISTER_COUNT / size_of::<u32>();

/// The state for an argument type; `None` for `ARRAY`.
pub(crate) fn state(argument: &DataType, result: &DataType) -> Option<Box<dyn State>> {
    let hasher = KeyColumn::new(argument)?;
    Some(Cells::boxed(ApproxCountDistinct { hasher }, result))
}

struct ApproxCountDistinct {
    /// Always empty: it knows how values of the argument's type hash.
    hasher: KeyColumn,
}

/// The registers of one group.
#[derive(Clone)]
enum Registers {
    /// `index << 8 | rank` of each register that is not zero, ascending.
    Listed(Vec<u32>),
    /// Every register's rank.
    All(Box<[u8]>),
}

impl Default for Registers {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

/// Of a list its entries; of all registers their ranks, the lists left out.
impl AsColumns for Registers {
    fn put<'a>(states: impl ExactSizeIterator<Item = &'a Self> + Clone, image: &mut Image) {
        let listed = |state: &'a Self| match state {
            Self::Listed(list) => &list[..],
            Self::All(_) => &[],
        };
        let all = |state: &'a Self| match state {
            Self::Listed(_) => &[],
            Self::All(ranks) => &ranks[..],
        };
        image.put_flags("is_all", states.clone().map(|state| matches!(state, Self::All(_))));
        put_counts(image, states.clone().map(|state| listed(state).len()));
        image.put("listed", states.clone().flat_map(listed).copied());
        image.put("ranks", states.flat_map(all).copied());
    }

    fn take(image: &mut Image, count: usize, _: &DataType) -> Result<Vec<Self>, ImageError> {
        let are_all = image.take_flags("is_all", count)?;
        let (counts, listed_count) = take_counts(image, count)?;
        let listed: Vec<u32> = image.take_exactly("listed", listed_count)?;
        let all_count = are_all.iter().filter(|is_all| **is_all).count();
        let ranks: Vec<u8> = image.take_exactly("ranks", all_count * REGISTER_COUNT)?;
        let rank_max = VALUE_BITS + 1;
        if ranks.iter().any(|&rank| u32::from(rank) > rank_max) {
            return Err(ImageError::new("ranks", "holds one that no hash has"));
        }
        let mut all = ranks.chunks_exact(REGISTER_COUNT);
        let mut states = Vec::with_capacity(count);
        let mut start = 0;
        for (is_all, count) in are_all.into_iter().zip(counts) {
            let list = &listed[start..start + count];
            start += count;
            let is_right = list.is_sorted_by(|a, b| a >> 8 < b >> 8)
                && list.iter().all(|entry| (1..=rank_max).contains(&(entry & 0xff)))
                && list.last().is_none_or(|entry| (entry >> 8) < 1 << INDEX_BITS)
                && list.len() <= if is_all { 0 } else { LISTED_MAX };
            if !is_right {
                return Err(ImageError::new("listed", "is no list of registers"));
            }
            let ranks = if is_all { all.next() } else { None };
            states.push(match ranks {
                Some(ranks) => Self::All(ranks.into()),
                None => {
                    // As much room as a list has that has grown by doubling: it never has more than all registers.
                    let room = if count == 0 { 0 } else { count.next_power_of_two().max(4) };
                    let mut kept = Vec::with_capacity(room);
                    kept.extend_from_slice(list);
                    Self::Listed(kept)
                }
            });
        }
        Ok(states)
    }
}

impl Registers {
    fn add_hash(&mut self, hash: u64) -> usize {
        let index = u32::try_from(hash >> VALUE_BITS).expect("twelve bits");
        let rank = (hash << INDEX_BITS).leading_zeros().min(VALUE_BITS) + 1;
        self.raise(index, rank)
    }

    /// Raises a register to a rank, unless it is there; gives the heap bytes gained.
    fn raise(&mut self, index: u32, rank: u32) -> usize {
        match self {
            Self::All(ranks) => {
                let rank = u8::try_from(rank).expect("ranks end at 53");
                let kept = &mut ranks[index as usize];
                *kept = rank.max(*kept);
                0
            }
            Self::Listed(list) => {
                let entry = index << 8 | rank;
                match list.binary_search_by_key(&index, |kept| kept >> 8) {
                    Ok(at) => {
                        list[at] = list[at].max(entry);
                        0
                    }
                    Err(at) if list.len() < LISTED_MAX => {
                        let capacity_before = list.capacity();
                        list.insert(at, entry);
                        (list.capacity() - capacity_before) * size_of::<u32>()
                    }
                    Err(_) => {
                        let freed = list.capacity() * size_of::<u32>();
                        let list = std::mem::take(list);
                        *self = Self::All(vec![0; REGISTER_COUNT].into_boxed_slice());
                        for kept in list {
                            self.raise(kept >> 8, kept & 0xff);
                        }
                        self.raise(index, rank);
                        REGISTER_COUNT.saturating_sub(freed)
                    }
                }
            }
        }
    }

    /// How many registers hold each rank.
    fn histogram(&self) -> [u32; VALUE_BITS as usize + 2] {
        let mut counts = [0; VALUE_BITS as usize + 2];
        match self {
            Self::All(ranks) => ranks.iter().for_each(|&rank| counts[usize::from(rank)] += 1),
            Self::Listed(list) => {
                list.iter().for_each(|kept| counts[(kept & 0xff) as usize] += 1);
                counts[0] = u32::try_from(REGISTER_COUNT - list.len()).expect("at most 4096");
            }
        }
        counts
    }

    /// The estimated number of distinct values.
    #[expect(clippy::cast_possible_truncation, reason = "as casts of floats saturate")]
    fn estimate(&self) -> i64 {
        let counts = self.histogram().map(f64::from);
        let registers = f64::from(1_u32 << INDEX_BITS);
        let last = VALUE_BITS as usize + 1;
        if counts[0] == registers {
            return 0;
        }
        let mut sum = registers * tau(1.0 - counts[last] / registers);
        for count in counts[1..last].iter().rev() {
            sum = 0.5 * (sum + count);
        }
        sum += registers * sigma(counts[0] / registers);
        (registers * registers / (2.0 * std::f64::consts::LN_2 * sum)).round() as i64
    }
}

/// Source: Ertl 2017, algorithm 6, function sigma.
fn sigma(mut x: f64) -> f64 {
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

/// Source: Ertl 2017, algorithm 6, function tau.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

impl Accumulator for ApproxCountDistinct {
    const TRACKS_SEEN: bool = false;
    type State = Registers;
    type Column<'a> = Vec<u64>;
    type Output = Numbers<Int64Type>;

    fn open(&self, arguments: &[&ArrayRef]) -> Vec<u64> {
        let argument = arguments[0];
        let mut hashes = Vec::with_capacity(argument.len());
        self.hasher.input(argument).hash_rows(&hash::FIXED, argument.len(), &mut hashes);
        hashes
    }

    #[inline]
    fn add(&self, state: &mut Registers, _: bool, hashes: &Vec<u64>, row: usize) -> usize {
        state.add_hash(hash::finalize(hashes[row]))
    }

    fn merge(&self, state: &mut Registers, _: bool, later: Registers) -> usize {
        match later {
            Registers::Listed(list) => {
                list.into_iter().map(|kept| state.raise(kept >> 8, kept & 0xff)).sum()
            }
            Registers::All(ranks) => {
                let raised = (0_u32..).zip(ranks).filter(|(_, rank)| *rank > 0);
                raised.map(|(index, rank)| state.raise(index, u32::from(rank))).sum()
            }
        }
    }

    fn output(&self, row_count: usize, data_type: &DataType) -> Numbers<Int64Type> {
        Numbers::new(row_count, data_type)
    }

    fn append(&self, output: &mut Numbers<Int64Type>, state: &Registers, _: bool) -> bool {
        output.append(Some(state.estimate()));
        true
    }

    fn outside_bytes(state: &Registers) -> usize {
        match state {
            Registers::Listed(list) => list.capacity() * size_of::<u32>(),
            Registers::All(ranks) => ranks.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(hashes: impl Iterator<Item = u64>) -> Registers {
        let mut registers = Registers::default();
        for value in hashes {
            registers.add_hash(hash::finalize(value));
        }
        registers
    }

    fn of_u64(value: u64) -> u64 {
        hash::of_u64(&hash::FIXED, value)
    }

    /// Values that differ in few bits are the hard case for a hash.
    #[test]
    fn estimates_stay_within_four_standard_errors() {
        for count in [0_u32, 1, 2, 10, 100, 1_000, 5_000, 20_000, 300_000] {
            let narrow = of((0..u64::from(count)).map(of_u64));
            let spaced = of((0..u128::from(count)).map(|n| hash::of_u128(&hash::FIXED, n * 100)));
            let high = of((0..u128::from(count)).map(|n| hash::of_u128(&hash::FIXED, n << 64 | n)));
            let text = of((0..count)
                .map(|n| hash::of_bytes(&hash::FIXED, format!("customer-{n:08}").as_bytes())));
            for registers in [narrow, spaced, high, text] {
                let estimate = registers.estimate();
                let error = (estimate as f64 - f64::from(count)).abs();
                assert!(error <= 0.065 * f64::from(count), "{estimate} for {count}");
            }
        }
    }

    #[test]
    fn repeats_change_nothing() {
        let once = of((0..5000).map(of_u64)).estimate();
        assert_eq!(of((0..5000).chain(0..5000).map(of_u64)).estimate(), once);
    }

    /// From lists and from all registers, either way round.
    #[test]
    fn merged_halves_are_the_whole() {
        let hasher = KeyColumn::new(&DataType::BigInt).expect("BIGINT is a key");
        let function = ApproxCountDistinct { hasher };
        for (first, second) in [(10, 20), (10, 5000), (4000, 4010), (4000, 9000)] {
            let mut merged = of((0..first).map(of_u64));
            function.merge(&mut merged, false, of((first / 2..second).map(of_u64)));
            let whole = of((0..second).map(of_u64));
            assert_eq!(merged.histogram(), whole.histogram(), "{first}, {second}");
        }
    }
}
