//! A partition's side of the hand-over.
//!
//! Where checkpoints are kept, what is given away is kept as well, until a checkpoint of the gather holds it: both go on by
//! themselves, from moments of their own. A give says up to which event time it gives all; by that a gather knows what it
//! has already been given when a partition that goes on gives it again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidemill_pipeline::{Closed, Outcome, Pipeline, PipelineError, Progress, Sealed};
use tidemill_record::{EventTime, Image, ImageError};
use tidemill_rt::world::{Step, omits};
use tidemill_rt::{Bell, Wake};

use crate::account::Lease;
use crate::handover::Handover;

/// Windows that change owner, and the lease that covers them.
pub(crate) struct Given {
    pub(crate) sealed: Sealed,
    pub(crate) lease: Lease,
    pub(crate) span: GivenSpan,
}

/// The stretch of event time whose windows a give holds: all that end behind `after`, up to `through`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GivenSpan {
    pub(crate) after: EventTime,
    pub(crate) through: EventTime,
}

/// A give that no checkpoint of the gather holds yet.
struct KeptGive {
    span: GivenSpan,
    until: EventTime,
    sealed: Image,
}

/// What is kept of what was given.
struct KeptGives {
    gives: VecDeque<KeptGive>,
    /// No window that is given later ends at or before this.
    until: EventTime,
    /// What has not been given yet: the clock has decided something that it follows from, and no checkpoint holds that so
    /// far. With its `until` and watermark.
    withheld: Vec<(Option<Given>, EventTime, EventTime)>,
}

impl KeptGives {
    fn note(&mut self, image: Option<Image>, span: GivenSpan, until: EventTime) {
        self.until = self.until.max(until);
        self.gives.extend(image.map(|sealed| KeptGive { span, until, sealed }));
    }
}

/// Where a pipeline's closed windows are given away while it runs.
#[derive(Clone)]
pub(crate) struct GiveSpec {
    pub(crate) handover: Arc<Handover<Given>>,
    /// What it is called there, in every run.
    pub(crate) giver: u64,
    /// Event time must pass by so much before it is told of without a window, in microseconds.
    pub(crate) step_us: i64,
    /// `idle.timeout`: after so much time without a record it holds nobody up.
    pub(crate) idle_timeout: Option<Duration>,
    /// Of one that came while others ran: how far the gather was by then.
    pub(crate) joined: Option<EventTime>,
}

/// Gives closed windows away between turns, and notices that the input has fallen silent.
pub(crate) struct Giving {
    to: GiveSpec,
    /// Event time that the others have been told of.
    told: EventTime,
    /// When the last record came.
    active: Instant,
    is_idle: bool,
    /// Up to which state of the others it has followed them.
    followed: u64,
    /// Where checkpoints are kept.
    kept: Option<KeptGives>,
}

impl Giving {
    pub(crate) fn new(to: GiveSpec, bell: &Bell) -> Self {
        to.handover.set_giver(to.giver, bell);
        let (told, active) = (EventTime::MIN, tidemill_rt::now());
        Self { to, told, active, is_idle: false, followed: u64::MAX, kept: None }
    }

    /// Of one that joined and has read nothing: it begins where the gather was, and is silent until its first record.
    ///
    /// # Errors
    /// As [`Pipeline::pass_time`].
    pub(crate) async fn join(&mut self, pipeline: &mut Pipeline) -> Result<(), PipelineError> {
        let Some(joined) = self.to.joined.filter(|_| pipeline.seen().records_in == 0) else {
            return Ok(());
        };
        pipeline.pass_time(joined).await?;
        drop(pipeline.take_closed()?);
        let told = self.told.max(joined);
        self.told = told;
        self.to.handover.give(self.to.giver, None, told, told);
        self.is_idle = true;
        self.to.handover.fall_silent(self.to.giver);
        Ok(())
    }

    /// From now on what is given is kept, too.
    pub(crate) fn keep(&mut self) {
        let (gives, until, withheld) = (VecDeque::new(), EventTime::MIN, Vec::new());
        self.kept = Some(KeptGives { gives, until, withheld });
    }

