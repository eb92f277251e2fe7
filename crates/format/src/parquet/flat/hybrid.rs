//! Small numbers as Parquet packs them: runs of one number, and groups of eight that take a few bits each.
//!
//! So are the codes of a dictionary, the definition levels of a column and, in newer files, truth values.
//!
//! Spec: Apache Parquet, "Encodings", "Run Length Encoding / Bit-Packing Hybrid".

use bytes::Bytes;

/// Bits of a number at most.
pub(super) const WIDTH_MAX: u8 = 32;

/// Numbers that are read one after the other.
#[derive(Debug, Default)]
pub(super) struct Hybrid {
    bytes: Bytes,
    /// Where the next run begins.
    at: usize,
    /// Bits of a number.
    width: usize,
    run: Run,
}

/// What is left of the run at hand.
#[derive(Debug)]
enum Run {
    Same {
        number: u32,
        left: usize,
    },
    /// `first` counts the numbers of the run that are behind.
    Packed {
        start: usize,
        first: usize,
        left: usize,
    },
}

impl Default for Run {
    fn default() -> Self {
        Self::Same { number: 0, left: 0 }
    }
}

impl Hybrid {
    /// # Panics
    /// If numbers have more than [`WIDTH_MAX`] bits.
    pub(super) fn new(bytes: Bytes, width: u8) -> Self {
        assert!(width <= WIDTH_MAX, "as many bits as a number has");
        Self { bytes, at: 0, width: width.into(), run: Run::default() }
    }

    /// All bytes are one group of packed bits.
    pub(super) fn of_bits(bytes: Bytes) -> Self {
        let (at, left) = (bytes.len(), bytes.len().saturating_mul(8));
        Self { bytes, at, width: 1, run: Run::Packed { start: 0, first: 0, left } }
    }

    /// Whether this many numbers come next and are all this one, as the run at hand says; `false` may be wrong.
    ///
    /// # Cost
    /// O(1), or of single bits O(count / 64).
    ///
    /// # Errors
    /// The bytes end.
    pub(super) fn is_run_of(&mut self, number: u32, count: usize) -> Option<bool> {
        if count == 0 {
            return Some(true);
        }
        self.next_run()?;
        Some(match self.run {
            Run::Same { number: same, left } => same == number && left >= count,
            // Some writers pack levels whatever they are.
            Run::Packed { start, first, left } if self.width == 1 && left >= count => {
                let bytes = self.bytes.get(start..)?;
                number < 2 && are_bits(bytes, first, count, number == 1)
            }
            Run::Packed { .. } => false,
        })
    }

    /// Fills `numbers`; `None` where the bytes end before.
    pub(super) fn fill(&mut self, mut numbers: &mut [u32]) -> Option<()> {
        while !numbers.is_empty() {
            self.next_run()?;
            let (bytes, width) = (&self.bytes, self.width);
            let count;
            match &mut self.run {
                Run::Same { number, left } => {
                    count = numbers.len().min(*left);
                    numbers[..count].fill(*number);
                    *left -= count;
                }
                Run::Packed { start, first, left } => {
                    count = numbers.len().min(*left);
                    unpack(&bytes[*start..], width, *first, &mut numbers[..count])?;
                    *first += count;
                    *left -= count;
                }
            }
            numbers = &mut numbers[count..];
        }
        Some(())
    }

    /// Leaves out so many numbers; `None` where the bytes end before.
    pub(super) fn skip(&mut self, mut count: usize) -> Option<()> {
        while count > 0 {
            self.next_run()?;
            let skipped;
            match &mut self.run {
                Run::Same { left, .. } => {
                    skipped = count.min(*left);
                    *left -= skipped;
                }
                Run::Packed { first, left, .. } => {
                    skipped = count.min(*left);
                    *first += skipped;
                    *left -= skipped;
                }
            }
            count -= skipped;
        }
        Some(())
    }

    /// Makes the next run the one at hand if that is behind.
    fn next_run(&mut self) -> Option<()> {
        while let Run::Same { left: 0, .. } | Run::Packed { left: 0, .. } = self.run {
            let head = self.head()?;
            let count = usize::try_from(head >> 1).ok()?;
            if head & 1 == 0 {
                let mut number = [0; 4];
                let byte_count = self.width.div_ceil(8);
                let bytes = self.bytes.get(self.at..self.at + byte_count)?;
                number[..byte_count].copy_from_slice(bytes);
                self.at += byte_count;
                self.run = Run::Same { number: u32::from_le_bytes(number), left: count };
            } else {
                let left = count.checked_mul(8)?;
                self.run = Run::Packed { start: self.at, first: 0, left };
                // A last group may be cut short behind the numbers that count.
                self.at =
                    self.at.saturating_add(count.checked_mul(self.width)?).min(self.bytes.len());
            }
        }
        Some(())
    }

