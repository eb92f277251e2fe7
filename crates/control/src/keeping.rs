//! What a wave writes down as it runs, so that a later run goes on where it was.
//!
//! Each task is a *resident*: a pipeline, or pipelines one after the other. Between two turns, every
//! `checkpoint.interval`, its core makes an image of all that it holds and goes on; the thread of `control`, on no core of
//! the job, makes durable what the image speaks of, then the image, and only then lets segments be seen. A resident makes
//! no image before its last one is durable. Residents know nothing of each other: each goes on from its own image.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tidemill_checkpoint::{Checkpoint, CheckpointError, Fingerprint, Store};
use tidemill_pipeline::Cut;
use tidemill_record::{EventTime, Image, ImageError};
use tidemill_rt::{Bell, Hold};

use crate::giving::Given;
use crate::handover::Handover;

/// Where the residents of a wave keep their checkpoints.
#[derive(Clone)]
pub struct Keeping {
    /// The directory.
    pub store: Arc<Store>,
    /// How long after one checkpoint of a resident the next is made.
    pub interval: Duration,
    /// A stop ends the job for good, as if the input ended there; otherwise it can be gone on with.
    pub stop_drains: bool,
    /// What waits for room where there is none.
    pub hold: Hold,
}

impl Keeping {
    /// Makes checkpoints durable; where there is no room for them, once there is.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn commit(&self, checkpoints: Vec<Checkpoint>) -> Result<(), CheckpointError> {
        let path = self.store.path();
        let commits = self.store.commit_by(checkpoints, |write| {
            self.hold.until_room(path, CheckpointError::full, write)
        });
        commits.map(drop)
    }
}

/// How the residents of a fragment are known: the same in every run of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResidentName {
    /// Of the fragment; the place of a pipeline comes behind it.
    pub fragment: String,
    /// Of what the query does: what one has kept no other goes on from.
    pub fingerprint: Fingerprint,
}

/// A task as it is known to its checkpoints.
#[derive(Clone)]
pub(crate) struct Resident {
    keeping: Keeping,
    name: String,
    fingerprint: Fingerprint,
}

/// What a resident has kept in an earlier run.
pub(crate) struct Found {
    /// Of its last checkpoint; 0 where there is none.
    pub(crate) epoch: u64,
    pub(crate) state: Option<FoundState>,
}

/// How far it had come.
pub(crate) enum FoundState {
    /// The pipeline at this place had this.
    Running { place: usize, pipeline: Image, giving: Option<Image> },
    /// All has been read; this is what is left.
    Done { outcome: Image },
}

/// A checkpoint that is to be made durable.
pub(crate) struct Request {
    pub(crate) checkpoint: Checkpoint,
    /// What it speaks of; none where that is durable.
    pub(crate) cut: Option<Cut>,
    pub(crate) committed: Option<Arc<Committed>>,
    /// Of a gather: what it holds of each that gives to it.
    pub(crate) taken: Option<Holds>,
}

/// What a gather holds of those that give to it, by their ids: all up to these times.
pub(crate) type Holds = (Arc<Handover<Given>>, Vec<(u64, EventTime)>);

/// How far a resident's checkpoints are durable.
pub(crate) struct Committed {
    epoch: AtomicU64,
    bell: Bell,
}

/// The checkpoints of a resident that runs.
pub(crate) struct Kept {
    resident: Resident,
    /// Of the last one that was made.
    epoch: u64,
    committed: Arc<Committed>,
    due: Instant,
    /// Something has happened since the last one.
    has_changed: bool,
    /// Nothing is to be read any more: the next one is the last.
    is_last: bool,
    /// Something waits until a checkpoint that is still to be made is durable.
    is_urgent: bool,
    /// The one that it waits for, once it has been made.
    awaited: Option<u64>,
}

impl Resident {
    pub(crate) fn new(keeping: &Keeping, name: &ResidentName, number: usize) -> Self {
        let ResidentName { fragment, fingerprint } = name;
        let name = format!("{fragment}-{number}");
        Self { keeping: keeping.clone(), name, fingerprint: *fingerprint }
    }

    /// Removes what it has kept: no later run has such a resident.
    ///
    /// # Errors
    /// As [`Store::forget`].
    pub(crate) fn forget(&self) -> Result<(), CheckpointError> {
        self.keeping.store.forget(&self.name)
    }

    /// Whether a stop ends it for good.
    pub(crate) fn stop_drains(&self) -> bool {
        self.keeping.stop_drains
    }

    /// What it has kept in an earlier run.
    pub(crate) fn find(&self) -> Result<Found, CheckpointError> {
        let Some(checkpoint) = self.keeping.store.newest(&self.name)? else {
            return Ok(Found { epoch: 0, state: None });
        };
        let path = || self.keeping.store.path().join(&self.name);
        if checkpoint.fingerprint != self.fingerprint {
            return Err(CheckpointError::OtherPlan { path: path() });
        }
        let state = take_state(checkpoint.image);
        let state = state.map_err(|error| CheckpointError::Meaning { path: path(), error })?;
        Ok(Found { epoch: checkpoint.epoch, state: Some(state) })
    }

