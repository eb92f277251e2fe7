//! How the records of a text follow each other, where nobody said so: by its head.

use memchr::{memchr, memrchr};
use tidemill_plan::{JsonLayout, JsonOptions};

use super::framed::lines_of;
use super::scan::{Fault, Scanner};

pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// White space at the head of a text that is looked through for its first byte.
const BLANKS_MAX: usize = 1 << 16;

/// The layout of a text of JSON that begins with these bytes; `None` where more of it is needed to tell. Whatever
/// follows, the answer stays the same.
///
/// # Cost
/// O(bytes up to the end of the first value).
#[must_use]
pub fn json_layout(head: &[u8], is_whole: bool) -> Option<JsonLayout> {
    layout_of(head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head), is_whole)
}

/// Whether the head of a text holds a whole record, or something in its place that is none, so that its columns can be
/// inferred; of one that goes on.
///
/// # Cost
/// O(bytes up to the end of the first value), or where they are no lines, O(bytes).
pub(crate) fn holds_json(options: &JsonOptions, head: &[u8]) -> bool {
    let text = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head);
    let layout = match options.layout {
        JsonLayout::Auto => layout_of(text, false),
        asked => Some(asked),
    };
    match layout {
        None => false,
        Some(JsonLayout::Array | JsonLayout::Values) => {
            lines_of(options.layout, text, false).is_none_or(|lines| !lines.is_empty())
        }
        Some(_) => memchr(b'\n', text.trim_ascii_start()).is_some(),
    }
}

/// The layout of a text without a byte order mark.
///
/// An array is one of objects, so that a line `[1,2]` stays what it is among lines: a bad record. Values
/// over several lines are what begins with a whole one that holds a line end, or has another behind it in its
/// line.
pub(crate) fn layout_of(head: &[u8], is_whole: bool) -> Option<JsonLayout> {
    let all = Scanner { bytes: head, end: head.len() };
    let start = all.skip_blank(0);
    if start > BLANKS_MAX {
        return Some(JsonLayout::Lines);
    }
    let more = is_whole.then_some(JsonLayout::Lines);
    match all.byte(start) {
        Some(b'[') => {
            let inside = all.skip_blank(start + 1);
            return match all.byte(inside) {
                Some(b'{' | b']') => Some(JsonLayout::Array),
                None if inside - start <= BLANKS_MAX && !is_whole => None,
                _ => Some(JsonLayout::Lines),
            };
        }
        Some(b'{') => {}
        Some(_) => return Some(JsonLayout::Lines),
        None => return more,
    }
    // No token but a string holds white space, and no string a line end: up to one all tokens are whole.
    let whole_lines = memrchr(b'\n', &head[start..]).map(|at| start + at + 1);
    let end = if is_whole { head.len() } else { whole_lines.unwrap_or(head.len()) };
    match (Scanner { bytes: head, end }).rarer_value(start, &mut Vec::new()) {
        Ok((_, value_end)) => {
            if memchr(b'\n', &head[start..value_end]).is_some() {
                return Some(JsonLayout::Values);
            }
            let behind = head[value_end..].iter().find(|byte| !b" \t\r".contains(byte));
            match behind {
                Some(b'{') => Some(JsonLayout::Values),
                Some(_) => Some(JsonLayout::Lines),
                None => more,
            }
        }
        // It goes on behind what is there.
        Err(Fault { at, .. }) if at >= end && whole_lines.is_some() => {
            let text = head[start..end].trim_ascii_end();
            let is_cut = is_whole && memchr(b'\n', text).is_some();
            if is_cut { Some(JsonLayout::Values) } else { more }
        }
        Err(_) if whole_lines.is_some() => Some(JsonLayout::Lines),
        Err(_) => more,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use JsonLayout::{Array, Lines, Values};

    #[test]
    fn the_head_says_how_records_follow_each_other() {
        for (text, expected) in [
            ("", Lines),
            (" \n ", Lines),
            ("{\"a\":1}", Lines),
            ("{\"a\":1}\n{\"a\":2}\n", Lines),
            ("{}\n", Lines),
            ("[]", Array),
            (" [\n {\"a\":1} ]", Array),
            ("[{", Array),
            ("[1,2]\n{\"a\":1}\n", Lines),
            ("[", Lines),
            ("{\n  \"a\": 1\n}\n", Values),
            ("{}{}", Values),
            ("{\"a\":1} {\"a\":2}\n", Values),
            ("{\"a\":1},\n{\"a\":2}\n", Lines),
            // The first of several lines is cut off, in whatever place.
            ("{\"a\":1,\n{\"a\":2}\n", Lines),
            ("{\"a\":\"x\n{\"a\":2}\n", Lines),
            ("{\"a\":tr\n{\"a\":2}\n", Lines),
            ("{\"a\":1", Lines),
            // The only value of several lines is.
            ("{\n  \"a\": 1,\n", Values),
            ("nonsense\n{}\n", Lines),
            ("1 {}", Lines),
        ] {
            assert_eq!(layout_of(text.as_bytes(), true), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn what_the_head_says_stays_true_whatever_follows() {
        for text in [
            "{\"a\":\"\\ud83d\\ude00 \\\\\",\n \"b\":[true,-1.5e3,null]}\n{}",
            "{\"a\":1}{\"a\":2}",
            "{\"a\":{\"b\":[1,2]}}\n{\"a\":1}\n",
            "  [ {\"a\":1}, {\"a\":2} ]",
            "{\"a\":tr\n{\"a\":2}\n",
            "\n\n[1]\n",
        ] {
            let whole = layout_of(text.as_bytes(), true);
            for end in 0..text.len() {
                let found = layout_of(&text.as_bytes()[..end], false);
                assert!(found.is_none() || found == whole, "{text:?} up to {end}: {found:?}");
            }
        }
    }
}
