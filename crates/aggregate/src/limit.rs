//! `LIMIT` and `OFFSET`: as rows stream by, and as a table that a gather merges.

use arrow_array::Array;
use tidemill_plan::LimitSpec;
use tidemill_record::{Batch, DataType};

use crate::AggregateError;
use crate::compact::{batch_bytes, copy_first};

mod image;

/// Leaves out the first rows of one stream and passes so many after them.
#[derive(Clone, Debug)]
pub struct Limit {
    /// Rows still to leave out.
    skip: u64,
    /// Rows still to pass; `None` passes all.
    keep: Option<u64>,
}

impl Limit {
    /// Before the first row.
    #[must_use]
    pub fn new(spec: LimitSpec) -> Self {
        Self { skip: spec.skip, keep: spec.keep }
    }

    /// The batch's rows that pass, sharing its buffers; `None` if none do.
    pub fn apply(&mut self, batch: Batch) -> Option<Batch> {
        let row_count = batch.row_count();
        let start = usize::try_from(self.skip).map_or(row_count, |skip| skip.min(row_count));
        self.skip -= start as u64;
        let rest = row_count - start;
        let passed = match &mut self.keep {
            None => rest,
            Some(keep) => {
                let passed = usize::try_from(*keep).map_or(rest, |keep| keep.min(rest));
                *keep -= passed as u64;
                passed
            }
        };
        match passed {
            0 => None,
            _ if passed == row_count => Some(batch),
            _ => Some(batch.slice(start, passed)),
        }
    }

    /// Whether no later row can pass.
    #[must_use]
    pub fn is_satisfied(&self) -> bool {
        self.keep == Some(0)
    }
}

/// The first rows of a partition: as many as can matter once the partitions before it are known,
/// which is `skip + keep`.
pub struct LimitTable {
    spec: LimitSpec,
    /// Of all columns.
    input_types: Vec<DataType>,
    budget_bytes: u64,
    /// Copies that hold no input buffers.
    batches: Vec<Batch>,
    row_count: u64,
    state_bytes: u64,
}

impl LimitTable {
    /// Without rows, which are of these types; may hold `budget_bytes` of them.
    #[must_use]
    pub fn new(spec: LimitSpec, input_types: Vec<DataType>, budget_bytes: u64) -> Self {
        let (batches, row_count, state_bytes) = (Vec::new(), 0, 0);
        Self { spec, input_types, budget_bytes, batches, row_count, state_bytes }
    }

    /// Lets it hold so many bytes of rows.
    pub fn set_budget(&mut self, budget_bytes: u64) {
        self.budget_bytes = budget_bytes;
    }

    /// Keeps copies of the batch's rows as long as the table is not full.
    ///
    /// # Errors
    /// [`AggregateError::RowBudgetExceeded`].
    pub fn update(&mut self, batch: &Batch) -> Result<(), AggregateError> {
        let row_count = self.room_for(batch.row_count());
        if row_count > 0 {
            self.push(copy_first(batch, row_count));
        }
        self.check_budget()
    }

    /// Appends the rows of a later partition, as far as they are needed.
    ///
    /// # Errors
    /// [`AggregateError::RowBudgetExceeded`].
    pub fn merge(&mut self, later: Self) -> Result<(), AggregateError> {
        for batch in later.batches {
            match self.room_for(batch.row_count()) {
                0 => break,
                row_count if row_count == batch.row_count() => self.push(batch),
                row_count => self.push(copy_first(&batch, row_count)),
            }
        }
        self.check_budget()
    }

    /// Whether no later row is needed.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.spec.needed().is_some_and(|needed| self.row_count >= needed)
    }

    /// Rows kept.
    #[must_use]
    pub fn row_count(&self) -> u64 {
        self.row_count
    }

    /// Bytes held.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        self.state_bytes
    }

    /// Ends the table: the rows after the first `skip`, in batches of at most `batch_rows` (at
    /// least one). Rows keep the offsets of their own partitions.
    pub fn into_batches(self, batch_rows: usize) -> impl Iterator<Item = Batch> + Send + use<> {
        let batch_rows = batch_rows.max(1);
        let mut limit = Limit::new(self.spec);
        let batches = self.batches.into_iter().filter_map(move |batch| limit.apply(batch));
        batches.flat_map(move |batch| {
            (0..batch.row_count()).step_by(batch_rows).map(move |start| {
                let row_count = batch_rows.min(batch.row_count() - start);
                batch.slice(start, row_count)
            })
        })
    }

    fn room_for(&self, row_count: usize) -> usize {
        let Some(needed) = self.spec.needed() else { return row_count };
        let room = needed.saturating_sub(self.row_count);
        usize::try_from(room).map_or(row_count, |room| room.min(row_count))
    }

    fn push(&mut self, batch: Batch) {
        debug_assert!(
            batch
                .columns()
                .iter()
                .map(|column| column.data_type().clone())
                .eq(self.input_types.iter().map(DataType::arrow)),
            "rows are of the types of the query"
        );
        self.row_count += batch.row_count() as u64;
        self.state_bytes += batch_bytes(&batch);
        self.batches.push(batch);
    }

    fn check_budget(&self) -> Result<(), AggregateError> {
        let (state_bytes, budget_bytes) = (self.state_bytes, self.budget_bytes);
        if state_bytes <= budget_bytes {
            return Ok(());
        }
        let row_count = usize::try_from(self.row_count).unwrap_or(usize::MAX);
        Err(AggregateError::RowBudgetExceeded { state_bytes, budget_bytes, row_count })
    }
}
