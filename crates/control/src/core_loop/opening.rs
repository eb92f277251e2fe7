//! How pipelines begin on a core: new, from where an earlier run was, or not at all, because they had come to their end. And
//! how what they hold is kept meanwhile.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_lite::FutureExt;
use tidemill_pipeline::{Held, InputSpec, Outcome, Pipeline, PipelineError, Sealed};
use tidemill_record::{Image, ImageError, Offset, Position};

use super::failure::{failed, out_of_memory, panicked};
use super::{CoreLoop, Left, Links, Opened, Opening, Running, Taking, Turned, partition_of};
use crate::ControlError;
use crate::account::{Lease, Refused};
use crate::giving::Giving;
use crate::keeping::{Found, FoundState, Kept, Resident};
use crate::wave::Planned;

impl CoreLoop {
    /// What a task has left in an earlier run in which it came to its end, and the epoch of its last checkpoint.
    pub(super) async fn find(
        &self,
        resident: &Resident,
        planned: &Planned,
        first: usize,
        lease: &Lease,
    ) -> Result<(u64, Option<Left>), ControlError> {
        let Found { epoch, state } = resident.find().map_err(ControlError::checkpoint)?;
        let Some(FoundState::Done { outcome }) = state else { return Ok((epoch, None)) };
        let left = restore_outcome(planned, first, outcome, lease).await?;
        Ok((epoch, Some(left)))
    }

    pub(super) async fn open(&self, rank: usize, opening: Opening) -> Result<Opened, ControlError> {
        let Opening { planned, mut places, links, sealed, mut lease, .. } = opening;
        let Opening { ends_by_stop, resident, enough, .. } = opening;
        let (first, mut resume, mut given_before) = (places.start, None, None);
        let mut kept = None;
        let bell = self.waiting.bell();
        if let Some(resident) = resident {
            let Found { epoch, state } = resident.find().map_err(ControlError::checkpoint)?;
            kept = Some(Kept::new(resident, epoch, bell));
            match state {
                Some(FoundState::Done { outcome }) => {
                    // Nothing that is given to it is wanted any more.
                    links.takes.iter().for_each(|handover| handover.close());
                    // And of what gives, the gather has all.
                    links.gives.iter().for_each(|to| to.handover.end(to.giver));
                    let left = restore_outcome(&planned, first, outcome, &lease).await?;
                    return Ok(Opened::Before(Box::new(left)));
                }
                Some(FoundState::Running { place, pipeline, giving })
                    if places.contains(&place) || places.len() == 1 =>
                {
                    if places.len() > 1 {
                        places.start = place;
                    }
                    (resume, given_before) = (Some(pipeline), giving);
                }
                Some(FoundState::Running { .. }) => {
                    let error = ImageError::new("place", "is none of the task's");
                    return Err(not_resumed(&planned, first, error));
                }
                None => {}
            }
        }
        let place = places.start;
        let partition = partition_of(place);
        let position = Position { partition, offset: Offset(0) };
        let opened = AssertUnwindSafe(async {
            let mut spec = (planned.make)(place)?;
            if place != first {
                // What it writes bears the number of the first of its inputs, whichever it goes on with.
                spec.output = (planned.make)(first)?.output;
            }
            if let InputSpec::Sealed(tables, _, help) = &mut spec.input {
                (*tables, *help) = (sealed, Some(Arc::clone(&self.help)));
            }
            spec.resume = resume;
            Pipeline::open(spec, Some(&self.waiting)).await
        });
        match opened.catch_unwind().await {
            Ok(Ok(mut pipeline)) => {
                pipeline.take_again().for_each(&self.deliver);
                let Links { gives, takes } = links;
                let until = pipeline.passed_until();
                takes.iter().for_each(|handover| handover.set_taker(bell, until));
                let mut gives = gives.map(|to| Giving::new(to, bell));
                if let (Some(giving), Some(_)) = (&mut gives, &kept) {
                    giving.keep();
                    if let Some(image) = given_before {
                        let imported = giving.import(image, &pipeline, &mut lease);
                        imported.map_err(|error| not_resumed(&planned, place, error))?;
                    }
                }
                if let Some(giving) = &mut gives {
                    let joined = giving.join(&mut pipeline).await;
                    joined.map_err(|error| failed(&planned, position, error))?;
                }
                let takes = takes.map(|handover| Taking { handover, through: Vec::new() });
                let is_draining = false;
                Ok(Opened::Running(Box::new(Running {
                    rank: rank + (place - first),
                    is_gather: planned.is_gather,
                    meter: self.partitions.as_ref().map(|all| all.add(&planned, partition)),
                    following: place + 1..places.end,
                    planned,
                    position,
                    gives,
                    takes,
                    ends_by_stop,
                    is_asleep: false,
                    is_draining,
                    place,
                    enough,
                    kept,
                    lease,
                    pipeline,
                })))
            }
            Ok(Err(error)) => Err(failed(&planned, position, error)),
            Err(panic) => Err(panicked(&planned, position, panic.as_ref())),
        }
    }

