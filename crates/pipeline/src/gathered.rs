//! What a gather reads once its partitions have ended: their tables, merged in their order.

use std::collections::VecDeque;
use std::sync::Arc;

use tidemill_aggregate::{Cut, DoAll, MergedRows, Sealed, TableBatches};
use tidemill_plan::Merge;
use tidemill_record::{Batch, Polled};

use crate::PipelineError;
use crate::held::{Held, count};

/// Groups and rows that are merged in one turn, unless one table has more: between turns it is looked
/// whether there is memory for what they have become.
const MERGED_BYTES: u64 = 1 << 20;

/// Merges tables, some a turn or all at once with the help of other cores, and then gives the rows out.
pub(crate) struct GatheredInput {
    batch_rows: usize,
    /// In merge order.
    waiting: VecDeque<Sealed>,
    /// Bytes that `waiting` holds.
    waiting_bytes: u64,
    /// Bytes that all may hold together.
    budget_bytes: u64,
    /// What has been merged so far; absent once it leaves.
    merged: Option<Sealed>,
    leaving: Option<TableBatches>,
    /// Who may help to merge; asked once.
    help: Option<Arc<DoAll>>,
    /// Groups and bytes of the merged table, once it leaves.
    group_count: u64,
    state_bytes: u64,
}

impl GatheredInput {
    pub(crate) fn new(
        tables: Vec<Sealed>,
        merge: &Merge,
        batch_rows: usize,
        help: Option<Arc<DoAll>>,
    ) -> Self {
        let mut waiting = VecDeque::from(tables);
        let merged = waiting.pop_front().unwrap_or_else(|| Sealed::new(merge, u64::MAX));
        Self {
            batch_rows,
            waiting_bytes: waiting.iter().map(Sealed::state_bytes).sum(),
            waiting,
            budget_bytes: u64::MAX,
            merged: Some(merged),
            leaving: None,
            help,
            group_count: 0,
            state_bytes: 0,
        }
    }

    /// The next batch; `NotReady` after tables have been merged, while there are more.
    pub(crate) fn next_batch(&mut self) -> Result<Polled<Batch>, PipelineError> {
        if let Some(leaving) = &mut self.leaving {
            return Ok(leaving.next().transpose()?.map_or(Polled::Ended, Polled::Ready));
        }
        if let Some(help) = self.help.take()
            && self.merge_with(&*help)?
        {
            return Ok(Polled::NotReady);
        }
        let merged = self.merged.as_mut().expect("it leaves once");
        let mut merged_bytes = 0;
        while merged_bytes < MERGED_BYTES
            && let Some(table) = self.waiting.pop_front()
        {
            let table_bytes = table.state_bytes();
            merged_bytes += table_bytes;
            self.waiting_bytes -= table_bytes;
            // What comes first may hold what those behind it leave; it knows of the one that is added.
            merged.set_budget(self.budget_bytes.saturating_sub(self.waiting_bytes));
            merged.merge(table)?;
        }
        if self.waiting.is_empty()
            && let Some(mut merged) = self.merged.take()
        {
            merged.set_budget(self.budget_bytes);
            (self.group_count, self.state_bytes) =
                (count(merged.group_count()), merged.state_bytes());
            self.leaving = Some(merged.into_batches(self.batch_rows)?);
        }
        Ok(Polled::NotReady)
    }

    /// Merges all tables at once, if they are such that several cores can.
    fn merge_with(&mut self, help: &DoAll) -> Result<bool, PipelineError> {
        let room_bytes = self.budget_bytes.saturating_sub(self.held_bytes());
        if !Sealed::are_many(self.merged.iter().chain(&self.waiting), Cut::default(), room_bytes) {
            return Ok(false);
        }
        let tables: Vec<Sealed> =
            self.merged.take().into_iter().chain(self.waiting.drain(..)).collect();
        self.waiting_bytes = 0;
        let MergedRows { group_count, state_bytes, batches } =
            Sealed::merge_in_parts(tables, Cut::default(), room_bytes, self.batch_rows, help)?;
        (self.group_count, self.state_bytes) = (count(group_count), state_bytes);
        self.leaving = Some(batches);
        Ok(true)
    }

    /// Bytes held; while rows leave, those that the table held before.
    pub(crate) fn held_bytes(&self) -> u64 {
        let merged = self.merged.as_ref().map_or(self.state_bytes, Sealed::state_bytes);
        self.waiting_bytes + merged
    }

    /// What is held, for a message.
    pub(crate) fn held(&self) -> Held {
        let waiting = self.waiting.iter().map(Sealed::group_count).sum::<usize>();
        let merged = self.merged.as_ref().map_or(0, Sealed::group_count);
        let groups = self.group_count + count(waiting + merged);
        Held { what: "tables of partitions that are merged", bytes: self.held_bytes(), groups }
    }

    /// Lets it hold so many bytes more than it does.
    pub(crate) fn set_room(&mut self, room_bytes: u64) {
        self.budget_bytes = self.held_bytes().saturating_add(room_bytes);
    }

    pub(crate) fn group_count(&self) -> u64 {
        self.group_count
    }

    pub(crate) fn state_bytes(&self) -> u64 {
        self.state_bytes
    }
}