    fn checkpoint(&self, epoch: u64, image: Image) -> Checkpoint {
        let (resident, fingerprint) = (self.name.clone(), self.fingerprint);
        Checkpoint { resident, epoch, fingerprint, image }
    }

    /// That all has been read, and what is left of it.
    pub(crate) fn done(&self, epoch: u64, outcome: Image) -> Request {
        let mut image = Image::new();
        image.put_image("outcome", outcome);
        let checkpoint = self.checkpoint(epoch, image);
        Request { checkpoint, cut: None, committed: None, taken: None }
    }
}

fn take_state(mut image: Image) -> Result<FoundState, ImageError> {
    let state = if image.has("outcome") {
        FoundState::Done { outcome: image.take_image("outcome")? }
    } else {
        let place: u64 = image.take_one("place")?;
        let place = usize::try_from(place).map_err(|_| ImageError::new("place", "is too large"))?;
        let giving = image.has("giving").then(|| image.take_image("giving")).transpose()?;
        FoundState::Running { place, pipeline: image.take_image("pipeline")?, giving }
    };
    image.end()?;
    Ok(state)
}

impl Committed {
    /// Says that a checkpoint is durable.
    pub(crate) fn set(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::Release);
        self.bell.ring();
    }
}

impl Kept {
    /// `epoch` is that of the last checkpoint of an earlier run.
    pub(crate) fn new(resident: Resident, epoch: u64, bell: &Bell) -> Self {
        let committed = Committed { epoch: AtomicU64::new(epoch), bell: bell.clone() };
        let due = due_after(tidemill_rt::now(), resident.keeping.interval);
        let committed = Arc::new(committed);
        Self {
            resident,
            epoch,
            committed,
            due,
            has_changed: true,
            is_last: false,
            is_urgent: false,
            awaited: None,
        }
    }

    pub(crate) fn resident(&self) -> &Resident {
        &self.resident
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Notes that a turn has been run that came to something.
    pub(crate) fn note_change(&mut self) {
        self.has_changed = true;
    }

    /// Whether the last one is durable and holds all there is, and what was to be seen with it is seen.
    pub(crate) fn is_settled(&self) -> bool {
        self.is_durable() && !self.has_changed && !self.is_urgent && self.awaited.is_none()
    }

    /// Notes that the next checkpoint is the last.
    pub(crate) fn note_last(&mut self) {
        self.is_last = true;
    }

    /// Whether the next checkpoint is the last.
    pub(crate) fn is_last(&self) -> bool {
        self.is_last
    }

    /// Whether something waits for the next one.
    pub(crate) fn is_urgent(&self) -> bool {
        self.is_urgent
    }

    /// Whether the last one is durable, so that another one may be made.
    pub(crate) fn is_durable(&self) -> bool {
        self.committed.epoch.load(Ordering::Acquire) == self.epoch
    }

    /// Whether what must not be seen before it is durable may be seen; if not, that is seen to.
    pub(crate) fn may_show(&mut self) -> bool {
        match self.awaited {
            Some(awaited) if self.committed.epoch.load(Ordering::Acquire) >= awaited => {
                self.awaited = None;
                true
            }
            Some(_) => false,
            None => {
                self.is_urgent = true;
                false
            }
        }
    }

    /// Whether it is time to make one.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let is_time = self.has_changed && now >= self.due;
        self.is_durable() && (self.is_last || self.is_urgent || is_time)
    }

    /// When it will be; `None` while nothing has changed, or the last is not durable, which rings the core's bell.
    pub(crate) fn due(&self) -> Option<Instant> {
        (self.has_changed && self.is_durable()).then_some(self.due)
    }

    /// The next one, of the pipeline at this place. `giving` is what it keeps of what it has given away.
    pub(crate) fn next(
        &mut self,
        place: usize,
        mut cut: Cut,
        giving: Option<Image>,
        now: Instant,
    ) -> Request {
        self.epoch += 1;
        self.has_changed = false;
        if std::mem::take(&mut self.is_urgent) {
            self.awaited = Some(self.epoch);
        }
        self.due = due_after(now, self.resident.keeping.interval);
        let mut image = Image::new();
        image.put_one("place", u64::try_from(place).expect("usize is at most 64 bits"));
        image.put_image("pipeline", std::mem::take(&mut cut.image));
        if let Some(giving) = giving {
            image.put_image("giving", giving);
        }
        let checkpoint = self.resident.checkpoint(self.epoch, image);
        let committed = Some(Arc::clone(&self.committed));
        Request { checkpoint, cut: Some(cut), committed, taken: None }
    }
}

fn due_after(now: Instant, interval: Duration) -> Instant {
    now.checked_add(interval).unwrap_or(now)
}
