//! A scanner over one JSON text (RFC 8259) that checks it and finds values in it.
//!
//! It keeps values as they are written and never recurses, so depth costs no stack. Building
//! values is absent on purpose.

use std::borrow::Cow;

use super::json_path::Step;

/// The text of a JSON string without quotes and escapes. A surrogate without its partner becomes
/// the replacement character.
pub(super) fn unescape(quoted: &str) -> Cow<'_, str> {
    let inner = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(quoted);
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    match serde_json::from_str::<String>(quoted) {
        Ok(text) => Cow::Owned(text),
        Err(_) => Cow::Owned(inner.replace("\\u", "\u{fffd}u")),
    }
}

/// Whether a key in quotes is this name.
fn is_key(quoted: &str, name: &str) -> bool {
    let inner = &quoted.as_bytes()[1..quoted.len() - 1];
    inner == name.as_bytes() || (inner.contains(&b'\\') && unescape(quoted) == name)
}

/// Zero unless one of eight bytes ends a JSON string or needs care: a quote, a backslash, a control character. The first
/// such byte has its highest bit set, and none before it.
fn string_stops(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = ONES << 7;
    let lacks = |unlike: u64| unlike.wrapping_sub(ONES) & !unlike;
    let quotes = lacks(word ^ (ONES * u64::from(b'"')));
    let backslashes = lacks(word ^ (ONES * u64::from(b'\\')));
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    (quotes | backslashes | controls) & HIGH
}

/// The objects and arrays that are open, the outermost first.
#[derive(Default)]
struct Open {
    /// Of the innermost, at most 64, whether each is an object: the innermost lowest.
    objects: u64,
    count: usize,
    /// Of those around them, 64 each.
    outer: Vec<u64>,
}

impl Open {
    const BITS: usize = 64;

    #[inline]
    fn push(&mut self, is_object: bool) {
        if self.count > 0 && self.count.is_multiple_of(Self::BITS) {
            self.outer.push(self.objects);
        }
        self.objects = self.objects << 1 | u64::from(is_object);
        self.count += 1;
    }

    /// Whether the innermost is an object; `None` where none is open.
    #[inline]
    fn last(&self) -> Option<bool> {
        (self.count > 0).then_some(self.objects & 1 == 1)
    }

    /// Closes the innermost, which there is.
    #[inline]
    fn pop(&mut self) {
        self.objects >>= 1;
        self.count -= 1;
        if self.count > 0 && self.count.is_multiple_of(Self::BITS) {
            self.objects = self.outer.pop().unwrap_or_default();
        }
    }
}

