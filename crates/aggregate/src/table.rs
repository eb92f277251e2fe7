//! Running aggregates of one partition: interned keys, and one column of states per aggregate.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::BooleanBuffer;
use smallvec::SmallVec;
use tidemill_plan::AggregateSpec;
use tidemill_record::{Batch, Columns};

use crate::AggregateError;
use crate::argument::{Groups, Rows, arguments_of};
use crate::changes::Pending;
use crate::compact::repeated;
use crate::groups::GroupBatches;
use crate::intern::Interner;
use crate::keys::{KeyColumn, KeyInputs, Picked};
use crate::parts::DoAll;
use crate::scattered::ScatteredRows;
use crate::seen_keys::SeenKeys;
use crate::state::{KeptValues, Later, Overflow, State, until_overflow};
use crate::states::state_of;

mod image;
mod waiting;

use waiting::Waiting;

/// Groups that are handed on at a time in a merge.
const MERGE_GROUPS: usize = 8192;

/// Bytes of text and lists that leave at a time, unless a group has more.
const RESULT_BYTES: usize = 1 << 20;

/// Running aggregates of one partition.
///
/// A batch costs one pass over the keys and one over the argument of each aggregate; the state
/// of a group is one entry in each column of states, behind the group's dense index.
///
/// Invariant: every column of states has room for `group_count` groups. Without keys there is
/// one group from the start.
///
/// Source: key and state columns as in `DataFusion`'s `GroupsAccumulator`.
pub struct AggTable {
    // Fixed at construction.
    pub(crate) spec: Arc<AggregateSpec>,
    budget_bytes: u64,
    // Changes with every batch.
    pub(crate) interner: Interner,
    /// One per call, in order.
    pub(crate) states: Vec<Box<dyn State>>,
    /// The group of each row of the last batch; reused.
    pub(crate) group_indices: Vec<u32>,
    /// What `EMIT CHANGES EVERY n` has not emitted.
    pub(crate) pending: Pending,
    /// The largest offset seen.
    pub(crate) last_offset: u64,
    /// Why no batch can be taken: a type of the query is not supported.
    refusal: Option<AggregateError>,
    /// Whether rows may wait to be looked up, and those that do.
    waiting: Option<Box<Waiting>>,
}

impl AggTable {
    /// An empty table that may hold `budget_bytes` of state.
    ///
    /// A query with a key or argument whose type is not supported (`ARRAY`) makes a table whose
    /// every operation gives [`AggregateError::Unsupported`].
    #[must_use]
    pub fn new(spec: impl Into<Arc<AggregateSpec>>, budget_bytes: u64) -> Self {
        let spec = spec.into();
        let Parts { interner, states, refusal } = Parts::new(&spec);
        Self {
            spec,
            budget_bytes,
            interner,
            states,
            group_indices: Vec::new(),
            pending: Pending::default(),
            last_offset: 0,
            refusal,
            waiting: None,
        }
    }

    /// Lets it hold so many bytes from now on.
    pub fn set_budget(&mut self, budget_bytes: u64) {
        self.budget_bytes = budget_bytes;
    }

