//! A partition's side of the hand-over.

use std::time::Instant;

use tidemill_aggregate::Sealed;
use tidemill_plan::Merge;
use tidemill_record::EventTime;

use crate::processor::Processor;
use crate::{HandOverSpec, PipelineError};

/// Gives closed windows away, and notices that the input has fallen silent.
pub(crate) struct Giving {
    to: HandOverSpec,
    /// Event time must pass by so much before it is told of without a window, in microseconds.
    step_us: i64,
    given_until: EventTime,
    /// When the last record came.
    active: Instant,
    is_idle: bool,
}

impl Giving {
    pub(crate) fn new(to: HandOverSpec) -> Self {
        let step_us = match &to.merge {
            Merge::Windows(spec) => spec.window.map_or(0, |window| window.kind.reach_us()),
            _ => 0,
        };
        let (given_until, active) = (EventTime::MIN, Instant::now());
        Self { to, step_us, given_until, active, is_idle: false }
    }

    /// After a batch: gives what has closed.
    pub(crate) fn give(
        &mut self,
        processor: &mut Processor,
        now: Instant,
    ) -> Result<(), PipelineError> {
        self.active = now;
        if std::mem::take(&mut self.is_idle) {
            self.to.handover.set_idle(self.to.giver, false);
        }
        let Some((sealed, until)) = processor.take_closed()? else { return Ok(()) };
        if !sealed.is_empty() || until.0 >= self.given_until.0.saturating_add(self.step_us) {
            self.given_until = until;
            self.to.handover.give(self.to.giver, sealed, until, processor.watermark());
        }
        Ok(())
    }

    /// The same without a batch, whatever has closed.
    pub(crate) fn give_all(&mut self, processor: &mut Processor) -> Result<(), PipelineError> {
        if let Some((sealed, until)) = processor.take_closed()? {
            self.given_until = until;
            self.to.handover.give(self.to.giver, sealed, until, processor.watermark());
        }
        Ok(())
    }

    /// Without a batch: how far the event time of a silent partition may follow that of the others.
    pub(crate) fn look_idle(&mut self, now: Instant) -> Option<EventTime> {
        let timeout = self.to.idle_timeout?;
        if now.duration_since(self.active) < timeout {
            return None;
        }
        self.is_idle = true;
        self.to.handover.set_idle(self.to.giver, true)
    }

    /// Gives the rest.
    pub(crate) fn end(&self, rest: Sealed) {
        self.to.handover.give(self.to.giver, rest, EventTime::MAX, EventTime::MAX);
        self.to.handover.end(self.to.giver);
    }
}
