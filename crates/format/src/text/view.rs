//! Arrow views of text: length, and the text itself or where it stands.

use arrow_data::{ByteView, MAX_INLINE_VIEW_LEN};

use super::slot::narrow;

/// Longest text that its view holds itself.
pub(super) const INLINE_BYTES_MAX: usize = MAX_INLINE_VIEW_LEN as usize;

/// A view that holds its at most 12 bytes itself: length in the low 4 bytes, then the text.
#[inline(always)]
pub(super) fn inline_view(bytes: &[u8], start: usize, len: usize) -> u128 {
    view_inside(bytes, start, len).unwrap_or_else(|| inline_view_at_edge(bytes, start, len))
}

/// The same; `None` if there are not four bytes before the text and twelve from its start on.
#[inline(always)]
pub(super) fn view_inside(bytes: &[u8], start: usize, len: usize) -> Option<u128> {
    // The four bytes before the text are loaded with it, so that nothing need be shifted.
    let before = start.wrapping_sub(4);
    if before >= bytes.len().saturating_sub(15) {
        return None;
    }
    // SAFETY: from this place on there are at least sixteen bytes.
    let loaded = unsafe { bytes.as_ptr().add(before).cast::<[u8; 16]>().read_unaligned() };
    // The length from the table, too, lest the compiler goes through general registers for it.
    let [text, len] = VIEW_PARTS[len];
    Some((u128::from_le_bytes(loaded) & text) | len)
}

/// The same of a text so near to an end of `bytes` that there are not sixteen around it.
#[cold]
fn inline_view_at_edge(bytes: &[u8], start: usize, len: usize) -> u128 {
    let mut padded = [0; 16];
    padded[4..4 + len].copy_from_slice(&bytes[start..start + len]);
    u128::from_le_bytes(padded) | u128::from(narrow(len))
}

/// For each length of an inline view, ones where its text is, and the length.
static VIEW_PARTS: [[u128; 2]; 13] = {
    let mut parts = [[0; 2]; 13];
    let mut len = 0;
    while len < parts.len() {
        parts[len] = [((1 << (8 * len)) - 1) << 32, len as u128];
        len += 1;
    }
    parts
};

#[inline]
pub(super) fn long_view(bytes: &[u8], start: usize, len: usize, buffer: u32) -> u128 {
    let prefix: [u8; 4] = bytes[start..start + 4].try_into().expect("four bytes");
    ByteView::new(narrow(len), &prefix)
        .with_buffer_index(buffer)
        .with_offset(narrow(start))
        .as_u128()
}
