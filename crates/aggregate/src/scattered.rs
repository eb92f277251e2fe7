//! Rows that wait in parts, by the hash of their keys, to be looked up later.
//!
//! Where most rows have a group of their own, an index of all groups fits no cache: each row waits for memory, and so it
//! does once more as tables are merged. So rows are only copied, those of each part behind each other in the order in
//! which they came. Later a core takes a part of all partitions, whose index fits its cache.

use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_select::concat::concat;
use arrow_select::take::take;
use tidemill_record::Columns;
use tidemill_record::recycled::{self, pick};

use crate::compact::own_views;
use crate::keys::hash;

/// Parts of scattered rows. A byte a row says which.
pub(crate) const PARTS: usize = 1 << 7;

/// When rows are scattered instead of being looked up. No result depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Scatter {
    /// After so many rows it is looked whether more than half of them have a group of their own: then those behind them
    /// are scattered. If not, it is looked again after twice as many.
    pub first_look: u64,
    /// Rows that are brought into the order of parts at a time; at least one.
    pub run_rows: usize,
    /// Of values that are counted, groups have to have so many on average: rows are scattered by their values alone,
    /// since each table numbers groups in its own way, and few values would be few parts.
    pub group_values: usize,
    /// Whether rows that wait still differ is estimated from those whose hash begins with so many zeros.
    pub sampled_zeros: u32,
    /// So many rows wait at most; with more, or where it turns out that their keys are less than a quarter of them, all are
    /// looked up where they are, and it is looked again after twice as many as have come.
    pub waiting_max: usize,
}

impl Default for Scatter {
    fn default() -> Self {
        // An index of fewer groups is not far from L2; a part of a run has some hundred rows.
        Self {
            first_look: 1 << 16,
            run_rows: 1 << 16,
            group_values: 1 << 10,
            sampled_zeros: 6,
            waiting_max: 1 << 22,
        }
    }
}

/// Looks at fixed numbers of rows whether what comes is to be scattered.
#[derive(Clone, Copy)]
pub(crate) struct Looks {
    pub(crate) scatter: Scatter,
    seen_rows: u64,
    next_look: u64,
}

impl Looks {
    pub(crate) fn new(scatter: Scatter) -> Self {
        Self { scatter, seen_rows: 0, next_look: scatter.first_look }
    }

    /// Counts rows that come.
    pub(crate) fn count(&mut self, row_count: usize) {
        self.seen_rows += row_count as u64;
    }

    /// Whether it is time to look and so many groups are more than half of the rows. Looks again after twice as many.
    pub(crate) fn are_many(&mut self, group_count: usize) -> bool {
        if self.seen_rows < self.next_look {
            return false;
        }
        self.next_look = self.seen_rows.saturating_mul(2);
        group_count as u64 > self.seen_rows / 2
    }

    /// Whether rows that wait are to be looked up after all: there are too many, or it is time to look and their keys
    /// are few. Looks again after twice as many.
    pub(crate) fn are_to_settle(&mut self, rows: &mut ScatteredRows) -> bool {
        if rows.row_count() > self.scatter.waiting_max {
            return true;
        }
        if self.seen_rows < self.next_look {
            return false;
        }
        self.next_look = self.seen_rows.saturating_mul(2);
        rows.estimated_keys() < rows.row_count() / 4
    }

    /// Rows have been looked up after all.
    pub(crate) fn settled(&mut self) {
        self.next_look = self.seen_rows.saturating_mul(2);
    }
}

/// The part of a hash among a power of two of them, at most 2^8. What finds the place in an index are bits of another hash.
#[inline(always)]
pub(crate) fn part_of(hash: u64, part_count: usize) -> u8 {
    // The hash of a number is one product: of numbers that count up some of its bits hardly differ.
    let part = hash::finalize(hash) & (part_count as u64 - 1);
    u8::try_from(part).expect("there are at most 2^8 parts")
}

/// Rows of one partition that wait.
pub(crate) struct ScatteredRows {
    run_rows: usize,
    sampled_zeros: u32,
    /// Hashes that begin with so many zeros; of each several, perhaps.
    sampled: Vec<u64>,
    /// Rows that have come since the last run, as they came, with memory of their own.
    staged: Vec<Columns>,
    staged_rows: usize,
    runs: Vec<Run>,
    /// The part of every row, in the order in which they came.
    parts: Vec<u8>,
    /// Bytes of columns.
    column_bytes: usize,
}

/// Rows that came behind each other, by part, those of each part in their order.
struct Run {
    columns: Columns,
    /// Where each part begins, and where the last one ends.
    starts: Vec<u32>,
}

impl Run {
    fn row_count(&self) -> usize {
        self.starts[PARTS] as usize
    }
}

