//! Text to bytes and back: printable ASCII stands for itself, any other byte is `\xHH`.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::builder::BinaryViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use tidemill_record::recycled::Line;

use super::Conversion;

/// Conversion from text.
pub(super) fn from_text(is_try: bool) -> Conversion {
    Conversion::partial(move |array| {
        let mut builder = BinaryViewBuilder::with_capacity(array.len());
        for text in array.as_string_view() {
            match text.map(parse_bytes) {
                Some(None) if !is_try => return None,
                value => builder.append_option(value.flatten()),
            }
        }
        let array: ArrayRef = Arc::new(builder.finish());
        Some(array)
    })
}

/// The bytes a text stands for; `None` if it holds other characters or a broken `\x`.
fn parse_bytes(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if !first.is_ascii() {
            return None;
        }
        if first != b'\\' {
            bytes.push(first);
            rest = tail;
            continue;
        }
        let [b'x', high, low, ..] = tail else { return None };
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
        bytes.push(digit(*high)? * 16 + digit(*low)?);
        rest = &tail[3..];
    }
    Some(bytes)
}

/// Appends the text of bytes.
pub(super) fn write_bytes(out: &mut Line, bytes: &[u8]) {
    for &byte in bytes {
        if (0x20..0x7f).contains(&byte) && !matches!(byte, b'\\' | b'\'' | b'"') {
            out.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(out, "\\x{byte:02X}");
        }
    }
}
