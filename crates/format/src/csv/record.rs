//! The careful way through one CSV record: quotes, escapes, and any number of fields.

use memchr::{memchr, memchr2};
use tidemill_plan::CsvOptions;

/// How a field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes.
    Bare,
    /// In quotes, none within.
    Quoted,
    /// In quotes, with doubled quotes within.
    Escaped,
}

/// A field: `[start, end)` of the input, without the quotes around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawField {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) style: Style,
}

/// Where a record ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// At a newline or at the end of the last bytes.
    Whole {
        /// End of the record without its newline.
        end: usize,
        /// Start of the next one.
        next: usize,
        /// What is wrong with the record, if anything.
        fault: Option<&'static str>,
    },
    /// The bytes end inside the record.
    Partial,
}

/// Splits the record at `start` into `fields`.
///
/// A record with text after a closing quote is read on as if that text were part of an unquoted
/// field, so that the next record begins where it should.
pub(crate) fn split(
    bytes: &[u8],
    start: usize,
    is_last: bool,
    options: &CsvOptions,
    fields: &mut Vec<RawField>,
) -> Ending {
    fields.clear();
    let mut position = start;
    let mut fault = None;
    loop {
        let (mut field, after) = if bytes.get(position) == Some(&options.quote) {
            match quoted(bytes, position + 1, options.quote) {
                Some(found) => found,
                None if is_last => {
                    fault = Some("the quote is never closed");
                    let field =
                        RawField { start: position + 1, end: bytes.len(), style: Style::Quoted };
                    (field, bytes.len())
                }
                None => return Ending::Partial,
            }
        } else {
            (RawField { start: position, end: position, style: Style::Bare }, position)
        };
        let stop = memchr2(options.delimiter, b'\n', &bytes[after..]).map(|at| after + at);
        if stop.is_none() && !is_last {
            return Ending::Partial;
        }
        let stop_at = stop.unwrap_or(bytes.len());
        let is_delimiter = stop.is_some_and(|at| bytes[at] == options.delimiter);
        let has_return = !is_delimiter && stop_at > after && bytes[stop_at - 1] == b'\r';
        let end = stop_at - usize::from(has_return);
        if field.style == Style::Bare {
            field.end = end;
        } else if end > after {
            fault = fault.or(Some("text after a closing quote"));
        }
        fields.push(field);
        if !is_delimiter {
            let next = stop.map_or(bytes.len(), |at| at + 1);
            return Ending::Whole { end, next, fault };
        }
        position = stop_at + 1;
    }
}

/// Reads on from behind an opening quote: the field, and the position behind its closing quote.
fn quoted(bytes: &[u8], start: usize, quote: u8) -> Option<(RawField, usize)> {
    let mut style = Style::Quoted;
    let mut position = start;
    loop {
        let at = position + memchr(quote, &bytes[position..])?;
        if bytes.get(at + 1) == Some(&quote) {
            style = Style::Escaped;
            position = at + 2;
        } else {
            return Some((RawField { start, end: at, style }, at + 1));
        }
    }
}

/// Appends the text of an escaped field: each pair of quotes becomes one.
pub(crate) fn unescape(mut text: &[u8], quote: u8, out: &mut Vec<u8>) {
    while let Some(at) = memchr(quote, text) {
        out.extend_from_slice(&text[..=at]);
        text = text.get(at + 2..).unwrap_or_default();
    }
    out.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(input: &str) -> (Vec<String>, Ending) {
        let mut fields = Vec::new();
        let bytes = input.as_bytes();
        let ending = split(bytes, 0, true, &CsvOptions::default(), &mut fields);
        let text = |field: &RawField| {
            let mut out = Vec::new();
            match field.style {
                Style::Escaped => unescape(&bytes[field.start..field.end], b'"', &mut out),
                _ => out.extend_from_slice(&bytes[field.start..field.end]),
            }
            String::from_utf8_lossy(&out).into_owned()
        };
        (fields.iter().map(text).collect(), ending)
    }

    #[test]
    fn quotes_hide_delimiters_newlines_and_quotes() {
        let (fields, ending) = texts("a,\"b,\n\"\"c\"\"\",\"\",\r\nnext");
        assert_eq!(fields, ["a", "b,\n\"c\"", "", ""]);
        assert_eq!(ending, Ending::Whole { end: 16, next: 18, fault: None });
    }

    #[test]
    fn a_quote_inside_a_field_is_text() {
        let (fields, ending) = texts("a\"b,c\"");
        assert_eq!(fields, ["a\"b", "c\""]);
        assert_eq!(ending, Ending::Whole { end: 6, next: 6, fault: None });
    }

    #[test]
    fn text_after_a_closing_quote_is_a_fault_of_its_record_only() {
        let (_, ending) = texts("\"a\"x,b\nnext");
        let fault = Some("text after a closing quote");
        assert_eq!(ending, Ending::Whole { end: 6, next: 7, fault });
        let (_, ending) = texts("\"a\nb");
        let fault = Some("the quote is never closed");
        assert_eq!(ending, Ending::Whole { end: 4, next: 4, fault });
    }
}
