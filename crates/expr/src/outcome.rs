//! Evaluating expressions over a batch, and finding the rows that fail.
//!
//! The batch is evaluated whole. Only if that fails it is halved, again and again, until the
//! failing rows stand alone; each becomes one bad record, and the rest is put back together. Where it is known
//! which rows fail, those between them are evaluated once more. A batch without failures pays nothing for this.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, BooleanArray};
use arrow_buffer::BooleanBufferBuilder;
use arrow_select::concat::concat;
use tidemill_record::{BadRecord, Batch, Columns, Offset};

use crate::FunctionError;
use crate::node::Node;
use crate::value::{Failure, Rows};

/// A compiled expression and what messages call it.
pub(crate) struct Output {
    /// Name for [`BadRecord::field`].
    pub(crate) name: String,
    /// What to compute.
    pub(crate) node: Node,
}

/// What evaluating over a batch came to.
pub(crate) struct Outcome {
    /// One array an output, of the rows that did not fail, in row order.
    pub(crate) columns: Columns,
    /// Which rows of the batch these are; `None` if all.
    pub(crate) survivors: Option<BooleanArray>,
}

/// Evaluates `outputs` over `batch`. Rows that fail are pushed to `bad` in row order, each once
/// with the first output that fails for it.
///
/// # Errors
/// A function of the embedding program that is wrong.
pub(crate) fn evaluate(
    outputs: &[Output],
    batch: &Batch,
    bad: &mut Vec<BadRecord>,
) -> Result<Outcome, Arc<FunctionError>> {
    if batch.row_count() == 0 {
        let empty =
            |output: &Output| arrow_array::new_empty_array(&output.node.data_type().arrow());
        return Ok(Outcome { columns: outputs.iter().map(empty).collect(), survivors: None });
    }
    match evaluate_all(outputs, &Rows::new(batch.columns(), batch.row_count())) {
        Ok(columns) => Ok(Outcome { columns, survivors: None }),
        Err((at, failure)) => {
            let found = Search::new(outputs, batch, bad, usize::MAX).over_all(at, failure)?;
            Ok(found.0)
        }
    }
}

/// The same of the first rows, of `rows_max` at most and of as few as their texts ask for: those that follow
/// are to be evaluated later, when these have gone. How many there are; at least one of those there are.
pub(crate) fn evaluate_some(
    outputs: &[Output],
    batch: &Batch,
    rows_max: &mut usize,
    bad: &mut Vec<BadRecord>,
) -> Result<(Outcome, usize), Arc<FunctionError>> {
    loop {
        let row_count = batch.row_count().min(*rows_max);
        if row_count == 0 {
            return Ok((evaluate(outputs, batch, bad)?, 0));
        }
        let is_all = row_count == batch.row_count();
        let rows = if is_all { batch.clone() } else { batch.slice(0, row_count) };
        match evaluate_all(outputs, &Rows::new(rows.columns(), row_count)) {
            Err((_, Failure::Large)) if row_count > 1 => *rows_max = row_count / 2,
            Ok(columns) => {
                *rows_max = rows_max.saturating_mul(2);
                return Ok((Outcome { columns, survivors: None }, row_count));
            }
            Err((at, failure)) => {
                return Search::new(outputs, &rows, bad, BYTES_MAX).over_all(at, failure);
            }
        }
    }
}

/// Bytes of text of rows that are put together again.
const BYTES_MAX: usize = 16 << 20;

/// Every output over all rows, or the index of the first output that fails, and why.
pub(crate) fn evaluate_all(
    outputs: &[Output],
    rows: &Rows<'_>,
) -> Result<Columns, (usize, Failure)> {
    let compute = |(at, output): (usize, &Output)| {
        let array = output.node.evaluate(rows).and_then(|v| v.into_array(rows.row_count()));
        array.map_err(|failure| (at, failure))
    };
    outputs.iter().enumerate().map(compute).collect()
}

/// Rows `[start, start + row_count)` that were evaluated together without failure.
struct Piece {
    start: usize,
    row_count: usize,
    columns: Columns,
}

struct Search<'a> {
    outputs: &'a [Output],
    batch: &'a Batch,
    bad: &'a mut Vec<BadRecord>,
    pieces: Vec<Piece>,
    /// Rows that have been dealt with, from the first on.
    row_count: usize,
    /// Bytes of text of the pieces, and how many they may have before it ends early.
    byte_count: usize,
    bytes_max: usize,
}

