//! Closed sessions of one partition, and of several merged.

use tidemill_plan::AggregateSpec;

use super::store::SessionStore;
use crate::{AggregateError, TableBatches};

/// Closed sessions, on their way to the pipeline that gathers them. Those of one key that touch become
/// one; rows leave in order of session end, then group key.
pub struct SealedSessions {
    budget_bytes: u64,
    store: SessionStore,
}

impl SealedSessions {
    /// None yet; they may hold `budget_bytes` together.
    #[must_use]
    pub fn new(spec: &AggregateSpec, budget_bytes: u64) -> Self {
        let spec = AggregateSpec { window: None, ..spec.clone() };
        Self { budget_bytes, store: SessionStore::new(&spec) }
    }

    /// The same, allowed to hold so many bytes from now on.
    #[must_use]
    pub fn with_budget(self, budget_bytes: u64) -> Self {
        Self { budget_bytes, ..self }
    }

    /// Adds sessions, some of which may touch others here.
    pub(super) fn add(
        &mut self,
        store: &SessionStore,
        sessions: &[u32],
    ) -> Result<(), AggregateError> {
        self.store.absorb(store, sessions)?;
        let (state_bytes, budget_bytes) = (self.state_bytes(), self.budget_bytes);
        if state_bytes <= budget_bytes {
            return Ok(());
        }
        let group_count = self.group_count();
        Err(AggregateError::BudgetExceeded { state_bytes, budget_bytes, group_count })
    }

    /// Adds the sessions of a later partition.
    ///
    /// # Errors
    /// As [`crate::AggTable::merge`].
    pub fn merge(&mut self, later: &Self) -> Result<(), AggregateError> {
        let all: Vec<u32> = (0..).take(later.store.sessions.len()).collect();
        self.add(&later.store, &all)
    }

    /// All rows, in batches of at most `batch_rows` (at least one).
    ///
    /// # Errors
    /// As [`crate::AggTable::into_batches`].
    pub fn into_batches(mut self, batch_rows: usize) -> Result<TableBatches, AggregateError> {
        self.join_touching()?;
        let store = self.store;
        let is_live = |number: &u32| !store.sessions[*number as usize].is_gone;
        let mut order: Vec<u32> = (0..).take(store.sessions.len()).filter(is_live).collect();
        order.sort_unstable_by(|&left, &right| {
            let (left, right) = (&store.sessions[left as usize], &store.sessions[right as usize]);
            let by_bounds = left.bounds().cmp(&right.bounds());
            by_bounds.then_with(|| store.keys.compare(left.key as usize, right.key as usize))
        });
        let batch_rows = batch_rows.max(1);
        let starts = (0..order.len()).step_by(batch_rows);
        Ok(Box::new(
            starts.map(move |start| {
                store.rows_of(&order[start..order.len().min(start + batch_rows)])
            }),
        ))
    }

    /// Makes one of sessions of a key that touch: those of earlier start first, then of earlier
    /// partition.
    fn join_touching(&mut self) -> Result<(), AggregateError> {
        for key in (0..).take(self.store.keys.group_count()) {
            let mut sessions: Vec<u32> = self.store.of_key(key).collect();
            sessions.sort_unstable_by_key(|&at| (self.store.sessions[at as usize].start, at));
            let mut sessions = sessions.into_iter();
            let Some(mut into) = sessions.next() else { continue };
            for session in sessions {
                let start = self.store.sessions[session as usize].start;
                if start < self.store.sessions[into as usize].end {
                    self.store.join(into, session)?;
                } else {
                    into = session;
                }
            }
        }
        Ok(())
    }

    /// Sessions held.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.store.live_count()
    }

    /// Bytes held.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        self.store.state_bytes() as u64
    }
}
