//! Rows on their way into the output: cells are put one behind the other, each over the unused bytes of the
//! one before.

use std::mem::MaybeUninit;

use super::block::CELL_BYTES;
use super::texts::each_stop;
use crate::text::cell::json_escape;
use crate::text::lanes::Baseline;

/// Longest text that is copied without a call of `memcpy`.
const SHORT_BYTES: usize = 64;

/// Text in a few pieces of fixed size that overlap, which takes less than a call of `memcpy`.
macro_rules! copy_ends {
    ($text:expr, $room:expr, $write:ident, $($bytes:literal)*) => {
        let (text, room): (&[u8], _) = ($text, $room);
        $(if let (Some(first), Some(last)) =
            (text.first_chunk::<$bytes>(), text.last_chunk::<$bytes>())
        {
            room[..$bytes].$write(first);
            room[text.len() - $bytes..text.len()].$write(last);
            return;
        })*
    };
}

/// Copies at most a cell's text.
#[inline(always)]
pub(super) fn copy_short(text: &[u8], cell: &mut [u8; CELL_BYTES]) {
    copy_ends!(text, &mut cell[..], copy_from_slice, 16 8 4);
    cell[..text.len()].copy_from_slice(text);
}

/// Copies a text of any length.
#[inline(always)]
fn copy(text: &[u8], room: &mut [MaybeUninit<u8>]) {
    if text.len() <= SHORT_BYTES {
        copy_ends!(text, &mut *room, write_copy_of_slice, 32 16 8 4);
    }
    room[..text.len()].write_copy_of_slice(text);
}

/// Room behind the output for some rows, and how much of it has been written.
pub(crate) struct Rows<'a> {
    room: &'a mut [MaybeUninit<u8>],
    /// So many bytes have been written.
    len: usize,
}

impl Rows<'_> {
    /// Has `write` append at most `bytes_max` bytes to the output.
    ///
    /// # Panics
    /// If there are more.
    #[inline(always)]
    pub(crate) fn append(out: &mut Vec<u8>, bytes_max: usize, write: impl FnOnce(&mut Rows<'_>)) {
        // What the last cell leaves unused stands behind it.
        out.reserve(bytes_max + CELL_BYTES);
        let mut rows = Rows { room: out.spare_capacity_mut(), len: 0 };
        write(&mut rows);
        let len = rows.len;
        assert!(len <= rows.room.len());
        // SAFETY: whoever adds to `len` has written so many bytes behind those before.
        unsafe { out.set_len(out.len() + len) };
    }

    /// Appends the first `len` bytes of a cell.
    #[inline(always)]
    pub(crate) fn push(&mut self, cell: &[u8; CELL_BYTES], len: usize) {
        assert!(len <= CELL_BYTES);
        self.room[self.len..][..CELL_BYTES].write_copy_of_slice(cell);
        self.len += len;
    }

    /// Appends text of any length.
    #[inline(always)]
    pub(crate) fn push_text(&mut self, text: &[u8]) {
        copy(text, &mut self.room[self.len..][..text.len()]);
        self.len += text.len();
    }

    #[inline(always)]
    pub(crate) fn push_byte(&mut self, byte: u8) {
        self.room[self.len].write(byte);
        self.len += 1;
    }

    /// Appends text in quotes, with each quote in it doubled.
    #[inline(never)]
    pub(crate) fn push_quoted(&mut self, text: &[u8], quote: u8) {
        self.push_byte(quote);
        let mut from = 0;
        for at in memchr::memchr_iter(quote, text) {
            self.push_text(&text[from..=at]);
            from = at;
        }
        self.push_text(&text[from..]);
        self.push_byte(quote);
    }

    /// Appends text as a JSON string.
    #[inline(never)]
    pub(crate) fn push_escaped(&mut self, text: &[u8]) {
        self.push_byte(b'"');
        let mut from = 0;
        each_stop(Baseline, text, |at| {
            self.push_text(&text[from..at]);
            let (escape, len) = json_escape(text[at]);
            self.push_text(&escape[..len]);
            from = at + 1;
        });
        self.push_text(&text[from..]);
        self.push_byte(b'"');
    }
}
