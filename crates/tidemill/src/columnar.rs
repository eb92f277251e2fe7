//! Parquet and Arrow files as partitions: cut between row groups or record batches, by what these hold. Where a single
//! Parquet file, or the last of an odd number, has few row groups, two partitions share one: each reads its bytes, and unpacks the pages that have rows of its own.
//!
//! How long a file of columns takes to read its length does not say: a few MiB may be millions of rows. So its row groups are
//! weighed by what the query needs of them. The weights follow from the file and the query, and from nothing else, and
//! with them how many partitions there are.

use std::ops::Range;
use std::sync::Arc;

use tidemill_format::parquet::{Footer, RowGroup};
use tidemill_format::{ArrowFooter, FormatError, MessagePlace};
use tidemill_source::{InputFile, SPLIT_COUNT_MAX};

use crate::Error;
use crate::discovery::Partition;
use crate::footers::{arrow_footer, arrow_starts, at, longest_batch, read_footer};

/// What a file weighs at least to be cut in two, where the number is not asked for. A value weighs its bytes, and 8 at
/// least.
const HALVED_WEIGHT_MIN: u64 = 4 << 20;

/// What each of more than two parts weighs at least.
const PART_WEIGHT_MIN: u64 = 16 << 20;

/// For each row group partitions that share row groups, at most: all read its bytes.
const SHARED_BY_MAX: usize = 2;

/// Of more files it matters little whether the last one has half of the cores to itself.
const ODD_FILES_MAX: usize = 7;

/// Consecutive row groups of a Parquet file.
pub(crate) struct RowGroups {
    pub(crate) file: InputFile,
    pub(crate) groups: Range<usize>,
    /// Which of their rows, by number in the file.
    pub(crate) rows: Range<u64>,
    footer: Option<Arc<Footer>>,
}

/// Consecutive record batches of an Arrow file.
pub(crate) struct Messages {
    pub(crate) file: InputFile,
    /// Which of them, and the number of their first row; `None` of all.
    pub(crate) batches: Option<(Range<usize>, u64)>,
    footer: Option<Arc<ArrowFooter>>,
    /// Bytes that they take.
    pub(crate) byte_count: u64,
}

impl RowGroups {
    /// The file's footer.
    ///
    /// # Errors
    /// As [`read_footer`], where it is not kept.
    pub(crate) fn footer(&self) -> Result<Arc<Footer>, Error> {
        match &self.footer {
            Some(footer) => Ok(Arc::clone(footer)),
            None => read_footer(&self.file).map(Arc::new),
        }
    }
}

impl Messages {
    /// The file's footer.
    ///
    /// # Errors
    /// As [`arrow_footer`], where it is not kept; and where the file is not what it was.
    pub(crate) fn footer(&self) -> Result<Arc<ArrowFooter>, Error> {
        if let Some(footer) = &self.footer {
            return Ok(Arc::clone(footer));
        }
        let changed = || {
            let reason = "it has another footer than when it was found".to_owned();
            let (what, position) = ("Arrow file".to_owned(), self.file.byte_count());
            at(&self.file, FormatError::Corrupt { what, position, reason })
        };
        arrow_footer(&self.file)?.map(Arc::new).ok_or_else(changed)
    }
}

/// How files are cut.
pub(crate) struct Cutting<'a> {
    /// One file may become several partitions.
    pub(crate) may_split: bool,
    /// How many files there are.
    pub(crate) file_count: usize,
    /// As many as this, if it can.
    pub(crate) requested: Option<u32>,
    /// For each scan the columns that it needs of the records.
    pub(crate) needed: Vec<Vec<&'a str>>,
    /// Footers are kept for who reads the partitions.
    pub(crate) keeps_footers: bool,
}

