//! Options of the `file` sink.

use tidemill_plan::options::{parse_bytes, parse_duration};
use tidemill_plan::{FileSink, Format, OnExisting};

use super::Options;
use super::connector::{TRUTHS, path};
use super::format::{Direction, format, format_by_name_ending};
use super::packing::packing;

pub(super) fn file_sink(options: &mut Options<'_>) -> Option<FileSink> {
    let path = path(options, "out/");
    refuse_stream(options);
    let by_ending = path.and_then(format_by_name_ending);
    let is_file = by_ending.is_some();
    if !is_file && path.is_some() {
        options.required("format", "csv");
    }
    let format = format(options, by_ending.clone(), Direction::Write);
    if let (Some(path), Some(by_ending), Some(format)) = (path, &by_ending, &format) {
        check_ending(options, path, by_ending, format);
    }
    let partition_by = partition_by(options, path, is_file);
    let packing = packing(options, path, is_file, format.as_ref());
    let rolling_bytes = options.parsed("rolling", "a size such as '64MiB', or 'off'", |text| {
        if text.eq_ignore_ascii_case("off") {
            return Some(None);
        }
        parse_bytes(text).filter(|&bytes| bytes > 0).map(Some)
    });
    if is_file && rolling_bytes.flatten().is_some() {
        refuse_for_one_file(options, "rolling", path.unwrap_or_default());
    }
    let rolling_interval =
        options.parsed("rolling.interval", "a duration such as '10s', or 'off'", |text| {
            if text.eq_ignore_ascii_case("off") {
                return Some(None);
            }
            parse_duration(text).filter(|interval| !interval.is_zero()).map(Some)
        });
    if is_file && rolling_interval.flatten().is_some() {
        refuse_for_one_file(options, "rolling.interval", path.unwrap_or_default());
    }
    let on_existing = options.one_of(
        "on.existing",
        &[
            ("fail", OnExisting::Fail),
            ("replace", OnExisting::Replace),
            ("append", OnExisting::Append),
        ],
    );
    if is_file && on_existing == Some(OnExisting::Append) {
        refuse_appending(options, path.unwrap_or_default());
    }
    let is_durable = options.one_of("durable", TRUTHS);
    Some(FileSink {
        path: path?.to_owned(),
        is_file,
        format: format?,
        partition_by,
        packing,
        rolling_bytes: rolling_bytes.flatten(),
        rolling_interval: rolling_interval.unwrap_or(Some(FileSink::ROLLING_INTERVAL)),
        on_existing: on_existing.unwrap_or_default(),
        is_durable: is_durable.unwrap_or(true),
    })
}

/// Files get their names when they are whole; what is printed does not wait for that.
fn refuse_stream(options: &mut Options<'_>) {
    let Some((path, span)) = options.text("path") else { return };
    if path == "-" || path.starts_with("/dev/") {
        let hint = "to print results, write 'connector' = 'stdout'".to_owned();
        options.fail(span, format!("a file sink does not write to '{path}'"), Some(hint));
    }
}

/// A file is not named as what it is not.
fn check_ending(options: &mut Options<'_>, path: &str, by_ending: &Format, format: &Format) {
    if by_ending.name() != format.name() {
        let (said, span) = options.text("format").unwrap_or(("", options.span));
        let (named, ending) = (by_ending.name(), format.extension());
        let hint = format!(
            "give the file a name that ends in .{ending}, leave 'format' out, or write '{path}/' for a \
             directory of files"
        );
        options.fail(
            span,
            format!("'{path}' is named as {named}, and 'format' is '{said}'"),
            Some(hint),
        );
    }
}

/// Names between commas.
fn partition_by(options: &mut Options<'_>, path: Option<&str>, is_file: bool) -> Vec<String> {
    let Some((text, span)) = options.text("partition.by") else { return Vec::new() };
    if is_file {
        refuse_for_one_file(options, "partition.by", path.unwrap_or_default());
    }
    let mut names: Vec<String> = Vec::new();
    for name in text.split(',').map(str::trim) {
        let message = match name {
            "" => "option 'partition.by' has a name that is empty".to_owned(),
            _ if names.iter().any(|known| known.eq_ignore_ascii_case(name)) => {
                format!("option 'partition.by' names \"{name}\" twice")
            }
            _ => {
                names.push(name.to_owned());
                continue;
            }
        };
        options.fail(span, message, Some("it takes columns, as in 'year, month'".to_owned()));
    }
    names
}

/// One file becomes visible whole, and is not written to afterwards.
fn refuse_appending(options: &mut Options<'_>, path: &str) {
    let (_, span) = options.text("on.existing").unwrap_or(("", options.span));
    let message =
        format!("'{path}' is one file, and results are appended to a directory as new files");
    options.fail(span, message, Some(format!("write '{path}/' for a directory of files")));
}

/// What only a directory of files has.
fn refuse_for_one_file(options: &mut Options<'_>, key: &'static str, path: &str) {
    let (_, span) = options.text(key).unwrap_or(("", options.span));
    let hint = format!("write '{path}/' for a directory of files");
    options.fail(span, format!("'{path}' is one file, and '{key}' is for several"), Some(hint));
}
