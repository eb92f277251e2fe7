//! How closed windows of input without end change owner while everything runs.
//!
//! The cores of the partitions give what their pipelines have sealed, that of the gather takes what all of
//! them have come to. The lock is held for a move, between turns: when windows have closed, or event time
//! has passed by the length of one, never for a record or a batch.
//!
//! A partition whose input has been silent for `idle.timeout` holds nobody up: its event time follows
//! that of the others, its windows close with theirs, and what it reads later below that is late.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidemill_record::EventTime;

/// Between the pipelines of one gather.
pub(crate) struct Handover<S> {
    givers: Mutex<Vec<Giver<S>>>,
}

struct Giver<S> {
    /// In the order in which it was sealed.
    sealed: Vec<S>,
    /// No window that it gives later ends at or before this.
    until: EventTime,
    /// How far event time has come there.
    watermark: EventTime,
    is_idle: bool,
    has_ended: bool,
}

/// What a gather finds.
pub(crate) struct Taken<S> {
    /// By giver.
    pub(crate) sealed: Vec<(usize, S)>,
    /// How far all have come; the end of time once nobody gives any more.
    pub(crate) until: EventTime,
}

impl<S> Handover<S> {
    /// For so many pipelines.
    pub(crate) fn new(giver_count: usize) -> Arc<Self> {
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
    fn lock(&self) -> MutexGuard<'_, Vec<Giver<S>>> {
        self.givers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives what was sealed, and says how far that goes.
    pub(crate) fn give(
        &self,
        from: usize,
        sealed: Option<S>,
        until: EventTime,
        watermark: EventTime,
    ) {
        let mut givers = self.lock();
        let giver = &mut givers[from];
        giver.sealed.extend(sealed);
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

    pub(crate) fn take(&self) -> Taken<S> {
        let mut givers = self.lock();
        let mut sealed = Vec::new();
        for (from, giver) in givers.iter_mut().enumerate() {
            sealed.extend(giver.sealed.drain(..).map(|sealed| (from, sealed)));
        }
        Taken {
            sealed,
            until: givers.iter().map(|giver| giver.until).min().unwrap_or(EventTime::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_is_behind_holds_the_others_up_until_it_is_silent_or_ends() {
        let handover: Arc<Handover<char>> = Handover::new(3);
        let give = |from, time| handover.give(from, None, EventTime(time), EventTime(time));
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
        handover.give(0, Some('a'), EventTime(60), EventTime(60));
        handover.end(0);
        let taken = handover.take();
        assert_eq!((taken.until, taken.sealed), (EventTime::MAX, vec![(0, 'a')]));
    }
}