impl Cutting<'_> {
    /// The partitions of a Parquet file, which is at this place among the files.
    ///
    /// # Errors
    /// As [`read_footer`].
    pub(crate) fn parquet(&self, file: &InputFile, place: usize) -> Result<Vec<Partition>, Error> {
        let footer = Arc::new(read_footer(file)?);
        let weights = self.heaviest(footer.row_groups().len(), |names| footer.weights(names));
        let part = |(groups, rows)| {
            let (file, footer) = (file.clone(), self.keeps_footers.then(|| Arc::clone(&footer)));
            Partition::RowGroups(Box::new(RowGroups { file, groups, rows, footer }))
        };
        let groups = footer.row_groups();
        let pieces = self.pieces(&weights).min(groups.len() * SHARED_BY_MAX);
        let is_shared = self.is_odd_one(place)
            && pieces > groups.len()
            && weights.iter().any(|&weight| weight > 0);
        if is_shared {
            return Ok(cut_by_rows(groups, &weights, pieces).into_iter().map(part).collect());
        }
        let cut = cut_by_weight(&weights, pieces).into_iter();
        Ok(cut.map(|groups| part((groups, 0..u64::MAX))).collect())
    }

    /// The partitions of an Arrow file that is read by its footer; `None` of others.
    ///
    /// # Errors
    /// As [`arrow_footer`].
    pub(crate) fn arrow(&self, file: &InputFile) -> Result<Option<Vec<Partition>>, Error> {
        let Some(footer) = arrow_footer(file)? else { return Ok(None) };
        let whole = 0..footer.batch_count();
        let mut cut = vec![whole.clone()];
        if self.may_split && footer.batch_count() > 1 {
            let weights = self.batch_weights(file, &footer)?;
            cut = cut_by_weight(&weights, self.pieces(&weights));
        }
        // Rows are numbered by who knows how many stand before.
        let starts = if cut.len() > 1 { arrow_starts(file, &footer)? } else { None };
        if starts.is_none() {
            cut = vec![whole];
        }
        let footer = Arc::new(footer);
        let part = |batches: Range<usize>| {
            let byte_count =
                footer.batches()[batches.clone()].iter().map(MessagePlace::byte_count).sum();
            let start = |starts: &Vec<u64>| starts.get(batches.start).copied().unwrap_or(0);
            let batches = starts.as_ref().map(|starts| (batches.clone(), start(starts)));
            let footer = self.keeps_footers.then(|| Arc::clone(&footer));
            let file = file.clone();
            Partition::Messages(Box::new(Messages { file, batches, footer, byte_count }))
        };
        Ok(Some(cut.into_iter().map(part).collect()))
    }

    /// What each record batch weighs: the longest by what it holds, and the others by their lengths beside it.
    fn batch_weights(&self, file: &InputFile, footer: &ArrowFooter) -> Result<Vec<u64>, Error> {
        let lengths = || footer.batches().iter().map(MessagePlace::byte_count);
        let Some((longest, head)) = longest_batch(file, footer)? else {
            return Ok(vec![0; footer.batch_count()]);
        };
        let of_longest = |names: &[&str]| vec![footer.weight(&head, names)];
        let weight = u128::from(self.heaviest(1, of_longest)[0]);
        let beside =
            |length: u64| weight * u128::from(length) / u128::from(longest.byte_count().max(1));
        Ok(lengths().map(|length| u64::try_from(beside(length)).unwrap_or(u64::MAX)).collect())
    }

    /// Whether partitions of the file may share row groups: of a few files that are no even number the last, which would leave
    /// every other core without work. It costs a third more CPU time for that file.
    fn is_odd_one(&self, place: usize) -> bool {
        self.file_count % 2 == 1 && self.file_count <= ODD_FILES_MAX && place + 1 == self.file_count
    }

    /// Of each part the most that it weighs for a scan.
    fn heaviest(&self, count: usize, weights: impl Fn(&[&str]) -> Vec<u64>) -> Vec<u64> {
        let mut heaviest = vec![0; count];
        for names in &self.needed {
            let of_scan = weights(names);
            heaviest.iter_mut().zip(of_scan).for_each(|(most, weight)| *most = weight.max(*most));
        }
        heaviest
    }

    /// How many partitions are wanted of what weighs so much.
    fn pieces(&self, weights: &[u64]) -> usize {
        if !self.may_split {
            return 1;
        }
        let weight = weights.iter().copied().fold(0, u64::saturating_add);
        let pieces = self.requested.map_or_else(|| part_count(weight), u64::from);
        usize::try_from(pieces).unwrap_or(usize::MAX)
    }
}

/// How many parts a file of this weight has: a power of two.
fn part_count(weight: u64) -> u64 {
    let least = if weight >= HALVED_WEIGHT_MIN { 2 } else { 1 };
    1 << (weight / PART_WEIGHT_MIN).clamp(least, SPLIT_COUNT_MAX).ilog2()
}

/// `[0, weights.len())` as ranges of about equal weight: as many as `pieces`, but none of nothing, and at least one.
fn cut_by_weight(weights: &[u64], pieces: usize) -> Vec<Range<usize>> {
    let pieces = pieces.clamp(1, weights.len().max(1));
    let total: u128 = weights.iter().map(|&weight| u128::from(weight)).sum();
    let (mut ranges, mut start, mut before) = (Vec::with_capacity(pieces), 0, 0_u128);
    for piece in 1..=pieces {
        // What follows has something left for each of its pieces.
        let last = weights.len() - (pieces - piece);
        let mut end = last;
        if piece < pieces {
            let aim = total * (piece as u128) / (pieces as u128);
            end = start;
            while end < last {
                let behind = before + u128::from(weights[end]);
                let is_nearer = behind <= aim || behind - aim < aim.abs_diff(before);
                if end > start && !is_nearer {
                    break;
                }
                (before, end) = (behind, end + 1);
            }
        }
        ranges.push(start..end);
        start = end;
    }
    ranges
}

