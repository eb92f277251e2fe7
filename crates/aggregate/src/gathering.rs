//! Closed windows of several partitions, which leave once all of them have come so far.

use std::collections::{BTreeMap, BTreeSet};

use tidemill_plan::Merge;
use tidemill_record::{EventTime, Image, ImageError};

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
    Tables(Tables),
}

/// What each partition sealed. Nothing looks at all of them but the end of time.
struct Tables {
    /// By partition, of those that have given something.
    by_partition: BTreeMap<u64, Sealed>,
    /// When the first window of each that holds any ends, and the partition.
    ends: BTreeSet<(i64, u64)>,
    /// Of all together.
    state_bytes: u64,
}

impl Tables {
    /// Does something to a partition's table, and notes what has become of it.
    fn change<T>(
        &mut self,
        partition: u64,
        empty: impl FnOnce() -> Sealed,
        change: impl FnOnce(&mut Sealed, u64) -> Result<T, AggregateError>,
    ) -> Result<T, AggregateError> {
        let table = self.by_partition.entry(partition).or_insert_with(|| {
            let table = empty();
            self.state_bytes += table.state_bytes();
            table
        });
        let (bytes_before, end_before) = (table.state_bytes(), table.next_end());
        let bytes_elsewhere = self.state_bytes - bytes_before;
        let changed = change(table, bytes_elsewhere);
        self.state_bytes = bytes_elsewhere + table.state_bytes();
        let end = table.next_end();
        if end != end_before {
            end_before.map(|end| self.ends.remove(&(end, partition)));
            self.ends.extend(end.map(|end| (end, partition)));
        }
        changed
    }
}

impl Gathering {
    /// Nothing yet of any partition; it may hold `budget_bytes`.
    #[must_use]
    pub fn new(merge: &Merge, budget_bytes: u64) -> Self {
        let held = match merge {
            Merge::Windows(spec) if spec.is_by_session() => {
                Held::Sessions(Box::new(SealedSessions::new(spec, budget_bytes)))
            }
            _ => Held::Tables(Tables {
                by_partition: BTreeMap::new(),
                ends: BTreeSet::new(),
                state_bytes: 0,
            }),
        };
        Self { merge: merge.clone(), budget_bytes, held }
    }

    /// Lets it hold so many bytes from now on.
    pub fn set_budget(&mut self, budget_bytes: u64) {
        self.budget_bytes = budget_bytes;
        match &mut self.held {
            Held::Sessions(sessions) => sessions.set_budget(budget_bytes),
            // Each is told as something is added to it.
            Held::Tables(_) => {}
        }
    }

    /// Adds what a partition sealed next.
    ///
    /// # Errors
    /// As the table's own `merge`.
    ///
    /// # Panics
    /// If it is of another query, or a session's partition is beyond u32.
    pub fn add(&mut self, partition: u64, sealed: Sealed) -> Result<(), AggregateError> {
        match (&mut self.held, sealed) {
            (Held::Tables(tables), sealed) => {
                let empty = || Sealed::new(&self.merge, self.budget_bytes);
                tables.change(partition, empty, |table, bytes_elsewhere| {
                    table.set_budget(self.budget_bytes.saturating_sub(bytes_elsewhere));
                    table.merge(sealed)
                })
            }
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
                let ended: BTreeSet<u64> = if time == EventTime::MAX {
                    tables.by_partition.keys().copied().collect()
                } else {
                    // Only those are looked at that have something to give.
                    let ended = tables.ends.range(..=(time.0, u64::MAX));
                    ended.map(|&(_, partition)| partition).collect()
                };
                for partition in ended {
                    let empty = || Sealed::new(&self.merge, self.budget_bytes);
                    let taken = tables.change(partition, empty, |table, _| {
                        if time < EventTime::MAX {
                            return table.take_until(time);
                        }
                        Ok(std::mem::replace(table, empty()))
                    })?;
                    merged.merge(taken)?;
                }
                Ok(merged)
            }
        }
    }

    /// What it has been given and has not given out, to be made again by [`Self::import`].
    ///
    /// # Cost
    /// O(windows and groups), and what they hold.
    #[must_use]
    pub fn export(&self) -> Image {
        let mut image = Image::new();
        match &self.held {
            Held::Sessions(sessions) => image.put_image("sessions", sessions.export()),
            Held::Tables(tables) => {
                // What has given all that it had is as if it had not been there.
                let held = || tables.by_partition.iter().filter(|(_, table)| !table.is_empty());
                image.put("partitions", held().map(|(&partition, _)| partition));
                image.put_images("tables", held().map(|(_, table)| table.export()));
            }
        }
        image
    }

    /// Takes over what one of the same query has exported; only of one that has been given
    /// nothing yet.
    ///
    /// # Errors
    /// [`ImageError`].
    pub fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        match &mut self.held {
            Held::Sessions(sessions) => {
                let held = image.take_image("sessions")?;
                sessions.import(held).map_err(|error| error.within("sessions"))?;
            }
            Held::Tables(Tables { by_partition, ends, state_bytes }) => {
                let partitions: Vec<u64> = image.take("partitions")?;
                let tables = image.take_images("tables")?;
                if tables.len() != partitions.len() {
                    return Err(ImageError::new("tables", "are not as many as partitions"));
                }
                for (partition, image) in partitions.into_iter().zip(tables) {
                    let mut table = Sealed::new(&self.merge, self.budget_bytes);
                    let imported = table.import(image);
                    imported
                        .map_err(|error| error.within(&partition.to_string()).within("tables"))?;
                    ends.extend(table.next_end().map(|end| (end, partition)));
                    if by_partition.insert(partition, table).is_some() {
                        return Err(ImageError::new("partitions", "has one twice"));
                    }
                }
                *state_bytes = by_partition.values().map(Sealed::state_bytes).sum();
            }
        }
        image.end()
    }

    /// Groups held.
    #[must_use]
    pub fn group_count(&self) -> usize {
        match &self.held {
            Held::Sessions(sessions) => sessions.group_count(),
            Held::Tables(tables) => tables.by_partition.values().map(Sealed::group_count).sum(),
        }
    }

    /// Bytes held.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        match &self.held {
            Held::Sessions(sessions) => sessions.state_bytes(),
            Held::Tables(tables) => tables.state_bytes,
        }
    }
}
