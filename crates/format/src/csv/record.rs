//! The careful way through one CSV record: quotes, escapes, and any number of fields.

use memchr::{memchr, memchr2, memchr3};
use tidemill_plan::CsvOptions;

/// How a field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes.
    Bare,
    /// Without quotes, with escapes.
    BareEscaped,
    /// In quotes, none within.
    Quoted,
    /// In quotes, with doubled quotes or escapes within.
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
    /// Without quotes, behind an escape.
    BareEscaped,
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

    /// Where nothing of a field has been looked at: whether it begins with a quote, behind blanks where
    /// those do not count. `false` if more bytes are needed to tell.
    fn open_quotes(&mut self, bytes: &[u8], is_last: bool, options: &CsvOptions) -> bool {
        let mut at = self.field;
        if options.reading.is_trimmed {
            at += blanks(&bytes[at..], options);
            if at > self.field && at == bytes.len() && !is_last {
                return false;
            }
        }
        if bytes.get(at) == Some(&options.quote) {
            (self.field, self.part, self.looked) = (at, Part::Quotes(Style::Quoted), at + 1);
        }
        true
    }

    /// The delimiter or newline that ends the last field, which is not within quotes; `None` where it has
    /// not come.
    fn find_stop(&mut self, bytes: &[u8], is_last: bool, options: &CsvOptions) -> Option<usize> {
        let Some(escape) = options.reading.escape else {
            let stop = memchr2(options.delimiter, b'\n', &bytes[self.looked..]);
            self.looked = stop.map_or(bytes.len(), |at| self.looked + at);
            return stop.map(|_| self.looked);
        };
        loop {
            let rest = &bytes[self.looked..];
            let Some(at) = memchr3(options.delimiter, b'\n', escape, rest) else {
                self.looked = bytes.len();
                return None;
            };
            self.looked += at;
            if bytes[self.looked] != escape {
                return Some(self.looked);
            }
            if self.looked + 1 == bytes.len() && !is_last {
                return None;
            }
            self.looked = bytes.len().min(self.looked + 2);
            if self.part == Part::Bare {
                self.part = Part::BareEscaped;
            }
        }
    }

    /// Looks for the closing quote of the last field; `false` where that has not come, or may be the first
    /// of two.
    fn close(&mut self, bytes: &[u8], is_last: bool, options: &CsvOptions) -> bool {
        let Part::Quotes(mut style) = self.part else { return true };
        let (start, quote) = (self.field + 1, options.quote);
        loop {
            let rest = &bytes[self.looked..];
            let at = match options.reading.escape {
                None => memchr(quote, rest),
                Some(escape) => memchr2(quote, escape, rest),
            };
            let Some(at) = at.map(|at| self.looked + at) else {
                self.looked = bytes.len();
                if is_last {
                    self.fault = Some("the quote is never closed");
                    self.part = Part::Behind(RawField { start, end: bytes.len(), style });
                }
                return is_last;
            };
            match bytes.get(at + 1) {
                None if !is_last => {
                    self.looked = at;
                    return false;
                }
                Some(_) if bytes[at] != quote => {
                    style = Style::Escaped;
                    (self.part, self.looked) = (Part::Quotes(style), at + 2);
                }
                // An escape of nothing.
                None if bytes[at] != quote => self.looked = bytes.len(),
                Some(next) if *next == quote => {
                    style = Style::Escaped;
                    (self.part, self.looked) = (Part::Quotes(style), at + 2);
                }
                _ => {
                    let field = RawField { start, end: at, style };
                    (self.part, self.looked) = (Part::Behind(field), at + 1);
                    return true;
                }
            }
        }
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
        if is_fresh && !open.open_quotes(bytes, is_last, options) {
            return Ending::Partial(open);
        }
        if matches!(open.part, Part::Quotes(_)) && !open.close(bytes, is_last, options) {
            return Ending::Partial(open);
        }
        let stop = open.find_stop(bytes, is_last, options);
        if stop.is_none() && !is_last {
            return Ending::Partial(open);
        }
        let bare = |style| (RawField { start: open.field, end: open.field, style }, open.field);
        let (mut field, after) = match open.part {
            Part::Behind(field) => (field, bytes.len().min(field.end + 1)),
            Part::BareEscaped => bare(Style::BareEscaped),
            Part::Bare | Part::Quotes(_) => bare(Style::Bare),
        };
        let stop_at = stop.unwrap_or(bytes.len());
        let is_delimiter = stop.is_some_and(|at| bytes[at] == options.delimiter);
        let has_return = !is_delimiter && stop_at > after && bytes[stop_at - 1] == b'\r';
        let end = stop_at - usize::from(has_return);
        if matches!(field.style, Style::Bare | Style::BareEscaped) {
            (field.start, field.end) = around(bytes, (field.start, end), options);
        } else if end > after && around(bytes, (after, end), options) != (end, end) {
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

/// Where a bare field begins and ends, `[start, end)`, without the blanks around it where those do not
/// count: of blanks alone nothing is left, at their end.
#[inline]
pub(crate) fn around(
    bytes: &[u8],
    (start, end): (usize, usize),
    options: &CsvOptions,
) -> (usize, usize) {
    if !options.reading.is_trimmed {
        return (start, end);
    }
    let start = start + blanks(&bytes[start..end], options);
    let trailing =
        bytes[start..end].iter().rev().take_while(|byte| is_blank(**byte, options)).count();
    let text = &bytes[start..end - trailing];
    // Behind an odd number of escapes a blank is text.
    let escapes = |escape: u8| text.iter().rev().take_while(|byte| **byte == escape).count();
    let is_escaped = trailing > 0 && options.reading.escape.map_or(0, escapes) % 2 == 1;
    (start, end - trailing + usize::from(is_escaped))
}

/// How many blanks the text begins with.
pub(crate) fn blanks(text: &[u8], options: &CsvOptions) -> usize {
    text.iter().take_while(|byte| is_blank(**byte, options)).count()
}

fn is_blank(byte: u8, options: &CsvOptions) -> bool {
    matches!(byte, b' ' | b'\t') && byte != options.delimiter && byte != options.quote
}

/// Appends the text of a field with escapes or doubled quotes.
pub(crate) fn unescape(mut text: &[u8], style: Style, options: &CsvOptions, out: &mut Vec<u8>) {
    let quote = options.quote;
    let find = |text: &[u8]| match (options.reading.escape, style) {
        (None, _) => memchr(quote, text),
        (Some(escape), Style::BareEscaped) => memchr(escape, text),
        (Some(escape), _) => memchr2(quote, escape, text),
    };
    while let Some(at) = find(text) {
        out.extend_from_slice(&text[..at]);
        let meant = match text.get(at + 1) {
            // Each pair of quotes is one.
            _ if text[at] == quote && style != Style::BareEscaped => quote,
            Some(&escaped) => control(escaped).unwrap_or(escaped),
            None => text[at],
        };
        out.push(meant);
        text = text.get(at + 2..).unwrap_or_default();
    }
    out.extend_from_slice(text);
}

/// The control character that this letter stands for behind an escape, as in C.
fn control(letter: u8) -> Option<u8> {
    Some(match letter {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 0x08,
        b'f' => 0x0c,
        b'v' => 0x0b,
        b'0' => 0,
        _ => return None,
    })
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
                Style::Escaped => {
                    unescape(
                        &bytes[field.start..field.end],
                        field.style,
                        &CsvOptions::default(),
                        &mut out,
                    );
                }
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
