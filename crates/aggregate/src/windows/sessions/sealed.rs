//! Closed sessions of one partition, and of several merged.

use tidemill_plan::AggregateSpec;
use tidemill_record::EventTime;

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
        self.check_budget()
    }

    fn check_budget(&self) -> Result<(), AggregateError> {
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
        let partition = self.store.sessions.last().map_or(0, |last| last.partition + 1);
        self.merge_of(partition, later)
    }

    /// Adds sessions of this partition, in the order in which it sealed them.
    ///
    /// # Errors
    /// As [`crate::AggTable::merge`].
    pub fn merge_of(&mut self, partition: u32, sealed: &Self) -> Result<(), AggregateError> {
        let first = self.store.sessions.len();
        let all: Vec<u32> = (0..).take(sealed.store.sessions.len()).collect();
        self.store.absorb(&sealed.store, &all)?;
        for session in &mut self.store.sessions[first..] {
            session.partition = partition;
        }
        self.check_budget()
    }

    /// Takes out the sessions that end at or before a time, with all they touch.
    ///
    /// # Errors
    /// As [`crate::AggTable::merge`].
    pub fn take_until(&mut self, time: EventTime) -> Result<Self, AggregateError> {
        let (mut taken, mut left) = (Vec::new(), Vec::new());
        for key in (0..).take(self.store.keys.group_count()) {
            for touching in self.touching(key) {
                let ends = touching.iter().map(|&at| self.store.sessions[at as usize].end);
                let is_over = ends.max().is_some_and(|end| end <= time.0);
                if is_over { &mut taken } else { &mut left }.extend(touching);
            }
        }
        let budget_bytes = self.budget_bytes;
        if taken.is_empty() {
            let store = self.store.copy_of(&[])?;
            return Ok(Self { budget_bytes, store });
        }
        // As they came: that decides between sessions of one start and partition.
        taken.sort_unstable();
        left.sort_unstable();
        let store = self.store.copy_of(&taken)?;
        self.store = self.store.copy_of(&left)?;
        Ok(Self { budget_bytes, store })
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
            for touching in self.touching(key) {
                for &session in &touching[1..] {
                    self.store.join(touching[0], session)?;
                }
            }
        }
        Ok(())
    }

    /// The sessions of a key, those together that will be one.
    fn touching(&self, key: u32) -> Vec<Vec<u32>> {
        let mut sessions: Vec<u32> = self.store.of_key(key).collect();
        sessions.sort_unstable_by_key(|&at| {
            let session = &self.store.sessions[at as usize];
            (session.start, session.partition, at)
        });
        let mut all: Vec<Vec<u32>> = Vec::new();
        let mut end = i64::MIN;
        for number in sessions {
            let session = &self.store.sessions[number as usize];
            match all.last_mut() {
                Some(touching) if session.start < end => touching.push(number),
                _ => all.push(vec![number]),
            }
            end = end.max(session.end);
        }
        all
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
