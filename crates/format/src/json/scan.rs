//! JSON's grammar (RFC 8259) over one record's bytes, without recursion.
//!
//! Every function takes the position to look at and gives the position behind what it found.

use crate::text::Slot;
use crate::text::lanes::{Baseline, Lanes};
use crate::text::slot::Tag;

/// Containers may be nested so deep, the record's own object included: `serde_json`'s limit.
pub(super) const DEPTH_MAX: u32 = 127;

/// Where and why a record is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Position in the frame.
    pub(crate) at: usize,
    /// What was expected or found.
    pub(crate) what: &'static str,
}

fn fault<T>(at: usize, what: &'static str) -> Result<T, Fault> {
    Err(Fault { at, what })
}

/// The bytes of a frame of which one record is looked at.
#[derive(Clone, Copy)]
pub(crate) struct Scanner<'a> {
    /// The frame.
    pub(crate) bytes: &'a [u8],
    /// End of the record: a newline is there, or nothing.
    pub(crate) end: usize,
}

impl<'a> Scanner<'a> {
    #[inline]
    pub(crate) fn byte(self, at: usize) -> Option<u8> {
        if at < self.end { Some(self.bytes[at]) } else { None }
    }

    /// Steps over white space.
    #[inline(always)]
    pub(crate) fn skip_blank(self, at: usize) -> usize {
        match self.bytes.get(at) {
            Some(&byte) if byte > b' ' => at,
            // One space, as many writers put behind commas and colons.
            Some(b' ') if self.bytes.get(at + 1).is_some_and(|&byte| byte > b' ') => at + 1,
            _ => self.skip_blanks(at),
        }
    }

    #[cold]
    fn skip_blanks(self, mut at: usize) -> usize {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.byte(at) {
            at += 1;
        }
        at
    }

    /// Steps over a byte, which is no newline.
    #[inline(always)]
    pub(crate) fn expect(self, at: usize, byte: u8, what: &'static str) -> Result<usize, Fault> {
        if self.bytes.get(at) == Some(&byte) { Ok(at + 1) } else { fault(at, what) }
    }

    /// The string whose opening quote is behind: its slot, and the position behind its closing
    /// quote. Text with escapes is appended to `side` unescaped.
    #[inline(always)]
    pub(crate) fn string(self, start: usize, side: &mut Vec<u8>) -> Result<(Slot, usize), Fault> {
        let stop = self.string_stop(start);
        if self.bytes.get(stop) == Some(&b'"') {
            return Ok((Slot::new(Tag::Text, start, stop), stop + 1));
        }
        self.string_escaped(start, stop, side)
    }

    /// The first quote, backslash or control character from `at` on, or the end.
    #[inline(always)]
    fn string_stop(self, mut at: usize) -> usize {
        while let Some(lane) = self.bytes.get(at..at + 32) {
            let stops = Baseline.string_stops(lane.try_into().expect("32 bytes"));
            if stops != 0 {
                return (at + stops.trailing_zeros() as usize).min(self.end);
            }
            at += 32;
        }
        while let Some(byte) = self.byte(at) {
            if byte == b'"' || byte == b'\\' || byte < 0x20 {
                return at;
            }
            at += 1;
        }
        self.end
    }

    #[cold]
    fn string_escaped(
        self,
        start: usize,
        first_stop: usize,
        side: &mut Vec<u8>,
    ) -> Result<(Slot, usize), Fault> {
        let side_start = side.len();
        let (mut from, mut stop) = (start, first_stop);
        loop {
            match self.byte(stop) {
                Some(b'"') => {
                    side.extend_from_slice(&self.bytes[from..stop]);
                    return Ok((Slot::new(Tag::Unescaped, side_start, side.len()), stop + 1));
                }
                Some(b'\\') => {
                    side.extend_from_slice(&self.bytes[from..stop]);
                    from = self.escape(stop + 1, side)?;
                    stop = self.string_stop(from);
                }
                Some(_) => return fault(stop, "control character in a string"),
                None => return fault(stop, "string without an end"),
            }
        }
    }

    /// The escape whose backslash is behind.
    fn escape(self, at: usize, side: &mut Vec<u8>) -> Result<usize, Fault> {
        let byte = match self.byte(at) {
            Some(byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'b') => 0x08,
            Some(b'f') => 0x0c,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => return self.escaped_unit(at + 1, side),
            _ => return fault(at, "invalid escape"),
        };
        side.push(byte);
        Ok(at + 1)
    }

