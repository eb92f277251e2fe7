//! What a gather reads while its partitions go on: windows that all of them have come to the end of.

use std::collections::BTreeMap;

use tidemill_aggregate::{Gathering, Sealed, TableBatches};
use tidemill_record::{Batch, EventTime, Image, ImageError, Polled};
use tidemill_rt::Wake;
use tidemill_rt::world::{Step, omits};

use crate::PipelineError;
use crate::held::{Held, count};

/// Keeps what it is given, and gives out what is complete: in order of window end and start, then of each group's
/// first record.
pub(crate) struct ClosingInput {
    gathering: Gathering,
    batch_rows: usize,
    /// Windows that are being given out.
    leaving: Option<TableBatches>,
    /// Bytes that they held.
    leaving_bytes: u64,
    /// All givers have passed this.
    until: EventTime,
    /// All windows that end at or before this have been taken out of the gathering.
    taken_until: EventTime,
    /// Of each giver that has given, by its id, up to which event time it has given all of its windows.
    given_through: BTreeMap<u64, EventTime>,
}

impl ClosingInput {
    pub(crate) fn new(gathering: Gathering, batch_rows: usize) -> Self {
        let (until, taken_until) = (EventTime::MIN, EventTime::MIN);
        let given_through = BTreeMap::new();
        let (leaving, leaving_bytes) = (None, 0);
        Self { gathering, batch_rows, leaving, leaving_bytes, until, taken_until, given_through }
    }

    /// Adds what a giver has closed: windows that end behind `after`, up to `through`. Of what it gives again, because it
    /// goes on from before, nothing is added.
    pub(crate) fn add(
        &mut self,
        giver: u64,
        mut sealed: Sealed,
        after: EventTime,
        through: EventTime,
    ) -> Result<(), PipelineError> {
        let through_known = self.given_through.entry(giver).or_insert(EventTime::MIN);
        let known = *through_known;
        if after < known && !omits(Step::NumberOfGive) {
            if through <= known {
                return Ok(());
            }
            drop(sealed.take_until(known)?);
        }
        *through_known = known.max(through);
        Ok(self.gathering.add(giver, sealed)?)
    }

    /// Of each giver that has given, by its id, up to which event time it has given all of its windows.
    pub(crate) fn given_through(&self) -> Vec<(u64, EventTime)> {
        self.given_through.iter().map(|(&giver, &through)| (giver, through)).collect()
    }

    /// Forgets the times of givers that never give again. What they have given stays until it leaves.
    pub(crate) fn keep_givers(&mut self, is_kept: impl Fn(u64) -> bool) {
        self.given_through.retain(|&giver, _| is_kept(giver));
    }

    /// What it holds, to be made again by [`Self::import`]; `None` while windows are being given out.
    pub(crate) fn export(&self) -> Option<Image> {
        if self.leaving.is_some() {
            return None;
        }
        let mut image = Image::new();
        image.put("until and taken until", [self.until.0, self.taken_until.0]);
        image.put("givers", self.given_through.keys().copied());
        image.put("given through", self.given_through.values().map(|time| time.0));
        image.put_image("gathering", self.gathering.export());
        Some(image)
    }

    /// Takes over what another one has exported.
    pub(crate) fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        let times: Vec<i64> = image.take_exactly("until and taken until", 2)?;
        (self.until, self.taken_until) = (EventTime(times[0]), EventTime(times[1]));
        let givers: Vec<u64> = image.take("givers")?;
        let given_through: Vec<i64> = image.take_exactly("given through", givers.len())?;
        let given_through = given_through.into_iter().map(EventTime);
        self.given_through = givers.into_iter().zip(given_through).collect();
        let gathering = image.take_image("gathering")?;
        self.gathering.import(gathering).map_err(|error| error.within("gathering"))?;
        image.end()
    }

    pub(crate) fn pass(&mut self, until: EventTime) {
        self.until = self.until.max(until);
    }

    /// What makes it worth to ask again, beside what is added meanwhile.
    pub(crate) fn wake(&self) -> Wake<'static> {
        let is_over = self.taken_until == EventTime::MAX;
        let is_due = self.leaving.is_some() || self.until > self.taken_until || is_over;
        if is_due { Wake::NOW } else { Wake::default() }
    }

    /// The next batch; `NotReady` at least once after all windows of one event time, so that event time
    /// can pass in what follows.
    pub(crate) fn next_batch(&mut self) -> Result<Polled<Batch>, PipelineError> {
        if let Some(leaving) = &mut self.leaving {
            if let Some(batch) = leaving.next() {
                return Ok(Polled::Ready(batch?));
            }
            (self.leaving, self.leaving_bytes) = (None, 0);
            return Ok(Polled::NotReady);
        }
        if self.until > self.taken_until {
            self.taken_until = self.until;
            let complete = self.gathering.take_until(self.until)?;
            if !complete.is_empty() {
                self.leaving_bytes = complete.state_bytes();
                self.leaving = Some(complete.into_batches(self.batch_rows)?);
                return self.next_batch();
            }
        }
        // Beyond the end of time nothing is given any more.
        Ok(if self.taken_until == EventTime::MAX { Polled::Ended } else { Polled::NotReady })
    }

    /// Bytes held.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.gathering.state_bytes() + self.leaving_bytes
    }

    /// What is held, for a message.
    pub(crate) fn held(&self) -> Held {
        let groups = count(self.gathering.group_count());
        Held {
            what: "windows that some partitions have not come to",
            bytes: self.held_bytes(),
            groups,
        }
    }

    /// Lets it hold so many bytes more than it does.
    pub(crate) fn set_room(&mut self, room_bytes: u64) {
        self.gathering.set_budget(self.gathering.state_bytes().saturating_add(room_bytes));
    }

    /// How far all givers have come.
    pub(crate) fn passed_until(&self) -> EventTime {
        self.until
    }

    /// All windows that end at or before this have been given out.
    pub(crate) fn given_until(&self) -> EventTime {
        if self.leaving.is_some() { EventTime::MIN } else { self.taken_until }
    }
}