impl ScatteredRows {
    pub(crate) fn new(scatter: Scatter) -> Self {
        Self {
            run_rows: scatter.run_rows.max(1),
            sampled_zeros: scatter.sampled_zeros,
            sampled: Vec::new(),
            staged: Vec::new(),
            staged_rows: 0,
            runs: Vec::new(),
            parts: Vec::new(),
            column_bytes: 0,
        }
    }

    /// How many different hashes rows have, about.
    fn estimated_keys(&mut self) -> usize {
        self.sampled.sort_unstable();
        self.sampled.dedup();
        self.sampled.len() << self.sampled_zeros
    }

    /// How many rows wait.
    pub(crate) fn row_count(&self) -> usize {
        self.parts.len()
    }

    /// The part of every row, in the order in which they came.
    pub(crate) fn parts(&self) -> &[u8] {
        &self.parts
    }

    /// Bytes held.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.parts.capacity()
            + self.sampled.capacity() * size_of::<u64>()
            + self.column_bytes
            + self.runs.len() * (PARTS + 1) * size_of::<u32>()
    }

    /// Takes in the rows of some columns, of which there is at least one, with the hash of each row.
    pub(crate) fn push(&mut self, columns: &[ArrayRef], hashes: &[u64]) {
        let row_count = hashes.len();
        debug_assert!(columns.iter().all(|column| column.len() == row_count), "a hash a row");
        self.parts.extend(hashes.iter().map(|&hash| part_of(hash, PARTS)));
        let zeros = self.sampled_zeros;
        let hashes = hashes.iter().map(|&hash| hash::finalize(hash));
        self.sampled.extend(hashes.filter(|hash| hash.leading_zeros() >= zeros));
        // Buffers of the input are not held.
        let own: Columns = columns.iter().map(own_views).collect();
        self.column_bytes += bytes_of(&own);
        self.staged.push(own);
        self.staged_rows += row_count;
        if self.staged_rows >= self.run_rows {
            self.finish();
        }
    }

    /// Brings the last rows into the order of parts. Asked for before [`Self::part`].
    pub(crate) fn finish(&mut self) {
        if self.staged_rows == 0 {
            return;
        }
        let staged = std::mem::take(&mut self.staged);
        let first = self.parts.len() - std::mem::take(&mut self.staged_rows);
        let (starts, rows) = by_part(&self.parts[first..]);
        let columns = (0..staged[0].len()).map(|at| {
            let arrays: Vec<&dyn Array> = staged.iter().map(|columns| &*columns[at]).collect();
            own_views(&taken(&joined(&arrays), rows.clone()))
        });
        let run = Run { columns: columns.collect(), starts };
        self.column_bytes -= staged.iter().map(|columns| bytes_of(columns)).sum::<usize>();
        self.column_bytes += bytes_of(&run.columns);
        self.runs.push(run);
    }

    /// The rows of a part in the order in which they came, in pieces.
    pub(crate) fn part(&self, number: usize) -> impl Iterator<Item = Columns> {
        debug_assert_eq!(self.staged_rows, 0, "it is finished");
        self.runs.iter().filter_map(move |run| {
            let (start, end) = (run.starts[number] as usize, run.starts[number + 1] as usize);
            let piece = run.columns.iter().map(|column| column.slice(start, end - start));
            (start < end).then(|| piece.collect())
        })
    }

    /// How many rows a part has.
    pub(crate) fn part_rows(&self, number: usize) -> usize {
        let rows = |run: &Run| (run.starts[number + 1] - run.starts[number]) as usize;
        self.runs.iter().map(rows).sum()
    }

    /// All rows in the order in which they came, in pieces, whose memory goes as they do.
    pub(crate) fn in_order(mut self) -> impl Iterator<Item = Columns> {
        self.finish();
        let (parts, mut first) = (self.parts, 0);
        self.runs.into_iter().map(move |run| {
            let parts = &parts[first..first + run.row_count()];
            first += run.row_count();
            let mut next = run.starts;
            let rows = parts.iter().map(|&part| {
                let next = &mut next[usize::from(part)];
                *next += 1;
                *next - 1
            });
            let rows: Vec<u32> = rows.collect();
            run.columns.iter().map(|column| taken(column, rows.clone())).collect()
        })
    }
}

/// Where each part begins, and the rows part by part, those of each in their order.
fn by_part(parts: &[u8]) -> (Vec<u32>, Vec<u32>) {
    let mut starts = vec![0_u32; PARTS + 1];
    for &part in parts {
        starts[usize::from(part) + 1] += 1;
    }
    for part in 0..PARTS {
        starts[part + 1] += starts[part];
    }
    let mut rows = vec![0; parts.len()];
    let mut ends = starts.clone();
    for (row, &part) in (0..).zip(parts) {
        let end = &mut ends[usize::from(part)];
        rows[*end as usize] = row;
        *end += 1;
    }
    (starts, rows)
}

