//! What one core does: the pipelines it was given, turn by turn.

mod failure;
mod opening;

use std::future::{Future, poll_fn};
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use futures_lite::FutureExt;
use tidemill_pipeline::{
    Delivery, DoAll, Held, Outcome, Pipeline, PipelineError, Progress, Sealed, Seen,
};
use tidemill_record::{EventTime, Offset, PartitionId, Position};
use tidemill_rt::{Waiting, Wake, Wakes, yield_if_needed};

pub(crate) use self::failure::message_of;
use self::failure::{all_are_idle, failed, out_of_memory, panicked};
use crate::abandon::Abandon;
use crate::account::{Account, Lease, Refused};
use crate::enough::Enough;
use crate::giving::{GiveSpec, Given, Giving};
use crate::handover::Handover;
use crate::keeping::{Kept, Request, Resident};
use crate::meter::RunningMeter;
use crate::wave::Planned;
use crate::{ControlError, CoreMeter, Notices, PartitionMeters, StopFlag};

/// A core's side of the control plane.
pub(crate) struct CoreLoop {
    pub(crate) meter: Arc<CoreMeter>,
    /// Where each pipeline has a meter, too: where they take turns.
    pub(crate) partitions: Option<PartitionMeters>,
    pub(crate) notices: Notices,
    pub(crate) stop: StopFlag,
    /// Where the core waits while none of its pipelines has anything to do.
    pub(crate) waiting: Rc<Waiting>,
    /// Which pipelines are not worth their time any more.
    pub(crate) abandon: Abandon,
    /// Has the job's other cores help with what a gather merges: those whose scans it waited for are idle.
    pub(crate) help: Arc<DoAll>,
    /// Takes files that are to be published while their pipeline runs; must not block.
    pub(crate) deliver: Box<dyn Fn(Delivery)>,
    /// Takes what is to be made durable; must not block.
    pub(crate) commit: Box<dyn Fn(Request)>,
    /// Of the pipelines that are done, for the meter.
    pub(crate) seen: Seen,
}

/// A pipeline, and what is said of it if it fails.
struct Running {
    rank: usize,
    planned: Arc<Planned>,
    /// Whose inputs follow that of the one that was opened.
    following: Range<usize>,
    position: Position,
    /// What a gather merges has been read before the stop: leaving it out would lose it. It ends with
    /// those it gathers from.
    is_gather: bool,
    gives: Option<Giving>,
    takes: Option<Taking>,
    /// A stop ends its input; without this it ends the pipeline.
    ends_by_stop: bool,
    /// Its last turn found nothing to do.
    is_asleep: bool,
    /// The input has ended, or is to: the tables are being emptied.
    is_draining: bool,
    /// Which of the task's pipelines it is.
    place: usize,
    /// As of its opening.
    enough: Option<Arc<Enough>>,
    /// Its checkpoints, where there are any.
    kept: Option<Kept>,
    /// What it may hold; covers what it held after its last turn.
    lease: Lease,
    meter: Option<RunningMeter>,
    pipeline: Pipeline,
}

/// The gather's end of a hand-over. However the gather ends, those that give to it are told.
struct Taking {
    handover: Arc<Handover<Given>>,
    /// Up to which times the last checkpoint had all that was given.
    through: Vec<(u64, EventTime)>,
}

impl Drop for Taking {
    fn drop(&mut self) {
        self.handover.close();
    }
}

/// Pipelines on their way to the core that makes and runs them: several are a block, which leaves one outcome.
pub(crate) struct Opening {
    pub(crate) planned: Arc<Planned>,
    /// Which of them; at least one.
    pub(crate) places: Range<usize>,
    pub(crate) links: Links,
    /// What a gather merges.
    pub(crate) sealed: Vec<Sealed>,
    /// Covers that.
    pub(crate) lease: Lease,
    /// A stop is an end of its input.
    pub(crate) ends_by_stop: bool,
    /// As what it keeps checkpoints.
    pub(crate) resident: Option<Resident>,
    /// Whether it is still wanted, where others may have given enough.
    pub(crate) enough: Option<Arc<Enough>>,
}

