//! Which format the lines of a log have that nobody named.

use tidemill_plan::{Format, LineOptions, LineSyntax, LogPattern, Times, TimestampUnit};
use tidemill_record::Schema;

use super::access_log::AccessLog;
use super::decode::Line;
use super::logfmt::{Value, pairs};
use crate::DecoderSpec;
use crate::text::slot::SlotTable;

/// What servers write unless told otherwise: `combined`, the `main` of nginx's own configuration, and `common`.
const ACCESS_LOGS: [&str; 3] = [
    "combined",
    "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" \
     \"$http_user_agent\" \"$http_x_forwarded_for\"",
    "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent",
];

/// Lines that are looked at.
const LINES_MAX: usize = 20;

/// The format of an access log by its first lines, nine of ten of which have to be of it: of nginx, whose
/// usual formats are those of Apache.
#[must_use]
pub fn access_log(head: &[u8]) -> Option<Format> {
    ACCESS_LOGS.iter().find_map(|text| {
        let pattern = LogPattern::nginx(text).ok()?;
        let format = lines(LineSyntax::Nginx(pattern.clone()));
        let schema = Schema::default();
        let spec = DecoderSpec {
            format: &format,
            schema: &schema,
            columns: &[],
            batch_rows: 1,
            csv_header: None,
            is_inferred: true,
            is_union: false,
        };
        let log = AccessLog::new(&pattern, false, &spec).ok()?;
        let mut slots = SlotTable::new(0, 1);
        let is_one = |line: Line<'_>| {
            log.take_apart(line, &mut slots.own(0, line.start), &mut Vec::new()).is_ok()
        };
        are_most(head, is_one).then_some(format)
    })
}

/// The same of `key=value` pairs: two of them a line, and nothing else.
#[must_use]
pub fn key_value_pairs(head: &[u8]) -> Option<Format> {
    let is_one = |line: Line<'_>| {
        let (mut pair_count, mut is_clean) = (0, true);
        let visit = |_: &[u8], value: Value, _: &mut Vec<u8>| match value {
            Value::Alone => is_clean = false,
            Value::Empty | Value::Bare(_) | Value::Quoted(_) => pair_count += 1,
        };
        pairs(line, &mut Vec::new(), visit).is_ok() && is_clean && pair_count > 1
    };
    are_most(head, is_one).then(|| lines(LineSyntax::Logfmt))
}

fn lines(syntax: LineSyntax) -> Format {
    let mut times = Times::USUAL;
    if let LineSyntax::Nginx(pattern) = &syntax {
        times.columns.extend(pattern.forms());
    }
    let timestamp_unit = TimestampUnit::default();
    Format::Lines(LineOptions { syntax, multiline_start: None, timestamp_unit, times })
}

/// Whether nine of ten lines of a head are such; one that may be cut off is left out.
fn are_most(head: &[u8], mut is_one: impl FnMut(Line<'_>) -> bool) -> bool {
    let (mut line_count, mut fit_count, mut start) = (0, 0, 0);
    while line_count < LINES_MAX
        && let Some(len) = memchr::memchr(b'\n', &head[start..])
    {
        let text = &head[start..start + len];
        let end = start + len - usize::from(text.ends_with(b"\r"));
        if !text.trim_ascii().is_empty() {
            line_count += 1;
            fit_count += usize::from(is_one(Line { bytes: head, start, end }));
        }
        start += len + 1;
    }
    line_count > 0 && fit_count * 10 >= line_count * 9
}
