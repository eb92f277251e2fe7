//! The text around the values of a record, to be found again in the next.
//!
//! A record whose text between, before and behind its values is byte for byte that of one that was
//! JSON, and whose values are each one of JSON, is JSON too, with the same keys at the same places.

use memchr::memchr;

use super::scan::Scanner;
use crate::text::Slot;
use crate::text::lanes::Lanes;
use crate::text::slot::{RowSlots, Tag};

/// Longest text between two values that is compared at once; records with a longer one never fit.
const TEXT_MAX: usize = 32;
/// Records with more values are not remembered.
const PLACES_MAX: usize = 256;

/// What a record looked like. The default fits none.
#[derive(Default)]
pub(crate) struct Shape {
    /// For each value, what stands before it; then what stands behind the last, newline and all.
    /// Empty where no shape is known.
    texts: Vec<Text>,
    /// For each value, the needed column that it is.
    columns: Vec<Option<usize>>,
    /// Start and end of each value of the last record that was fit or drawn, and its column.
    values: Vec<(usize, usize, Option<usize>)>,
}

/// At most [`TEXT_MAX`] bytes.
struct Text {
    bytes: [u8; TEXT_MAX],
    /// Ones for the bytes that count; they come first.
    mask: u32,
    len: usize,
}

impl Text {
    /// The position behind this text, if it stands at `at`.
    #[inline(always)]
    fn behind(&self, lanes: impl Lanes, bytes: &[u8], at: usize) -> Option<usize> {
        let loaded: &[u8; TEXT_MAX] = bytes.get(at..at + TEXT_MAX)?.first_chunk()?;
        let is_equal = lanes.differing(loaded, &self.bytes) & self.mask == 0;
        is_equal.then_some(at + self.len)
    }
}

impl Shape {
    /// Fills the slots from the record at `start` and gives the position behind its newline, if it
    /// has this shape. If not, some slots may have been filled.
    #[inline(always)]
    pub(crate) fn fit(
        &mut self,
        lanes: impl Lanes,
        bytes: &[u8],
        start: usize,
        slots: &mut RowSlots<'_>,
    ) -> Option<usize> {
        let (last, texts) = self.texts.split_last()?;
        let mut at = start;
        self.values.clear();
        for (text, column) in texts.iter().zip(&self.columns) {
            at = text.behind(lanes, bytes, at)?;
            let (value, value_start);
            value_start = at;
            (value, at) = value_at(lanes, bytes, at)?;
            self.values.push((value_start, at, *column));
            if let Some(column) = *column {
                slots.set(column, value);
            }
        }
        last.behind(lanes, bytes, at)
    }

    /// Start and end of each value of the last record that had this shape, and the needed column that it
    /// is.
    pub(crate) fn values(&self) -> &[(usize, usize, Option<usize>)] {
        &self.values
    }

    /// Begins to remember the record at `start` instead.
    pub(crate) fn redraw(&mut self, start: usize) -> Draft<'_> {
        self.texts.clear();
        self.columns.clear();
        self.values.clear();
        Draft { shape: self, text_start: start, is_fit: true }
    }
}

/// A shape that is being drawn; dropped unfinished, it fits nothing.
pub(crate) struct Draft<'a> {
    shape: &'a mut Shape,
    /// End of the value before, or start of the record.
    text_start: usize,
    /// Whether the record can be remembered.
    is_fit: bool,
}

impl Draft<'_> {
    /// Notes a value that stands at `[start, end)`.
    pub(crate) fn note(&mut self, bytes: &[u8], start: usize, end: usize, column: Option<usize>) {
        self.push(bytes, start);
        self.shape.columns.push(column);
        self.shape.values.push((start, end, column));
        self.text_start = end;
    }

    /// The record is not to be remembered.
    pub(crate) fn refuse(&mut self) {
        self.is_fit = false;
    }

    /// The needed column of each value so far.
    pub(crate) fn columns(&self) -> &[Option<usize>] {
        &self.shape.columns
    }

    /// Takes the value at this place for one that is not needed.
    pub(crate) fn pass_over(&mut self, place: usize) {
        self.shape.columns[place] = None;
        self.shape.values[place].2 = None;
    }

    /// The record is JSON and the next one begins at `next`.
    pub(crate) fn finish(mut self, bytes: &[u8], next: usize) {
        let has_newline = bytes[..next].last() == Some(&b'\n');
        self.push(bytes, next);
        self.is_fit &= has_newline;
    }

    fn push(&mut self, bytes: &[u8], end: usize) {
        let text = &bytes[self.text_start..end];
        self.is_fit &= text.len() <= TEXT_MAX && self.shape.texts.len() <= PLACES_MAX;
        if self.is_fit {
            let mut padded = [0; TEXT_MAX];
            padded[..text.len()].copy_from_slice(text);
            let mask = (1_u64 << text.len()) - 1;
            let mask = u32::try_from(mask).expect("a bit for each of 32 bytes");
            self.shape.texts.push(Text { bytes: padded, mask, len: text.len() });
        }
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        let is_whole = self.shape.texts.len() == self.shape.columns.len() + 1;
        if !self.is_fit || !is_whole {
            self.shape.texts.clear();
        }
    }
}

/// The value at `at` and the position behind it; `None` where there is none, or one that needs
/// care: text with escapes, a long or exponential number, something at the end of the frame.
#[inline(always)]
fn value_at(lanes: impl Lanes, bytes: &[u8], at: usize) -> Option<(Slot, usize)> {
    match *bytes.get(at)? {
        b'"' => string(lanes, bytes, at + 1),
        b'-' | b'0'..=b'9' => number(lanes, bytes, at),
        _ => rarer(bytes, at),
    }
}

/// The string whose opening quote is behind.
#[inline(always)]
fn string(lanes: impl Lanes, bytes: &[u8], start: usize) -> Option<(Slot, usize)> {
    let mut at = start;
    loop {
        let lane: &[u8; 32] = bytes.get(at..at + 32)?.first_chunk()?;
        let stops = lanes.string_stops(lane);
        if stops != 0 {
            let stop = at + stops.trailing_zeros() as usize;
            return (bytes[stop] == b'"').then(|| (Slot::new(Tag::Text, start, stop), stop + 1));
        }
        at += 32;
    }
}

/// A number of less than 16 characters without an exponent. What is behind it is for the caller to
/// look at: text after a value never begins with what a number could go on with.
#[inline(always)]
fn number(lanes: impl Lanes, bytes: &[u8], start: usize) -> Option<(Slot, usize)> {
    let at = start + usize::from(bytes[start] == b'-');
    let lane: &[u8; 16] = bytes.get(at..at + 16)?.first_chunk()?;
    let (digits, points) = lanes.digits_and_points(lane);
    let len = (digits | points).trailing_ones();
    let points = points & ((1 << len) - 1);
    // The last character of the number as a bit; nothing for no characters.
    let last = (1 << len) >> 1;
    let is_padded = lane[0] == b'0' && len > 1 && points != 2;
    let is_number = len != 0
        && len < 16
        && points & points.wrapping_sub(1) == 0
        && points & (1 | last) == 0
        && !is_padded;
    let end = at + len as usize;
    is_number.then(|| (Slot::new(Tag::Number, start, end), end))
}

/// A word, an array or an object.
#[inline(never)]
fn rarer(bytes: &[u8], at: usize) -> Option<(Slot, usize)> {
    let end = at + memchr(b'\n', &bytes[at..])?;
    Scanner { bytes, end }.rarer_value(at, &mut Vec::new()).ok()
}
