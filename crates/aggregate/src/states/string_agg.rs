//! `STRING_AGG`: one growing text per group, in record order.

use arrow_array::{ArrayRef, BinaryViewArray};
use tidemill_record::DataType;

use super::min_max::bytes_of;
use crate::state::{Accumulator, BytesOutput, Cells, State, allocated, reserve_outside};

/// The state for a separator; `None` unless the argument is `VARCHAR`.
pub(crate) fn state(
    separator: &str,
    argument: &DataType,
    result: &DataType,
) -> Option<Box<dyn State>> {
    let accumulator = StringAgg { separator: separator.as_bytes().to_vec() };
    (*argument == DataType::Varchar).then(|| Cells::boxed(accumulator, result))
}

struct StringAgg {
    separator: Vec<u8>,
}

impl StringAgg {
    fn append_text(&self, state: &mut Vec<u8>, is_first: bool, text: &[u8]) -> usize {
        let capacity_before = state.capacity();
        reserve_outside(state, self.separator.len() + text.len());
        if !is_first {
            state.extend_from_slice(&self.separator);
        }
        state.extend_from_slice(text);
        allocated(state.capacity()) - allocated(capacity_before)
    }
}

impl Accumulator for StringAgg {
    type State = Vec<u8>;
    type Column<'a> = BinaryViewArray;
    type Output = BytesOutput;

    fn open(&self, arguments: &[&ArrayRef]) -> BinaryViewArray {
        bytes_of(arguments)
    }

    #[inline]
    fn add(
        &self,
        state: &mut Vec<u8>,
        is_first: bool,
        column: &BinaryViewArray,
        row: usize,
    ) -> usize {
        self.append_text(state, is_first, column.value(row))
    }

    fn merge(&self, state: &mut Vec<u8>, is_first: bool, later: Vec<u8>) -> usize {
        self.append_text(state, is_first, &later)
    }

    fn output(&self, row_count: usize, data_type: &DataType) -> BytesOutput {
        BytesOutput::new(row_count, data_type)
    }

    fn append(&self, output: &mut BytesOutput, state: &Vec<u8>, is_seen: bool) -> bool {
        output.builder.append_option(is_seen.then_some(state));
        true
    }

    fn outside_bytes(state: &Vec<u8>) -> usize {
        allocated(state.capacity())
    }
}