impl Opening {
    /// Whether it takes turns with others although its input ends.
    pub(crate) fn may_wait(&self) -> bool {
        self.planned.may_wait && self.places.len() == 1 && self.enough.is_none()
    }
}

/// What a pipeline leaves behind, and the lease that covers what it still holds.
pub(crate) struct Left {
    pub(crate) outcome: Outcome,
    pub(crate) lease: Lease,
    /// As what this is to be kept, if it is.
    pub(crate) kept_as: Option<KeptAs>,
    /// It is over for good, and nothing but what it counted is to be left of it.
    pub(crate) retired: Option<Box<Retired>>,
}

/// A pipeline whose input is gone and of which all has left.
pub(crate) struct Retired {
    /// Its place among those of its fragment.
    pub(crate) place: usize,
    /// As what it has kept checkpoints.
    pub(crate) resident: Option<Resident>,
    /// Where it gives, and what it is called there: it is to be said that it has ended, once that is durable.
    pub(crate) gives: Option<(Arc<Handover<Given>>, u64)>,
}

/// As what the end of a task is kept.
pub(crate) struct KeptAs {
    pub(crate) resident: Resident,
    pub(crate) epoch: u64,
    /// What it gave to a gather that ran meanwhile is the gather's: only once that has all of it this may be kept.
    pub(crate) is_giver: bool,
}

/// What has become of pipelines that were to be opened.
enum Opened {
    Running(Box<Running>),
    /// They had come to their end in an earlier run.
    Before(Box<Left>),
}

/// What a pipeline has to do with others that run at the same time.
#[derive(Clone, Default)]
pub(crate) struct Links {
    /// A gather that it gives windows to.
    pub(crate) gives: Option<GiveSpec>,
    /// Where it takes them, being a gather.
    pub(crate) takes: Option<Arc<Handover<Given>>>,
}

/// What a turn came to.
enum Turned {
    On,
    Idle,
    Done(Box<Outcome>),
    /// All is to end at once, and the turn was not waited for.
    Aborted,
    /// The input is gone for good, and nothing is held.
    Retired(Box<Outcome>),
    /// A stop has come; all that it takes to go on later is on its way to be made durable.
    Left(Box<Outcome>),
}

impl CoreLoop {
    /// Runs the pipelines of a block, one after the other, each to the end of its input or until it is asked to stop;
    /// a gather always to the end, unless what it gathers from was cut off. What became of them together: `None`
    /// where one was abandoned because an earlier one failed.
    pub(crate) async fn run_block(
        &mut self,
        first_rank: usize,
        opening: Opening,
    ) -> Option<Result<Left, ControlError>> {
        let enough = opening.enough.clone();
        let (places, abandon) = (opening.places.clone(), self.abandon.clone());
        // The place may be of a block before this one.
        let rank_of = |place: usize| first_rank - places.start + place;
        let fail = |rank: usize| match &enough {
            None => abandon.behind(rank),
            // Only those of its fragment end, until it is known that it counts.
            Some(enough) => {
                let cause = enough.failed(places.start, places.start + (rank - first_rank));
                cause.into_iter().for_each(|place| abandon.behind(rank_of(place)));
            }
        };
        let result = self.run_places(first_rank, opening, fail).await;
        if let (Some(enough), Some(Ok(left))) = (&enough, &result)
            && !left.outcome.is_cut
        {
            let rows = left.outcome.sealed.as_ref().and_then(Sealed::first_rows).unwrap_or(0);
            let cause = enough.ended(places.clone(), rows);
            cause.into_iter().for_each(|place| abandon.behind(rank_of(place)));
        }
        result
    }