    /// A number of seven bits a byte, the lowest first.
    fn head(&mut self) -> Option<u64> {
        let mut head = 0_u64;
        for shift in (0..35).step_by(7) {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            head |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(head);
            }
        }
        None
    }
}

/// Whether so many bits from the `first` on, the lowest of a byte first, are all set, or all not; `false` where the bytes end before.
fn are_bits(bytes: &[u8], first: usize, count: usize, is_set: bool) -> bool {
    let all = if is_set { u8::MAX } else { 0 };
    let (end, start) = (first + count, first / 8);
    let Some(bytes) = bytes.get(start..end.div_ceil(8)) else { return false };
    let Some((last, before)) = bytes.split_last() else { return true };
    // Bits that count of the first byte, and of the last one.
    let head = u8::MAX << (first % 8);
    let tail = u8::MAX >> (end.next_multiple_of(8) - end);
    let Some((from, between)) = before.split_first() else {
        return (last ^ all) & head & tail == 0;
    };
    (from ^ all) & head == 0
        && (last ^ all) & tail == 0
        && between.iter().fold(0, |any, byte| any | (byte ^ all)) == 0
}

/// Fills `numbers` with those of `width` bits from the `first` on; `None` where the bytes end before.
fn unpack(bytes: &[u8], width: usize, first: usize, numbers: &mut [u32]) -> Option<()> {
    let bit_count = first.checked_add(numbers.len())?.checked_mul(width)?;
    if bit_count.div_ceil(8) > bytes.len() {
        return None;
    }
    // Whole groups of eight by a loop for their width, what stands around them one by one.
    let head = (first.next_multiple_of(8) - first).min(numbers.len());
    let (one_by_one, groups) = numbers.split_at_mut(head);
    unpack_each(bytes, width, first, one_by_one);
    let start = (first + head) / 8 * width;
    let done = unpack_groups(bytes.get(start..).unwrap_or_default(), width, groups);
    unpack_each(bytes, width, first + head + done, &mut groups[done..]);
    Some(())
}

fn unpack_each(bytes: &[u8], width: usize, first: usize, numbers: &mut [u32]) {
    let mask = mask_of(width);
    for (place, number) in (first..).zip(numbers) {
        let bit = place * width;
        let from = &bytes[(bit / 8).min(bytes.len())..];
        let mut word = [0; 8];
        let count = from.len().min(8);
        word[..count].copy_from_slice(&from[..count]);
        *number = low_bits(u64::from_le_bytes(word) >> (bit % 8)) & mask;
    }
}

/// Whole groups, as far as there are bytes to spare behind each; says how many numbers that were.
fn unpack_groups(bytes: &[u8], width: usize, numbers: &mut [u32]) -> usize {
    macro_rules! by_width {
        ($($width:literal)*) => {
            match width {
                $($width => groups_of::<$width>(bytes, numbers),)*
                _ => 0,
            }
        };
    }
    by_width!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22)
}

fn groups_of<const WIDTH: usize>(bytes: &[u8], numbers: &mut [u32]) -> usize {
    let mask = mask_of(WIDTH);
    let spared = bytes.len().saturating_sub(8) / WIDTH;
    let (groups, _) = numbers.as_chunks_mut::<8>();
    let count = groups.len().min(spared);
    for (group, at) in groups[..count].iter_mut().zip((0..).step_by(WIDTH)) {
        let from = &bytes[at..at + WIDTH + 8];
        for (place, number) in group.iter_mut().enumerate() {
            let bit = place * WIDTH;
            let word = from[bit / 8..].first_chunk().copied().unwrap_or_default();
            *number = low_bits(u64::from_le_bytes(word) >> (bit % 8)) & mask;
        }
    }
    count * 8
}

