//! Arrow views of text: length, and the text itself or where it stands.

use arrow_data::{ByteView, MAX_INLINE_VIEW_LEN};

use super::slot::narrow;

/// Longest text that its view holds itself.
pub(super) const INLINE_BYTES_MAX: usize = MAX_INLINE_VIEW_LEN as usize;

/// A view that holds its at most 12 bytes itself: length in the low 4 bytes, then the text.
#[inline(always)]
pub(super) fn inline_view(bytes: &[u8], start: usize, len: usize) -> u128 {
    // The four bytes before the text are loaded with it, so that nothing need be shifted.
    let loaded = start.checked_sub(4).and_then(|before| bytes.get(before..before + 16));
    let Some(loaded) = loaded else { return inline_view_at_edge(bytes, start, len) };
    let half = |at: usize| u64::from_le_bytes(*loaded[at..].first_chunk().expect("of sixteen"));
    let [low_mask, high_mask] = VIEW_MASKS[len];
    let low = (half(0) & low_mask) | len as u64;
    (u128::from(half(8) & high_mask) << u64::BITS) | u128::from(low)
}

/// The same of a text so near to an end of `bytes` that there are not sixteen around it.
#[cold]
fn inline_view_at_edge(bytes: &[u8], start: usize, len: usize) -> u128 {
    let mut padded = [0; 16];
    padded[4..4 + len].copy_from_slice(&bytes[start..start + len]);
    u128::from_le_bytes(padded) | u128::from(narrow(len))
}

#[expect(clippy::cast_possible_truncation, reason = "the half is wanted")]
const fn low_half(mask: u128) -> u64 {
    mask as u64
}

/// For each length of an inline view, ones where its text is: in the lower half, and in the upper one.
static VIEW_MASKS: [[u64; 2]; 13] = {
    let mut masks = [[0; 2]; 13];
    let mut len = 0;
    while len < masks.len() {
        let mask: u128 = ((1 << (8 * len)) - 1) << 32;
        masks[len] = [low_half(mask), low_half(mask >> u64::BITS)];
        len += 1;
    }
    masks
};

#[inline]
pub(super) fn long_view(bytes: &[u8], start: usize, len: usize, buffer: u32) -> u128 {
    let prefix: [u8; 4] = bytes[start..start + 4].try_into().expect("four bytes");
    ByteView::new(narrow(len), &prefix)
        .with_buffer_index(buffer)
        .with_offset(narrow(start))
        .as_u128()
}
