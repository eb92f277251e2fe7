//! Files that are read as several partitions: where they are cut, and when to do without.

use std::io;
use std::ops::Range;

use tidemill_control::ControlError;
use tidemill_format::record_start_within;
use tidemill_plan::{CsvOptions, Locality};
use tidemill_rt::fs::File;
use tidemill_source::{InputFile, SourceError};

use crate::Error;
use crate::planning::PlannedQuery;

/// Moves the cuts between ranges of a CSV file to where records start, as far as the bytes behind a cut tell:
/// a line end may stand inside quotes. Ranges that are empty then go. Whether all cuts could be moved; those that
/// could not are where they were.
pub(crate) fn cut_between_records(
    file: &InputFile,
    options: &CsvOptions,
    field_count: Option<usize>,
    ranges: &mut Vec<Range<u64>>,
) -> Result<bool, Error> {
    let fail = |operation| {
        move |source| SourceError::Io { path: file.path.to_path_buf(), operation, source }
    };
    let opened = File::open(&file.path).map_err(fail("open"))?;
    let mut has_moved_all = true;
    let mut starts = vec![0];
    for range in ranges.iter().skip(1) {
        let last = starts[starts.len() - 1];
        if range.start < last {
            continue;
        }
        let start = record_start_behind(&opened, range.start, options, field_count);
        let start = start.map_err(fail("read"))?;
        has_moved_all &= start.is_some();
        starts.push(start.unwrap_or(range.start));
    }
    starts.push(file.byte_count());
    *ranges = starts.windows(2).map(|pair| pair[0]..pair[1]).collect();
    ranges.retain(|range| range.start < range.end);
    Ok(has_moved_all)
}

/// The first start of a record behind `cut` that can be told.
fn record_start_behind(
    file: &File,
    cut: u64,
    options: &CsvOptions,
    field_count: Option<usize>,
) -> io::Result<Option<u64>> {
    /// Enough for records of usual lengths, and for the longest texts that people write.
    const LOOKED_AT_BYTES: [usize; 2] = [64 << 10, 4 << 20];
    let mut piece = Vec::new();
    for byte_count in LOOKED_AT_BYTES {
        piece.resize(byte_count, 0);
        let (mut count, mut at) = (0, cut);
        while count < byte_count {
            match file.read_at(&mut piece[count..], at)? {
                0 => break,
                more => count += more,
            }
            at = cut + u64::try_from(count).expect("a usize fits u64");
        }
        let is_last = count < byte_count;
        let start = record_start_within(&piece[..count], is_last, options, field_count);
        if let Some(start) = start {
            return Ok(Some(cut + u64::try_from(start).expect("a usize fits u64")));
        }
        if is_last {
            break;
        }
    }
    Ok(None)
}

/// Makes the first of ranges that follow each other hold all before `end`.
pub(crate) fn keep_together(ranges: &mut Vec<Range<u64>>, end: u64) {
    while let [first, second, ..] = &mut ranges[..]
        && first.end < end
    {
        second.start = first.start;
        ranges.remove(0);
    }
}

/// Whether queries that failed so may succeed where no file is read as several splits, all of them can be run once
/// more, and nobody has seen what they gave.
pub(crate) fn may_do_without_splits(error: &ControlError, planned: &[PlannedQuery]) -> bool {
    // Splits hold windows until all have ended, where one partition lets them go as they close.
    let holds_windows =
        |query: &PlannedQuery| query.is_split() && query.physical.follows_event_time();
    let is_guessed =
        |query: &PlannedQuery| query.sources.values().any(|source| source.has_guessed_cuts);
    let is_by_splits = error.is_by_splits()
        || (error.is_memory_of_scan() && planned.iter().any(holds_windows))
        || (error.is_bad_record() && planned.iter().any(is_guessed));
    // A gather prints once all that it gathers has been found right; other queries may have printed before.
    let may_print = planned.len() == 1 && planned[0].physical.locality == Locality::Gather;
    is_by_splits && planned.iter().all(|query| query.may_run_again(may_print))
}
