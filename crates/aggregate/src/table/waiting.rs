//! Rows of a table that wait to be looked up, because most have a group of their own.

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{Array, ArrayRef};
use smallvec::SmallVec;
use tidemill_plan::AggregateFunction;
use tidemill_record::Batch;

use crate::compact::repeated;
use crate::keys::hash;
use crate::scattered::{Looks, Scatter, ScatteredRows};
use crate::{AggTable, AggregateError};

/// Whether rows may wait, and those that do.
pub(super) struct Waiting {
    looks: Looks,
    /// Once there are any; those behind them wait, too.
    rows: Option<ScatteredRows>,
    /// Reused from batch to batch.
    hashes: Vec<u64>,
}

/// Whether a group holds nothing that grows with its rows, but for one text.
fn is_of_fixed_size(function: &AggregateFunction) -> bool {
    use AggregateFunction as F;
    matches!(
        function,
        F::Count
            | F::Sum
            | F::Avg
            | F::Min
            | F::Max
            | F::Product
            | F::StddevPop
            | F::StddevSamp
            | F::VarPop
            | F::VarSamp
            | F::BoolAnd
            | F::BoolOr
            | F::BitAnd
            | F::BitOr
            | F::BitXor
    )
}

impl AggTable {
    /// Lets rows wait to be looked up, where most have a group or a counted value of their own: for a table without
    /// changes that is going to be merged, and of which there is no image before.
    ///
    /// # Panics
    /// If it has taken a batch.
    pub(crate) fn scatter(&mut self, scatter: Scatter) {
        assert!(self.waiting.is_none(), "it is said once");
        // What holds lists is kept where it is: they would be in memory twice.
        self.states.iter_mut().for_each(|state| state.scatter(scatter));
        let may_wait = self.spec.calls.iter().all(|call| {
            let is_plain = !call.is_distinct && call.order.is_empty();
            is_plain && is_of_fixed_size(&call.function)
        });
        if may_wait && self.has_keys() {
            let looks = Looks::new(scatter);
            self.waiting = Some(Box::new(Waiting { looks, rows: None, hashes: Vec::new() }));
        }
    }

    /// As [`Self::update`], where rows may wait.
    pub(super) fn update_waiting(&mut self, batch: &Batch) -> Result<(), AggregateError> {
        let Some(waiting) = &mut self.waiting else { return Ok(()) };
        let Waiting { looks, rows, hashes } = &mut **waiting;
        looks.count(batch.row_count());
        let Some(rows) = rows else {
            self.look_up(batch)?;
            self.look_whether_to_wait();
            return Ok(());
        };
        let keys = self.spec.keys.iter().map(|&key| batch.column(key));
        let keys: SmallVec<[&ArrayRef; 8]> = keys.collect();
        self.interner.hash_rows(&keys, &hash::FIXED, batch.row_count(), hashes);
        rows.push(batch.columns(), hashes);
        let are_to_settle = looks.are_to_settle(rows);
        if let Some(&offset) = batch.offsets().values().last() {
            self.last_offset = self.last_offset.max(offset);
        }
        if are_to_settle || self.check_budget().is_err() {
            self.settle()?;
        }
        self.check_budget()
    }

    fn look_whether_to_wait(&mut self) {
        let group_count = self.group_count();
        if let Some(waiting) = &mut self.waiting
            && waiting.looks.are_many(group_count)
            && self.interner.is_hashed()
        {
            waiting.rows = Some(ScatteredRows::new(waiting.looks.scatter));
        }
    }

    /// Looks up all rows that wait.
    ///
    /// # Errors
    /// As [`Self::update`].
    pub(crate) fn settle(&mut self) -> Result<(), AggregateError> {
        self.states.iter_mut().try_for_each(|state| state.settle())?;
        let Some(waiting) = &mut self.waiting else { return Ok(()) };
        let Some(rows) = waiting.rows.take() else { return Ok(()) };
        waiting.looks.settled();
        for columns in rows.in_order() {
            let offsets = repeated::<UInt64Type>(self.last_offset, columns[0].len());
            self.look_up(&Batch::new(columns, offsets.as_primitive().clone()))?;
        }
        Ok(())
    }

    /// The rows that wait to be looked up.
    pub(crate) fn scattered(&self) -> Option<&ScatteredRows> {
        self.waiting.as_ref()?.rows.as_ref()
    }

    /// Whether values that are counted wait to be looked up.
    pub(crate) fn has_scattered_values(&self) -> bool {
        self.states.iter().any(|state| state.has_scattered())
    }

    /// No row comes any more: those that wait are made ready to be taken by part.
    pub(crate) fn arrange(&mut self) {
        self.states.iter_mut().for_each(|state| state.arrange());
        if let Some(waiting) = &mut self.waiting {
            waiting.hashes = Vec::new();
            waiting.rows.iter_mut().for_each(ScatteredRows::finish);
        }
    }

    /// Whether adding rows of several tables one after the other gives, to the bit, what merging their states does.
    pub(crate) fn is_exact(&self) -> bool {
        self.states.iter().all(|state| state.is_exact())
    }
}
