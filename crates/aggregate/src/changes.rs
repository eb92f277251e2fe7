//! The changelog: what `EMIT CHANGES` sends out as records come in.
//!
//! A row replaces the earlier row of its key; nothing is retracted. What leaves, and in which
//! order, depends on the records alone and not on how they were cut into batches.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, UInt64Array};
use arrow_select::concat::concat;
use tidemill_plan::Emit;
use tidemill_record::{Batch, Columns, DataType};

use crate::argument::{Groups, Rows};
use crate::table::selected;
use crate::{AggTable, AggregateError};

/// The block of records whose changes `EMIT CHANGES EVERY n` is coalescing.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// Records in the block so far, in `0..n`.
    row_count: u64,
    /// Groups that changed in the block, in order of first change.
    groups: Vec<u32>,
    /// Whether a group is among them; may be shorter than the table.
    is_changed: Vec<bool>,
}

impl Pending {
    /// Bytes held.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.groups.capacity() * size_of::<u32>() + self.is_changed.capacity()
    }

    fn add(&mut self, groups: &[u32], group_count: usize) {
        if self.is_changed.len() < group_count {
            self.is_changed.resize(group_count, false);
        }
        for &group in groups {
            if !std::mem::replace(&mut self.is_changed[group as usize], true) {
                self.groups.push(group);
            }
        }
        self.row_count += groups.len() as u64;
    }

    fn clear(&mut self) {
        for group in self.groups.drain(..) {
            self.is_changed[group as usize] = false;
        }
        self.row_count = 0;
    }
}

impl AggTable {
    /// Adds a batch and gives the changes it caused, for [`Emit::Changes`] and
    /// [`Emit::ChangesEvery`]; `None` where there are none (yet).
    ///
    /// With `Changes`, one row for every record, in order, with its offset and its group's values
    /// just after it. With `ChangesEvery(n)`, after every `n` records of the table's whole input
    /// each group that changed among them, in order of first change, with the offset of the last
    /// of the `n`. For [`Emit::Final`] this is [`Self::update`]. Key columns may share the
    /// batch's buffers.
    ///
    /// # Errors
    /// As [`Self::update`], and [`AggregateError::SumOverflow`] for a running sum.
    pub fn update_changes(&mut self, batch: &Batch) -> Result<Option<Batch>, AggregateError> {
        let changes = match self.spec.emit {
            Emit::Final => {
                self.update(batch)?;
                return Ok(None);
            }
            Emit::Changes | Emit::ChangesEvery(0 | 1) => self.change_every_row(batch)?,
            Emit::ChangesEvery(n) => self.change_by_blocks(batch, n)?,
        };
        self.check_budget()?;
        Ok(changes)
    }

    /// Gives the changes that [`Emit::ChangesEvery`] still holds, at the end of the input.
    ///
    /// # Errors
    /// [`AggregateError::SumOverflow`].
    pub fn flush_changes(&mut self) -> Result<Option<Batch>, AggregateError> {
        if self.pending.groups.is_empty() {
            return Ok(None);
        }
        let groups = std::mem::take(&mut self.pending.groups);
        self.prepare_running(&groups);
        self.pending.groups = groups;
        let columns = self.rows_of(&self.pending.groups)?;
        let offsets = UInt64Array::from_value(self.last_offset, self.pending.groups.len());
        self.pending.clear();
        Ok(Some(Batch::new(columns, offsets)))
    }

    fn change_every_row(&mut self, batch: &Batch) -> Result<Option<Batch>, AggregateError> {
        self.intern(batch)?;
        if batch.row_count() == 0 {
            return Ok(None);
        }
        let mut columns = self.keys_of_rows(batch);
        let groups = Groups::new(&self.group_indices);
        for call in 0..self.states.len() {
            let spec = &self.spec.calls[call];
            let running = self.states[call].update_running(&Rows {
                groups,
                argument: spec.argument.map(|column| batch.column(column)),
                selected: spec.filter.and_then(|column| selected(batch.column(column))),
            })?;
            columns.push(running.map_err(|overflow| self.sum_overflow(call, overflow))?);
        }
        Ok(Some(Batch::new(columns, batch.offsets().clone())))
    }

    /// The key of every row of an interned batch. A row's own key is its group's, except that a
    /// float may differ from its group's first in bits.
    fn keys_of_rows(&self, batch: &Batch) -> Vec<ArrayRef> {
        let columns = self.interner.columns().iter().zip(&self.spec.keys);
        columns
            .map(|(column, &key)| match self.spec.input_types[key] {
                DataType::Real | DataType::Double => column.gather(&self.group_indices),
                _ => Arc::clone(batch.column(key)),
            })
            .collect()
    }

    fn change_by_blocks(&mut self, batch: &Batch, n: u64) -> Result<Option<Batch>, AggregateError> {
        let mut blocks: Vec<Batch> = Vec::new();
        let mut start = 0;
        while start < batch.row_count() {
            let room = usize::try_from(n - self.pending.row_count).unwrap_or(usize::MAX);
            let row_count = room.min(batch.row_count() - start);
            let rows = batch.slice(start, row_count);
            self.intern(&rows)?;
            self.update_states(&rows)?;
            self.pending.add(&self.group_indices, self.interner.group_count());
            if self.pending.row_count == n {
                blocks.extend(self.flush_changes()?);
            }
            start += row_count;
        }
        Ok(join(blocks))
    }
}

/// One batch of the rows of several, in order.
fn join(mut blocks: Vec<Batch>) -> Option<Batch> {
    if blocks.len() <= 1 {
        return blocks.pop();
    }
    let column_count = blocks[0].columns().len();
    let joined = |arrays: Vec<&dyn Array>| concat(&arrays).expect("blocks have the same types");
    let columns: Columns = (0..column_count)
        .map(|at| joined(blocks.iter().map(|block| &**block.column(at)).collect()))
        .collect();
    let offsets: Vec<u64> =
        blocks.iter().flat_map(|block| block.offsets().values().iter().copied()).collect();
    Some(Batch::new(columns, UInt64Array::from(offsets)))
}
