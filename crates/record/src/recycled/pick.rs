//! Rows of arrays as an array whose memory comes back.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType, UInt64Type};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType};
use arrow_buffer::ArrowNativeType;
use arrow_schema::{DataType, TimeUnit};
use smallvec::SmallVec;

use super::{Room, Sources};

/// Which rows are picked, and in which order.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    /// Rows of the one array there is.
    Of(&'a [u32]),
    /// Runs of its rows.
    Runs(&'a [Range<usize>]),
    /// Array and row of each.
    Among(&'a [(usize, usize)]),
    /// All rows, array after array.
    All,
}

impl Rows<'_> {
    fn pick<T: ArrowNativeType>(self, arrays: &[&[T]]) -> Room<T> {
        let mut room = Room::default();
        let first = arrays[0];
        room.reserve_exact(match self {
            Rows::Of(rows) => rows.len(),
            Rows::Among(rows) => rows.len(),
            Rows::Runs(runs) => runs.iter().map(ExactSizeIterator::len).sum(),
            Rows::All => arrays.iter().map(|array| array.len()).sum(),
        });
        match self {
            Rows::Of(rows) => room.extend(rows.iter().map(|&row| first[row as usize])),
            Rows::Among(rows) => room.extend(rows.iter().map(|&(array, row)| arrays[array][row])),
            Rows::Runs(runs) => {
                runs.iter().for_each(|run| room.extend(first[run.clone()].iter().copied()));
            }
            Rows::All => {
                arrays.iter().for_each(|array| room.extend(array.iter().copied()));
            }
        }
        room
    }

    fn pick_numbers<T: ArrowPrimitiveType>(self, arrays: &[&dyn Array]) -> ArrayRef {
        let values = arrays.iter().map(|array| &array.as_primitive::<T>().values()[..]);
        self.pick(&values.collect::<SmallVec<[_; 4]>>()).finish::<T>(None)
    }
}

/// Picks rows of arrays of one type. `None` if it is not a usual type, or some are NULL, or texts of
/// several arrays do not fit their views: then it is Arrow's to do.
///
/// # Panics
/// If a row is out of range, or there is no array.
///
/// # Cost
/// O(rows), and no allocation once arrays come back.
#[must_use]
pub fn pick(arrays: &[&dyn Array], rows: Rows<'_>) -> Option<ArrayRef> {
    if arrays.iter().any(|array| array.null_count() > 0) {
        return None;
    }
    Some(match arrays[0].data_type() {
        DataType::Int64 => rows.pick_numbers::<Int64Type>(arrays),
        DataType::UInt64 => rows.pick_numbers::<UInt64Type>(arrays),
        DataType::Float64 => rows.pick_numbers::<Float64Type>(arrays),
        DataType::Timestamp(TimeUnit::Microsecond, None) => {
            rows.pick_numbers::<TimestampMicrosecondType>(arrays)
        }
        DataType::Utf8View => {
            let sources = match arrays {
                [array] => Sources::Shared(array.as_string_view().data_buffers().clone()),
                _ if arrays
                    .iter()
                    .all(|array| array.as_string_view().data_buffers().is_empty()) =>
                {
                    Sources::Inline
                }
                _ => return None,
            };
            let views = arrays.iter().map(|array| &array.as_string_view().views()[..]);
            let mut views = rows.pick(&views.collect::<SmallVec<[_; 4]>>());
            // SAFETY: they are views of these arrays, and point into the buffers of the one there is or
            // nowhere.
            unsafe { views.finish_texts(sources, None) }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, StringViewArray};

    use super::*;

    #[test]
    fn rows_are_picked_as_arrow_would() {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100));
        let others: ArrayRef = Arc::new(Int64Array::from_iter_values(1000..1010));
        let picked = |rows: Rows<'_>, arrays: &[&dyn Array]| {
            pick(arrays, rows).map(|array| array.as_primitive::<Int64Type>().values().to_vec())
        };
        assert_eq!(picked(Rows::Of(&[7, 7, 0]), &[&*numbers]), Some(vec![7, 7, 0]));
        assert_eq!(picked(Rows::Runs(&[3..5, 98..100]), &[&*numbers]), Some(vec![3, 4, 98, 99]));
        let both: [&dyn Array; 2] = [&*others, &*numbers];
        let among = [(1, 42), (0, 9), (0, 0)];
        assert_eq!(picked(Rows::Among(&among), &both), Some(vec![42, 1009, 1000]));
        let all: Vec<i64> = (1000..1010).chain(0..100).collect();
        assert_eq!(picked(Rows::All, &both), Some(all));
        let with_null: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
        assert_eq!(picked(Rows::Of(&[0]), &[&*with_null]), None);
    }

    #[test]
    fn texts_of_several_arrays_are_picked_if_their_views_hold_them() {
        let texts = |values: &[&str]| -> ArrayRef {
            Arc::new(StringViewArray::from_iter_values(values.iter().copied()))
        };
        let (short, long) = (texts(&["a", "bc"]), texts(&["d", "more than twelve bytes"]));
        let one = pick(&[&*long], Rows::Of(&[1, 0])).expect("one array");
        assert_eq!(one.as_string_view().value(0), "more than twelve bytes");
        assert!(pick(&[&*short, &*long], Rows::All).is_none());
        let two = pick(&[&*short, &*short], Rows::Among(&[(1, 1), (0, 0)])).expect("short ones");
        assert_eq!(two.as_string_view().iter().collect::<Vec<_>>(), [Some("bc"), Some("a")]);
    }
}