fn mask_of(width: usize) -> u32 {
    u32::MAX.checked_shr(32 - u32::try_from(width).unwrap_or(32)).unwrap_or(0)
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is wanted")]
fn low_bits(word: u64) -> u32 {
    word as u32
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;

    use super::*;

    /// Runs as the specification has them, bit by bit.
    fn packed(runs: &[(bool, Vec<u32>)], width: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let head = |bytes: &mut Vec<u8>, mut head: usize| {
            while head >= 128 {
                bytes.push(u8::try_from(head % 128).unwrap() | 128);
                head /= 128;
            }
            bytes.push(u8::try_from(head).unwrap());
        };
        for (is_same, numbers) in runs {
            if *is_same {
                head(&mut bytes, numbers.len() << 1);
                bytes.extend(&numbers[0].to_le_bytes()[..width.div_ceil(8)]);
                continue;
            }
            head(&mut bytes, (numbers.len() / 8) << 1 | 1);
            let bits: Vec<bool> = numbers
                .iter()
                .flat_map(|number| (0..width).map(move |bit| number >> bit & 1 == 1))
                .collect();
            bytes.extend(
                bits.chunks(8).map(|bits| {
                    bits.iter().rev().fold(0_u8, |byte, bit| byte << 1 | u8::from(*bit))
                }),
            );
        }
        bytes
    }

    #[test]
    fn numbers_of_every_width_are_read_and_skipped() {
        let mut random = Pcg64::seed_from_u64(11);
        for width in 0..=32_u8 {
            let number = |random: &mut Pcg64| random.random::<u32>() & mask_of(width.into());
            let runs: Vec<(bool, Vec<u32>)> = (0..12)
                .map(|_| {
                    let is_same = random.random();
                    let count = random.random_range(1..70_usize);
                    let numbers = match is_same {
                        true => vec![number(&mut random); count],
                        false => {
                            (0..count.next_multiple_of(8)).map(|_| number(&mut random)).collect()
                        }
                    };
                    (is_same, numbers)
                })
                .collect();
            let all: Vec<u32> = runs.iter().flat_map(|(_, numbers)| numbers).copied().collect();
            let bytes = Bytes::from(packed(&runs, width.into()));
            for _ in 0..20 {
                let mut hybrid = Hybrid::new(bytes.clone(), width);
                let mut at = 0;
                while at < all.len() {
                    let count = random.random_range(0..100).min(all.len() - at);
                    if random.random_range(0..3) == 0 {
                        hybrid.skip(count).unwrap();
                    } else {
                        let mut numbers = vec![77; count];
                        hybrid.fill(&mut numbers).unwrap();
                        assert_eq!(numbers, all[at..at + count], "width {width} at {at}");
                    }
                    at += count;
                }
                assert_eq!(hybrid.fill(&mut [0]), None, "there are no more");
            }
            // Cut anywhere: what is given is right, and nothing panics.
            for end in 0..bytes.len() {
                let mut hybrid = Hybrid::new(bytes.slice(..end), width);
                let mut numbers = vec![0; all.len()];
                if hybrid.fill(&mut numbers).is_some() {
                    assert_eq!(numbers, all);
                }
            }
        }
    }

    #[test]
    fn a_run_is_told_before_it_is_read() {
        let bytes = Bytes::from(packed(&[(true, vec![1; 20]), (false, vec![0; 8])], 1));
        let mut hybrid = Hybrid::new(bytes, 1);
        assert_eq!((hybrid.is_run_of(1, 20), hybrid.is_run_of(0, 2)), (Some(true), Some(false)));
        assert_eq!((hybrid.is_run_of(1, 21), hybrid.skip(20)), (Some(false), Some(())));
        assert_eq!((hybrid.is_run_of(0, 8), hybrid.skip(8)), (Some(true), Some(())));
        assert_eq!(hybrid.is_run_of(0, 1), None);
        // Of bits it is seen wherever they begin and end.
        let mut bytes = [0_u8; 24];
        for start in 0..180 {
            for end in start..180 {
                bytes.fill(0);
                (start..end).for_each(|bit| bytes[bit / 8] |= 1 << (bit % 8));
                let mut bits = Hybrid::of_bits(Bytes::copy_from_slice(&bytes));
                bits.skip(start).unwrap();
                assert_eq!(bits.is_run_of(1, end - start), Some(true), "{start}..{end}");
                assert_eq!(bits.is_run_of(1, end - start + 1), Some(false), "{start}..{end}");
                bits.skip(end - start).unwrap();
                assert_eq!(bits.is_run_of(0, 192 - end), Some(true), "{start}..{end}");
                assert_eq!(bits.is_run_of(0, 193 - end), Some(false), "{start}..{end}");
            }
        }
        let mut bits = Hybrid::of_bits(Bytes::from_static(&[0b1010_0101, 0xff]));
        let mut numbers = [0; 10];
        bits.fill(&mut numbers).unwrap();
        assert_eq!(numbers, [1, 0, 1, 0, 0, 1, 0, 1, 1, 1]);
    }
}
