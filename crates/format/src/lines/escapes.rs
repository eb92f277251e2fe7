//! Escapes in access logs.
//!
//! nginx writes `\xHH` for quotes, backslashes, control characters and all that is not ASCII; Apache does for what is not
//! printed, and has those of C besides.

/// Appends a value with its escapes undone; `false`, whatever was appended, where that is no text.
pub(super) fn unescape(value: &[u8], is_apache: bool, side: &mut Vec<u8>) -> bool {
    let start = side.len();
    let mut rest = value;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        side.extend_from_slice(&rest[..at]);
        let escape = &rest[at + 1..];
        let (byte, len) = match escape {
            [b'x', high, low, ..] => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, 3),
                _ => (b'\\', 0),
            },
            [letter, ..] if is_apache => match letter {
                b'"' | b'\\' => (*letter, 1),
                b'n' => (b'\n', 1),
                b't' => (b'\t', 1),
                b'r' => (b'\r', 1),
                b'b' => (8, 1),
                b'f' => (12, 1),
                b'v' => (11, 1),
                _ => (b'\\', 0),
            },
            _ => (b'\\', 0),
        };
        side.push(byte);
        rest = &escape[len..];
    }
    side.extend_from_slice(rest);
    simdutf8::basic::from_utf8(&side[start..]).is_ok()
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &[u8], is_apache: bool, expected: Option<&[u8]>) {
        let mut side = b"before".to_vec();
        let is_text = unescape(value, is_apache, &mut side);
        assert_eq!(is_text.then_some(&side[6..]), expected, "{}", value.escape_ascii());
    }

    #[test]
    fn what_gives_text_is_undone() {
        for is_apache in [false, true] {
            check(b"GET /\\x22\\x5C", is_apache, Some(b"GET /\"\\"));
            check(b"\\xC3\\xA9\\xc3\\xa9", is_apache, Some("éé".as_bytes()));
            check(b"\\x16\\x03\\x01", is_apache, Some(b"\x16\x03\x01"));
            check(b"\\xC3", is_apache, None);
            check(b"a\\xFF", is_apache, None);
            check(b"\\x", is_apache, Some(b"\\x"));
            check(b"\\x1", is_apache, Some(b"\\x1"));
            check(b"\\xZZ\\", is_apache, Some(b"\\xZZ\\"));
        }
        check(b"a\\n\\\"", false, Some(b"a\\n\\\""));
        check(b"a\\n\\\"\\\\x41", true, Some(b"a\n\"\\x41"));
    }
}