impl<'a> Search<'a> {
    fn new(
        outputs: &'a [Output],
        batch: &'a Batch,
        bad: &'a mut Vec<BadRecord>,
        bytes_max: usize,
    ) -> Self {
        Self { outputs, batch, bad, pieces: Vec::new(), row_count: 0, byte_count: 0, bytes_max }
    }

    /// What comes of all rows, or of the first of them, and of how many.
    fn over_all(
        mut self,
        at: usize,
        failure: Failure,
    ) -> Result<(Outcome, usize), Arc<FunctionError>> {
        self.divide(0, self.batch.row_count(), at, failure)?;
        let Self { outputs, batch, pieces, row_count, .. } = self;
        let is_all = row_count == batch.row_count();
        let rows = if is_all { batch.clone() } else { batch.slice(0, row_count) };
        Ok((assemble(outputs, &rows, &pieces), row_count))
    }

    /// Handles rows that are known to fail together. Recursion is as deep as the logarithm of
    /// their number.
    fn divide(
        &mut self,
        start: usize,
        row_count: usize,
        at: usize,
        failure: Failure,
    ) -> Result<(), Arc<FunctionError>> {
        match failure {
            Failure::Row(reason) if row_count == 1 => self.give_up(start, at, reason),
            Failure::Row(_) | Failure::Large if row_count > 1 => {
                let half = row_count / 2;
                self.conquer(start, half)?;
                self.conquer(start + half, row_count - half)?;
            }
            Failure::Rows(failed) => {
                let mut from = start;
                for (row, reason) in failed {
                    let row = start + row;
                    self.conquer(from, row - from)?;
                    if self.row_count == row {
                        self.give_up(row, at, reason);
                    }
                    from = row + 1;
                }
                self.conquer(from, start + row_count - from)?;
            }
            Failure::Function(error) => return Err(error),
            Failure::Row(_) | Failure::Large => {
                unreachable!("there is a row, and one is never too many")
            }
        }
        Ok(())
    }

    fn conquer(&mut self, start: usize, row_count: usize) -> Result<(), Arc<FunctionError>> {
        if row_count == 0 || self.row_count < start || self.byte_count > self.bytes_max {
            return Ok(());
        }
        let rows = self.batch.slice(start, row_count);
        match evaluate_all(self.outputs, &Rows::new(rows.columns(), row_count)) {
            Ok(columns) => {
                self.byte_count += columns.iter().map(text_bytes).sum::<usize>();
                self.row_count = start + row_count;
                self.pieces.push(Piece { start, row_count, columns });
                Ok(())
            }
            Err((at, failure)) => self.divide(start, row_count, at, failure),
        }
    }

    fn give_up(&mut self, row: usize, at: usize, reason: String) {
        self.row_count = row + 1;
        let offset = Offset(self.batch.offsets().value(row));
        let field = Some(self.outputs[at].name.clone());
        let place = self.batch.places().of(row);
        self.bad.push(BadRecord { offset, field, reason, raw: None, place });
    }
}

/// Bytes of the texts of a column, also where several rows have one.
fn text_bytes(column: &ArrayRef) -> usize {
    let Some(texts) = column.as_string_view_opt() else { return 0 };
    texts.lengths().map(|length| usize::try_from(length).unwrap_or(usize::MAX)).sum()
}

fn assemble(outputs: &[Output], batch: &Batch, pieces: &[Piece]) -> Outcome {
    let mut survivors = BooleanBufferBuilder::new(batch.row_count());
    for piece in pieces {
        survivors.append_n(piece.start - survivors.len(), false);
        survivors.append_n(piece.row_count, true);
    }
    survivors.append_n(batch.row_count() - survivors.len(), false);
    let columns = outputs.iter().enumerate().map(|(at, output)| {
        let arrays: Vec<_> = pieces.iter().map(|piece| piece.columns[at].as_ref()).collect();
        if arrays.is_empty() {
            return arrow_array::new_empty_array(&output.node.data_type().arrow());
        }
        concat(&arrays)
            .expect("pieces of one output have one type and fit the batch they come from")
    });
    let columns = columns.collect();
    Outcome { columns, survivors: Some(BooleanArray::new(survivors.finish(), None)) }
}