    async fn run_places(
        &mut self,
        first_rank: usize,
        opening: Opening,
        fail: impl Fn(usize),
    ) -> Option<Result<Left, ControlError>> {
        let Opening { planned, places, mut sealed, lease, ends_by_stop, .. } = opening;
        let Opening { links, resident, enough, .. } = opening;
        let account = Arc::clone(lease.account());
        if planned.is_chained || places.len() == 1 {
            let opening =
                Opening { planned, places, links, sealed, lease, ends_by_stop, resident, enough };
            let mut result = None;
            let one = vec![(first_rank, opening)];
            self.run(one, &Vec::new, fail, &mut |_, done| result = done).await;
            return result;
        }
        // So little is in several together that only what they leave is kept.
        let (mut epoch, mut found) = (0, None);
        if let Some(resident) = &resident {
            match self.find(resident, &planned, places.start, &lease).await {
                Ok(before) => (epoch, found) = before,
                Err(error) => {
                    fail(first_rank);
                    return Some(Err(error));
                }
            }
        }
        if found.is_some() {
            return found.map(Ok);
        }
        let (mut all, mut lease): (Option<Left>, _) = (None, Some(lease));
        for (rank, place) in (first_rank..).zip(places) {
            let is_cut = all.as_ref().is_some_and(|left| left.outcome.is_cut);
            if is_cut && planned.is_sealed {
                // Nothing comes of the rest either, and nobody waits for it.
                break;
            }
            let one = Opening {
                planned: Arc::clone(&planned),
                places: place..place + 1,
                links: links.clone(),
                sealed: std::mem::take(&mut sealed),
                lease: lease.take().unwrap_or_else(|| Lease::new(&account)),
                ends_by_stop,
                resident: None,
                enough: enough.clone(),
            };
            let mut result = None;
            let one = vec![(rank, one)];
            self.run(one, &Vec::new, &fail, &mut |_, done| result = done).await;
            let left = match result? {
                Ok(left) => left,
                Err(error) => return Some(Err(error)),
            };
            let Some(before) = &mut all else {
                all = Some(left);
                continue;
            };
            if let Err(error) = before.add(left, &planned, place) {
                fail(rank);
                return Some(Err(error));
            }
        }
        all.map(|mut left| {
            left.lease.shrink_to(left.outcome.held_bytes());
            let is_giver = false;
            left.kept_as = resident.map(|resident| KeptAs { resident, epoch: epoch + 1, is_giver });
            Ok(left)
        })
    }

    /// Runs pipelines whose input may have no end, taking turns, as [`Self::run_block`] does each. Once one
    /// fails, all are abandoned. What `more` gives begins beside them.
    pub(crate) async fn run_in_turns(
        &mut self,
        openings: Vec<(usize, Opening)>,
        more: &impl Fn() -> Vec<(usize, Opening)>,
        done: &mut impl FnMut(usize, Option<Result<Left, ControlError>>),
    ) {
        let abandon = self.abandon.clone();
        self.run(openings, more, |_| abandon.all(), done).await;
    }

    /// Runs pipelines that may wait for their input beside each other. Once one fails, those behind it are abandoned.
    pub(crate) async fn run_beside(
        &mut self,
        openings: Vec<(usize, Opening)>,
        done: &mut impl FnMut(usize, Option<Result<Left, ControlError>>),
    ) {
        let abandon = self.abandon.clone();
        self.run(openings, &Vec::new, |rank| abandon.behind(rank), done).await;
    }

