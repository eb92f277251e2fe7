//! Lines of a CSV file that are no records: those to be skipped at its head, comments, and empty ones
//! before the first record that has more than one field.

use memchr::memchr;
use tidemill_plan::CsvOptions;

use super::record::blanks;

/// What stands before the first record of a text, as far as it has been passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Preamble {
    /// Lines still to be skipped, whatever is in them.
    lines_left: u32,
}

impl Preamble {
    /// Before the first byte of a text.
    pub(crate) fn of(options: &CsvOptions) -> Self {
        Self { lines_left: options.reading.skip_lines }
    }

    /// Of a text that is read from further on.
    pub(crate) const BEHIND: Self = Self { lines_left: 0 };

    /// Lines still to be skipped.
    pub(crate) fn lines_left(self) -> u32 {
        self.lines_left
    }

    /// So many lines are still to be skipped.
    pub(crate) fn skipping(lines_left: u32) -> Self {
        Self { lines_left }
    }

    /// Steps over lines to be skipped and over comments, and where a header follows over empty lines.
    /// `false` if more bytes are needed; `position` is behind what has been passed.
    pub(crate) fn pass(
        &mut self,
        bytes: &[u8],
        position: &mut usize,
        is_last: bool,
        options: &CsvOptions,
    ) -> bool {
        while self.lines_left > 0 {
            let newline = memchr(b'\n', &bytes[*position..]);
            *position = newline.map_or(bytes.len(), |at| *position + at + 1);
            if newline.is_none() {
                return is_last;
            }
            self.lines_left -= 1;
        }
        while *position < bytes.len() {
            let line = &bytes[*position..];
            let is_passed = match line {
                [b'\n', ..] | [b'\r', b'\n', ..] => options.has_header,
                [b'\r'] if !is_last => return false,
                _ => match comment(line, is_last, options) {
                    Some(is_comment) => is_comment,
                    None => return false,
                },
            };
            if !is_passed {
                break;
            }
            let Some(len) = memchr(b'\n', line) else {
                *position = bytes.len();
                return true;
            };
            *position += len + 1;
        }
        true
    }
}

/// Whether the text, in which a record would begin, begins with a comment; of one its whole line is there.
/// `None` if more bytes are needed.
pub(crate) fn comment(text: &[u8], is_last: bool, options: &CsvOptions) -> Option<bool> {
    let Some(mark) = &options.reading.comment else { return Some(false) };
    let rest = &text[blanks(text, options)..];
    let is_comment = rest.starts_with(mark.as_bytes());
    if is_comment || mark.as_bytes().starts_with(rest) {
        let is_whole = is_last || memchr(b'\n', text).is_some();
        return is_whole.then_some(is_comment);
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemill_plan::CsvReading;

    fn options(skip_lines: u32, comment: Option<&str>) -> CsvOptions {
        let comment = comment.map(str::to_owned);
        let reading = CsvReading { skip_lines, comment, ..CsvReading::default() };
        CsvOptions { reading, ..CsvOptions::default() }
    }

    /// Where the first record begins, when bytes come one by one.
    fn first_record(text: &str, options: &CsvOptions) -> usize {
        let (mut preamble, mut at) = (Preamble::of(options), 0);
        for end in 0..=text.len() {
            let is_last = end == text.len();
            if preamble.pass(&text.as_bytes()[..end], &mut at, is_last, options) && at < end {
                return at;
            }
        }
        at
    }

    #[test]
    fn what_stands_before_a_header_is_passed() {
        for (text, skipped, mark, expected) in [
            ("a,b\n1,2\n", 0, None, "a,b\n1,2\n"),
            ("\n\r\n\na,b\n", 0, None, "a,b\n"),
            ("x \"y\nz\na,b\n", 2, None, "a,b\n"),
            ("# x\n  # y\n\na,b\n", 0, Some("#"), "a,b\n"),
            ("x\n# y\na,b", 1, Some("#"), "a,b"),
            ("# x\na,b", 1, Some("#"), "a,b"),
            ("--x\n-a,b\n", 0, Some("--"), "-a,b\n"),
            ("-", 0, Some("--"), "-"),
            ("x\n", 5, None, ""),
            ("# x", 0, Some("#"), ""),
            ("\r", 0, None, "\r"),
        ] {
            let options = options(skipped, mark);
            let at = first_record(text, &options);
            assert_eq!(&text[at..], expected, "{text:?}");
        }
    }
}