    /// Four hexadecimal digits, and the low half of a surrogate pair if they are the high one.
    fn escaped_unit(self, at: usize, side: &mut Vec<u8>) -> Result<usize, Fault> {
        let high = self.four_digits(at)?;
        let mut next = at + 4;
        let code = match high {
            0xd800..=0xdbff => {
                let is_pair = self.byte(next) == Some(b'\\') && self.byte(next + 1) == Some(b'u');
                let low = if is_pair { self.four_digits(next + 2)? } else { 0 };
                if !(0xdc00..=0xdfff).contains(&low) {
                    return fault(at, "lone surrogate");
                }
                next += 6;
                0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)
            }
            _ => high,
        };
        let Some(character) = char::from_u32(code) else { return fault(at, "lone surrogate") };
        side.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(next)
    }

    fn four_digits(self, at: usize) -> Result<u32, Fault> {
        (at..at + 4).try_fold(0, |code, at| {
            match self.byte(at).and_then(|byte| char::from(byte).to_digit(16)) {
                Some(digit) => Ok(code * 16 + digit),
                None => fault(at, "invalid escape"),
            }
        })
    }

    /// The value at `at`: its slot and the position behind it.
    #[inline(always)]
    pub(crate) fn value(self, at: usize, side: &mut Vec<u8>) -> Result<(Slot, usize), Fault> {
        match self.bytes.get(at) {
            Some(b'"') => self.string(at + 1, side),
            Some(b'-' | b'0'..=b'9') => {
                let end = self.number(at)?;
                Ok((Slot::new(Tag::Number, at, end), end))
            }
            _ => self.rarer_value(at, side),
        }
    }

    /// The value at `at`, of whatever kind.
    #[inline(never)]
    fn any_value(self, at: usize, side: &mut Vec<u8>) -> Result<(Slot, usize), Fault> {
        self.value(at, side)
    }

    /// What is neither a string nor a number.
    #[inline(never)]
    pub(crate) fn rarer_value(self, at: usize, side: &mut Vec<u8>) -> Result<(Slot, usize), Fault> {
        match self.byte(at) {
            Some(b'{' | b'[') => {
                let end = self.nested(at, side)?;
                Ok((Slot::new(Tag::Nested, at, end), end))
            }
            Some(b't') => {
                let end = self.word(at, b"true")?;
                Ok((Slot::new(Tag::Truth, at, end), end))
            }
            Some(b'f') => {
                let end = self.word(at, b"false")?;
                Ok((Slot::new(Tag::Truth, at, end), end))
            }
            Some(b'n') => Ok((Slot::NULL, self.word(at, b"null")?)),
            _ => fault(at, "a value was expected"),
        }
    }

    fn word(self, at: usize, word: &[u8]) -> Result<usize, Fault> {
        let end = at + word.len();
        if end <= self.end && &self.bytes[at..end] == word {
            Ok(end)
        } else {
            fault(at, "a value was expected")
        }
    }

    #[inline(always)]
    fn number(self, start: usize) -> Result<usize, Fault> {
        let mut at = start + usize::from(self.bytes.get(start) == Some(&b'-'));
        at = match self.bytes.get(at) {
            Some(b'0') => at + 1,
            Some(b'1'..=b'9') => self.digits(at + 1),
            _ => return fault(at, "a digit was expected"),
        };
        if self.bytes.get(at) == Some(&b'.') {
            at = self.some_digits(at + 1)?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(at) {
            let has_sign = matches!(self.byte(at + 1), Some(b'+' | b'-'));
            at = self.some_digits(at + 1 + usize::from(has_sign))?;
        }
        if let Some(b'0'..=b'9') = self.bytes.get(at) {
            return fault(at, "a number begins with a zero");
        }
        Ok(at)
    }

    #[inline]
    fn digits(self, mut at: usize) -> usize {
        while let Some(b'0'..=b'9') = self.bytes.get(at) {
            at += 1;
        }
        at
    }

    #[inline]
    fn some_digits(self, at: usize) -> Result<usize, Fault> {
        let end = self.digits(at);
        if end == at { fault(at, "a digit was expected") } else { Ok(end) }
    }

    /// The object at `at`, which has to take the rest of the record: gives each key, unescaped, and
    /// its value, in order.
    pub(crate) fn object(
        self,
        at: usize,
        side: &mut Vec<u8>,
        mut visit: impl FnMut(&[u8], Slot),
    ) -> Result<(), Fault> {
        let mut at = self.skip_blank(self.expect(at, b'{', "'{' was expected")?);
        if self.byte(at) == Some(b'}') {
            return self.expect_end(at + 1);
        }
        loop {
            let start = self.expect(at, b'"', "a key was expected")?;
            let (key, next) = self.string(start, side)?;
            at = self.expect(self.skip_blank(next), b':', "':' was expected")?;
            let (value, next) = self.value(self.skip_blank(at), side)?;
            let bytes = if key.tag() == Tag::Unescaped { side.as_slice() } else { self.bytes };
            visit(&bytes[key.start()..key.start() + key.len()], value);
            at = self.skip_blank(next);
            match self.byte(at) {
                Some(b',') => at = self.skip_blank(at + 1),
                Some(b'}') => return self.expect_end(at + 1),
                _ => return fault(at, "',' or '}' was expected"),
            }
        }
    }

    /// Nothing but white space may follow.
    #[inline]
    pub(crate) fn expect_end(self, at: usize) -> Result<(), Fault> {
        if at == self.end {
            return Ok(());
        }
        let at = self.skip_blanks(at);
        if at == self.end { Ok(()) } else { fault(at, "text behind the object") }
    }

    /// The array or object at `at`: steps over it, checking it whole.
    fn nested(self, start: usize, side: &mut Vec<u8>) -> Result<usize, Fault> {
        let side_len = side.len();
        // Bit `depth - 1` says whether the container at that depth is an object. The record's own
        // object is not among them.
        let (mut objects, mut depth, mut at) = (0_u128, 0_u32, start);
        loop {
            // At a value.
            at = match self.byte(at) {
                Some(open @ (b'{' | b'[')) => {
                    if depth + 1 >= DEPTH_MAX {
                        return fault(at, "nested too deep");
                    }
                    let (is_object, bit) = (open == b'{', 1 << depth);
                    objects = if is_object { objects | bit } else { objects & !bit };
                    depth += 1;
                    let inside = self.skip_blank(at + 1);
                    if self.byte(inside) == Some(if is_object { b'}' } else { b']' }) {
                        depth -= 1;
                        inside + 1
                    } else {
                        at = if is_object { self.key(inside, side)? } else { inside };
                        continue;
                    }
                }
                _ => self.any_value(at, side)?.1,
            };
            side.truncate(side_len);
            // Behind a value.
            loop {
                if depth == 0 {
                    return Ok(at);
                }
                let is_object = objects & (1 << (depth - 1)) != 0;
                at = self.skip_blank(at);
                match self.byte(at) {
                    Some(b',') => {
                        at = self.skip_blank(at + 1);
                        if is_object {
                            at = self.key(at, side)?;
                        }
                        break;
                    }
                    Some(b'}') if is_object => {}
                    Some(b']') if !is_object => {}
                    _ => return fault(at, "',' or an end was expected"),
                }
                depth -= 1;
                at += 1;
            }
        }
    }

    /// A key, its colon, and the white space around them.
    fn key(self, at: usize, side: &mut Vec<u8>) -> Result<usize, Fault> {
        let at = self.expect(at, b'"', "a key was expected")?;
        let (_, at) = self.string(at, side)?;
        let at = self.expect(self.skip_blank(at), b':', "':' was expected")?;
        Ok(self.skip_blank(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_limited_as_in_serde_json() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for (depth, is_accepted) in [(1, true), (126, true), (127, false), (100_000, false)] {
            let text = nested(depth);
            let scanner = Scanner { bytes: text.as_bytes(), end: text.len() };
            assert_eq!(scanner.value(0, &mut Vec::new()).is_ok(), is_accepted, "{depth}");
            let record = format!("{{\"a\":{text}}}");
            let trusted = serde_json::from_str::<serde_json::Value>(&record);
            assert_eq!(trusted.is_ok(), is_accepted, "{depth}");
        }
    }
}