    async fn run(
        &mut self,
        openings: Vec<(usize, Opening)>,
        more: &impl Fn() -> Vec<(usize, Opening)>,
        fail: impl Fn(usize),
        done: &mut impl FnMut(usize, Option<Result<Left, ControlError>>),
    ) {
        let account = openings.first().map(|(_, opening)| Arc::clone(opening.lease.account()));
        let _turns = account.as_ref().map(Account::begin_turns);
        // Boxed, and passed from one list to the other turn by turn: an end moves none of the others.
        let mut running: Vec<Box<Running>> = Vec::with_capacity(openings.len());
        let mut going: Vec<Box<Running>> = Vec::with_capacity(openings.len());
        self.begin(openings, &mut running, &fail, done).await;
        while !running.is_empty() {
            let mut is_idle = true;
            self.waiting.look();
            self.begin(more(), &mut running, &fail, done).await;
            let now = tidemill_rt::now();
            for mut one in running.drain(..) {
                if self.is_abandoned(one.rank, one.place, one.enough.as_ref()) {
                    self.seen = self.seen + one.pipeline.seen();
                    done(one.rank, None);
                    continue;
                }
                if one.is_asleep && !self.wake(&one).may_be_due(now) {
                    going.push(one);
                    continue;
                }
                let open_count = one.pipeline.open_segment_count();
                let turned = self.turn(&mut one).await;
                if let Some(kept) = &mut one.kept
                    && one.pipeline.open_segment_count() < open_count
                {
                    // It is seen once a checkpoint names it, also where nothing else comes.
                    kept.note_change();
                }
                let turned = match turned {
                    Ok(turned) => self.keep(&mut one, turned).await,
                    failed => failed,
                };
                if one.kept.is_none() && !matches!(turned, Ok(Turned::Aborted)) {
                    // Of a pipeline that has failed, too: what was whole before is so still.
                    one.pipeline.take_finished().for_each(&self.deliver);
                }
                if let Some(meter) = &one.meter {
                    meter.publish(&one.pipeline);
                }
                let turned = match turned {
                    Ok(Turned::Idle) if self.is_to_retire(&one) => self.retire(&mut one).await,
                    turned => turned,
                };
                match turned {
                    Ok(Turned::On) => {
                        (is_idle, one.is_asleep) = (false, false);
                        going.push(one);
                    }
                    Ok(Turned::Idle) => {
                        one.is_asleep = true;
                        going.push(one);
                    }
                    Ok(Turned::Aborted) => {
                        self.seen = self.seen + one.pipeline.seen();
                        done(one.rank, None);
                    }
                    Ok(Turned::Done(outcome)) => {
                        let Running { rank, mut lease, kept, gives, .. } = *one;
                        lease.shrink_to(outcome.held_bytes());
                        let kept_as = kept.filter(|_| outcome.can_be_kept()).map(|kept| KeptAs {
                            resident: kept.resident().clone(),
                            epoch: kept.epoch() + 1,
                            is_giver: gives.is_some(),
                        });
                        done(
                            rank,
                            Some(Ok(Left { outcome: *outcome, lease, kept_as, retired: None })),
                        );
                    }
                    Ok(Turned::Retired(outcome)) => {
                        let Running { rank, mut lease, kept, gives, place, meter, .. } = *one;
                        lease.shrink_to(outcome.held_bytes());
                        meter.into_iter().for_each(RunningMeter::forget);
                        let resident = kept.map(|kept| kept.resident().clone());
                        let gives = gives.map(|giving| giving.giver());
                        let retired = Some(Box::new(Retired { place, resident, gives }));
                        let left = Left { outcome: *outcome, lease, kept_as: None, retired };
                        done(rank, Some(Ok(left)));
                    }
                    Ok(Turned::Left(outcome)) => {
                        let Running { rank, lease, .. } = *one;
                        done(
                            rank,
                            Some(Ok(Left {
                                outcome: *outcome,
                                lease,
                                kept_as: None,
                                retired: None,
                            })),
                        );
                    }
                    Err(error) => {
                        if let ControlError::Memory { .. } = error {
                            one.lease.keep();
                        }
                        self.seen = self.seen + one.pipeline.seen();
                        fail(one.rank);
                        done(one.rank, Some(Err(error)));
                    }
                }
                yield_if_needed().await;
            }
            std::mem::swap(&mut running, &mut going);
            let seen = running.iter().fold(self.seen, |sum, one| sum + one.pipeline.seen());
            let watermarks = running.iter().map(|one| one.pipeline.watermark());
            let known = watermarks.filter(|&at| at > EventTime::MIN && at < EventTime::MAX);
            let held_bytes = running.iter().map(|one| one.pipeline.held_bytes()).sum();
            self.meter.publish(seen, known.min(), held_bytes);
            if is_idle && !running.is_empty() {
                self.wait(&running).await;
            }
        }
    }