    /// Number of groups; without keys always one.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.interner.group_count()
    }

    /// Bytes held: keys, index, states, and what the states hold elsewhere. The scratch memory of
    /// one batch (16 bytes a row) does not count. O(columns).
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        let states: usize = self.states.iter().map(|state| state.heap_bytes()).sum();
        let waiting = self.scattered().map_or(0, ScatteredRows::heap_bytes);
        (self.interner.heap_bytes() + states + self.pending.heap_bytes() + waiting) as u64
    }

    /// Bytes that a table takes beside [`Self::state_bytes`], however few its groups are, with the scratch memory of
    /// a batch: what there is one of for each open window counts. O(columns).
    pub(crate) fn fixed_bytes(&self) -> u64 {
        // Of a column of keys; and what the allocator takes beside the few lists of a column, and of the table.
        const KEYS_BYTES: usize = 128;
        const ALLOCATIONS_BYTES: usize = 64;
        let keys = self.spec.keys.len() * (KEYS_BYTES + ALLOCATIONS_BYTES);
        let states = self.states.iter().map(|state| size_of_val(&**state) + ALLOCATIONS_BYTES);
        let scratch =
            self.group_indices.capacity() * size_of::<u32>() + self.interner.scratch_bytes();
        (size_of::<Self>() + ALLOCATIONS_BYTES + keys + states.sum::<usize>() + scratch) as u64
    }

    /// Frees the scratch memory of a batch: none may follow, and if one does it is made again.
    pub(crate) fn free_scratch(&mut self) {
        self.group_indices = Vec::new();
        self.interner.free_scratch();
    }

    /// Forgets all groups, and keeps their memory for others. O(room for groups).
    pub(crate) fn clear(&mut self) {
        self.interner.clear();
        for state in &mut self.states {
            state.clear();
            state.grow(self.interner.group_count());
        }
        self.pending = Pending::default();
        self.last_offset = 0;
    }

    /// Adds a batch for [`tidemill_plan::Emit::Final`].
    ///
    /// # Errors
    /// [`AggregateError::BudgetExceeded`] once the batch is in, and the errors of
    /// [`AggregateError`] that concern groups; the table is of no use afterwards.
    ///
    /// # Cost
    /// O(rows), plus O(groups) when a new group makes a column or the index grow.
    pub fn update(&mut self, batch: &Batch) -> Result<(), AggregateError> {
        if self.waiting.is_none() {
            return self.look_up(batch);
        }
        self.update_waiting(batch)
    }

    fn look_up(&mut self, batch: &Batch) -> Result<(), AggregateError> {
        self.intern(batch)?;
        self.update_states(batch)?;
        if self.check_budget().is_err() {
            // Values that wait may take less where they are looked up.
            self.states.iter_mut().try_for_each(|state| state.settle())?;
        }
        self.check_budget()
    }

    /// Finds or makes the group of every row, and makes room for their states.
    pub(crate) fn intern(&mut self, batch: &Batch) -> Result<(), AggregateError> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        let keys: SmallVec<[&ArrayRef; 8]> =
            self.spec.keys.iter().map(|&key| batch.column(key)).collect();
        let elsewhere = self.state_bytes() - self.interner.heap_bytes() as u64;
        self.interner.set_budget(self.budget_bytes, elsewhere);
        self.interner.intern(&keys, batch.row_count(), &mut self.group_indices)?;
        for state in &mut self.states {
            state.grow(self.interner.group_count());
        }
        if let Some(&offset) = batch.offsets().values().last() {
            self.last_offset = self.last_offset.max(offset);
        }
        Ok(())
    }

    /// Adds an interned batch to every column of states.
    pub(crate) fn update_states(&mut self, batch: &Batch) -> Result<(), AggregateError> {
        let groups = Groups::new(&self.group_indices);
        for (state, call) in self.states.iter_mut().zip(&self.spec.calls) {
            state.update(&Rows {
                groups,
                arguments: &arguments_of(call, batch),
                selected: call.filter.and_then(|column| selected(batch.column(column))),
            })?;
        }
        Ok(())
    }

    /// Adds the groups of a later partition: those known here are combined, the others follow in
    /// their own order. Floating-point sums add `later`'s to this one's.
    ///
    /// # Errors
    /// As [`Self::update`].
    ///
    /// # Panics
    /// If `later` is of another query.
    pub fn merge(&mut self, mut later: Self) -> Result<(), AggregateError> {
        self.settle()?;
        later.settle()?;
        // Both are there until it is done.
        let budget_bytes = self.budget_bytes;
        self.budget_bytes = budget_bytes.saturating_sub(later.state_bytes());
        let merged = self.merge_copy(&later);
        self.budget_bytes = budget_bytes;
        merged.map(|_| ())
    }

    /// As [`Self::merge`], leaving the other table as it is; for each of its groups, the group here.
    pub(crate) fn merge_copy(&mut self, later: &Self) -> Result<Vec<u32>, AggregateError> {
        self.merge_run(&later.as_run(), None)
    }

    /// All its groups.
    pub(crate) fn as_run(&self) -> GroupRun<'_> {
        GroupRun { groups: (0..).take(self.group_count()).collect(), ..self.as_empty_run() }
    }

    /// The same, of none of its groups.
    pub(crate) fn as_empty_run(&self) -> GroupRun<'_> {
        GroupRun {
            keys: self.interner.columns(),
            states: &self.states,
            groups: Vec::new(),
            last_offset: self.last_offset,
        }
    }

    /// Whether groups have keys.
    pub(crate) fn has_keys(&self) -> bool {
        !self.spec.keys.is_empty()
    }

    /// Whether no batch can be taken.
    pub(crate) fn is_refused(&self) -> bool {
        self.refusal.is_some()
    }

    /// The same table with its groups in another order, each of them once.
    pub(crate) fn in_order(self, order: Vec<u32>) -> Result<Self, AggregateError> {
        if order.is_sorted() {
            return Ok(self);
        }
        let budget_bytes = self.budget_bytes;
        // Both are there until it is done.
        let room = budget_bytes.saturating_sub(self.state_bytes());
        let mut ordered = Self::new(Arc::clone(&self.spec), room);
        ordered.merge_run(&GroupRun { groups: order, ..self.as_run() }, None)?;
        ordered.budget_bytes = budget_bytes;
        Ok(ordered)
    }

    /// The same with some groups of a table. `first_key` is the first value of each one's key, where the groups
    /// lack that.
    pub(crate) fn merge_run(
        &mut self,
        later: &GroupRun<'_>,
        first_key: Option<i64>,
    ) -> Result<Vec<u32>, AggregateError> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        let here = self.groups_of_run(later, first_key)?;
        // What states hold elsewhere (text, lists) is copied, at most all of it.
        let copied = later.states.iter().map(|state| state.outside_bytes() as u64).sum();
        self.check_budget_with(copied)?;
        for (state, later_state) in self.states.iter_mut().zip(later.states) {
            state.merge(&**later_state, &later.groups, &here)?;
        }
        self.check_budget()?;
        Ok(here)
    }

    /// For each of some groups of a later table the group here, found or made, with room for its states.
    fn groups_of_run(
        &mut self,
        later: &GroupRun<'_>,
        first_key: Option<i64>,
    ) -> Result<Vec<u32>, AggregateError> {
        let key_count = later.keys.len() + usize::from(first_key.is_some());
        assert_eq!(self.spec.keys.len(), key_count, "both tables are of one query");
        assert_eq!(self.states.len(), later.states.len(), "both tables are of one query");
        let there = &later.groups;
        let mut here = Vec::with_capacity(there.len());
        for groups in there.chunks(MERGE_GROUPS) {
            let first = first_key.map(|first| repeated::<Int64Type>(first, groups.len()));
            let start = groups[0] as usize;
            let are_run = groups.iter().zip(start..).all(|(&group, at)| group as usize == at);
            let picked: SmallVec<[Picked; 4]> = match are_run {
                true => SmallVec::new(),
                false => later.keys.iter().map(|column| column.pick(groups)).collect(),
            };
            let mut keys = KeyInputs::new();
            keys.extend(first.iter().map(|first| self.interner.columns()[0].input(first)));
            keys.extend(later.keys.iter().enumerate().map(|(at, column)| match picked.get(at) {
                Some(picked) => column.picked_input(picked),
                None => column.own_input(start..start + groups.len()),
            }));
            let elsewhere = self.state_bytes() - self.interner.heap_bytes() as u64;
            self.interner.set_budget(self.budget_bytes, elsewhere);
            self.interner.intern_inputs(&keys, groups.len(), &mut self.group_indices)?;
            here.extend_from_slice(&self.group_indices);
            self.check_budget()?;
        }
        let group_count = self.interner.group_count();
        self.states.iter_mut().for_each(|state| state.grow(group_count));
        self.last_offset = self.last_offset.max(later.last_offset);
        Ok(here)
    }

    /// How many values there are in sets that are only counted; `None` if values in sets are looked at.
    pub(crate) fn counted_values(&self) -> Option<usize> {
        self.states.iter().try_fold(0, |sum, state| match state.kept_values() {
            KeptValues::None => Some(sum),
            KeptValues::Counted(count) => Some(sum + count),
            KeptValues::Looked => None,
        })
    }

    /// Adds all groups of later partitions, with sets of values united in so many parts. Only [`Self::into_batches`]
    /// may follow.
    ///
    /// # Errors
    /// As [`Self::merge`].
    ///
    /// # Panics
    /// Unless there are [`Self::counted_values`], and all are of one query.
    pub(crate) fn unite(
        &mut self,
        later: &[Self],
        part_count: usize,
        do_all: &DoAll,
    ) -> Result<(), AggregateError> {
        let runs: Vec<GroupRun<'_>> = later.iter().map(Self::as_run).collect();
        let here = runs.iter().map(|run| self.groups_of_run(run, None));
        let here: Vec<Vec<u32>> = here.collect::<Result<_, _>>()?;
        for (at, state) in self.states.iter_mut().enumerate() {
            if let KeptValues::Counted(_) = state.kept_values() {
                let later = runs.iter().zip(&here);
                let later = later.map(|(run, here)| Later { state: &*run.states[at], here });
                state.unite(&later.collect::<Vec<_>>(), part_count, do_all)?;
                continue;
            }
            for (run, here) in runs.iter().zip(&here) {
                state.merge(&*run.states[at], &run.groups, here)?;
            }
        }
        self.check_budget()
    }

    /// Ends the table: its final rows, in batches of at most `batch_rows` (at least one), in order of each group's
    /// first record; of a merged table, those of earlier partitions first.
    ///
    /// Columns are the keys, then the calls. The offset of every row is the largest one seen, of
    /// whichever partition.
    ///
    /// # Errors
    /// [`AggregateError::Unsupported`]; the iterator gives [`AggregateError::SumOverflow`] for
    /// the first group whose sum does not fit, behind the rows of those before it.
    ///
    /// # Cost
    /// O(rows) a batch.
    pub fn into_batches(mut self, batch_rows: usize) -> Result<GroupBatches, AggregateError> {
        self.settle()?;
        match self.refusal {
            Some(refusal) => Err(refusal),
            None => Ok(GroupBatches::new(self, batch_rows)),
        }
    }

    /// The values of the given key positions (indices into the key, not into the input) among the groups,
    /// by hashes: equal values have equal hashes in every table. O(groups), and eight bytes a group.
    ///
    /// # Panics
    /// If a position is not one of the key's.
    #[must_use]
    pub fn seen_keys(&self, keys: &[usize]) -> SeenKeys {
        SeenKeys::of(&self.interner, keys)
    }

    /// As [`State::prepare_running`], of all states.
    pub(crate) fn prepare_running(&mut self, groups: &[u32]) {
        for state in &mut self.states {
            state.prepare_running(groups);
        }
    }

    /// Keys and results of these groups, in this order, up to the first that does not fit.
    pub(crate) fn rows_of(&self, groups: &[u32]) -> Leaving {
        let Leaving { rows, overflow } = self.results_of(groups);
        let keys = self.interner.columns().iter();
        let keys = keys.map(|column| column.gather(&groups[..rows.row_count()]));
        let columns: Columns = keys.chain(rows.columns().iter().cloned()).collect();
        Leaving { rows: Batch::new(columns, rows.offsets().clone()), overflow }
    }

    /// Results of these groups without their keys, up to the first that does not fit.
    pub(crate) fn results_of(&self, groups: &[u32]) -> Leaving {
        let results = self.states.iter().map(|state| state.finish(groups)).collect();
        let (calls, overflow) = until_overflow(results);
        let row_count = overflow.map_or(groups.len(), |(_, overflow)| overflow.row);
        let offsets = repeated::<UInt64Type>(self.last_offset, row_count);
        let overflow = overflow.map(|(call, overflow)| self.sum_overflow(call, overflow));
        Leaving { rows: Batch::new(calls, offsets.as_primitive().clone()), overflow }
    }

    /// How many groups may leave at a time, so that what is copied of text and lists is little: those of
    /// an average of [`RESULT_BYTES`].
    pub(crate) fn result_rows(&self) -> usize {
        RESULT_BYTES / self.average_outside_bytes().max(1)
    }

    /// How many columns of its keys are text or bytes.
    pub(crate) fn text_key_count(&self) -> usize {
        self.interner.columns().iter().filter(|column| column.is_bytes()).count()
    }

    /// Bytes that groups hold beyond their entries in the columns of states: text and lists.
    pub(crate) fn outside_bytes(&self) -> usize {
        self.states.iter().map(|state| state.outside_bytes()).sum()
    }

    fn average_outside_bytes(&self) -> usize {
        self.outside_bytes() / self.group_count().max(1)
    }

    /// Whether there is room for the results of so many groups, where they are large.
    pub(crate) fn check_result(&self, group_count: usize) -> Result<(), AggregateError> {
        let copied = self.average_outside_bytes().saturating_mul(group_count);
        if copied <= RESULT_BYTES { Ok(()) } else { self.check_budget_with(copied as u64) }
    }

    pub(crate) fn sum_overflow(&self, call: usize, overflow: Overflow) -> AggregateError {
        let call = &self.spec.calls[call];
        let keys = 0..self.spec.keys.len();
        AggregateError::SumOverflow {
            label: call.label.clone(),
            data_type: call.data_type.clone(),
            group_key: self.interner.key_text(overflow.group as usize, keys),
            moment: None,
        }
    }

    pub(crate) fn check_budget(&self) -> Result<(), AggregateError> {
        self.check_budget_with(0)
    }

    /// The same with so many bytes beside what is held.
    pub(crate) fn check_budget_with(&self, bytes: u64) -> Result<(), AggregateError> {
        let state_bytes = self.state_bytes() + bytes;
        if state_bytes <= self.budget_bytes {
            return Ok(());
        }
        let (budget_bytes, group_count) = (self.budget_bytes, self.group_count());
        Err(AggregateError::BudgetExceeded { state_bytes, budget_bytes, group_count })
    }
}

