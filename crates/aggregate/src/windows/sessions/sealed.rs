//! Closed sessions of one partition, and of several merged.

use tidemill_plan::AggregateSpec;
use tidemill_record::{EventTime, Image, ImageError};

use super::chains::Chains;
use super::store::SessionStore;
use crate::table::Leaving;
use crate::{AggregateError, TableBatches};

/// Closed sessions, on their way to the pipeline that gathers them. Those of one key that touch become
/// one; rows leave in order of session end and start, then of the first partition and its order.
pub struct SealedSessions {
    budget_bytes: u64,
    store: SessionStore,
    gathered: Gathered,
    copied_count: u64,
}

/// Of sessions that are taken out while others come: what is known of those that have come.
#[derive(Default)]
struct Gathered {
    chains: Chains,
    /// So many of the store's sessions are in it.
    session_count: usize,
}

/// Sessions that may be gone before their memory is given back.
const GONE_MIN: usize = 1024;

impl SealedSessions {
    /// None yet; they may hold `budget_bytes` together.
    #[must_use]
    pub fn new(spec: &AggregateSpec, budget_bytes: u64) -> Self {
        let spec = AggregateSpec { window: None, ..spec.clone() };
        Self::of(SessionStore::new(&spec), budget_bytes)
    }

    fn of(store: SessionStore, budget_bytes: u64) -> Self {
        Self { budget_bytes, store, gathered: Gathered::default(), copied_count: 0 }
    }

    /// Lets it hold so many bytes from now on.
    pub fn set_budget(&mut self, budget_bytes: u64) {
        self.budget_bytes = budget_bytes;
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
        self.check_budget_with(0)
    }

    /// The same with so many bytes beside what is held.
    fn check_budget_with(&self, bytes: u64) -> Result<(), AggregateError> {
        let (state_bytes, budget_bytes) = (self.state_bytes() + bytes, self.budget_bytes);
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
        debug_assert_eq!(self.store.gone_count, 0, "nothing was taken out of what is merged");
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
        // Both are there until it is done, and all may be new here.
        self.check_budget_with(2 * sealed.state_bytes())?;
        self.store.absorb(&sealed.store, &all)?;
        for session in &mut self.store.sessions[first..] {
            session.partition = partition;
        }
        self.check_budget()
    }

    /// What it holds, to be made again by [`Self::import`]. Sessions stand by partition, in the order in which each
    /// sealed its own: when a partition gives them depends on how its input was cut into batches.
    ///
    /// # Cost
    /// O(sessions), and what they hold.
    #[must_use]
    pub fn export(&self) -> Image {
        let live = self.store.sessions.iter().zip(0..).filter(|(session, _)| !session.is_gone);
        let mut live: Vec<u32> = live.map(|(_, number)| number).collect();
        live.sort_by_key(|&number| self.store.sessions[number as usize].partition);
        self.store.export(&live)
    }

    /// Takes over what another of the same grouping has exported; only of one without sessions.
    ///
    /// # Errors
    /// [`ImageError`].
    pub fn import(&mut self, image: Image) -> Result<(), ImageError> {
        self.store.import(image)?;
        match self.store.gone_count {
            0 => Ok(()),
            _ => Err(ImageError::new("is_gone", "names a session that was taken out")),
        }
    }

    /// Takes out the sessions that end at or before a time, with all they touch.
    ///
    /// # Errors
    /// As [`crate::AggTable::merge`].
    ///
    /// # Cost
    /// O(log sessions) for each that is taken or has come since; a copy of what is left whenever that has
    /// become half.
    pub fn take_until(&mut self, time: EventTime) -> Result<Self, AggregateError> {
        self.put_into_chains();
        let Gathered { chains, .. } = &mut self.gathered;
        let mut taken = chains.take_until(time.0);
        // As they came: that decides between sessions of one start and partition.
        taken.sort_unstable();
        let store = self.store.copy_of(&taken)?;
        taken.into_iter().for_each(|number| self.store.remove(number));
        if self.store.gone_count >= self.store.live_count().max(GONE_MIN) {
            let is_left = |number: &u32| !self.store.sessions[*number as usize].is_gone;
            let left: Vec<u32> = (0..).take(self.store.sessions.len()).filter(is_left).collect();
            self.copied_count += left.len() as u64;
            self.store = self.store.copy_of(&left)?;
            self.gathered = Gathered::default();
            self.put_into_chains();
        }
        Ok(Self::of(store, self.budget_bytes))
    }

    /// Puts the sessions that have come since into chains.
    fn put_into_chains(&mut self) {
        let Gathered { chains, session_count } = &mut self.gathered;
        for (session, number) in self.store.sessions.iter().zip(0..).skip(*session_count) {
            if !session.is_gone {
                chains.add(number, session);
            }
        }
        *session_count = self.store.sessions.len();
    }

    /// Sessions that were copied because others had gone; for tests of what that costs.
    #[must_use]
    pub fn copied_count(&self) -> u64 {
        self.copied_count
    }

    /// All rows, in batches of at most `batch_rows` (at least one).
    ///
    /// # Errors
    /// As [`crate::AggTable::into_batches`].
    pub fn into_batches(mut self, batch_rows: usize) -> Result<TableBatches, AggregateError> {
        let first_of = self.join_touching()?;
        let store = self.store;
        let is_live = |number: &u32| !store.sessions[*number as usize].is_gone;
        let mut order: Vec<u32> = (0..).take(store.sessions.len()).filter(is_live).collect();
        // Each partition sealed its own in order: a sort that finds runs has little to do.
        order.sort_by_key(|&number| {
            (store.sessions[number as usize].bounds(), first_of[number as usize])
        });
        let batch_rows = batch_rows.max(1);
        let starts = (0..order.len()).step_by(batch_rows);
        Ok(Box::new(starts.flat_map(move |start| {
            let sessions = &order[start..order.len().min(start + batch_rows)];
            let Leaving { rows, overflow } = store.rows_of(sessions);
            Some(rows)
                .filter(|rows| rows.row_count() > 0)
                .map(Ok)
                .into_iter()
                .chain(overflow.map(Err))
        })))
    }

    /// Makes one of sessions of a key that touch: those of earlier start first, then of earlier
    /// partition. For each session, the first partition that it was in, and its place among what that sealed.
    /// O(sessions), and a sort.
    fn join_touching(&mut self) -> Result<Vec<(u32, u32)>, AggregateError> {
        let sessions = &self.store.sessions;
        let is_live = |number: &u32| !sessions[*number as usize].is_gone;
        let mut order: Vec<u32> = (0..).take(sessions.len()).filter(is_live).collect();
        order.sort_by_key(|&number| {
            let session = &sessions[number as usize];
            (session.key, session.start, session.partition, number)
        });
        let mut first_of: Vec<(u32, u32)> =
            sessions.iter().zip(0..).map(|(session, number)| (session.partition, number)).collect();
        // The session that others of its key are joined to, as long as they touch it.
        let mut into: Option<u32> = None;
        for number in order {
            let session = self.store.sessions[number as usize];
            let touched = into.filter(|&into| {
                let into = &self.store.sessions[into as usize];
                into.key == session.key && session.start < into.end
            });
            match touched {
                Some(into) => {
                    let first = first_of[number as usize];
                    let first_there = &mut first_of[into as usize];
                    *first_there = first.min(*first_there);
                    self.store.join(into, number)?;
                }
                None => into = Some(number),
            }
        }
        Ok(first_of)
    }

    /// Sessions held.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.store.live_count()
    }

    /// Bytes held.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        (self.store.state_bytes() + self.gathered.chains.heap_bytes()) as u64
    }
}
