//! Values of text other than numbers and times: truth values and bytes.

use super::number::Fault;

/// `true`, `t`, `yes`, `y`, `1` and their opposites, in any case: what DuckDB casts to BOOLEAN.
pub(crate) fn truth(text: &[u8]) -> Result<bool, Fault> {
    const TRUE: [&[u8]; 5] = [b"true", b"t", b"1", b"yes", b"y"];
    const FALSE: [&[u8]; 5] = [b"false", b"f", b"0", b"no", b"n"];
    if TRUE.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Ok(true);
    }
    if FALSE.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Ok(false);
    }
    Err(Fault::Syntax)
}

/// Appends the bytes that pairs of hexadecimal digits of either case stand for.
pub(crate) fn hex(text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    if !text.len().is_multiple_of(2) {
        return Err(Fault::Syntax);
    }
    for pair in text.chunks_exact(2) {
        out.push((digit(pair[0])? << 4) | digit(pair[1])?);
    }
    Ok(())
}

fn digit(byte: u8) -> Result<u8, Fault> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        b'A'..=b'F' => Ok(byte - b'A' + 10),
        _ => Err(Fault::Syntax),
    }
}

/// Appends two lower-case hexadecimal digits a byte.
pub(crate) fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + 2 * bytes.len(), 0);
    write_hex_into(bytes, &mut out[start..]);
}

/// Writes two lower-case hexadecimal digits a byte, which is as much as there is room for.
#[inline]
pub(crate) fn write_hex_into(bytes: &[u8], room: &mut [u8]) {
    for (pair, &byte) in room.as_chunks_mut().0.iter_mut().zip(bytes) {
        *pair = HEX[usize::from(byte)];
    }
}

/// Both digits of each byte.
static HEX: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < pairs.len() {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    pairs
};

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn truth_values_are_duckdbs() {
        for (text, value) in [("TRUE", true), ("t", true), ("1", true), ("n", false), ("F", false)]
        {
            assert_eq!(truth(text.as_bytes()), Ok(value), "{text}");
        }
        for text in ["", "on", " true ", "2", "truee"] {
            assert_eq!(truth(text.as_bytes()), Err(Fault::Syntax), "{text}");
        }
    }

    #[test]
    fn hex_takes_pairs_of_digits_only() {
        let mut out = Vec::new();
        hex(b"00fFA1", &mut out).unwrap();
        assert_eq!(out, [0x00, 0xff, 0xa1]);
        assert_eq!(hex(b"abc", &mut out), Err(Fault::Syntax));
        assert_eq!(hex(b"zz", &mut out), Err(Fault::Syntax));
        let mut text = Vec::new();
        write_hex(&[0x00, 0xff, 0xa1], &mut text);
        assert_eq!(text, b"00ffa1");
    }
}