    /// Makes a checkpoint, if it is time for one and nothing is on its way through the pipeline.
    pub(super) async fn keep(
        &self,
        one: &mut Running,
        turned: Turned,
    ) -> Result<Turned, ControlError> {
        let Some(kept) = &mut one.kept else { return Ok(turned) };
        match turned {
            Turned::On => kept.note_change(),
            Turned::Idle => {}
            Turned::Done(_) | Turned::Retired(_) | Turned::Left(_) | Turned::Aborted => {
                return Ok(turned);
            }
        }
        let now = tidemill_rt::now();
        if !kept.is_due(now) || one.is_draining {
            return Ok(turned);
        }
        let cut_closes = one.pipeline.cut_closes();
        if cut_closes && !kept.is_urgent() && !kept.is_last() {
            // A file of rows in columns goes on only where it begins: the next checkpoint is made when the file is whole.
            return Ok(turned);
        }
        let Running { pipeline, planned, position, place, gives, takes, .. } = one;
        let made = AssertUnwindSafe(pipeline.cut()).catch_unwind().await;
        let cut = match made {
            Ok(Ok(Some(cut))) => cut,
            // Of bounded input such a file is not closed before its time: it is read again from where it begins.
            Ok(Ok(None)) if cut_closes && kept.is_last() => {
                return Ok(Turned::Left(Box::new(pipeline.leave())));
            }
            Ok(Ok(None)) => return Ok(turned),
            Ok(Err(error)) => return Err(failed(planned, *position, error)),
            Err(panic) => return Err(panicked(planned, *position, panic.as_ref())),
        };
        let is_last = kept.is_last();
        let giving = gives.as_mut().map(Giving::export);
        let mut request = kept.next(*place, cut, giving, now);
        if let Some(taking) = takes {
            let through = pipeline.given_through();
            if through != taking.through {
                // Givers keep what they gave until two checkpoints hold it: another one follows, also where nothing else comes.
                kept.note_change();
                taking.through.clone_from(&through);
            }
            request.taken = Some((Arc::clone(&taking.handover), through));
        }
        (self.commit)(request);
        if is_last {
            return Ok(Turned::Left(Box::new(one.pipeline.leave())));
        }
        Ok(turned)
    }
}

impl CoreLoop {
    /// Whether nothing of a pipeline is left but what it counted, and nothing more comes of its input.
    pub(super) fn is_to_retire(&self, one: &Running) -> bool {
        one.planned.is_open_ended
            && !one.is_draining
            && one.pipeline.is_spent()
            && one.kept.as_ref().is_none_or(Kept::is_settled)
            && one.gives.as_ref().is_none_or(Giving::is_settled)
            && !self.stop.is_set()
    }

    /// Ends it. Whom it gives to is told once that is durable.
    pub(super) async fn retire(&self, one: &mut Running) -> Result<Turned, ControlError> {
        let Running { pipeline, planned, position, .. } = one;
        let ended = AssertUnwindSafe(async {
            pipeline.retire();
            loop {
                if let Some(mut outcome) = pipeline.drain().await? {
                    debug_assert!(outcome.sealed.as_ref().is_none_or(Sealed::is_empty));
                    outcome.sealed = None;
                    return Ok(Turned::Retired(Box::new(outcome)));
                }
            }
        });
        match ended.catch_unwind().await {
            Ok(ended) => ended.map_err(|error| failed(planned, *position, error)),
            Err(panic) => Err(panicked(planned, *position, panic.as_ref())),
        }
    }
}

/// What a task has left in an earlier run.
async fn restore_outcome(
    planned: &Planned,
    place: usize,
    outcome: Image,
    lease: &Lease,
) -> Result<Left, ControlError> {
    let position = Position { partition: partition_of(place), offset: Offset(0) };
    let restored =
        AssertUnwindSafe(async { Outcome::import(outcome, (planned.make)(place)?).await });
    let outcome = match restored.catch_unwind().await {
        Ok(restored) => restored.map_err(|error| failed(planned, position, error))?,
        Err(panic) => return Err(panicked(planned, position, panic.as_ref())),
    };
    let mut lease = Lease::new(lease.account());
    match lease.cover(outcome.held_bytes()) {
        Ok(()) => Ok(Left { outcome, lease, kept_as: None, retired: None }),
        Err(Refused { missing_bytes }) => {
            let (what, bytes) = ("a table that an earlier run has left", outcome.held_bytes());
            let groups = outcome.sealed.as_ref().map_or(0, Sealed::group_count);
            let groups = u64::try_from(groups).expect("usize is at most 64 bits");
            let wanted_bytes = lease.granted_bytes() + missing_bytes;
            Err(out_of_memory(
                planned,
                position,
                &lease,
                wanted_bytes,
                Held { what, bytes, groups },
            ))
        }
    }
}

fn not_resumed(planned: &Planned, place: usize, error: ImageError) -> ControlError {
    let position = Position { partition: partition_of(place), offset: Offset(0) };
    failed(planned, position, PipelineError::Resume(error))
}