/// Some groups of a table, each once.
pub(crate) struct GroupRun<'a> {
    /// Columns of keys, and of states, of these groups and others.
    pub(crate) keys: &'a [KeyColumn],
    pub(crate) states: &'a [Box<dyn State>],
    /// Which of them, in the order in which they count as having appeared.
    pub(crate) groups: Vec<u32>,
    /// The largest offset of their records.
    pub(crate) last_offset: u64,
}

/// Rows that leave a table, and why no more do.
pub(crate) struct Leaving {
    pub(crate) rows: Batch,
    /// Of the row behind them, whose result does not fit its type.
    pub(crate) overflow: Option<AggregateError>,
}

impl Leaving {
    /// Gives the rows to `results`, and fails with what is behind them.
    pub(crate) fn push_to(self, results: &mut Vec<Batch>) -> Result<(), AggregateError> {
        if self.rows.row_count() > 0 {
            results.push(self.rows);
        }
        self.overflow.map_or(Ok(()), Err)
    }
}

/// What a table is made of, empty.
pub(crate) struct Parts {
    pub(crate) interner: Interner,
    /// One per call, with room for the groups of the interner.
    pub(crate) states: Vec<Box<dyn State>>,
    /// Why no batch can be taken: a type of the query is not supported.
    pub(crate) refusal: Option<AggregateError>,
}

