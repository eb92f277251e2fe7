//! Where a record starts near a place inside a CSV file, at which the file is to be cut.
//!
//! A line end may stand inside quotes, so that the first one is not always the end of a record. A place counts
//! as a start if it stands behind a line end and many records one behind another can be read from there: all
//! with the same number of fields, none with a quote anywhere but around a field. From inside quotes that fails
//! at the latest where these close. What is found is still a guess, which the readers on both sides of a cut hold
//! against each other.

use memchr::{memchr, memchr_iter};
use tidemill_plan::CsvOptions;

use super::record::{Ending, RawField, Style, split};

/// So many records have to fit.
const RECORDS_ENOUGH: usize = 64;

/// Where in `bytes`, a piece out of the middle of a file, the first record starts that can be told;
/// `None` where the bytes do not tell, and where records are not of the plain form. `field_count` is that of the
/// header, where there is one. `is_last` says that the file ends with the bytes.
///
/// # Cost
/// O(bytes) where the first line end is the end of a record; from inside quotes as much again for each
/// line of these.
#[must_use]
pub fn record_start_within(
    bytes: &[u8],
    is_last: bool,
    options: &CsvOptions,
    field_count: Option<usize>,
) -> Option<usize> {
    if !options.reading.has_plain_records() {
        return None;
    }
    memchr_iter(b'\n', bytes)
        .map(|line_end| line_end + 1)
        .find(|start| are_records(bytes, *start, is_last, options, field_count))
}

/// Whether records follow one another from `start`.
fn are_records(
    bytes: &[u8],
    start: usize,
    is_last: bool,
    options: &CsvOptions,
    field_count: Option<usize>,
) -> bool {
    let mut expected = field_count;
    let (mut next, mut count, mut has_closed_quotes) = (start, 0, false);
    let mut fields = Vec::new();
    while count < RECORDS_ENOUGH && next < bytes.len() {
        let ending = split(bytes, next, is_last, options, &mut fields);
        let Ending::Whole { next: behind, fault, .. } = ending else { break };
        let is_blank = fields.len() == 1 && fields[0].start == fields[0].end;
        if fault.is_some() || fields.iter().any(|field| has_stray_quote(bytes, field, options)) {
            return false;
        }
        if !is_blank && *expected.get_or_insert(fields.len()) != fields.len() {
            return false;
        }
        has_closed_quotes |= fields.iter().any(|field| field.style != Style::Bare);
        next = behind;
        count += 1;
    }
    // Few long records tell enough if quotes were among them, or if nothing is behind them.
    count == RECORDS_ENOUGH || (is_last && next == bytes.len()) || (count > 1 && has_closed_quotes)
}

/// Whether a quote stands within a field that is not quoted, as from inside quotes the closing one does.
fn has_stray_quote(bytes: &[u8], field: &RawField, options: &CsvOptions) -> bool {
    field.style == Style::Bare && memchr(options.quote, &bytes[field.start..field.end]).is_some()
}

#[cfg(test)]
mod tests {
    use rand::{Rng, RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    use super::*;

    fn found(text: &str) -> Option<usize> {
        record_start_within(text.as_bytes(), true, &CsvOptions::default(), None)
    }

    #[test]
    fn without_quotes_it_is_behind_the_first_line_end() {
        assert_eq!(found("rest,of\n1,2\n3,4\n"), Some(8));
    }

    #[test]
    fn line_ends_within_quotes_are_passed_over() {
        // The cut is within the quoted text of a record.
        let text = "first line\nsecond, with a comma\nthird\",5\n7,\"one\ntwo\",6\n";
        assert_eq!(found(text), Some(text.find("7,").expect("is there")));
    }

    #[test]
    fn a_text_of_quotes_and_line_ends_does_not_tell() {
        assert_eq!(found("\"\n\""), None);
        assert_eq!(found("no line end"), None);
    }

    /// Whatever the place, what is found is the start of a record.
    #[test]
    fn every_start_that_is_found_is_one() {
        let mut random = Pcg64Mcg::seed_from_u64(7);
        let mut found_count = 0;
        for _ in 0..300 {
            let columns = random.random_range(1..5);
            let (text, starts) = file(&mut random, columns);
            for _ in 0..20 {
                let cut = random.random_range(0..text.len());
                let options = CsvOptions::default();
                let start = record_start_within(&text[cut..], true, &options, Some(columns));
                if let Some(start) = start {
                    assert!(
                        starts.contains(&(cut + start)),
                        "{cut}+{start} {:?}",
                        String::from_utf8_lossy(&text)
                    );
                    found_count += 1;
                }
            }
        }
        // Most places have an answer: the rest lie in the last records.
        assert!(found_count > 4_000, "{found_count}");
    }

    /// Text of a file and where its records start, its end included.
    fn file(random: &mut Pcg64Mcg, columns: usize) -> (Vec<u8>, Vec<usize>) {
        let mut text = Vec::new();
        let mut starts = Vec::new();
        for _ in 0..random.random_range(20..200) {
            starts.push(text.len());
            for column in 0..columns {
                if column > 0 {
                    text.push(b',');
                }
                field(random, &mut text);
            }
            text.extend_from_slice(if random.random_bool(0.2) { b"\r\n" } else { b"\n" });
        }
        starts.push(text.len());
        (text, starts)
    }

    fn field(random: &mut Pcg64Mcg, text: &mut Vec<u8>) {
        match random.random_range(0..4) {
            0 => text.extend_from_slice(random.next_u32().to_string().as_bytes()),
            1 => text.extend_from_slice(b"plain words"),
            2 => text.extend_from_slice(b"\"\""),
            _ => {
                text.push(b'"');
                for _ in 0..random.random_range(0..8) {
                    let piece: &[u8] =
                        [b"word" as &[u8], b"\n", b",", b"\"\"", b" ", b"1,2\n", b"\r\n"]
                            [random.random_range(0..7)];
                    text.extend_from_slice(piece);
                }
                text.push(b'"');
            }
        }
    }
}
