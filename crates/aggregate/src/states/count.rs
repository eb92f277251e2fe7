//! `COUNT(*)` and `COUNT(x)`.

use arrow_array::ArrayRef;
use arrow_array::types::Int64Type;
use tidemill_record::DataType;

use crate::state::{Accumulator, Numbers};

/// Counts the rows that count; which those are is [`crate::argument::Rows::counted`]'s business.
pub(crate) struct Count;

impl Accumulator for Count {
    const TRACKS_SEEN: bool = false;
    type State = i64;
    type Column<'a> = ();
    type Output = Numbers<Int64Type>;

    fn open(&self, _: &[&ArrayRef]) {}

    #[inline]
    fn add(&self, state: &mut i64, _: bool, (): &(), _: usize) -> usize {
        *state += 1;
        0
    }

    fn merge(&self, state: &mut i64, _: bool, later: i64) -> usize {
        *state += later;
        0
    }

    fn output(&self, row_count: usize, data_type: &DataType) -> Numbers<Int64Type> {
        Numbers::new(row_count, data_type)
    }

    #[inline(always)]
    fn append(&self, output: &mut Numbers<Int64Type>, state: &i64, _: bool) -> bool {
        output.append(Some(*state));
        true
    }
}
