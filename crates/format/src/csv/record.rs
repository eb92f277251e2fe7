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
    Partial(Open),
}

/// A record whose end has not come, as far as it has been looked through: with more bytes behind it [`go_on`]
/// looks at those alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    /// Where the record starts.
    start: usize,
    /// Where its last field does.
    field: usize,
    /// Everything before has been looked at.
    looked: usize,
    part: Part,
    fault: Option<&'static str>,
}

/// Where in its last field an open record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Without quotes, or before its first byte.
    Bare,
    /// Within quotes.
    Quotes(Style),
    /// Behind the quotes, which are around this.
    Behind(RawField),
}

impl Open {
    /// A record that starts here.
    fn at(start: usize) -> Self {
        Self { start, field: start, looked: start, part: Part::Bare, fault: None }
    }

    /// How many of the record's bytes have been looked at.
    pub(crate) fn length(&self) -> usize {
        self.looked - self.start
    }

    /// The same record where it starts at `start`, and its fields with it.
    pub(crate) fn moved_to(mut self, start: usize, fields: &mut [RawField]) -> Self {
        let moved = |position: usize| position - self.start + start;
        if start != self.start {
            for field in fields.iter_mut() {
                (field.start, field.end) = (moved(field.start), moved(field.end));
            }
        }
        if let Part::Behind(field) = &mut self.part {
            (field.start, field.end) = (moved(field.start), moved(field.end));
        }
        (self.field, self.looked) = (moved(self.field), moved(self.looked));
        self.start = start;
        self
    }
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
    go_on(bytes, Open::at(start), is_last, options, fields)
}

/// Goes on with a record that was open, whose fields so far are in `fields`.
pub(crate) fn go_on(
    bytes: &[u8],
    mut open: Open,
    is_last: bool,
    options: &CsvOptions,
    fields: &mut Vec<RawField>,
) -> Ending {
    loop {
        let is_fresh = open.part == Part::Bare && open.looked == open.field;
        if is_fresh && bytes.get(open.field) == Some(&options.quote) {
            open.part = Part::Quotes(Style::Quoted);
            open.looked = open.field + 1;
        }
        if matches!(open.part, Part::Quotes(_)) && !close(bytes, &mut open, is_last, options.quote)
        {
            return Ending::Partial(open);
        }
        let (mut field, after) = match open.part {
            Part::Behind(field) => (field, bytes.len().min(field.end + 1)),
            _ => (RawField { start: open.field, end: open.field, style: Style::Bare }, open.field),
        };
        let looked = open.looked;
        let stop = memchr2(options.delimiter, b'\n', &bytes[looked..]).map(|at| looked + at);
        if stop.is_none() && !is_last {
            open.looked = bytes.len();
            return Ending::Partial(open);
        }
        let stop_at = stop.unwrap_or(bytes.len());
        let is_delimiter = stop.is_some_and(|at| bytes[at] == options.delimiter);
        let has_return = !is_delimiter && stop_at > after && bytes[stop_at - 1] == b'\r';
        let end = stop_at - usize::from(has_return);
        if field.style == Style::Bare {
            field.end = end;
        } else if end > after {
            open.fault = open.fault.or(Some("text after a closing quote"));
        }
        fields.push(field);
        if !is_delimiter {
            let next = stop.map_or(bytes.len(), |at| at + 1);
            return Ending::Whole { end, next, fault: open.fault };
        }
        let Open { start, fault, .. } = open;
        open = Open { start, fault, ..Open::at(stop_at + 1) };
    }
}

/// Looks for the closing quote of a record's last field; `false` where that has not come, or may be the
/// first of two.
fn close(bytes: &[u8], open: &mut Open, is_last: bool, quote: u8) -> bool {
    let Part::Quotes(mut style) = open.part else { return true };
    let start = open.field + 1;
    loop {
        let Some(at) = memchr(quote, &bytes[open.looked..]).map(|at| open.looked + at) else {
            open.looked = bytes.len();
            if is_last {
                open.fault = Some("the quote is never closed");
                open.part =
                    Part::Behind(RawField { start, end: bytes.len(), style: Style::Quoted });
            }
            return is_last;
        };
        match bytes.get(at + 1) {
            Some(next) if *next == quote => {
                style = Style::Escaped;
                (open.part, open.looked) = (Part::Quotes(style), at + 2);
            }
            None if !is_last => {
                open.looked = at;
                return false;
            }
            _ => {
                (open.part, open.looked) =
                    (Part::Behind(RawField { start, end: at, style }), at + 1);
                return true;
            }
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

    /// However the bytes of a record come, it is what it is when they are all there; and each is looked at
    /// a few times at most.
    #[test]
    fn an_open_record_goes_on_where_it_ended() {
        let options = CsvOptions::default();
        let records = [
            "a,b\n",
            "\"a\"\"b\",\"c\nd\",e\r\n",
            "\"\",\"\"\"\",x\n",
            "a\"b,\"c\"x,d\n",
            ",,\n",
            "\"a\n\n\",\"\"\n",
        ];
        for record in records {
            let bytes = format!("{record}next");
            let mut whole = Vec::new();
            let expected = split(bytes.as_bytes(), 0, true, &options, &mut whole);
            for step in 1..=4 {
                // The record stands behind others when it is first seen, and first afterwards.
                let before = "xy\n";
                let mut fields = Vec::new();
                let seen = format!("{before}{}", &bytes[..step.min(record.len())]);
                let mut ending = split(seen.as_bytes(), before.len(), false, &options, &mut fields);
                let mut end = step;
                while let Ending::Partial(open) = ending {
                    end += step;
                    let seen = &bytes.as_bytes()[..end.min(bytes.len())];
                    let open = open.moved_to(0, &mut fields);
                    assert!(
                        open.looked + 1 >= end - step,
                        "{record:?}: what was seen is behind it"
                    );
                    ending = go_on(seen, open, false, &options, &mut fields);
                }
                let moved = |ending| match ending {
                    Ending::Whole { end, next, fault } if step >= record.len() => {
                        Ending::Whole { end: end - before.len(), next: next - before.len(), fault }
                    }
                    other => other,
                };
                assert_eq!(moved(ending), expected, "{record:?} by {step}");
                if step < record.len() {
                    assert_eq!(fields, whole, "{record:?} by {step}");
                }
            }
        }
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