/// The rows of a file as `pieces` ranges of about equal weight, fewer where rows weigh much, each with the row groups that
/// they are in.
fn cut_by_rows(
    groups: &[RowGroup],
    weights: &[u64],
    pieces: usize,
) -> Vec<(Range<usize>, Range<u64>)> {
    let total: u128 = weights.iter().map(|&weight| u128::from(weight)).sum();
    let end_of = |group: &RowGroup| group.start_row.saturating_add(group.row_count);
    let end = groups.last().map_or(0, end_of);
    let mut cuts = vec![0];
    let mut before = 0;
    for (group, &weight) in groups.iter().zip(weights) {
        let (weight, rows) = (u128::from(weight), u128::from(group.row_count));
        let aims = (1..pieces).map(|piece| total * (piece as u128) / (pieces as u128));
        for aim in aims.filter(|aim| (before..before + weight).contains(aim)) {
            let row = u64::try_from(rows * (aim - before) / weight).expect("a row of the group");
            cuts.push(group.start_row.saturating_add(row));
        }
        before += weight;
    }
    cuts.push(end);
    cuts.dedup();
    let parts = cuts.array_windows().map(|&[first, behind]| {
        let start = groups.partition_point(|group| end_of(group) <= first);
        let end = groups.partition_point(|group| group.start_row < behind);
        (start..end, first..behind)
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_row_groups_are_shared_by_rows() {
        let groups = |counts: &[u64]| {
            let mut start_row = 0;
            let group = |(index, &row_count): (usize, &u64)| {
                let group = RowGroup { index, start_row, row_count };
                start_row += row_count;
                group
            };
            counts.iter().enumerate().map(group).collect::<Vec<_>>()
        };
        let one = groups(&[1001]);
        assert_eq!(cut_by_rows(&one, &[8000], 2), [(0..1, 0..500), (0..1, 500..1001)]);
        let two = groups(&[100, 300]);
        assert_eq!(
            cut_by_rows(&two, &[800, 2400], 4),
            [(0..1, 0..100), (1..2, 100..200), (1..2, 200..300), (1..2, 300..400)]
        );
        assert_eq!(
            cut_by_rows(&two, &[800, 2400], 3),
            [(0..2, 0..133), (1..2, 133..266), (1..2, 266..400)]
        );
        // Whatever the counts are, every row is read once, and by who reads its row group.
        for counts in [&[0, 5, 0, 1][..], &[1], &[3, 1, 0, 9, 2]] {
            let groups = groups(counts);
            let weights: Vec<u64> = counts.iter().map(|count| count * 8).collect();
            for pieces in 1..12 {
                let parts = cut_by_rows(&groups, &weights, pieces);
                assert!((1..=pieces).contains(&parts.len()));
                let mut row = 0;
                for (of, rows) in parts {
                    assert_eq!(rows.start, row);
                    assert!(groups[of.start].start_row <= rows.start && !rows.is_empty());
                    let last = &groups[of.end - 1];
                    assert!(last.start_row + last.row_count >= rows.end);
                    row = rows.end;
                }
                assert_eq!(row, counts.iter().sum::<u64>());
            }
        }
    }

    #[test]
    fn the_last_of_few_files_makes_their_number_even() {
        let odd_ones = |file_count: usize| {
            let (needed, requested) = (Vec::new(), None);
            let cutting =
                Cutting { may_split: true, file_count, requested, needed, keeps_footers: true };
            (0..file_count).filter(|place| cutting.is_odd_one(*place)).collect::<Vec<_>>()
        };
        assert_eq!([1, 3, 7].map(odd_ones), [[0], [2], [6]]);
        assert!([2, 4, 8, 9, 1001].into_iter().all(|count| odd_ones(count).is_empty()));
    }

    #[test]
    fn parts_are_consecutive_and_of_about_equal_weight() {
        assert_eq!(cut_by_weight(&[1; 5], 2), [0..2, 2..5]);
        assert_eq!(cut_by_weight(&[5, 5, 1], 2), [0..1, 1..3]);
        assert_eq!(cut_by_weight(&[9, 1, 1, 1], 2), [0..1, 1..4]);
        assert_eq!(cut_by_weight(&[1, 1, 1, 9], 2), [0..3, 3..4]);
        assert_eq!(cut_by_weight(&[1, 1, 1, 9], 4), [0..1, 1..2, 2..3, 3..4]);
        assert_eq!(cut_by_weight(&[0, 0, 0], 3), [0..1, 1..2, 2..3]);
        assert_eq!(cut_by_weight(&[7], 8).first(), Some(&(0..1)));
        assert_eq!(cut_by_weight(&[], 4).first(), Some(&(0..0)));
        for pieces in 1..9 {
            let ranges = cut_by_weight(&[3, 0, 8, 1, 1, u64::MAX, 2], pieces);
            assert_eq!(ranges.len(), pieces.min(7));
            assert!(ranges.is_sorted_by(|before, after| before.end == after.start));
            assert!(ranges.iter().all(|range| !range.is_empty()));
            assert_eq!((ranges[0].start, ranges[ranges.len() - 1].end), (0, 7));
        }
    }

    #[test]
    fn the_number_of_parts_follows_from_the_weight() {
        const MIB: u64 = 1 << 20;
        assert_eq!([0, 4 * MIB - 1].map(part_count), [1, 1]);
        assert_eq!([4, 40, 63].map(|mib| part_count(mib * MIB)), [2, 2, 2]);
        assert_eq!([64, 127, 128].map(|mib| part_count(mib * MIB)), [4, 4, 8]);
        assert_eq!(part_count(u64::MAX), 32);
    }
}
