//! One record, walked over by its tokens: which values it has, and whether it is an object.
//!
//! The record's own members are held to the grammar: a key, a colon, a value, a comma. Of a value that is an
//! array or object, brackets are held to their counterparts and nothing else; of one that is a word, nothing is
//! asked. Values of needed columns are checked whole afterwards, a column at a time ([`check`](super::check)).

use super::keys::{Keys, Target, is_escaped};
use super::scan::{DEPTH_MAX, Scanner};
use crate::text::slot::{Slot, Tag};

/// The bytes and tokens of a record.
pub(super) struct Record<'a> {
    /// The frame.
    pub(super) bytes: &'a [u8],
    /// Where its tokens begin; at least one.
    pub(super) tokens: &'a [u32],
    /// Whether there is no backslash in it.
    pub(super) is_unescaped: bool,
}

impl Record<'_> {
    /// Fills in the needed values, of which each is tagged by its first byte alone, and one slot more with what
    /// nobody asks for; `None` where the record is no object. All slots are NULL before.
    ///
    /// Values that are no text, number, array or object are tagged [`Tag::Truth`], `null` too.
    #[inline(always)]
    pub(super) fn walk(
        &self,
        keys: &mut Keys,
        slots: &mut [Slot],
        side: &mut Vec<u8>,
    ) -> Option<()> {
        let Self { bytes, tokens, is_unescaped } = *self;
        let (&open, tokens) = tokens.split_first()?;
        if bytes[open as usize] != b'{' {
            return None;
        }
        if let [close] = *tokens {
            return (bytes[close as usize] == b'}').then_some(());
        }
        let mut at = 0;
        loop {
            let member: &[u32; 4] = tokens.get(at..)?.first_chunk()?;
            let [key, colon, value, mut stop] = member.map(|token| token as usize);
            if bytes[key] != b'"' || bytes[colon] != b':' {
                return None;
            }
            let key_end = behind(bytes, colon) - 1;
            let target = if is_unescaped || !is_escaped(bytes, key + 1, key_end) {
                keys.find(bytes, key + 1, key_end)
            } else {
                keys.find_escaped(Scanner { bytes, end: colon }, key + 1, side)?
            };
            let first = bytes[value];
            let tag = TAGS[usize::from(first)]?;
            let mut last = at + 3;
            let slot = if tag == Tag::Nested {
                last = self.behind_nested(tokens, at + 2)?;
                stop = *tokens.get(last)? as usize;
                Slot::new(tag, value, tokens[last - 1] as usize + 1)
            } else {
                let quote = usize::from(tag == Tag::Text);
                Slot::new(tag, value + quote, behind(bytes, stop) - quote)
            };
            match target {
                Target::Exact(place) => slots[place] = slot,
                Target::Loose(place) => keys.set_aside(place, slot),
            }
            match bytes[stop] {
                b',' => at = last + 1,
                b'}' if last + 1 == tokens.len() => break,
                _ => return None,
            }
        }
        keys.settle(slots);
        Some(())
    }

    /// Start and end of each value of a record that has been walked over, and the needed column that it is; `None` where
    /// one is an array or object, or its key a column's in another case.
    pub(super) fn flat_values(
        &self,
        keys: &mut Keys,
    ) -> Option<Vec<(usize, usize, Option<usize>)>> {
        let members = self.tokens[1..].as_chunks::<4>().0;
        let mut value = |member: &[u32; 4]| {
            let [key, colon, value, stop] = member.map(|token| token as usize);
            let is_flat = !matches!(self.bytes[value], b'{' | b'[');
            let target = keys.find(self.bytes, key + 1, behind(self.bytes, colon) - 1);
            let Target::Exact(place) = target else { return None };
            let column = keys.is_needed(place).then_some(place);
            is_flat.then(|| (value, behind(self.bytes, stop), column))
        };
        if members.is_empty() { None } else { members.iter().map(&mut value).collect() }
    }

    /// The token behind the array or object at this one.
    #[inline(never)]
    fn behind_nested(&self, tokens: &[u32], open: usize) -> Option<usize> {
        // What closes each bracket that is open.
        let mut closing = [0; DEPTH_MAX as usize];
        let mut depth = 0;
        for (at, &token) in tokens.iter().enumerate().skip(open) {
            let byte = self.bytes[token as usize];
            // Kinds of brackets differ in this bit, and both of a kind by two.
            match byte | 0x20 {
                b'{' => {
                    depth += 1;
                    *closing.get_mut(depth)? = byte + 2;
                }
                b'}' => {
                    if closing[depth] != byte {
                        return None;
                    }
                    depth -= 1;
                    if depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

/// The position behind what stands before a token.
#[inline(always)]
fn behind(bytes: &[u8], token: usize) -> usize {
    if is_blank(bytes[token - 1]) { behind_blanks(bytes, token) } else { token }
}

#[cold]
fn behind_blanks(bytes: &[u8], mut at: usize) -> usize {
    while is_blank(bytes[at - 1]) {
        at -= 1;
    }
    at
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// What begins with each byte; nothing with a mark that no value begins with.
static TAGS: [Option<Tag>; 256] = {
    let mut tags = [Some(Tag::Truth); 256];
    let mut digit = b'0';
    while digit <= b'9' {
        tags[digit as usize] = Some(Tag::Number);
        digit += 1;
    }
    tags[b'-' as usize] = Some(Tag::Number);
    tags[b'"' as usize] = Some(Tag::Text);
    tags[b'{' as usize] = Some(Tag::Nested);
    tags[b'[' as usize] = Some(Tag::Nested);
    (tags[b'}' as usize], tags[b']' as usize]) = (None, None);
    (tags[b':' as usize], tags[b',' as usize]) = (None, None);
    tags
};
