//! Which bytes of a record batch its needed columns take, so that no others are read.
//!
//! Spec: Apache Arrow columnar format, "RecordBatch message": the buffers of all columns stand one behind the other
//! in the order of the schema, depth first; how many each has follows from its type, and for views from a count
//! beside them.

use std::ops::Range;

use arrow_ipc::{MetadataVersion, RecordBatch};
use arrow_schema::{DataType, Schema, UnionMode};

use crate::near_ranges::joined;

/// Ranges closer together than this are read as one.
const GAP_BYTES_MAX: u64 = 16 << 10;

/// The buffers of some columns of a record batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Needed {
    /// By place among all of the batch, ascending and disjoint.
    pub(super) buffers: Vec<Range<usize>>,
    /// The bytes that they take, counted from the start of the body; ascending and disjoint.
    pub(super) ranges: Vec<Range<u64>>,
}

impl Needed {
    /// What these columns of a batch take; `None` where the message does not have the buffers of its schema, or one
    /// lies outside of the body.
    ///
    /// # Cost
    /// O(fields and buffers).
    pub(super) fn of(
        batch: RecordBatch<'_>,
        schema: &Schema,
        version: MetadataVersion,
        columns: &[usize],
        body_bytes: u64,
    ) -> Option<Self> {
        let counts = batch.variadicBufferCounts().into_iter().flatten();
        let mut walk = Walk { place: 0, counts, version };
        let mut buffers: Vec<Range<usize>> = Vec::new();
        for (at, field) in schema.fields().iter().enumerate() {
            let start = walk.place;
            walk.step_over(field.data_type())?;
            if columns.contains(&at) && start < walk.place {
                match buffers.last_mut() {
                    Some(last) if last.end == start => last.end = walk.place,
                    _ => buffers.push(start..walk.place),
                }
            }
        }
        let all = batch.buffers();
        let mut ranges = Vec::new();
        for place in buffers.iter().cloned().flatten() {
            let buffer = all.filter(|all| place < all.len())?.get(place);
            let start = u64::try_from(buffer.offset()).ok()?;
            let end = start.checked_add(u64::try_from(buffer.length()).ok()?)?;
            if end > body_bytes {
                return None;
            }
            if start < end {
                ranges.push(start..end);
            }
        }
        Some(Self { buffers, ranges: joined(ranges, GAP_BYTES_MAX) })
    }

    /// Where in a buffer the first byte of each range is to stand, so that they are close together and aligned as they are
    /// in the body, and how long that buffer is.
    pub(super) fn places(&self) -> (Vec<usize>, usize) {
        const ALIGNMENT: usize = 64;
        let mut end = 0_usize;
        let place = |range: &Range<u64>| {
            let bytes_in = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
            let beyond = usize::try_from(range.start % ALIGNMENT as u64).unwrap_or(0);
            let start = end.next_multiple_of(ALIGNMENT) + beyond;
            end = start.saturating_add(bytes_in);
            start
        };
        let places = self.ranges.iter().map(place).collect();
        (places, end)
    }

    /// Where in that buffer a byte of the body stands; `None` of one in no range.
    pub(super) fn place(&self, places: &[usize], byte: u64) -> Option<usize> {
        let at = self.ranges.partition_point(|range| range.start <= byte).checked_sub(1)?;
        let beyond = usize::try_from(byte - self.ranges[at].start).ok()?;
        (byte < self.ranges[at].end).then(|| places[at] + beyond)
    }

    /// How many bytes they take.
    pub(super) fn read_bytes(&self) -> u64 {
        self.ranges.iter().map(|range| range.end - range.start).sum()
    }
}

/// Steps over the buffers of a batch.
struct Walk<I> {
    /// Of the next buffer.
    place: usize,
    /// How many buffers of bytes the columns of views have.
    counts: I,
    version: MetadataVersion,
}

impl<I: Iterator<Item = i64>> Walk<I> {
    fn step_over(&mut self, data_type: &DataType) -> Option<()> {
        let (own, children): (usize, Vec<&DataType>) = match data_type {
            DataType::Null => (0, Vec::new()),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary => {
                (3, Vec::new())
            }
            DataType::Utf8View | DataType::BinaryView => {
                (usize::try_from(self.counts.next()?).ok()?.checked_add(2)?, Vec::new())
            }
            DataType::List(item) | DataType::LargeList(item) | DataType::Map(item, _) => {
                (2, vec![item.data_type()])
            }
            DataType::ListView(item) | DataType::LargeListView(item) => (3, vec![item.data_type()]),
            DataType::FixedSizeList(item, _) => (1, vec![item.data_type()]),
            DataType::Struct(fields) => (1, fields.iter().map(|field| field.data_type()).collect()),
            DataType::Union(fields, mode) => {
                // Before version 5 a union had NULLs of its own.
                let nulls = usize::from(self.version < MetadataVersion::V5);
                let offsets = usize::from(*mode == UnionMode::Dense);
                let children = fields.iter().map(|(_, field)| field.data_type()).collect();
                (nulls + 1 + offsets, children)
            }
            DataType::RunEndEncoded(ends, values) => {
                (0, vec![ends.data_type(), values.data_type()])
            }
            // Values of one size, and a dictionary's keys: NULLs, and themselves.
            _ => (2, Vec::new()),
        };
        self.place = self.place.checked_add(own)?;
        children.into_iter().try_for_each(|child| self.step_over(child))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_stand_close_together_and_as_aligned_as_before() {
        let ranges = vec![70..100, 100_008..100_024, 200_000..200_001];
        let needed = Needed { buffers: Vec::new(), ranges };
        let (places, byte_count) = needed.places();
        assert_eq!((&places[..], byte_count), (&[6, 64 + 40, 128][..], 129));
        let place = |byte| needed.place(&places, byte);
        assert_eq!(
            [70, 99, 100_023, 200_000].map(place),
            [Some(6), Some(35), Some(119), Some(128)]
        );
        assert_eq!([0, 100, 100_007, 200_001].map(place), [None; 4]);
    }
}
