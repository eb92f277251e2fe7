//! Cells of texts: which of them stand in the output as they are.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

use arrow_array::cast::AsArray;
use arrow_array::{Array, StringViewArray};
#[cfg(target_arch = "x86_64")]
use arrow_data::ByteView;
use arrow_data::MAX_INLINE_VIEW_LEN;

use super::block::{COPIED, Dialect, Fill, QUOTED, in_quotes};
#[cfg(target_arch = "x86_64")]
use crate::text::lanes::Avx2;
use crate::text::lanes::{Baseline, Lanes, Level};

impl Fill<'_> {
    /// Writes short texts and says how each other one is to be copied: how many bytes they take at most.
    pub(super) fn texts(&mut self) -> usize {
        match self.level() {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: there is such a value only where the host was found to have all that it takes.
            Level::Avx2(lanes) => unsafe { self.texts_avx2(lanes) },
            Level::Baseline => self.texts_with(Baseline),
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn texts_avx2(&mut self, lanes: Avx2) -> usize {
        self.texts_with(lanes)
    }

    #[inline(always)]
    fn texts_with<L: Lanes>(&mut self, lanes: L) -> usize {
        match self.source.dialect {
            Dialect::Csv(options) => {
                let (delimiter, quote) = (options.delimiter, options.quote);
                let special = [delimiter, quote, b'\n', b'\r'];
                // Above the line breaks, the space and both others every byte is bare.
                let floor = delimiter.max(quote).max(b' ') + 1;
                self.each_text(lanes, CsvText { special, floor })
            }
            Dialect::Json => self.each_text(lanes, JsonText),
        }
    }

    /// Writes texts of at most 12 bytes that are bare; of any other, how it is to be copied.
    #[inline(always)]
    fn each_text<L: Lanes>(&mut self, lanes: L, quoting: impl Quoting) -> usize {
        let array: &StringViewArray = self.source.array.as_string_view();
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        let (end, end_len) = self.source.end.map_or((0, 0), |end| (end, 1));
        let is_json = self.source.dialect.is_json();
        let quotes = usize::from(is_json);
        let mut byte_count = 0;
        for (index, row) in self.rows.clone().enumerate() {
            let cell = &mut self.block.cells[index];
            let len = if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                cell[..4].copy_from_slice(b"null");
                4 * quotes
            } else if let Some((text, len)) = short_text(array.views()[row])
                && quoting.is_bare(text, len)
            {
                cell[quotes..quotes + 16].copy_from_slice(&text.to_le_bytes());
                in_quotes(len, quotes, cell)
            } else {
                fetch_ahead(array, row + AHEAD_ROWS);
                let text = array.value(row).as_bytes();
                let growth = quoting.growth(lanes, text);
                // With quotes in JSON and what stands behind.
                byte_count += text.len() + growth.unwrap_or(2) + 1;
                self.block.lens[index] = if growth.is_some() { QUOTED } else { COPIED };
                continue;
            };
            cell[len] = end;
            #[expect(clippy::cast_possible_truncation, reason = "at most 14")]
            let len = len as u8 + end_len;
            self.block.lens[index] = len;
        }
        byte_count
    }
}

/// A text is asked for so many rows before it is looked at, for the sake of rows that were put in order: their texts
/// stand anywhere in memory.
const AHEAD_ROWS: usize = 16;

/// Asks for the text of a row, if it is there and no view holds it.
#[inline(always)]
fn fetch_ahead(array: &StringViewArray, row: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(&view) = array.views().get(row) {
        let view = ByteView::from(view);
        if view.length > MAX_INLINE_VIEW_LEN
            && let Some(buffer) = array.data_buffers().get(view.buffer_index as usize)
        {
            let text = buffer.as_ptr().wrapping_add(view.offset as usize);
            let last = text.wrapping_add(view.length as usize - 1);
            // SAFETY: a prefetch does nothing but that, whatever is there.
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(text.cast());
                _mm_prefetch::<_MM_HINT_T0>(last.cast());
            }
        }
    }
}

/// Which texts stand in the output as they are. A trait and no closures, since what takes vectors has to be inlined
/// into a function that is compiled for them.
trait Quoting: Copy {
    /// Whether a text of at most 12 bytes does, zeros behind.
    fn is_bare(self, text: u128, len: usize) -> bool;

    /// What is to be quoted or escaped in 32 bytes.
    fn found<L: Lanes>(self, lanes: L, lane: &[u8; 32]) -> u32;

    /// By how many bytes a text grows where so many are to be quoted or escaped, if it does not stay as it is.
    fn growth_by(self, text: &[u8], found: usize) -> Option<usize>;

    /// By how many bytes a text grows, if it does.
    #[inline(always)]
    fn growth<L: Lanes>(self, lanes: L, text: &[u8]) -> Option<usize> {
        self.growth_by(text, count(lanes, self, text))
    }
}