    /// Opens pipelines, those that have not come to their end before.
    #[expect(
        clippy::vec_box,
        reason = "they are passed from list to list, and an end moves none of the others"
    )]
    async fn begin(
        &mut self,
        openings: Vec<(usize, Opening)>,
        running: &mut Vec<Box<Running>>,
        fail: &impl Fn(usize),
        done: &mut impl FnMut(usize, Option<Result<Left, ControlError>>),
    ) {
        for (rank, opening) in openings {
            // What has not begun when a stop comes begins in a later run.
            let is_for_later = self.stop.is_set()
                && opening.resident.as_ref().is_some_and(|resident| !resident.stop_drains());
            let (first, enough) = (opening.places.start, opening.enough.as_ref());
            if is_for_later || self.is_abandoned(rank, first, enough) {
                // Who waits for what it would write is told as it is dropped.
                drop((opening.planned.make)(opening.places.start));
                done(rank, None);
                continue;
            }
            match self.open(rank, opening).await {
                Ok(Opened::Running(opened)) => running.push(opened),
                Ok(Opened::Before(left)) => done(rank, Some(Ok(*left))),
                Err(error) => {
                    fail(rank);
                    done(rank, Some(Err(error)));
                }
            }
        }
    }

    /// Whether a pipeline is not worth its time any more.
    fn is_abandoned(&self, rank: usize, place: usize, enough: Option<&Arc<Enough>>) -> bool {
        self.stop.is_abort()
            || self.abandon.concerns(rank)
            || enough.is_some_and(|enough| enough.is_behind(place))
    }

    /// Waits until one of the pipelines may have something to do.
    async fn wait(&self, running: &[Box<Running>]) {
        let now = tidemill_rt::now();
        let mut wakes = Wakes::default();
        for one in running {
            let wake = self.wake(one);
            if wake.is_due(now) || self.is_abandoned(one.rank, one.place, one.enough.as_ref()) {
                return;
            }
            wakes.add(wake);
        }
        self.waiting.wait(&wakes).await;
    }

    /// What makes it worth to run a turn of a pipeline whose last one found nothing to do.
    fn wake<'a>(&self, one: &'a Running) -> Wake<'a> {
        if self.is_to_retire(one) {
            return Wake::NOW;
        }
        let due = one.kept.as_ref().and_then(Kept::due);
        self.wake_of_turn(one).or_at(due)
    }

    fn wake_of_turn<'a>(&self, one: &'a Running) -> Wake<'a> {
        let is_stopped = self.stop.is_set() && !one.is_draining;
        if let Some(kept) = &one.kept {
            let is_withholding = one.gives.as_ref().is_some_and(Giving::is_withholding);
            if is_withholding || is_stopped && !kept.resident().stop_drains() {
                // It waits for a checkpoint, which rings the bell, or is to make one.
                return if kept.is_durable() { Wake::NOW } else { Wake::default() };
            }
        }
        let is_to_stop = is_stopped && !one.is_gather;
        let is_over = one.gives.as_ref().is_some_and(|giving| giving.is_over() && !one.is_draining);
        let is_given = one.takes.as_ref().is_some_and(|taking| taking.handover.is_fresh());
        if is_to_stop || is_over || is_given {
            return Wake::NOW;
        }
        match one.gives.as_ref().map(Giving::wake) {
            // So long nothing of its input matters.
            Some(None) => Wake::default(),
            _ if one.is_draining => Wake::NOW,
            Some(Some(wake)) => one.pipeline.wake().or(wake),
            None => one.pipeline.wake(),
        }
    }

    /// One turn, or the last steps of a pipeline that is to end.
    async fn turn(&mut self, one: &mut Running) -> Result<Turned, ControlError> {
        if let (true, Some(kept)) = (self.stop.is_set() && !one.is_draining, &mut one.kept)
            && !kept.resident().stop_drains()
        {
            kept.note_last();
            if !kept.is_durable() {
                return Ok(Turned::Idle);
            }
        } else if self.stop.is_set() && !one.is_gather && !one.is_draining {
            if !one.ends_by_stop {
                return Ok(Turned::Done(Box::new(one.cut_off())));
            }
            one.is_draining = true;
        }
        if one.takes.as_ref().is_some_and(|taking| taking.handover.is_cut()) {
            return Ok(Turned::Done(Box::new(one.cut_off())));
        }
        if one.gives.as_ref().is_some_and(Giving::is_over) {
            one.is_draining = true;
        }
        let Running { pipeline, gives, takes, is_draining, lease, planned, kept, .. } = one;
        let (following, rank, place) = (&mut one.following, &mut one.rank, &mut one.place);
        let source = &planned.source;
        let turned = AssertUnwindSafe(async {
            if let (Some(giving), Some(kept)) = (gives.as_mut(), kept)
                && giving.is_withholding()
            {
                if !kept.may_show() {
                    return Ok(Turned::Idle);
                }
                giving.release();
            }
            // What a gather has not taken yet has a bound: so long nothing more is read.
            if gives.as_mut().is_some_and(Giving::is_held_up) {
                return Ok(Turned::Idle);
            }
            if let Some(taken) = takes.as_ref().and_then(|taking| taking.handover.take()) {
                for (giver, given) in taken.sealed {
                    let Given { sealed, lease: of_it, span } = given;
                    lease.join(of_it);
                    pipeline.set_budget(lease.limit_bytes());
                    pipeline.add_sealed(giver, sealed, span.after, span.through)?;
                }
                pipeline.all_have_passed(taken.until);
                if let (true, Some(taking)) = (taken.has_retired, takes.as_ref()) {
                    pipeline.keep_givers(|giver| taking.handover.has(giver));
                }
            }
            pipeline.set_budget(lease.limit_bytes());
            if !*is_draining {
                let progress = pipeline.turn().await?;
                // The lease covers what is given away, so that it goes along.
                cover(lease, pipeline)?;
                if let Some(giving) = gives {
                    if let Some(greatest) = giving.follow(pipeline, lease, progress).await? {
                        let notice = all_are_idle(source, greatest);
                        self.notices.say_of(&format!("idle {source}"), notice);
                    }
                    cover(lease, pipeline)?;
                }
                if let Some(notice) = pipeline.take_notice() {
                    self.notices.say_of(&format!("far ahead {source}"), notice);
                }
                match progress {
                    Progress::Advanced(_) => return Ok(Turned::On),
                    Progress::Idle => return Ok(Turned::Idle),
                    Progress::Ended => match following.next().filter(|_| pipeline.has_ended()) {
                        Some(next) => {
                            *rank += 1;
                            *place = next;
                            let spec = (planned.make)(next)?;
                            pipeline.go_on_with(spec, Some(&self.waiting)).await?;
                        }
                        None => *is_draining = true,
                    },
                }
                return Ok(Turned::On);
            }
            let drained = pipeline.drain().await?;
            let Some(mut outcome) = drained else {
                cover(lease, pipeline)?;
                return Ok(Turned::On);
            };
            lease.cover(outcome.held_bytes()).map_err(Stopped::Refused)?;
            if let Some(giving) = gives {
                giving.end(&mut outcome, lease);
            }
            Ok(Turned::Done(Box::new(outcome)))
        });
        let turned = unless_aborted(&self.stop, turned.catch_unwind()).await;
        let turned = turned.unwrap_or(Ok(Ok(Turned::Aborted)));
        if let Ok(Ok(Turned::Done(outcome))) = &turned {
            self.seen = self.seen + outcome.statistics.seen();
            self.meter.publish(self.seen, None, 0);
        }
        one.position = one.pipeline.position();
        match turned {
            Ok(Ok(turned)) => Ok(turned),
            Ok(Err(Stopped::Failed(error))) => match error.missing_bytes() {
                // A step may hold what the others of its pipeline leave, so that all would hold so much.
                Some(bytes) => {
                    Err(one.out_of_memory(one.lease.limit_bytes().saturating_add(bytes)))
                }
                None => Err(failed(&one.planned, one.position, error)),
            },
            Ok(Err(Stopped::Refused(Refused { missing_bytes }))) => {
                Err(one.out_of_memory(one.lease.granted_bytes() + missing_bytes))
            }
            Err(panic) => Err(panicked(&one.planned, one.position, panic.as_ref())),
        }
    }
}

