//! Whether the values of needed columns are JSON, a column at a time.

use super::scan::Scanner;
use crate::text::lanes::Lanes;
use crate::text::slot::{Slot, Tag};

/// One needed column of some records.
pub(super) struct Checked<'a> {
    pub(super) bytes: &'a [u8],
    /// Whether there is no backslash in the records.
    pub(super) is_unescaped: bool,
    pub(super) side: &'a mut Vec<u8>,
}

impl Checked<'_> {
    /// The slot of a value whose tag is that of its first byte; text with escapes is appended to the side.
    /// `None` where it is no JSON.
    #[inline(always)]
    pub(super) fn value(&mut self, lanes: impl Lanes, slot: Slot) -> Option<Slot> {
        match slot.tag() {
            Tag::Null => Some(slot),
            Tag::Text if self.is_unescaped => Some(slot),
            Tag::Text if is_short_plain(lanes, self.bytes, slot) => Some(slot),
            Tag::Text => self.text(slot),
            Tag::Number if is_short_number(lanes, self.bytes, slot) => Some(slot),
            _ => self.rarer(slot),
        }
    }

    #[inline(never)]
    fn text(&mut self, slot: Slot) -> Option<Slot> {
        if memchr::memchr(b'\\', &self.bytes[slot.start()..slot.end()]).is_none() {
            return Some(slot);
        }
        let scanner = Scanner { bytes: self.bytes, end: slot.end() + 1 };
        scanner.string(slot.start(), self.side).ok().map(|(slot, _)| slot)
    }

    /// A number that is long or has an exponent, a word, an array or object.
    #[inline(never)]
    fn rarer(&mut self, slot: Slot) -> Option<Slot> {
        let side_len = self.side.len();
        let scanner = Scanner { bytes: self.bytes, end: slot.end() };
        let (found, end) = scanner.value(slot.start(), self.side).ok()?;
        self.side.truncate(side_len);
        (end == slot.end()).then_some(found)
    }
}

/// Whether this is a text of less than 32 bytes without a backslash.
#[inline(always)]
fn is_short_plain(lanes: impl Lanes, bytes: &[u8], slot: Slot) -> bool {
    let Some(lane) = bytes[slot.start()..].first_chunk::<32>() else { return false };
    let slashes = lanes.any_of(lane, [b'\\'; 4]);
    slot.len() < 32 && slashes & ((1 << slot.len()) - 1) == 0
}

/// Whether this is a number of less than 16 characters without an exponent.
#[inline(always)]
fn is_short_number(lanes: impl Lanes, bytes: &[u8], slot: Slot) -> bool {
    let at = slot.start() + usize::from(bytes[slot.start()] == b'-');
    let Some(lane) = bytes.get(at..).and_then(|bytes| bytes.first_chunk::<16>()) else {
        return false;
    };
    let (digits, points) = lanes.digits_and_points(lane);
    let len = (digits | points).trailing_ones();
    let points = points & ((1 << len) - 1);
    // The last character of the number as a bit; nothing for no characters.
    let last = (1 << len) >> 1;
    let is_padded = lane[0] == b'0' && len > 1 && points != 2;
    len != 0
        && len < 16
        && points & points.wrapping_sub(1) == 0
        && points & (1 | last) == 0
        && !is_padded
        && at + len as usize == slot.end()
}