#[derive(Clone, Copy)]
struct CsvText {
    /// What makes quotes necessary.
    special: [u8; 4],
    /// From this byte on every one is bare.
    floor: u8,
}

impl Quoting for CsvText {
    #[inline(always)]
    fn is_bare(self, text: u128, len: usize) -> bool {
        len > 0
            && (!holds_below(text, len, self.floor)
                || (!holds_any(text, self.special)
                    && byte_of(text, 0) != b' '
                    && byte_of(text, len - 1) != b' '))
    }

    #[inline(always)]
    fn found<L: Lanes>(self, lanes: L, lane: &[u8; 32]) -> u32 {
        lanes.any_of(lane, self.special)
    }

    #[inline(always)]
    fn growth_by(self, text: &[u8], found: usize) -> Option<usize> {
        let (Some(first), Some(last)) = (text.first(), text.last()) else { return Some(2) };
        let is_bare = found == 0 && *first != b' ' && *last != b' ';
        // Quotes around it, and one more for each within.
        if is_bare { None } else { Some(2 + found) }
    }
}

#[derive(Clone, Copy)]
struct JsonText;

impl Quoting for JsonText {
    #[inline(always)]
    fn is_bare(self, text: u128, len: usize) -> bool {
        !holds_any(text, [b'"', b'\\']) && !holds_below(text, len, b' ')
    }

    #[inline(always)]
    fn found<L: Lanes>(self, lanes: L, lane: &[u8; 32]) -> u32 {
        lanes.string_stops(lane)
    }

    #[inline(always)]
    fn growth_by(self, _: &[u8], found: usize) -> Option<usize> {
        // An escape has six bytes at most.
        if found == 0 { None } else { Some(2 + 5 * found) }
    }
}

/// How many bytes of a text are to be quoted or escaped, or up to three times as many where its length is no multiple
/// of 32.
#[inline(always)]
fn count<L: Lanes>(lanes: L, quoting: impl Quoting, text: &[u8]) -> usize {
    let (whole, rest) = text.as_chunks::<32>();
    let mut found = 0;
    for lane in whole {
        found += quoting.found(lanes, lane).count_ones();
    }
    if !rest.is_empty() {
        found += match text.last_chunk() {
            Some(last) => quoting.found(lanes, last).count_ones(),
            None => quoting.found(lanes, &repeated(text)).count_ones(),
        };
    }
    found as usize
}

/// A lane that holds each byte of a text of less than 32 and nothing else.
#[inline(always)]
fn repeated(text: &[u8]) -> [u8; 32] {
    let mut lane = [text[0]; 32];
    if let (Some(first), Some(last)) = (text.first_chunk::<16>(), text.last_chunk::<16>()) {
        lane[..16].copy_from_slice(first);
        lane[16..].copy_from_slice(last);
    } else if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        lane[..8].copy_from_slice(first);
        lane[8..16].copy_from_slice(last);
    } else {
        lane[..text.len()].copy_from_slice(text);
    }
    lane
}

/// Calls `stop` with the place of each byte of a text that JSON writes with an escape.
#[inline(always)]
pub(super) fn each_stop(lanes: impl Lanes, text: &[u8], mut stop: impl FnMut(usize)) {
    let (whole, rest) = text.as_chunks::<32>();
    let mut padded = [b' '; 32];
    padded[..rest.len()].copy_from_slice(rest);
    for (index, lane) in whole.iter().chain([&padded]).enumerate() {
        let mut stops = lanes.string_stops(lane);
        while stops != 0 {
            stop(32 * index + stops.trailing_zeros() as usize);
            stops &= stops - 1;
        }
    }
}

/// The text of a view that holds it, its first byte lowest, zeros behind; and its length.
#[inline(always)]
fn short_text(view: u128) -> Option<(u128, usize)> {
    #[expect(clippy::cast_possible_truncation, reason = "the low 32 bits are the length")]
    let len = view as u32;
    (len <= MAX_INLINE_VIEW_LEN).then_some((view >> 32, len as usize))
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "one byte is wanted")]
fn byte_of(text: u128, index: usize) -> u8 {
    (text >> (8 * index)) as u8
}

const ONES: u128 = 0x0101_0101_0101_0101_0101_0101_0101_0101;

/// Whether a byte is one of these. Zeros behind the text count as text.
#[inline(always)]
fn holds_any<const N: usize>(text: u128, bytes: [u8; N]) -> bool {
    let found = bytes.iter().fold(0, |found, &byte| {
        let unlike = text ^ (ONES * u128::from(byte));
        found | (unlike.wrapping_sub(ONES) & !unlike)
    });
    found & (ONES << 7) != 0
}

/// Whether one of the first `len` (at most 12) bytes is below `floor`, which is at most 128.
#[inline(always)]
fn holds_below(text: u128, len: usize, floor: u8) -> bool {
    let padded = text | (u128::MAX << (8 * len));
    padded.wrapping_sub(ONES * u128::from(floor)) & !padded & (ONES << 7) != 0
}
