//! Names of segments: `part-<partition>-<segment>.<ext>`, and `.open` behind it while it is written; and of the parts
//! of one file: `<file>.<partition>-<attempt>.open`.
//!
//! Only names that are exactly so are ours: what else lies in the directory is neither counted nor touched,
//! however it begins.

/// What names of result files begin with.
pub(crate) const RESULT_PREFIX: &str = "part-";

/// What names of dead letter files begin with.
pub(crate) const DEAD_LETTER_PREFIX: &str = "dead-";

/// Ending of a segment while it is written.
pub(crate) const OPEN_SUFFIX: &str = ".open";

const PARTITION_DIGITS: usize = 5;
const SEGMENT_DIGITS: usize = 6;

/// More digits than that are no number of ours: so there is always a next one.
const DIGITS_MAX: usize = 18;

/// Endings that segments have.
const EXTENSIONS: [&str; 9] =
    ["csv", "csv.gz", "csv.zst", "jsonl", "jsonl.gz", "jsonl.zst", "arrow", "arrows", "parquet"];

/// What the name of a segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentName {
    /// Its number.
    pub(crate) segment: u64,
    /// It is being written, or was when whoever wrote it ended.
    pub(crate) is_open: bool,
}

/// The final name of a segment.
pub(crate) fn segment_name(prefix: &str, partition: u32, segment: u64, extension: &str) -> String {
    let name = format!("{prefix}{}.{extension}", part_numbers(partition, segment));
    debug_assert_eq!(parse(prefix, &name), Some(SegmentName { segment, is_open: false }));
    name
}

/// What a name says, if it is one of ours.
pub(crate) fn parse(prefix: &str, name: &str) -> Option<SegmentName> {
    let (name, is_open) = match name.strip_suffix(OPEN_SUFFIX) {
        Some(name) => (name, true),
        None => (name, false),
    };
    let (stem, extension) = name.strip_prefix(prefix)?.split_once('.')?;
    if !EXTENSIONS.contains(&extension) {
        return None;
    }
    let (partition, segment) = stem.split_once('-')?;
    number(partition, PARTITION_DIGITS)?;
    Some(SegmentName { segment: number(segment, SEGMENT_DIGITS)?, is_open })
}

/// Whether a folder may be one by value: `year=2024`.
pub(crate) fn is_folder_name(name: &str) -> bool {
    let is_plain = |c: char| !c.is_control() && c != '/';
    name.split_once('=').is_some_and(|(key, _)| !key.is_empty()) && name.chars().all(is_plain)
}

/// Whether this is the name of a segment that is not open, in folders by value or in none.
pub(crate) fn is_result(prefix: &str, path: &str) -> bool {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    (folders.is_empty() && !path.starts_with('/') || folders.split('/').all(is_folder_name))
        && parse(prefix, name).is_some_and(|name| !name.is_open)
}

/// The numbers behind the name of a file that tell its parts while they are written. The attempt is one that no
/// earlier job has left there.
pub(crate) fn part_numbers(partition: u32, attempt: u64) -> String {
    format!("{partition:0PARTITION_DIGITS$}-{attempt:0SEGMENT_DIGITS$}")
}

/// The attempt of such numbers.
pub(crate) fn parse_part_numbers(numbers: &str) -> Option<u64> {
    let (partition, attempt) = numbers.split_once('-')?;
    number(partition, PARTITION_DIGITS)?;
    number(attempt, SEGMENT_DIGITS)
}

/// The attempt in the name of an open part of a file.
pub(crate) fn parse_open_part(file: &str, name: &str) -> Option<u64> {
    let numbers = name.strip_prefix(file)?.strip_prefix('.')?.strip_suffix(OPEN_SUFFIX)?;
    parse_part_numbers(numbers)
}

/// A number as we write it: with zeros in front up to a width, and none beyond.
fn number(digits: &str, width: usize) -> Option<u64> {
    let is_written_so = digits.len() == width || (digits.len() > width && !digits.starts_with('0'));
    let is_number = is_written_so
        && digits.len() <= DIGITS_MAX
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_ours() {
        let ours = |name: &str| parse("part-", name).map(|name| (name.segment, name.is_open));
        assert_eq!(ours("part-00000-000000.csv"), Some((0, false)));
        assert_eq!(ours("part-00012-000345.parquet"), Some((345, false)));
        assert_eq!(ours("part-00012-000345.jsonl.open"), Some((345, true)));
        assert_eq!(ours("part-00000-000000.csv.gz"), Some((0, false)));
        assert_eq!(ours("part-00000-000001.jsonl.zst.open"), Some((1, true)));
        assert_eq!(ours("part-123456-1234567.arrow"), Some((1_234_567, false)));
        for other in [
            "part-time-contracts.xlsx",
            "part-00000-abc.snappy.parquet",
            "part-00000-3f2c1d9e-c000.snappy.parquet",
            "part-00000-000000.csv.bz2",
            "part-00000-000000.parquet.gz",
            "part-00000-000000.csv.open.bak",
            "part-00000-000000.csv~",
            "part-00000-000000",
            "part-0-0.csv",
            "part-000001-000000.csv",
            "part-00000-0000001.csv",
            "part-00000-+00001.csv",
            "part-00000-00000a.csv",
            "part-00000-1000000000000000000.csv",
            "Part-00000-000000.csv",
            "dead-00000-000000.jsonl",
            " part-00000-000000.csv",
        ] {
            assert_eq!(ours(other), None, "{other}");
        }
    }

    #[test]
    fn results_stand_in_folders_by_value() {
        for ours in [
            "part-00000-000000.csv",
            "a=1/part-00000-000000.csv",
            "a=%2F/b=/part-00001-000002.csv.gz",
        ] {
            assert!(is_result("part-", ours), "{ours}");
        }
        for other in [
            "/part-00000-000000.csv",
            "a/part-00000-000000.csv",
            "../part-00000-000000.csv",
            "a=1/../part-00000-000000.csv",
            "a=1//part-00000-000000.csv",
            "=1/part-00000-000000.csv",
            "a=1\n/part-00000-000000.csv",
            "a=1/part-00000-000000.csv.open",
            "a=1/",
            "a=1/notes",
        ] {
            assert!(!is_result("part-", other), "{other}");
        }
    }

    #[test]
    fn a_part_of_a_file_has_its_name() {
        let numbers = part_numbers(3, 12);
        assert_eq!(numbers, "00003-000012");
        assert_eq!(parse_open_part("o.csv", &format!("o.csv.{numbers}.open")), Some(12));
        for other in [
            "o.csv.00003-000012",
            "o.csv.3-12.open",
            "o.csv.open",
            "xo.csv.00003-000012.open",
            "o.csv.gz.00003-000012.open",
        ] {
            assert_eq!(parse_open_part("o.csv", other), None, "{other}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for (partition, segment) in
            [(0, 0), (99_999, 999_999), (100_000, 1_000_000), (u32::MAX, 999_999_999_999_999_999)]
        {
            let name = segment_name("dead-", partition, segment, "jsonl");
            assert_eq!(parse("dead-", &name), Some(SegmentName { segment, is_open: false }));
        }
    }
}
