//! The changelog: what `EMIT CHANGES` sends out as records come in.
//!
//! A row replaces the earlier row of its key; nothing is retracted. What leaves, and in which
//! order, depends on the records alone and not on how they were cut into batches.

use std::sync::Arc;

use smallvec::SmallVec;
use tidemill_plan::Emit;
use tidemill_record::image::{Image, ImageError};
use tidemill_record::{Batch, Cause, Columns, DataType, Moment, Offset};

use crate::argument::{Groups, Rows, arguments_of};
use crate::compact::{batch_bytes, join_copies};
use crate::state::until_overflow;
use crate::table::{Leaving, selected};
use crate::{AggTable, AggregateError};

/// Rows that are changed at a time where their results may be long.
const PIECE_ROWS: usize = 64;

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

    /// The block so far, to be made again by [`Self::import`].
    pub(crate) fn export(&self) -> Image {
        let mut image = Image::new();
        image.put_one("row_count", self.row_count);
        image.put("groups", self.groups.iter().copied());
        image
    }

    /// Takes over what has been exported of a table of so many groups.
    ///
    /// # Errors
    /// [`ImageError`]
    pub(crate) fn import(
        &mut self,
        mut image: Image,
        group_count: usize,
        emit: Emit,
    ) -> Result<(), ImageError> {
        let row_count: u64 = image.take_one("row_count")?;
        let groups: Vec<u32> = image.take("groups")?;
        image.end()?;
        let is_possible = match emit {
            Emit::ChangesEvery(n) if n > 1 => row_count < n,
            _ => row_count == 0 && groups.is_empty(),
        };
        if !is_possible {
            return Err(ImageError::new("row_count", "is that of a longer block"));
        }
        if groups.iter().any(|&group| group as usize >= group_count) {
            return Err(ImageError::new("groups", "names a group that is not there"));
        }
        self.add(&groups, group_count);
        if self.groups.len() != groups.len() {
            return Err(ImageError::new("groups", "names a group twice"));
        }
        self.row_count = row_count;
        Ok(())
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
    /// Adds a batch; the changes it caused go to `results`, for [`Emit::Changes`] and
    /// [`Emit::ChangesEvery`].
    ///
    /// With `Changes`, one row for every record, in order, with its offset and its group's values
    /// just after it. With `ChangesEvery(n)`, after every `n` records of the table's whole input
    /// each group that changed among them, in order of first change, with the offset of the last
    /// of the `n`. For [`Emit::Final`] this is [`Self::update`]. Key columns may share the
    /// batch's buffers.
    ///
    /// # Errors
    /// As [`Self::update`], and [`AggregateError::SumOverflow`] for a running sum: the changes before it
    /// are in `results`.
    pub fn update_changes(
        &mut self,
        batch: &Batch,
        results: &mut Vec<Batch>,
    ) -> Result<(), AggregateError> {
        match self.spec.emit {
            _ if batch.row_count() == 0 => {}
            Emit::Final => return self.update(batch),
            Emit::Changes | Emit::ChangesEvery(0 | 1) => self.change_in_pieces(batch, results)?,
            Emit::ChangesEvery(n) => self.change_by_blocks(batch, n, results)?,
        }
        self.check_budget()
    }

    /// Gives the changes that [`Emit::ChangesEvery`] still holds, at the end of the input.
    ///
    /// # Errors
    /// [`AggregateError::SumOverflow`]: the changes before it are in `results`.
    pub fn flush_changes(&mut self, results: &mut Vec<Batch>) -> Result<(), AggregateError> {
        if self.pending.groups.is_empty() {
            return Ok(());
        }
        let groups = std::mem::take(&mut self.pending.groups);
        self.prepare_running(&groups);
        self.pending.groups = groups;
        let leaving = self.rows_of(&self.pending.groups);
        self.pending.clear();
        leaving.push_to(results)
    }

    /// As [`Self::change_every_row`]; where a result is all values so far, some rows at a time, and with a
    /// look at what they come to together: that grows with the square of the rows.
    fn change_in_pieces(
        &mut self,
        batch: &Batch,
        results: &mut Vec<Batch>,
    ) -> Result<(), AggregateError> {
        if !self.spec.calls.iter().any(|call| call.function.gives_all()) {
            return self.change_every_row(batch)?.push_to(results);
        }
        let (mut start, mut leaving_bytes) = (0, 0);
        while start < batch.row_count() {
            let row_count = self.result_rows().clamp(1, PIECE_ROWS).min(batch.row_count() - start);
            let before = results.len();
            self.change_every_row(&batch.slice(start, row_count))?.push_to(results)?;
            leaving_bytes += results[before..].iter().map(batch_bytes).sum::<u64>();
            self.check_budget_with(leaving_bytes)?;
            start += row_count;
        }
        Ok(())
    }

    /// One row for each of the batch, which is not empty, and in the places of those.
    pub(crate) fn change_every_row(&mut self, batch: &Batch) -> Result<Leaving, AggregateError> {
        self.intern(batch)?;
        let groups = Groups::new(&self.group_indices);
        let mut results = SmallVec::with_capacity(self.states.len());
        for (state, spec) in self.states.iter_mut().zip(&self.spec.calls) {
            results.push(state.update_running(&Rows {
                groups,
                arguments: &arguments_of(spec, batch),
                selected: spec.filter.and_then(|column| selected(batch.column(column))),
            })?);
        }
        let (calls, overflow) = until_overflow(results);
        // A slice of every array is an allocation, so it is cut only where it must be.
        let before = overflow.map(|(_, overflow)| batch.slice(0, overflow.row));
        let before = before.as_ref().unwrap_or(batch);
        let mut columns = self.keys_of_rows(before);
        columns.extend(calls);
        let rows = Batch::new(columns, before.offsets().clone());
        let overflow = overflow.map(|(call, overflow)| {
            self.sum_overflow(call, overflow).at(row_moment(batch, overflow.row))
        });
        Ok(Leaving { rows: rows.with_places(before.places().clone()), overflow })
    }

    /// The key of every row of an interned batch. A row's own key is its group's, except that a
    /// float may differ from its group's first in bits.
    fn keys_of_rows(&self, batch: &Batch) -> Columns {
        let columns = self.interner.columns().iter().zip(&self.spec.keys);
        columns
            .map(|(column, &key)| match self.spec.input_types[key] {
                DataType::Real | DataType::Double => {
                    column.gather(&self.group_indices[..batch.row_count()])
                }
                _ => Arc::clone(batch.column(key)),
            })
            .collect()
    }

    fn change_by_blocks(
        &mut self,
        batch: &Batch,
        n: u64,
        results: &mut Vec<Batch>,
    ) -> Result<(), AggregateError> {
        let mut blocks: Vec<Batch> = Vec::new();
        let mut runs: Vec<(usize, Moment)> = Vec::new();
        let mut block_rows = 0;
        let mut outcome = Ok(());
        let (mut start, mut leaving_bytes) = (0, 0);
        while start < batch.row_count() {
            let room = usize::try_from(n - self.pending.row_count).unwrap_or(usize::MAX);
            let row_count = room.min(batch.row_count() - start);
            let rows = batch.slice(start, row_count);
            self.intern(&rows)?;
            self.update_states(&rows)?;
            self.pending.add(&self.group_indices, self.interner.group_count());
            start += row_count;
            if self.pending.row_count == n {
                let moment = row_moment(batch, start - 1);
                let before = blocks.len();
                outcome = self.flush_changes(&mut blocks).map_err(|error| error.at(moment));
                // Blocks are joined to one, and are there twice then.
                leaving_bytes += 2 * blocks[before..].iter().map(batch_bytes).sum::<u64>();
                self.check_budget_with(leaving_bytes)?;
                block_rows += blocks[before..].iter().map(Batch::row_count).sum::<usize>();
                runs.push((block_rows, moment));
                if outcome.is_err() {
                    break;
                }
            }
        }
        if let Some(joined) = joined(blocks) {
            results.push(joined.caused_by(Cause::Runs(runs)));
        }
        outcome
    }
}

/// One batch of the rows of several, in order.
fn joined(mut blocks: Vec<Batch>) -> Option<Batch> {
    if blocks.len() <= 1 { blocks.pop() } else { join_copies(&blocks) }
}

/// That a row has come.
pub(crate) fn row_moment(batch: &Batch, row: usize) -> Moment {
    let offset = Offset(batch.offsets().value(row));
    Moment::Row { offset, place: batch.places().of(row) }
}
