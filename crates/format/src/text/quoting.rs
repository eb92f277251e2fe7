//! Quotes around a CSV field.

use tidemill_plan::CsvOptions;

/// Whether a field of this text has to be quoted.
#[inline]
pub(crate) fn is_quoted(options: &CsvOptions, field: &[u8]) -> bool {
    let CsvOptions { delimiter, quote, .. } = *options;
    let has_space_around = field.first() == Some(&b' ') || field.last() == Some(&b' ');
    field.is_empty()
        || has_space_around
        || memchr::memchr3(delimiter, quote, b'\n', field).is_some()
        || memchr::memchr(b'\r', field).is_some()
}

/// Quotes the field that begins at `start` and ends the output, if it has to be.
pub(crate) fn quote_field(options: &CsvOptions, start: usize, out: &mut Vec<u8>) {
    if !is_quoted(options, &out[start..]) {
        return;
    }
    let quote = options.quote;
    let quotes = memchr::memchr_iter(quote, &out[start..]).count();
    let mut from = out.len();
    out.resize(from + quotes + 2, quote);
    // Moves the field up by one and by one more for each quote within, back to front.
    let mut to = out.len() - 1;
    while let Some(last) = memchr::memrchr(quote, &out[start..from]).map(|at| start + at) {
        out.copy_within(last..from, to - (from - last));
        to -= from - last + 1;
        out[to] = quote;
        from = last;
    }
    out.copy_within(start..from, start + 1);
    out[start] = quote;
}
