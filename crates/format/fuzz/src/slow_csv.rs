//! A reader of CSV that looks at one byte after the other.

use tidemill_plan::CsvOptions;

/// A field of a record.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    /// What it means.
    pub(crate) text: Vec<u8>,
    /// What stands there, blanks around it left out where they do not count, if it is not in quotes.
    pub(crate) bare: Option<Vec<u8>>,
}

/// A record of the text.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) start: usize,
    /// Behind its last byte; a newline may follow.
    pub(crate) end: usize,
    pub(crate) fields: Vec<Field>,
    /// Whether a quote is never closed, or text stands behind a closing one.
    pub(crate) is_faulty: bool,
}

/// All records, a header among them; empty lines are records of one field, but before a header they are none.
pub(crate) fn records(text: &[u8], options: &CsvOptions) -> Vec<Record> {
    let mut at = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    for _ in 0..options.reading.skip_lines {
        at = behind_line(text, at);
    }
    let mut records = Vec::new();
    while at < text.len() {
        let is_comment =
            options.reading.comment.as_ref().is_some_and(|mark| {
                trimmed_start(&text[at..], options).starts_with(mark.as_bytes())
            });
        let is_empty = text[at..].starts_with(b"\n") || text[at..].starts_with(b"\r\n");
        if is_comment || (is_empty && options.has_header && records.is_empty()) {
            at = behind_line(text, at);
            continue;
        }
        let (record, next) = record(text, at, options);
        records.push(record);
        at = next;
    }
    records
}

fn behind_line(text: &[u8], at: usize) -> usize {
    text[at..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |len| at + len + 1)
}

fn record(text: &[u8], start: usize, options: &CsvOptions) -> (Record, usize) {
    let CsvOptions { delimiter, quote, reading, .. } = options;
    let mut record = Record { start, end: start, fields: Vec::new(), is_faulty: false };
    let mut at = start;
    loop {
        let begin = text.len() - trimmed_start(&text[at..], options).len();
        let begin = if reading.is_trimmed { begin } else { at };
        let mut quoted = None;
        if text.get(begin) == Some(quote) {
            at = begin + 1;
            let mut inside = Vec::new();
            loop {
                let (byte, next) = (text.get(at), text.get(at + 1));
                match (byte, next) {
                    (Some(byte), Some(next)) if Some(*byte) == reading.escape => {
                        inside.push(escaped(*next));
                        at += 2;
                    }
                    (Some(byte), Some(next)) if byte == quote && next == quote => {
                        inside.push(*quote);
                        at += 2;
                    }
                    (Some(byte), _) if byte == quote => {
                        at += 1;
                        break;
                    }
                    (Some(byte), _) => {
                        inside.push(*byte);
                        at += 1;
                    }
                    (None, _) => {
                        record.is_faulty = true;
                        break;
                    }
                }
            }
            quoted = Some(inside);
        }
        let mut behind = Vec::new();
        while let Some(byte) = text.get(at)
            && byte != delimiter
            && *byte != b'\n'
        {
            behind.push(*byte);
            at += 1;
            if Some(*byte) == reading.escape
                && let Some(next) = text.get(at)
            {
                behind.push(*next);
                at += 1;
            }
        }
        record.end = at;
        let is_last = text.get(at) != Some(delimiter);
        if is_last && behind.last() == Some(&b'\r') {
            behind.pop();
            record.end -= 1;
        }
        let behind = if reading.is_trimmed { trimmed(&behind, options) } else { &behind };
        record.is_faulty |= quoted.is_some() && !behind.is_empty();
        record.fields.push(match quoted {
            Some(text) => Field { text, bare: None },
            None => Field { text: unescaped(behind, options), bare: Some(behind.to_vec()) },
        });
        at += 1;
        if is_last {
            return (record, at);
        }
    }
}

fn is_blank(byte: u8, options: &CsvOptions) -> bool {
    (byte == b' ' || byte == b'\t') && byte != options.delimiter && byte != options.quote
}

fn trimmed_start<'a>(mut text: &'a [u8], options: &CsvOptions) -> &'a [u8] {
    while let [first, rest @ ..] = text
        && is_blank(*first, options)
    {
        text = rest;
    }
    text
}

/// Without the blanks around it, escaped ones excepted.
fn trimmed<'a>(text: &'a [u8], options: &CsvOptions) -> &'a [u8] {
    let text = trimmed_start(text, options);
    let (mut at, mut end) = (0, 0);
    while at < text.len() {
        let len = if Some(text[at]) == options.reading.escape { 2 } else { 1 };
        if len == 2 || !is_blank(text[at], options) {
            end = text.len().min(at + len);
        }
        at += len;
    }
    &text[..end]
}

fn unescaped(text: &[u8], options: &CsvOptions) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < text.len() {
        match text.get(at + 1) {
            Some(next) if Some(text[at]) == options.reading.escape => {
                out.push(escaped(*next));
                at += 2;
            }
            _ => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    out
}

fn escaped(byte: u8) -> u8 {
    match byte {
        b'0' => 0,
        b'b' => 8,
        b't' => 9,
        b'n' => 10,
        b'v' => 11,
        b'f' => 12,
        b'r' => 13,
        other => other,
    }
}
