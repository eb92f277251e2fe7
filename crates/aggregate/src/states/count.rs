//! `COUNT(*)` and `COUNT(x)`.

use arrow_array::ArrayRef;
use arrow_array::types::Int64Type;
use tidemill_record::DataType;

use crate::state::{Accumulator, Numbers, columns_of_fields};

/// Counts the rows that count; which those are is [`crate::argument::Rows::counted`]'s business.
pub(crate) struct Count;

/// How many there were.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counted {
    count: i64,
}

columns_of_fields!(Counted { count });

impl Accumulator for Count {
    const IS_EXACT: bool = true;
    const TRACKS_SEEN: bool = false;
    type State = Counted;
    type Column<'a> = ();
    type Output = Numbers<Int64Type>;

    fn open(&self, _: &[&ArrayRef]) {}

    #[inline]
    fn add(&self, state: &mut Counted, _: bool, (): &(), _: usize) -> usize {
        state.count += 1;
        0
    }

    fn merge(&self, state: &mut Counted, _: bool, later: Counted) -> usize {
        state.count += later.count;
        0
    }

    fn output(&self, row_count: usize, data_type: &DataType) -> Numbers<Int64Type> {
        Numbers::new(row_count, data_type)
    }

    #[inline(always)]
    fn append(&self, output: &mut Numbers<Int64Type>, state: &Counted, _: bool) -> bool {
        output.append(Some(state.count));
        true
    }
}
