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
    let text = match loaded {
        Some(loaded) => {
            let loaded = u128::from_le_bytes(loaded.try_into().expect("sixteen bytes"));
            loaded & VIEW_MASKS[len]
        }
        None => {
            let mut padded = [0; 16];
            padded[4..4 + len].copy_from_slice(&bytes[start..start + len]);
            u128::from_le_bytes(padded)
        }
    };
    text | u128::from(narrow(len))
}

/// For each length of an inline view, ones where its text is.
static VIEW_MASKS: [u128; 13] = {
    let mut masks = [0; 13];
    let mut len = 0;
    while len < masks.len() {
        masks[len] = ((1 << (8 * len)) - 1) << 32;
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