    /// What a checkpoint of the partition holds of it.
    pub(crate) fn export(&mut self) -> Image {
        let kept = self.kept.as_mut().expect("gives are kept where there are checkpoints");
        let acknowledged = self.to.handover.acknowledged(self.to.giver);
        while kept.gives.front().is_some_and(|give| give.span.through <= acknowledged) {
            kept.gives.pop_front();
        }
        let mut image = Image::new();
        image.put("told and until", [self.told.0, kept.until.0]);
        image.put("after", kept.gives.iter().map(|give| give.span.after.0));
        image.put("through", kept.gives.iter().map(|give| give.span.through.0));
        image.put("until", kept.gives.iter().map(|give| give.until.0));
        image.put_images("tables", kept.gives.iter().map(|give| give.sealed.clone()));
        image
    }

    /// Gives again what the checkpoint held that it goes on from; the gather knows what it has of that.
    pub(crate) fn import(
        &mut self,
        mut image: Image,
        pipeline: &Pipeline,
        lease: &mut Lease,
    ) -> Result<(), ImageError> {
        let known: Vec<i64> = image.take_exactly("told and until", 2)?;
        let after: Vec<i64> = image.take("after")?;
        let through: Vec<i64> = image.take_exactly("through", after.len())?;
        let until: Vec<i64> = image.take_exactly("until", after.len())?;
        let tables = image.take_images("tables")?;
        image.end()?;
        if tables.len() != after.len() {
            return Err(ImageError::new("tables", "is not one for each of the gives"));
        }
        for (at, table) in tables.into_iter().enumerate() {
            let span = GivenSpan { after: EventTime(after[at]), through: EventTime(through[at]) };
            let sealed = pipeline.import_sealed(table.clone())?;
            let given = Given { lease: lease.split(sealed.state_bytes()), sealed, span };
            self.pass_on(Some(given), Some(table), span, EventTime(until[at]));
        }
        self.told = EventTime(known[0]);
        let span = GivenSpan { after: self.told, through: self.told };
        self.pass_on(None, None, span, EventTime(known[1]));
        Ok(())
    }

    /// Whether all that was given is held by the last two checkpoints of the gather, where gives are kept.
    pub(crate) fn is_settled(&self) -> bool {
        let Some(kept) = &self.kept else { return true };
        let Some(last) = kept.gives.back() else { return kept.withheld.is_empty() };
        kept.withheld.is_empty()
            && last.span.through <= self.to.handover.acknowledged(self.to.giver)
    }

    /// Where it gives, and what it is called there.
    pub(crate) fn giver(&self) -> (Arc<Handover<Given>>, u64) {
        (Arc::clone(&self.to.handover), self.to.giver)
    }

