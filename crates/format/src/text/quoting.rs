//! Quotes around a CSV field.

use tidemill_plan::CsvOptions;

/// Quotes the field that begins at `start` and ends the output, if it has to be.
pub(crate) fn quote_field(options: &CsvOptions, start: usize, out: &mut Vec<u8>) {
    let CsvOptions { delimiter, quote, .. } = *options;
    let field = &out[start..];
    let is_special =
        |byte: &u8| matches!(*byte, b'\n' | b'\r') || *byte == delimiter || *byte == quote;
    let has_space_around = field.first() == Some(&b' ') || field.last() == Some(&b' ');
    if !field.is_empty() && !has_space_around && !field.iter().any(is_special) {
        return;
    }
    let quotes = memchr::memchr_iter(quote, field).count();
    let mut from = out.len();
    out.resize(from + quotes + 2, quote);
    // Moves the field up by one and by one more for each quote within, back to front.
    let mut to = out.len() - 1;
    while from > start {
        from -= 1;
        to -= 1;
        out[to] = out[from];
        if out[from] == quote {
            to -= 1;
            out[to] = quote;
        }
    }
    out[start] = quote;
}
