//! What was left out of the input, as sentences for the person who reads the results.

use tidemill_format::Lost;
use tidemill_pipeline::Statistics;
use tidemill_record::Position;

use crate::locate::line_of;
use crate::planning::PlannedQuery;

/// Keys of one source that have a warning each; the rest are counted together.
const KEYS_SHOWN: usize = 8;
/// Lines are counted up to here only, since the file is read again for that.
const COUNTED_BYTES_MAX: u64 = 64 << 20;

/// A warning for each thing that a query's pipelines left out of their input.
pub(crate) fn warnings(
    query: &PlannedQuery,
    counted: &Statistics,
    record_bytes_max: usize,
) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut keys = ("", 0, 0_u64);
    for ((source, what), &(count, first)) in &counted.left_out {
        if matches!(what, Lost::Key(_) | Lost::FurtherKeys) {
            if keys.0 != source.as_str() {
                close(&mut warnings, keys);
                keys = (source.as_str(), 0, 0);
            }
            keys.1 += 1;
            if keys.1 > KEYS_SHOWN || *what == Lost::FurtherKeys {
                keys.2 += count;
                continue;
            }
        }
        let place = place(query, source, what, first, record_bytes_max);
        let text = sentence(what, count, &place.map_or_else(String::new, |at| format!(" ({at})")));
        warnings.push(format!("{source}: {text}"));
    }
    close(&mut warnings, keys);
    warnings
}

/// Says of a source how many records have keys that no warning named.
fn close(warnings: &mut Vec<String>, (source, _, further): (&str, usize, u64)) {
    if further > 0 {
        warnings.push(format!(
            "{source}: further keys that are no columns were left out of records, {further} times in all"
        ));
    }
}

fn sentence(what: &Lost, count: u64, place: &str) -> String {
    let records = if count == 1 { "1 record has" } else { &format!("{count} records have") };
    match what {
        Lost::Key(key) => format!(
            "{records} the key {key:?}, which is not among the columns that were inferred from the first \
             records, and was left out{place}; a source that declares the column reads it"
        ),
        Lost::FurtherKeys => format!("{records} further keys, which were left out{place}"),
        Lost::Column(column) => format!(
            "the column {column:?} is not among the columns that were inferred from the first file, and was \
             left out{place}; a source of its own for such files reads it"
        ),
        Lost::Type { column, reason } => {
            format!("the column {column:?} was left out{place}: {reason}")
        }
        Lost::Digits(column) => format!(
            "{records} digits below the microsecond in the column {column:?}, which TIMESTAMP does not hold; \
             they were cut{place}; a source that declares the column VARCHAR keeps them"
        ),
    }
}

/// Where the first one is.
fn place(
    query: &PlannedQuery,
    source: &str,
    what: &Lost,
    first: Position,
    record_bytes_max: usize,
) -> Option<String> {
    let found = query.sources.get(source)?;
    let file = found.partitions.get(usize::try_from(first.partition.0).ok()?)?.file()?;
    let path = file.path.display();
    let is_record = matches!(what, Lost::Key(_) | Lost::FurtherKeys | Lost::Digits(_));
    if !is_record {
        return Some(format!("first in {path}"));
    }
    let offset = first.offset.0;
    // A followed file may have been another one then.
    let is_counted = offset <= COUNTED_BYTES_MAX && !found.is_followed;
    match is_counted.then(|| line_of(file, offset, record_bytes_max)).flatten() {
        Some(line) => Some(format!("first in {path}, line {line}")),
        None => Some(format!("first in {path}, offset {offset}")),
    }
}