    /// Whether something waits for a checkpoint before it is given.
    pub(crate) fn is_withholding(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| !kept.withheld.is_empty())
    }

    /// Gives what has waited: a checkpoint holds what it follows from.
    pub(crate) fn release(&mut self) {
        let Some(kept) = &mut self.kept else { return };
        for (given, until, watermark) in kept.withheld.drain(..) {
            self.to.handover.give(self.to.giver, given, until, watermark);
        }
    }

    /// What makes it worth to go on, beside records: that silence has lasted so long, or that others have come
    /// further. `None` where it is the gather that has to take something first.
    pub(crate) fn wake(&self) -> Option<Wake<'static>> {
        let handover = &self.to.handover;
        if handover.is_full() {
            return None;
        }
        if self.is_idle {
            return Some(Wake { is_due: handover.has_changed(self.followed), ..Wake::default() });
        }
        let timeout = self.to.idle_timeout;
        Some(Wake::at(timeout.and_then(|timeout| self.active.checked_add(timeout))))
    }

    /// Whether the gather has ended: a `LIMIT` is full, and nothing more is wanted of the input.
    pub(crate) fn is_over(&self) -> bool {
        self.to.handover.is_over()
    }

    /// Whether the gather has so much to take that nothing more is to be read. That is no silence.
    pub(crate) fn is_held_up(&mut self) -> bool {
        let is_held_up = self.to.handover.is_full();
        if is_held_up {
            self.active = tidemill_rt::now();
        }
        is_held_up
    }

    /// After a turn. If now all partitions are silent, and were not before: the greatest watermark among
    /// them.
    pub(crate) async fn follow(
        &mut self,
        pipeline: &mut Pipeline,
        lease: &mut Lease,
        progress: Progress,
    ) -> Result<Option<EventTime>, PipelineError> {
        if progress != Progress::Idle {
            self.active = tidemill_rt::now();
            if std::mem::take(&mut self.is_idle) {
                self.to.handover.set_idle(self.to.giver, false);
            }
            self.give(pipeline, lease, self.to.step_us.max(1), false)?;
            return Ok(None);
        }
        let mut all_are_idle = None;
        if !self.is_idle {
            if self
                .to
                .idle_timeout
                .is_none_or(|timeout| tidemill_rt::elapsed(self.active) < timeout)
            {
                return Ok(None);
            }
            self.is_idle = true;
            // The others are to know exactly how far it came.
            self.give(pipeline, lease, 1, false)?;
            all_are_idle = self.to.handover.set_idle(self.to.giver, true);
        }
        // A silent partition follows the others: its windows close with theirs.
        if let Some(time) = self.to.handover.to_follow(&mut self.followed) {
            // The clock has decided that, so that nobody may see what follows from it before it is durable.
            let is_raised = time > pipeline.watermark();
            pipeline.pass_time(time).await?;
            self.give(pipeline, lease, 1, is_raised)?;
        }
        Ok(all_are_idle)
    }

    fn give(
        &mut self,
        pipeline: &mut Pipeline,
        lease: &mut Lease,
        step_us: i64,
        is_decided_by_clock: bool,
    ) -> Result<(), PipelineError> {
        let watermark = pipeline.watermark();
        let is_step = watermark.0 >= self.told.0.saturating_add(step_us);
        if !pipeline.has_closed() && !is_step {
            return Ok(());
        }
        if let Some(Closed { sealed, until }) = pipeline.take_closed()? {
            let span = GivenSpan { after: self.told, through: watermark };
            self.told = watermark;
            let sealed = Some(sealed).filter(|sealed| !sealed.is_empty());
            let image = sealed.as_ref().filter(|_| self.kept.is_some()).map(Sealed::export);
            let given = sealed.map(|sealed| Given {
                lease: lease.split(sealed.state_bytes()),
                sealed,
                span,
            });
            let is_withheld = is_decided_by_clock && !omits(Step::LogOfRaise);
            let waits = is_withheld || self.is_withholding();
            if let (true, Some(kept)) = (waits, &mut self.kept) {
                kept.note(image, span, until);
                kept.withheld.push((given, until, watermark));
            } else {
                self.pass_on(given, image, span, until);
            }
        }
        Ok(())
    }

    fn pass_on(
        &mut self,
        given: Option<Given>,
        image: Option<Image>,
        span: GivenSpan,
        until: EventTime,
    ) {
        if let Some(kept) = &mut self.kept {
            kept.note(image, span, until);
        }
        self.to.handover.give(self.to.giver, given, until, span.through);
    }

    /// Says that nothing more comes, and that something is missing.
    pub(crate) fn cut_off(&self) {
        self.to.handover.cut_off();
    }

    /// Gives the rest of a pipeline that has ended.
    pub(crate) fn end(&self, outcome: &mut Outcome, lease: &mut Lease) {
        let span = GivenSpan { after: self.told, through: EventTime::MAX };
        // Its watermark stays what its records made it.
        let rest = outcome.sealed.take().map(|sealed| Given {
            lease: lease.split(sealed.state_bytes()),
            sealed,
            span,
        });
        self.to.handover.give(self.to.giver, rest, EventTime::MAX, self.told);
        self.to.handover.end(self.to.giver);
    }
}
