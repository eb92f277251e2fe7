//! Evaluating expressions over a batch, and finding the rows that fail.
//!
//! The batch is evaluated whole. Only if that fails it is halved, again and again, until the
//! failing rows stand alone; each becomes one bad record, and the rest is put back together. A
//! batch without failures pays nothing for this.

use arrow_array::BooleanArray;
use arrow_buffer::BooleanBufferBuilder;
use arrow_select::concat::concat;
use tidemill_record::{BadRecord, Batch, Columns, Offset};

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
pub(crate) fn evaluate(outputs: &[Output], batch: &Batch, bad: &mut Vec<BadRecord>) -> Outcome {
    if batch.row_count() == 0 {
        let empty =
            |output: &Output| arrow_array::new_empty_array(&output.node.data_type().arrow());
        return Outcome { columns: outputs.iter().map(empty).collect(), survivors: None };
    }
    match evaluate_all(outputs, batch) {
        Ok(columns) => Outcome { columns, survivors: None },
        Err((at, failure)) => {
            let mut search = Search { outputs, batch, bad, pieces: Vec::new() };
            search.divide(0, batch.row_count(), at, failure);
            let pieces = search.pieces;
            assemble(outputs, batch, &pieces)
        }
    }
}

/// Every output over all rows, or the index of the first output that fails, and why.
fn evaluate_all(outputs: &[Output], batch: &Batch) -> Result<Columns, (usize, Failure)> {
    let rows = Rows::new(batch.columns(), batch.row_count());
    let compute = |(at, output): (usize, &Output)| {
        let array = output.node.evaluate(&rows).and_then(|v| v.into_array(rows.row_count()));
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
}

impl Search<'_> {
    /// Handles rows that are known to fail together. Recursion is as deep as the logarithm of
    /// their number.
    fn divide(&mut self, start: usize, row_count: usize, at: usize, failure: Failure) {
        match failure {
            Failure::Row(reason) if row_count == 1 => self.give_up(start, at, reason),
            Failure::Row(_) => {
                let half = row_count / 2;
                self.conquer(start, half);
                self.conquer(start + half, row_count - half);
            }
            Failure::Batch(reason) => {
                for row in start..start + row_count {
                    self.give_up(row, at, reason.clone());
                }
            }
        }
    }

    fn conquer(&mut self, start: usize, row_count: usize) {
        match evaluate_all(self.outputs, &self.batch.slice(start, row_count)) {
            Ok(columns) => self.pieces.push(Piece { start, row_count, columns }),
            Err((at, failure)) => self.divide(start, row_count, at, failure),
        }
    }

    fn give_up(&mut self, row: usize, at: usize, reason: String) {
        let offset = Offset(self.batch.offsets().value(row));
        let field = Some(self.outputs[at].name.clone());
        let place = self.batch.places().of(row);
        self.bad.push(BadRecord { offset, field, reason, raw: None, place });
    }
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