/// A place in a JSON text.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    /// Stands at the start of the text.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The text of the value that these steps lead to, `Some(None)` where they lead nowhere; `None` unless exactly one
    /// value follows, and nothing after it.
    pub(super) fn find_checked(mut self, steps: &[Step]) -> Option<Option<&'a str>> {
        /// What recurses is bounded by this.
        const STEPS_MAX: usize = 16;
        let text = self.text;
        let are_names = steps.iter().all(|step| matches!(step, Step::Member(_)));
        if !are_names || steps.len() > STEPS_MAX {
            return Self::new(text).holds_document().then(|| self.find(steps));
        }
        let found = self.find_members(steps)?;
        self.skip_space();
        (self.at == text.len()).then(|| found.map(|(start, end)| &text[start..end]))
    }

    /// Skips one value, and says where in it the first member of the first member and so on of these names stands;
    /// `None` if no value follows.
    fn find_members(&mut self, names: &[Step]) -> Option<Option<(usize, usize)>> {
        self.skip_space();
        let start = self.at;
        let Some((Step::Member(name), inner)) = names.split_first() else {
            return self.skip_value().then_some(Some((start, self.at)));
        };
        if self.peek() != Some(b'{') {
            return self.skip_value().then_some(None);
        }
        self.at += 1;
        if self.peek_past_space() == Some(b'}') {
            self.at += 1;
            return Some(None);
        }
        let mut found = None;
        let mut is_met = false;
        loop {
            self.skip_space();
            let key_start = self.at;
            if !self.skip_string() {
                return None;
            }
            let key = &self.text[key_start..self.at];
            self.skip_space();
            if !self.skip(b':') {
                return None;
            }
            if !is_met && is_key(key, name) {
                is_met = true;
                found = self.find_members(inner)?;
            } else if !self.skip_value() {
                return None;
            }
            if !self.skip_comma() {
                return self.skip(b'}').then_some(found);
            }
        }
    }

    /// Whether exactly one value follows, and nothing after it.
    pub(super) fn holds_document(mut self) -> bool {
        if !self.skip_value() {
            return false;
        }
        self.skip_space();
        self.at == self.text.len()
    }

    /// The text of the value that these steps lead to; `None` where they lead nowhere. The text must have been
    /// checked.
    pub(super) fn find(mut self, steps: &[Step]) -> Option<&'a str> {
        let is_there = steps.iter().all(|step| match step {
            Step::Member(name) => self.enter_member(name),
            Step::Element(index) => self.enter_element(*index),
            Step::Either(name) => {
                let at = self.at;
                let index = name.parse().ok().filter(|index: &i64| *index >= 0);
                self.enter_member(name) || {
                    self.at = at;
                    index.is_some_and(|index| self.enter_element(index))
                }
            }
        });
        if is_there { self.value() } else { None }
    }

    /// The elements of the array that follows; none if it is no array. The text must have been checked.
    pub(super) fn into_elements(mut self) -> impl Iterator<Item = &'a str> {
        self.skip_space();
        let mut is_open = self.skip(b'[') && self.peek_past_space() != Some(b']');
        std::iter::from_fn(move || {
            let element = if is_open { self.value() } else { None };
            is_open = element.is_some() && self.skip_comma();
            element
        })
    }

    /// The keys of the object that follows, in quotes; none if it is no object. The text must have been checked.
    pub(super) fn into_keys(mut self) -> impl Iterator<Item = &'a str> {
        self.skip_space();
        let mut is_open = self.skip(b'{') && self.peek_past_space() != Some(b'}');
        std::iter::from_fn(move || {
            if !is_open {
                return None;
            }
            self.skip_space();
            let start = self.at;
            self.skip_string();
            let key = &self.text[start..self.at];
            self.skip_space();
            self.skip(b':');
            is_open = self.skip_value() && self.skip_comma();
            Some(key)
        })
    }

    /// The text of the value that follows.
    fn value(&mut self) -> Option<&'a str> {
        self.skip_space();
        let start = self.at;
        self.skip_value().then(|| &self.text[start..self.at])
    }

    /// Moves into the first member of this name, if an object with one follows. The text must have
    /// been checked.
    fn enter_member(&mut self, name: &str) -> bool {
        self.skip_space();
        if !self.skip(b'{') {
            return false;
        }
        loop {
            self.skip_space();
            let start = self.at;
            if !self.skip_string() {
                return false;
            }
            let is_it = is_key(&self.text[start..self.at], name);
            self.skip_space();
            self.skip(b':');
            if is_it {
                return true;
            }
            if !self.skip_value() || !self.skip_comma() {
                return false;
            }
        }
    }

    /// Moves into an element, if an array that has it follows. The text must have been checked.
    fn enter_element(&mut self, index: i64) -> bool {
        self.skip_space();
        if !self.skip(b'[') {
            return false;
        }
        let start = self.at;
        let mut skipped = index;
        if index < 0 {
            let Some(from_front) = self.element_count().checked_add(index) else { return false };
            (self.at, skipped) = (start, from_front);
        }
        if skipped < 0 || self.peek_past_space() == Some(b']') {
            return false;
        }
        for _ in 0..skipped {
            if !self.skip_value() || !self.skip_comma() {
                return false;
            }
        }
        true
    }

    fn element_count(&mut self) -> i64 {
        if self.peek_past_space() == Some(b']') {
            return 0;
        }
        let mut count = 0;
        while self.skip_value() {
            count += 1;
            if !self.skip_comma() {
                break;
            }
        }
        count
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn peek_past_space(&mut self) -> Option<u8> {
        self.skip_space();
        self.peek()
    }

    fn skip(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn skip_comma(&mut self) -> bool {
        self.skip_space();
        self.skip(b',')
    }

    /// Skips one value of any depth; `false` if none follows.
    fn skip_value(&mut self) -> bool {
        let mut open = Open::default();
        loop {
            match self.peek_past_space() {
                Some(b'{') => {
                    self.at += 1;
                    if self.peek_past_space() != Some(b'}') {
                        open.push(true);
                        if !self.skip_key() {
                            return false;
                        }
                        continue;
                    }
                    self.at += 1;
                }
                Some(b'[') => {
                    self.at += 1;
                    if self.peek_past_space() != Some(b']') {
                        open.push(false);
                        continue;
                    }
                    self.at += 1;
                }
                Some(_) if self.skip_scalar() => {}
                _ => return false,
            }
            // A value has ended: close what ends with it, then go on to the next one.
            loop {
                let Some(is_object) = open.last() else { return true };
                self.skip_space();
                if self.skip(b',') {
                    if is_object && !self.skip_key() {
                        return false;
                    }
                    break;
                }
                if !self.skip(if is_object { b'}' } else { b']' }) {
                    return false;
                }
                open.pop();
            }
        }
    }

    fn skip_key(&mut self) -> bool {
        self.skip_space();
        if !self.skip_string() {
            return false;
        }
        self.skip_space();
        self.skip(b':')
    }

    fn skip_scalar(&mut self) -> bool {
        match self.peek() {
            Some(b'"') => self.skip_string(),
            Some(b't') => self.skip_word("true"),
            Some(b'f') => self.skip_word("false"),
            Some(b'n') => self.skip_word("null"),
            _ => self.skip_number(),
        }
    }

    fn skip_word(&mut self, word: &str) -> bool {
        let is_next = self.text[self.at..].starts_with(word);
        self.at += if is_next { word.len() } else { 0 };
        is_next
    }

    fn skip_string(&mut self) -> bool {
        if !self.skip(b'"') {
            return false;
        }
        loop {
            while let Some(word) = self.text.as_bytes()[self.at..].first_chunk() {
                let stops = string_stops(u64::from_le_bytes(*word));
                self.at += stops.trailing_zeros() as usize / 8;
                if stops != 0 {
                    break;
                }
            }
            let Some(byte) = self.peek() else { return false };
            self.at += 1;
            match byte {
                b'"' => return true,
                b'\\' => {
                    let Some(escape) = self.peek() else { return false };
                    self.at += 1;
                    match escape {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                        b'u' if self.skip_hex() => {}
                        _ => return false,
                    }
                }
                0..0x20 => return false,
                _ => {}
            }
        }
    }

    fn skip_hex(&mut self) -> bool {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let is_hex = digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        self.at += if is_hex { 4 } else { 0 };
        is_hex
    }

    fn skip_digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    fn skip_number(&mut self) -> bool {
        self.skip(b'-');
        if !self.skip(b'0') && self.skip_digits() == 0 {
            return false;
        }
        if self.skip(b'.') && self.skip_digits() == 0 {
            return false;
        }
        if self.skip(b'e') || self.skip(b'E') {
            let _ = self.skip(b'+') || self.skip(b'-');
            return self.skip_digits() > 0;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_closed_from_the_innermost_on() {
        let (mut open, mut model) = (Open::default(), Vec::new());
        let mut state = 3_u64;
        for round in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // It grows and shrinks again, across several multiples of 64.
            let grows = (state >> 40) % 8 < if round / 1000 % 2 == 0 { 6 } else { 2 };
            if grows || model.is_empty() {
                let is_object = state >> 63 == 1;
                open.push(is_object);
                model.push(is_object);
            } else {
                open.pop();
                model.pop();
            }
            assert_eq!(open.last(), model.last().copied());
        }
    }

    /// One look at a text finds and refuses what a look for each does.
    #[test]
    fn what_is_found_while_checking_is_what_is_found_afterwards() {
        let pieces = [
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"a\"",
            "\"b\"",
            "\"\\u0061\"",
            "1",
            " ",
            "{\"a\":",
            "{\"b\":2,\"a\":{\"b\":",
            "{\"a\":[1,{\"b\":3}],\"b\" : {\"a\":\"a long text, and a \\\" in it\"}}",
            "}}",
            "\"a text that is never closed",
            "\"a tab \t in a text\"",
            "\"é, as in UTF-8\"",
        ];
        let member = |name: &str| Step::Member(name.to_owned());
        let paths = [
            vec![],
            vec![member("a")],
            vec![member("a"), member("b")],
            vec![member("b"), member("a")],
            vec![member("a"), Step::Element(1), member("b")],
        ];
        let mut state = 11_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(state >> 33).expect("32 bits") % below
        };
        let (mut found, mut bad) = (0, 0);
        for _ in 0..60_000 {
            let text: String = (0..random(7)).map(|_| pieces[random(pieces.len())]).collect();
            for steps in &paths {
                let is_json = Scanner::new(&text).holds_document();
                let expected = is_json.then(|| Scanner::new(&text).find(steps));
                assert_eq!(Scanner::new(&text).find_checked(steps), expected, "{text} {steps:?}");
                found += usize::from(matches!(expected, Some(Some(_))));
                bad += usize::from(expected.is_none());
            }
        }
        assert!(found > 3000 && bad > 100_000, "{found} {bad}");
    }
}
