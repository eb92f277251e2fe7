//! A partition's side of the hand-over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidemill_pipeline::{Closed, Outcome, Pipeline, PipelineError, Progress, Sealed};
use tidemill_record::EventTime;
use tidemill_rt::{Bell, Wake};

use crate::account::Lease;
use crate::handover::Handover;

/// Windows that change owner, and the lease that covers them.
pub(crate) struct Given {
    pub(crate) sealed: Sealed,
    pub(crate) lease: Lease,
}

/// Where a pipeline's closed windows are given away while it runs.
#[derive(Clone)]
pub(crate) struct GiveSpec {
    pub(crate) handover: Arc<Handover<Given>>,
    /// Its place among those who give there.
    pub(crate) giver: usize,
    /// Event time must pass by so much before it is told of without a window, in microseconds.
    pub(crate) step_us: i64,
    /// `idle.timeout`: after so much time without a record it holds nobody up.
    pub(crate) idle_timeout: Option<Duration>,
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
}

impl Giving {
    pub(crate) fn new(to: GiveSpec, bell: &Bell) -> Self {
        to.handover.set_giver(to.giver, bell);
        let (told, active) = (EventTime::MIN, Instant::now());
        Self { to, told, active, is_idle: false, followed: u64::MAX }
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
            self.active = Instant::now();
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
            self.active = Instant::now();
            if std::mem::take(&mut self.is_idle) {
                self.to.handover.set_idle(self.to.giver, false);
            }
            self.give(pipeline, lease, self.to.step_us.max(1))?;
            return Ok(None);
        }
        let mut all_are_idle = None;
        if !self.is_idle {
            if self.to.idle_timeout.is_none_or(|timeout| self.active.elapsed() < timeout) {
                return Ok(None);
            }
            self.is_idle = true;
            // The others are to know exactly how far it came.
            self.give(pipeline, lease, 1)?;
            all_are_idle = self.to.handover.set_idle(self.to.giver, true);
        }
        // A silent partition follows the others: its windows close with theirs.
        if let Some(time) = self.to.handover.to_follow(&mut self.followed) {
            pipeline.pass_time(time).await?;
            self.give(pipeline, lease, 1)?;
        }
        Ok(all_are_idle)
    }

    fn give(
        &mut self,
        pipeline: &mut Pipeline,
        lease: &mut Lease,
        step_us: i64,
    ) -> Result<(), PipelineError> {
        let watermark = pipeline.watermark();
        let is_step = watermark.0 >= self.told.0.saturating_add(step_us);
        if !pipeline.has_closed() && !is_step {
            return Ok(());
        }
        if let Some(Closed { sealed, until }) = pipeline.take_closed()? {
            self.told = watermark;
            let given = Some(sealed)
                .filter(|sealed| !sealed.is_empty())
                .map(|sealed| Given { lease: lease.split(sealed.state_bytes()), sealed });
            self.to.handover.give(self.to.giver, given, until, watermark);
        }
        Ok(())
    }

    /// Says that nothing more comes, and that something is missing.
    pub(crate) fn cut_off(&self) {
        self.to.handover.cut_off();
    }

    /// Gives the rest of a pipeline that has ended.
    pub(crate) fn end(&self, outcome: &mut Outcome, lease: &mut Lease) {
        // Its watermark stays what its records made it.
        let rest = outcome
            .sealed
            .take()
            .map(|sealed| Given { lease: lease.split(sealed.state_bytes()), sealed });
        self.to.handover.give(self.to.giver, rest, EventTime::MAX, self.told);
        self.to.handover.end(self.to.giver);
    }
}
