//! `format` and its options.

use tidemill_plan::{
    ArrowForm, ArrowOptions, CsvOptions, Format, JsonLayout, JsonOptions, TimestampUnit,
};

use super::Options;
use super::csv::csv_options;
use super::lines::{Lines, line_format};
use super::times::times;

/// What a format is for: who writes chooses less than others have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

/// The format that the end of a path names, before the ending of its compression.
pub(crate) fn format_by_name_ending(path: &str) -> Option<Format> {
    let lower = path.to_ascii_lowercase();
    let plain = [".gz", ".zst", ".lz4"]
        .into_iter()
        .find_map(|ending| lower.strip_suffix(ending))
        .unwrap_or(&lower);
    let (_, ending) = plain.rsplit_once('.')?;
    Some(match ending {
        "csv" => Format::Csv(CsvOptions::default()),
        "tsv" => Format::Csv(CsvOptions { delimiter: b'\t', ..CsvOptions::default() }),
        "json" | "jsonl" | "ndjson" => Format::Json(JsonOptions::default()),
        "arrow" | "ipc" | "feather" => Format::Arrow(ArrowOptions { form: ArrowForm::File }),
        "arrows" => Format::Arrow(ArrowOptions { form: ArrowForm::Stream }),
        "parquet" => Format::Parquet,
        _ => return None,
    })
}

/// Names of the formats, without their options.
const NAMES: &[(&str, Name)] = &[
    ("csv", Name::Csv),
    ("json", Name::Json),
    ("arrow", Name::Arrow(ArrowForm::File)),
    ("arrows", Name::Arrow(ArrowForm::Stream)),
    ("parquet", Name::Parquet),
    ("nginx", Name::Lines(Lines::Nginx)),
    ("apache", Name::Lines(Lines::Apache)),
    ("logfmt", Name::Lines(Lines::Logfmt)),
    ("regex", Name::Lines(Lines::Regex)),
    ("lines", Name::Lines(Lines::Whole)),
];

/// Names of how values of JSON follow each other.
const LAYOUTS: &[(&str, JsonLayout)] = &[
    ("auto", JsonLayout::Auto),
    ("lines", JsonLayout::Lines),
    ("array", JsonLayout::Array),
    ("values", JsonLayout::Values),
];

/// How many of them can be written.
const WRITTEN_COUNT: usize = 5;

#[derive(Clone, Copy)]
enum Name {
    Csv,
    Json,
    Arrow(ArrowForm),
    Parquet,
    Lines(Lines),
}

/// Reads `format` and the options of that format; `default` applies where there is none.
pub(super) fn format(
    options: &mut Options<'_>,
    default: Option<Format>,
    direction: Direction,
) -> Option<Format> {
    let names = match direction {
        Direction::Read => NAMES,
        Direction::Write => &NAMES[..WRITTEN_COUNT],
    };
    let named = options.one_of("format", names);
    let format = match (named, default) {
        (Some(Name::Csv), Some(csv @ Format::Csv(_))) => csv,
        (Some(Name::Csv), _) => Format::Csv(CsvOptions::default()),
        (Some(Name::Json), _) => Format::Json(JsonOptions::default()),
        (Some(Name::Arrow(form)), _) => Format::Arrow(ArrowOptions { form }),
        (Some(Name::Parquet), _) => Format::Parquet,
        (Some(Name::Lines(lines)), _) => return line_format(options, lines),
        (None, default) => default?,
    };
    Some(match format {
        Format::Csv(csv) => Format::Csv(csv_options(options, csv, direction)),
        Format::Json(_) => Format::Json(JsonOptions {
            timestamp_unit: timestamp_unit(options).unwrap_or_default(),
            times: times(options, direction, true),
            layout: match direction {
                Direction::Read => options.one_of("json.layout", LAYOUTS).unwrap_or_default(),
                Direction::Write => JsonLayout::Lines,
            },
        }),
        other => other,
    })
}

pub(super) fn timestamp_unit(options: &mut Options<'_>) -> Option<TimestampUnit> {
    options.one_of(
        "timestamp.unit",
        &[
            ("s", TimestampUnit::Seconds),
            ("ms", TimestampUnit::Milliseconds),
            ("us", TimestampUnit::Microseconds),
            ("ns", TimestampUnit::Nanoseconds),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings() {
        assert_eq!(
            format_by_name_ending("a/b-*.jsonl.gz"),
            Some(Format::Json(JsonOptions::default()))
        );
        assert_eq!(format_by_name_ending("a.PARQUET"), Some(Format::Parquet));
        let tsv = Format::Csv(CsvOptions { delimiter: b'\t', ..CsvOptions::default() });
        assert_eq!(format_by_name_ending("a.tsv.zst"), Some(tsv));
        assert_eq!(format_by_name_ending("a.gz"), None);
        assert_eq!(format_by_name_ending("dir/"), None);
    }
}