/// A future's outcome; `None` if it is still pending when all is to end at once: a sink that is not ready may be so for
/// ever.
async fn unless_aborted<T>(stop: &StopFlag, future: impl Future<Output = T>) -> Option<T> {
    let (mut future, mut has_begun) = (pin!(future), false);
    poll_fn(|context| match std::mem::replace(&mut has_begun, true) && stop.is_abort() {
        true => Poll::Ready(None),
        false => future.as_mut().poll(context).map(Some),
    })
    .await
}

/// Why a turn is the last.
enum Stopped {
    Failed(PipelineError),
    Refused(Refused),
}

impl From<PipelineError> for Stopped {
    fn from(error: PipelineError) -> Self {
        Self::Failed(error)
    }
}

/// Holds what a pipeline has against its lease.
fn cover(lease: &mut Lease, pipeline: &Pipeline) -> Result<(), Stopped> {
    lease.cover(pipeline.held_bytes()).map_err(Stopped::Refused)
}

impl Running {
    /// Ends without results.
    fn cut_off(&mut self) -> Outcome {
        if let Some(giving) = &self.gives {
            giving.cut_off();
        }
        self.pipeline.cut_off()
    }

    /// The budget is used up. `wanted_bytes` is what this pipeline was about to hold.
    fn out_of_memory(&self, wanted_bytes: u64) -> ControlError {
        let (held_bytes, most) = (self.pipeline.held_bytes(), self.pipeline.held_most());
        let wanted_bytes = wanted_bytes.max(held_bytes);
        out_of_memory(&self.planned, self.position, &self.lease, wanted_bytes, most)
    }
}