fn joined(arrays: &[&dyn Array]) -> ArrayRef {
    match arrays {
        [array] => array.slice(0, array.len()),
        arrays => pick(arrays, recycled::Rows::All)
            .unwrap_or_else(|| concat(arrays).expect("batches of one input have the same types")),
    }
}

fn taken(array: &ArrayRef, rows: Vec<u32>) -> ArrayRef {
    let rows = UInt32Array::from(rows);
    take(array, &rows, None).expect("rows are within the array")
}

fn bytes_of(columns: &[ArrayRef]) -> usize {
    columns.iter().map(|column| column.get_array_memory_size()).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{Int64Array, StringViewArray};

    use super::*;

    /// Rows in batches of so many: a number, NULL now and then, and its text.
    fn scattered(row_count: usize, batch_rows: usize, run_rows: usize) -> ScatteredRows {
        let mut rows = ScatteredRows::new(Scatter { run_rows, ..Scatter::default() });
        let all: Vec<i64> = (0..).take(row_count).collect();
        for some in all.chunks(batch_rows) {
            let numbers = some.iter().map(|&row| (row % 7 > 0).then_some(row));
            let texts = some.iter().map(|row| format!("{row} is the number of a row"));
            let columns: [ArrayRef; 2] = [
                Arc::new(Int64Array::from_iter(numbers)),
                Arc::new(StringViewArray::from_iter_values(texts)),
            ];
            rows.push(&columns, &some.iter().map(|&row| hash_of(row)).collect::<Vec<_>>());
        }
        rows
    }

    fn hash_of(row: i64) -> u64 {
        row.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40
    }

    fn rows_of(pieces: impl Iterator<Item = Columns>) -> Vec<i64> {
        let mut rows = Vec::new();
        for piece in pieces {
            let (numbers, texts) = (piece[0].as_primitive::<Int64Type>(), &piece[1]);
            for (number, text) in numbers.iter().zip(texts.as_string_view()) {
                let text = text.expect("every row has a text");
                let row: i64 = text.split(' ').next().and_then(|row| row.parse().ok()).expect(text);
                assert_eq!(number, (row % 7 > 0).then_some(row));
                rows.push(row);
            }
        }
        rows
    }

    #[test]
    fn each_part_has_its_rows_in_order_and_all_come_back_as_they_came() {
        for (batch_rows, run_rows) in [(1, 1), (7, 100), (100, 1), (1000, 300), (300, 5000)] {
            let mut rows = scattered(1000, batch_rows, run_rows);
            assert_eq!(rows.row_count(), 1000);
            rows.finish();
            let mut count = 0;
            for part in 0..PARTS {
                let of_part = |row: &i64| usize::from(part_of(hash_of(*row), PARTS)) == part;
                let expected: Vec<i64> = (0..1000).filter(of_part).collect();
                assert_eq!(rows_of(rows.part(part)), expected, "{part}");
                assert_eq!(rows.part_rows(part), expected.len());
                count += expected.len();
            }
            assert_eq!(count, 1000);
            let expected: Vec<i64> = (0..1000).collect();
            assert_eq!(rows_of(scattered(1000, batch_rows, run_rows).in_order()), expected);
        }
    }

    #[test]
    fn it_is_looked_at_fixed_numbers_of_rows() {
        let scatter = Scatter { first_look: 100, ..Scatter::default() };
        let mut looks = Looks::new(scatter);
        let mut at = Vec::new();
        for _ in 0..100 {
            looks.count(10);
            at.extend(looks.are_many(usize::MAX).then_some(looks.seen_rows));
        }
        assert_eq!(at, [100, 200, 400, 800]);
        let mut looks = Looks::new(scatter);
        looks.count(100);
        assert!(!looks.are_many(50), "a half is not more than that");
    }

    #[test]
    fn rows_whose_keys_turn_out_to_be_few_are_to_settle() {
        let scatter = Scatter { first_look: 1000, sampled_zeros: 2, ..Scatter::default() };
        for (key_count, expected) in [(100_000, None), (2500, Some(16_000)), (10, Some(1000))] {
            let (mut looks, mut rows) = (Looks::new(scatter), ScatteredRows::new(scatter));
            let settled = (1..=40_u64).find(|batch| {
                let hashes = (0..1000)
                    .map(|row| hash::of_u64(&hash::FIXED, (batch * 1000 + row) % key_count));
                let column: ArrayRef = Arc::new(Int64Array::from(vec![0; 1000]));
                looks.count(1000);
                rows.push(&[column], &hashes.collect::<Vec<_>>());
                looks.are_to_settle(&mut rows)
            });
            assert_eq!(settled.map(|batch| batch * 1000), expected, "{key_count}");
        }
    }
}