impl Parts {
    pub(crate) fn new(spec: &AggregateSpec) -> Self {
        let mut refusal = None;
        let interner = Interner::new(spec.keys.iter().map(|&key| &spec.input_types[key]));
        let interner = interner.unwrap_or_else(|| {
            let types = spec.keys.iter().map(|&key| &spec.input_types[key]);
            let mut types = types.filter(|t| matches!(t, tidemill_record::DataType::Array(_)));
            refusal = types.next().map(|data_type| AggregateError::Unsupported {
                what: "GROUP BY".to_owned(),
                data_type: data_type.clone(),
            });
            Interner::new([]).expect("no keys are always supported")
        });
        let mut states = Vec::with_capacity(spec.calls.len());
        for call in &spec.calls {
            match state_of(call, &spec.input_types) {
                Some(mut state) => {
                    state.grow(interner.group_count());
                    states.push(state);
                }
                None => {
                    let argument = call.arguments.first().map(|&at| spec.input_types[at].clone());
                    refusal = Some(AggregateError::Unsupported {
                        what: call.label.clone(),
                        data_type: argument.unwrap_or_else(|| call.data_type.clone()),
                    });
                }
            }
        }
        Self { interner, states, refusal }
    }
}

/// Rows where a condition is TRUE; `None` where all are.
pub(crate) fn selected(condition: &ArrayRef) -> Option<BooleanBuffer> {
    let condition = condition.as_boolean();
    let is_true = match condition.nulls() {
        Some(nulls) => condition.values() & nulls.inner(),
        None => condition.values().clone(),
    };
    is_true.has_false().then_some(is_true)
}
