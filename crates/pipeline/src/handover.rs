//! How closed windows of input without end change owner while everything runs.
//!
//! The pipelines of the partitions give what they have sealed, the gather takes what all of them have
//! come to. It is the one lock of a running job, held for a move: a pipeline takes it when windows have
//! closed or event time has passed by the length of one, never for a record or a batch.
//!
//! A partition whose input has been silent for `idle.timeout` holds nobody up: its event time follows
//! that of the others, its windows close with theirs, and what it reads later below that is late.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidemill_aggregate::Sealed;
use tidemill_record::EventTime;

/// Between the pipelines of one gather.
pub struct Handover {
    givers: Mutex<Vec<Giver>>,
}

struct Giver {
    /// In the order in which it was sealed.
    sealed: Vec<Sealed>,
    /// No window that it gives later ends at or before this.
    until: EventTime,
    /// How far event time has come there.
    watermark: EventTime,
    is_idle: bool,
    has_ended: bool,
}

/// What a gather finds.
pub(crate) struct Taken {
    /// By giver.
    pub(crate) sealed: Vec<(usize, Sealed)>,
    /// How far all have come.
    pub(crate) until: EventTime,
    /// Nobody gives any more.
    pub(crate) has_ended: bool,
}

impl Handover {
    /// For so many pipelines.
    #[must_use]
    pub fn new(giver_count: usize) -> Arc<Self> {
        let giver = || Giver {
            sealed: Vec::new(),
            until: EventTime::MIN,
            watermark: EventTime::MIN,
            is_idle: false,
            has_ended: false,
        };
        Arc::new(Self { givers: Mutex::new((0..giver_count).map(|_| giver()).collect()) })
    }

    /// The state is whole between any two statements that could panic, so poison means nothing.
    fn lock(&self) -> MutexGuard<'_, Vec<Giver>> {
        self.givers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives what was sealed, and says how far that goes.
    pub(crate) fn give(&self, from: usize, sealed: Sealed, until: EventTime, watermark: EventTime) {
        let mut givers = self.lock();
        let giver = &mut givers[from];
        if !sealed.is_empty() {
            giver.sealed.push(sealed);
        }
        giver.until = giver.until.max(until);
        giver.watermark = giver.watermark.max(watermark);
    }

    /// Says that this pipeline has given all.
    pub(crate) fn end(&self, from: usize) {
        let mut givers = self.lock();
        let giver = &mut givers[from];
        (giver.until, giver.watermark, giver.has_ended) = (EventTime::MAX, EventTime::MAX, true);
    }

    /// Says whether this pipeline's input is silent. If so, how far event time has come in those whose
    /// input is not; `None` if all are silent.
    pub(crate) fn set_idle(&self, from: usize, is_idle: bool) -> Option<EventTime> {
        let mut givers = self.lock();
        givers[from].is_idle = is_idle;
        let active = givers.iter().filter(|giver| !giver.is_idle && !giver.has_ended);
        active.map(|giver| giver.watermark).min().filter(|_| is_idle)
    }

    pub(crate) fn take(&self) -> Taken {
        let mut givers = self.lock();
        let mut sealed = Vec::new();
        for (from, giver) in givers.iter_mut().enumerate() {
            sealed.extend(giver.sealed.drain(..).map(|sealed| (from, sealed)));
        }
        Taken {
            sealed,
            until: givers.iter().map(|giver| giver.until).min().unwrap_or(EventTime::MAX),
            has_ended: givers.iter().all(|giver| giver.has_ended),
        }
    }
}

#[cfg(test)]
mod tests {
    use tidemill_aggregate::SealedWindows;
    use tidemill_plan::{AggregateSpec, Emit, Span};

    use super::*;

    fn nothing() -> Sealed {
        let spec = AggregateSpec {
            input_types: Vec::new(),
            keys: Vec::new(),
            window: None,
            calls: Vec::new(),
            emit: Emit::Final,
            span: Span::default(),
        };
        Sealed::Windows(SealedWindows::new(&spec, 0))
    }

    #[test]
    fn the_one_that_is_behind_holds_the_others_up_until_it_is_silent_or_ends() {
        let handover = Handover::new(3);
        let give = |from, time| handover.give(from, nothing(), EventTime(time), EventTime(time));
        give(0, 50);
        give(1, 40);
        assert_eq!(handover.take().until, EventTime::MIN, "the third has said nothing");
        assert_eq!(handover.set_idle(2, true), Some(EventTime(40)), "it may follow");
        assert_eq!(handover.take().until, EventTime::MIN, "but has not yet");
        give(2, 40);
        assert_eq!(handover.take().until, EventTime(40));
        assert_eq!(handover.set_idle(0, true), Some(EventTime(40)));
        assert_eq!(handover.set_idle(1, true), None, "all are silent");
        assert_eq!(handover.set_idle(1, false), None);
        handover.end(1);
        assert_eq!(handover.take().until, EventTime(40), "the third is at 40 and has not ended");
        handover.end(2);
        assert_eq!(handover.take().until, EventTime(50));
        handover.end(0);
        let taken = handover.take();
        assert!(taken.has_ended && taken.until == EventTime::MAX && taken.sealed.is_empty());
    }
}
