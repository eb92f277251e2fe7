//! Arrow views of text: length, and the text itself or where it stands.

use arrow_data::{ByteView, MAX_INLINE_VIEW_LEN};

use super::slot::narrow;

/// Longest text that its view holds itself.
pub(crate) const INLINE_BYTES_MAX: usize = MAX_INLINE_VIEW_LEN as usize;

/// A view that holds its at most 12 bytes itself: length in the low 4 bytes, then the text.
#[inline(always)]
pub(crate) fn inline_view(bytes: &[u8], start: usize, len: usize) -> u128 {
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

/// The view of a text of any length, in buffer number `buffer`.
///
/// # Panics
/// If the text goes beyond the bytes, or those beyond 4 GiB.
#[inline(always)]
pub(crate) fn view_of(bytes: &[u8], start: usize, len: usize, buffer: u32) -> u128 {
    match len <= INLINE_BYTES_MAX {
        true => inline_view(bytes, start, len),
        false => {
            let offset = u32::try_from(start).expect("a buffer of at most 4 GiB");
            let text = &bytes[start..start + len];
            let prefix: [u8; 4] = text.first_chunk().copied().unwrap_or_default();
            let len = u32::try_from(len).expect("a buffer of at most 4 GiB");
            ByteView::new(len, &prefix).with_buffer_index(buffer).with_offset(offset).as_u128()
        }
    }
}

#[inline]
pub(super) fn long_view(bytes: &[u8], start: usize, len: usize, buffer: u32) -> u128 {
    let prefix: [u8; 4] = bytes[start..start + 4].try_into().expect("four bytes");
    ByteView::new(narrow(len), &prefix)
        .with_buffer_index(buffer)
        .with_offset(narrow(start))
        .as_u128()
}

#[cfg(test)]
mod tests {
    use arrow_array::builder::make_view;

    use super::*;

    #[test]
    fn views_are_those_of_arrow_wherever_the_text_stands() {
        let bytes: Vec<u8> = (1..60).collect();
        for start in 0..bytes.len() {
            for end in start..=bytes.len() {
                let place = u32::try_from(start).expect("small");
                let expected = make_view(&bytes[start..end], 3, place);
                assert_eq!(view_of(&bytes, start, end - start, 3), expected, "{start}..{end}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "range end index 9 out of range")]
    fn a_text_beyond_the_bytes_has_no_view() {
        view_of(&[0; 8], 5, 4, 0);
    }
}
