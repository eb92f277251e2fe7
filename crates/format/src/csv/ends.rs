//! Where the fields of regular CSV records end: the bits between two newlines, written out.

use crate::text::slot::narrow;

/// Bytes of zero bits behind all others, so that a word can be loaded anywhere.
pub(super) const BITS_BEHIND: usize = 16;

/// Fills `room` with `base` plus the place of each bit, lowest first, and gives the bits that are left.
///
/// Where there are fewer bits than room, what is written for them counts for nothing: a branch for every
/// bit would be one that cannot be foreseen.
#[inline(always)]
pub(super) fn write(room: &mut [u32], base: u32, bits: u64) -> u64 {
    let mut left = bits;
    for position in room {
        *position = base + left.trailing_zeros();
        left &= left.wrapping_sub(1);
    }
    left
}

/// Writes the ends of the fields of records that follow one another from `start` on, each up to its newline,
/// as long as they have `field_count` and, where there is `text`, no carriage return before the newline;
/// and how many records have.
#[inline(always)]
pub(super) fn note_rows(
    bits: Bits<'_>,
    text: Option<&[u8]>,
    start: u32,
    newlines: &[u32],
    field_count: usize,
    ends: &mut [u32],
) -> usize {
    // A loop of its own for every few fields, in which their number is known.
    match field_count {
        1 => note_few::<1>(bits, text, start, newlines, ends),
        2 => note_few::<2>(bits, text, start, newlines, ends),
        3 => note_few::<3>(bits, text, start, newlines, ends),
        4 => note_few::<4>(bits, text, start, newlines, ends),
        5 => note_few::<5>(bits, text, start, newlines, ends),
        6 => note_few::<6>(bits, text, start, newlines, ends),
        7 => note_few::<7>(bits, text, start, newlines, ends),
        8 => note_few::<8>(bits, text, start, newlines, ends),
        _ => note_many(bits, text, start, newlines, ends.chunks_exact_mut(field_count)),
    }
}

#[inline(always)]
fn note_few<const FIELDS: usize>(
    bits: Bits<'_>,
    text: Option<&[u8]>,
    start: u32,
    newlines: &[u32],
    ends: &mut [u32],
) -> usize {
    let (mut start, mut row_count) = (start, 0);
    for (&newline, room) in newlines.iter().zip(ends.as_chunks_mut::<FIELDS>().0) {
        if has_return(text, newline) {
            break;
        }
        let is_regular = match bits.of(start, newline) {
            Some(stops) => {
                write(room, start, stops);
                stops.count_ones() as usize == FIELDS
            }
            None => bits.write_ends(start, newline, room),
        };
        if !is_regular {
            break;
        }
        start = newline + 1;
        row_count += 1;
    }
    row_count
}

fn note_many<'a>(
    bits: Bits<'_>,
    text: Option<&[u8]>,
    start: u32,
    newlines: &[u32],
    rooms: impl Iterator<Item = &'a mut [u32]>,
) -> usize {
    let (mut start, mut row_count) = (start, 0);
    for (&newline, room) in newlines.iter().zip(rooms) {
        if has_return(text, newline) || !bits.write_ends(start, newline, room) {
            break;
        }
        start = newline + 1;
        row_count += 1;
    }
    row_count
}

#[inline(always)]
fn has_return(text: Option<&[u8]>, newline: u32) -> bool {
    let before = (newline as usize).wrapping_sub(1);
    text.is_some_and(|text| text.get(before) == Some(&b'\r'))
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
#[inline(never)]
pub(super) fn note_rows_avx2(
    bits: Bits<'_>,
    text: Option<&[u8]>,
    start: u32,
    newlines: &[u32],
    field_count: usize,
    ends: &mut [u32],
) -> usize {
    note_rows(bits, text, start, newlines, field_count, ends)
}

/// Which bytes of a frame are stops, a bit each from `base` on, with [`BITS_BEHIND`].
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    pub(super) stops: &'a [u8],
    pub(super) base: usize,
}

impl Bits<'_> {
    /// The stops of the record from `start` to its newline, the lowest bit being its first byte; `None` if
    /// it takes 64 bytes or more.
    #[inline(always)]
    fn of(self, start: u32, newline: u32) -> Option<u64> {
        const LOW_BITS: usize = 56;
        let len = newline - start + 1;
        if len >= u64::BITS {
            return None;
        }
        let at = start as usize - self.base;
        let loaded: &[u8; LOW_BITS / 8 + 8] =
            self.stops[at / 8..].first_chunk().expect("bits behind the last");
        // Of a word that is shifted to a bit, 57 are left.
        let word = |bytes: Option<&[u8; 8]>| {
            u64::from_le_bytes(*bytes.expect("eight of fifteen")) >> (at % 8)
        };
        let low = word(loaded.first_chunk()) & ((1 << LOW_BITS) - 1);
        let bits = low | (word(loaded.last_chunk()) << LOW_BITS);
        Some(bits & !(u64::MAX << len))
    }

    /// Writes the ends of the fields of one record, its newline being the last, and whether they are as many
    /// as there is room for.
    fn write_ends(self, start: u32, newline: u32, room: &mut [u32]) -> bool {
        const STEP: usize = 56;
        let mut found = 0;
        for start in (start..=newline).step_by(STEP) {
            let stops =
                self.of(start, newline.min(start + narrow(STEP) - 1)).expect("no more bits");
            let count = stops.count_ones() as usize;
            let Some(room) = room.get_mut(found..found + count) else { return false };
            write(room, start, stops);
            found += count;
        }
        found == room.len()
    }
}
