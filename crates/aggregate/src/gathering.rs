//! Closed windows of several partitions, which leave once all of them have come so far.

use tidemill_plan::Merge;
use tidemill_record::EventTime;

use crate::{AggregateError, Sealed, SealedSessions};

/// What the partitions of input without end have sealed. They are merged in order of partition, whenever
/// each of them came.
pub struct Gathering {
    merge: Merge,
    budget_bytes: u64,
    held: Held,
}

enum Held {
    /// Sessions of several partitions may touch, so that they are looked at together.
    Sessions(Box<SealedSessions>),
    /// By partition.
    Tables(Vec<Sealed>),
}

impl Gathering {
    /// Nothing yet of so many partitions; it may hold `budget_bytes`.
    #[must_use]
    pub fn new(merge: &Merge, partition_count: usize, budget_bytes: u64) -> Self {
        let held = match merge {
            Merge::Windows(spec) if spec.is_by_session() => {
                Held::Sessions(Box::new(SealedSessions::new(spec, budget_bytes)))
            }
            merge => Held::Tables(
                (0..partition_count).map(|_| Sealed::new(merge, budget_bytes)).collect(),
            ),
        };
        Self { merge: merge.clone(), budget_bytes, held }
    }

    /// Lets it hold so many bytes from now on.
    pub fn set_budget(&mut self, budget_bytes: u64) {
        self.budget_bytes = budget_bytes;
        match &mut self.held {
            Held::Sessions(sessions) => sessions.set_budget(budget_bytes),
            Held::Tables(tables) => {
                let held: u64 = tables.iter().map(Sealed::state_bytes).sum();
                for table in tables {
                    let elsewhere = held - table.state_bytes();
                    table.set_budget(budget_bytes.saturating_sub(elsewhere));
                }
            }
        }
    }

    /// Adds what a partition sealed next.
    ///
    /// # Errors
    /// As the table's own `merge`.
    ///
    /// # Panics
    /// If it is of another query, or there is no such partition.
    pub fn add(&mut self, partition: usize, sealed: Sealed) -> Result<(), AggregateError> {
        match (&mut self.held, sealed) {
            (Held::Tables(tables), sealed) => tables[partition].merge(sealed),
            (Held::Sessions(sessions), Sealed::Sessions(sealed)) => {
                let partition = u32::try_from(partition).expect("partitions are numbered in u32");
                sessions.merge_of(partition, &sealed)
            }
            _ => panic!("a gather is given tables of one kind"),
        }
    }

    /// Takes out what is complete once every partition has come to this event time, merged; all at
    /// [`EventTime::MAX`].
    ///
    /// # Errors
    /// As the table's own `merge`.
    pub fn take_until(&mut self, time: EventTime) -> Result<Sealed, AggregateError> {
        match &mut self.held {
            Held::Sessions(sessions) => Ok(Sealed::Sessions(sessions.take_until(time)?)),
            Held::Tables(tables) => {
                let mut merged = Sealed::new(&self.merge, self.budget_bytes);
                for table in tables {
                    if time == EventTime::MAX {
                        let empty = Sealed::new(&self.merge, self.budget_bytes);
                        merged.merge(std::mem::replace(table, empty))?;
                    } else if self.merge.is_by_event_time() {
                        merged.merge(table.take_until(time)?)?;
                    }
                }
                Ok(merged)
            }
        }
    }

    /// Groups held.
    #[must_use]
    pub fn group_count(&self) -> usize {
        match &self.held {
            Held::Sessions(sessions) => sessions.group_count(),
            Held::Tables(tables) => tables.iter().map(Sealed::group_count).sum(),
        }
    }

    /// Bytes held.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        match &self.held {
            Held::Sessions(sessions) => sessions.state_bytes(),
            Held::Tables(tables) => tables.iter().map(Sealed::state_bytes).sum(),
        }
    }
}