impl Left {
    /// Adds what the next pipeline of the block leaves.
    fn add(&mut self, later: Self, planned: &Planned, place: usize) -> Result<(), ControlError> {
        self.lease.join(later.lease);
        let position = Position { partition: partition_of(place), offset: Offset(0) };
        let limit_bytes = self.lease.limit_bytes();
        let added = self.outcome.add(later.outcome, limit_bytes);
        let missing_bytes = match added {
            Ok(()) => match self.lease.cover(self.outcome.held_bytes()) {
                Ok(()) => return Ok(()),
                Err(Refused { missing_bytes }) => missing_bytes,
            },
            Err(error) => match error.missing_bytes() {
                Some(missing_bytes) => missing_bytes,
                None => return Err(failed(planned, position, error)),
            },
        };
        let (what, bytes) = ("tables of partitions that are merged", self.outcome.held_bytes());
        let groups = self.outcome.sealed.as_ref().map_or(0, Sealed::group_count);
        let groups = u64::try_from(groups).expect("usize is at most 64 bits");
        let wanted_bytes = limit_bytes.saturating_add(missing_bytes);
        let most = Held { what, bytes, groups };
        Err(out_of_memory(planned, position, &self.lease, wanted_bytes, most))
    }
}

fn partition_of(place: usize) -> PartitionId {
    PartitionId(u32::try_from(place).expect("partitions are numbered in u32"))
}
