//! How closed windows of input without end change owner while everything runs.
//!
//! The cores of the partitions give what their pipelines have sealed, that of the gather takes what all of
//! them have come to. The lock is held for a move, between turns: when windows have closed, or event time
//! has passed by the length of one, never for a record or a batch.
//!
//! A partition whose input has been silent for `idle.timeout` holds nobody up: its event time follows
//! that of the others, its windows close with theirs, and what it reads later below that is late. When all
//! are silent, the greatest watermark among them holds.
//!
//! A partition that comes while the others run joins at the event time that the gather has come to, and is silent until its
//! first record: it gives no window that has left, and holds nobody up before it has something to say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tidemill_record::EventTime;
use tidemill_rt::Bell;

/// Parts for each giver that a gather may have before it: once there are more, nobody reads on. The gather
/// takes all in each of its turns, however slowly those follow each other, so that nobody waits for ever.
const GIVEN_MAX: usize = 4;

/// Between the pipelines of one gather.
pub(crate) struct Handover<S> {
    /// Parts that may wait to be taken.
    given_max: AtomicUsize,
    /// Parts that do.
    given_count: AtomicUsize,
    state: Mutex<State<S>>,
    /// Something was given since it was last taken.
    is_fresh: AtomicBool,
    /// Grows with every change that a silent partition may have to follow.
    version: AtomicU64,
    /// A giver was cut off before the end of its input: nothing that is gathered is whole.
    is_cut: AtomicBool,
    /// The gather has ended: what is given is dropped, and nobody has to go on for it.
    is_over: AtomicBool,
    /// Givers that are silent.
    idle_count: AtomicUsize,
    /// Of the core that runs the gather, once it has been opened, and how far it had come by then; and of each giver's core.
    taker: OnceLock<(Bell, EventTime)>,
    giver_bells: Mutex<BTreeMap<u64, Bell>>,
}

struct State<S> {
    /// By what each is called in every run.
    givers: BTreeMap<u64, Giver>,
    /// What was given since it was last taken, in the order in which it was.
    sealed: Vec<(u64, S)>,
    /// `until` of every giver.
    untils: BTreeSet<(EventTime, u64)>,
    /// `watermark` of every giver that is neither silent nor has ended.
    active: BTreeSet<(EventTime, u64)>,
    /// The greatest `watermark` there has been.
    greatest: EventTime,
    /// Others may join, so that it is not over once there is none.
    is_open_ended: bool,
    /// Some have been retired since it was last taken.
    has_retired: bool,
}

#[derive(Clone)]
struct Giver {
    /// No window that it gives later ends at or before this.
    until: EventTime,
    /// How far event time has come there.
    watermark: EventTime,
    is_idle: bool,
    has_ended: bool,
    /// The last checkpoint of the gather holds all that it gave up to this, and the one before up to the other: a later run may
    /// have to go on from that.
    held: EventTime,
    acknowledged: EventTime,
}

/// What a gather finds.
pub(crate) struct Taken<S> {
    /// By giver's id, then in the order in which it was sealed.
    pub(crate) sealed: Vec<(u64, S)>,
    /// How far all have come; the end of time once nobody gives any more.
    pub(crate) until: EventTime,
    /// Some never give again: [`Handover::has`] says which are left.
    pub(crate) has_retired: bool,
}

impl<S> Handover<S> {
    /// For pipelines with these ids, ascending.
    pub(crate) fn new(ids: impl IntoIterator<Item = u64>) -> Arc<Self> {
        let givers = ids.into_iter().map(|id| (id, Giver::new(EventTime::MIN)));
        let givers: BTreeMap<u64, Giver> = givers.collect();
        let giver_count = givers.len();
        let all: BTreeSet<_> = givers.keys().map(|&from| (EventTime::MIN, from)).collect();
        let state = Mutex::new(State {
            givers,
            sealed: Vec::new(),
            untils: all.clone(),
            active: all,
            greatest: EventTime::MIN,
            is_open_ended: false,
            // A later run goes on from what an earlier one may not have forgotten.
            has_retired: true,
        });
        Arc::new(Self {
            given_max: AtomicUsize::new(GIVEN_MAX.saturating_mul(giver_count)),
            given_count: AtomicUsize::new(0),
            state,
            is_fresh: AtomicBool::new(true),
            version: AtomicU64::new(0),
            is_cut: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            idle_count: AtomicUsize::new(0),
            taker: OnceLock::new(),
            giver_bells: Mutex::default(),
        })
    }

    /// Says which core the gather is on, and how far it has come.
    pub(crate) fn set_taker(&self, bell: &Bell, until: EventTime) {
        // Each is opened once.
        let _ = self.taker.set((bell.clone(), until));
    }

    /// Whether it is known how far the gather has come, so that others may join.
    pub(crate) fn may_join(&self) -> bool {
        self.taker.get().is_some()
    }

    /// Says whether others may join, so that it is not over when all have been retired.
    pub(crate) fn set_open_ended(&self, is_open_ended: bool) {
        self.lock().is_open_ended = is_open_ended;
        self.tell();
    }

    /// Adds a giver, whose id nobody has had: the event time that the gather has come to, which does not go on before this giver
    /// does. It is silent.
    ///
    /// # Panics
    /// Unless [`Self::may_join`].
    pub(crate) fn join(&self, id: u64) -> EventTime {
        let (_, opened_at) = self.taker.get().expect("it has been asked whether others may join");
        let mut state = self.lock();
        let least = state.untils.first().map_or(EventTime::MAX, |&(until, _)| until);
        // Where all have ended, nothing is held up.
        let least = if least == EventTime::MAX { state.greatest } else { least };
        let reached = least.max(*opened_at);
        debug_assert!(!state.givers.contains_key(&id), "a number is given once");
        state.givers.insert(id, Giver { is_idle: true, ..Giver::new(reached) });
        state.untils.insert((reached, id));
        self.count_idle(1);
        self.given_max.fetch_add(GIVEN_MAX, Ordering::Relaxed);
        reached
    }

    /// Forgets a giver that has ended, of which a later run knows nothing more, and whose gives the last two checkpoints of the
    /// gather hold, where there are any.
    pub(crate) fn retire(&self, from: u64) {
        let mut state = self.lock();
        let Some(giver) = state.givers.remove(&from) else { return };
        debug_assert!(giver.has_ended, "it has given all");
        state.untils.remove(&(giver.until, from));
        state.has_retired = true;
        self.given_max.fetch_sub(GIVEN_MAX, Ordering::Relaxed);
        drop(state);
        self.bells().remove(&from);
        self.tell();
    }

    /// Whether a giver of this id may still give.
    pub(crate) fn has(&self, id: u64) -> bool {
        self.lock().givers.contains_key(&id)
    }

    /// Says which core a giver is on.
    pub(crate) fn set_giver(&self, from: u64, bell: &Bell) {
        self.bells().insert(from, bell.clone());
    }

    fn bells(&self) -> MutexGuard<'_, BTreeMap<u64, Bell>> {
        // A map is whole between two calls.
        self.giver_bells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the givers, who may be waiting for the gather or for each other.
    fn ring_givers(&self) {
        self.bells().values().for_each(Bell::ring);
    }

    /// Whether something was given since it was last taken. Takes no lock.
    pub(crate) fn is_fresh(&self) -> bool {
        self.is_fresh.load(Ordering::Acquire)
    }

    /// Whether there may be something to follow for a silent giver that has followed so far. Takes no lock.
    pub(crate) fn has_changed(&self, seen: u64) -> bool {
        self.version.load(Ordering::Acquire) != seen
    }

    /// Whether the gather has to take something before more is to be given. Takes no lock.
    pub(crate) fn is_full(&self) -> bool {
        let given_max = self.given_max.load(Ordering::Relaxed);
        self.given_count.load(Ordering::Relaxed) > given_max && !self.is_over()
    }

    /// Whether the gather has ended, so that it takes nothing more. Takes no lock.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Says that a checkpoint of the gather holds all that givers with these ids gave up to these times.
    pub(crate) fn acknowledge(&self, through: &[(u64, EventTime)]) {
        let mut state = self.lock();
        for &(id, time) in through {
            if let Some(giver) = state.givers.get_mut(&id) {
                giver.acknowledged = std::mem::replace(&mut giver.held, time);
            }
        }
        drop(state);
        // Some may wait for that to be retired.
        self.ring_givers();
    }

    /// Up to which event time what a giver gave is held by the last two checkpoints of the gather.
    pub(crate) fn acknowledged(&self, from: u64) -> EventTime {
        self.lock().giver(from).acknowledged
    }

    /// Says that a giver gives no more and has not given all.
    pub(crate) fn cut_off(&self) {
        self.is_cut.store(true, Ordering::Release);
        self.tell();
    }

    /// Whether that was said. Takes no lock.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Acquire)
    }

    /// Says that the gather has ended, and drops what it has not taken.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        self.is_over.store(true, Ordering::Release);
        let left = std::mem::take(&mut state.sealed);
        self.given_count.store(0, Ordering::Relaxed);
        drop(state);
        drop(left);
        self.ring_givers();
    }

    /// The state is whole between any two statements that could panic, so poison means nothing.
    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that the state has changed, once it is unlocked.
    fn tell(&self) {
        self.version.fetch_add(1, Ordering::Release);
        self.is_fresh.store(true, Ordering::Release);
        self.taker.get().into_iter().for_each(|(bell, _)| bell.ring());
        if self.idle_count.load(Ordering::Relaxed) > 0 {
            self.ring_givers();
        }
    }

    /// Under the lock, as all that changes it.
    fn count_idle(&self, more: isize) {
        let count = self.idle_count.load(Ordering::Relaxed);
        self.idle_count.store(count.saturating_add_signed(more), Ordering::Relaxed);
    }

    /// Gives what was sealed, and says how far that goes. O(log givers).
    pub(crate) fn give(
        &self,
        from: u64,
        sealed: Option<S>,
        until: EventTime,
        watermark: EventTime,
    ) {
        let mut state = self.lock();
        // Set under the lock, so that nothing is left behind a gather that ends now.
        let sealed = sealed.filter(|_| !self.is_over());
        self.given_count.fetch_add(usize::from(sealed.is_some()), Ordering::Relaxed);
        state.sealed.extend(sealed.map(|sealed| (from, sealed)));
        state.pass(from, until, watermark);
        drop(state);
        self.tell();
    }

    /// Says that this pipeline has given all. O(log givers).
    pub(crate) fn end(&self, from: u64) {
        let mut state = self.lock();
        let watermark = state.giver(from).watermark;
        state.pass(from, EventTime::MAX, watermark);
        state.giver(from).has_ended = true;
        if std::mem::take(&mut state.giver(from).is_idle) {
            self.count_idle(-1);
        }
        state.active.remove(&(watermark, from));
        drop(state);
        self.tell();
    }

    /// Says whether this pipeline's input is silent. If now all are, and were not before: the greatest
    /// watermark. O(log givers).
    pub(crate) fn set_idle(&self, from: u64, is_idle: bool) -> Option<EventTime> {
        let mut state = self.lock();
        let had_active = !state.active.is_empty();
        let giver = state.giver(from);
        assert!(!giver.has_ended, "what has ended says nothing more");
        assert!(giver.is_idle != is_idle, "each says so once");
        giver.is_idle = is_idle;
        self.count_idle(if is_idle { 1 } else { -1 });
        let entry = (giver.watermark, from);
        if is_idle {
            state.active.remove(&entry);
        } else {
            state.active.insert(entry);
        }
        let all_are_idle = had_active && state.active.is_empty();
        let greatest = state.greatest;
        drop(state);
        self.tell();
        all_are_idle.then_some(greatest)
    }

    /// Says that this pipeline is silent, if it has not been said.
    pub(crate) fn fall_silent(&self, from: u64) {
        let is_idle = self.lock().giver(from).is_idle;
        if !is_idle {
            self.set_idle(from, true);
        }
    }

    /// How far a silent partition is to follow the others: as far as the least of those that are not
    /// silent, or the greatest of all if all are. `None` if nothing has changed since `seen`, which goes
    /// along; then this takes no lock.
    pub(crate) fn to_follow(&self, seen: &mut u64) -> Option<EventTime> {
        let version = self.version.load(Ordering::Acquire);
        if *seen == version {
            return None;
        }
        *seen = version;
        let state = self.lock();
        Some(state.active.first().map_or(state.greatest, |&(watermark, _)| watermark))
    }

    /// What was given since this was last asked; `None` if nothing has changed. O(what was given).
    pub(crate) fn take(&self) -> Option<Taken<S>> {
        if !self.is_fresh.swap(false, Ordering::AcqRel) {
            return None;
        }
        let mut state = self.lock();
        let mut sealed = std::mem::take(&mut state.sealed);
        let was_full = self.is_full();
        self.given_count.store(0, Ordering::Relaxed);
        // Where all have gone, what they gave is whole up to there.
        let none = if state.is_open_ended { state.greatest } else { EventTime::MAX };
        let until = state.untils.first().map_or(none, |&(until, _)| until);
        let has_retired = std::mem::take(&mut state.has_retired);
        // Stable: what one giver gave stays in order.
        sealed.sort_by_key(|&(from, _)| from);
        drop(state);
        if was_full {
            self.ring_givers();
        }
        Some(Taken { sealed, until, has_retired })
    }
}

impl Giver {
    fn new(reached: EventTime) -> Self {
        let (until, watermark) = (reached, reached);
        let (held, acknowledged) = (EventTime::MIN, EventTime::MIN);
        Self { until, watermark, is_idle: false, has_ended: false, held, acknowledged }
    }
}

impl<S> State<S> {
    fn giver(&mut self, from: u64) -> &mut Giver {
        self.givers.get_mut(&from).expect("it gives, so that it has not been retired")
    }

    /// A giver has come so far.
    fn pass(&mut self, from: u64, until: EventTime, watermark: EventTime) {
        let giver = self.givers.get_mut(&from).expect("it has not been retired");
        if until > giver.until {
            assert!(self.untils.remove(&(giver.until, from)), "every giver is there once");
            giver.until = until;
            self.untils.insert((until, from));
        }
        if watermark > giver.watermark {
            if self.active.remove(&(giver.watermark, from)) {
                self.active.insert((watermark, from));
            }
            giver.watermark = watermark;
        }
        self.greatest = self.greatest.max(watermark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is to be followed, whether anything has changed or not.
    fn follow(handover: &Handover<char>) -> EventTime {
        let mut seen = u64::MAX;
        handover.to_follow(&mut seen).expect("something has changed since the end of time")
    }

    fn until(handover: &Handover<char>) -> Option<EventTime> {
        handover.take().map(|taken| taken.until)
    }

    #[test]
    fn the_one_that_is_behind_holds_the_others_up_until_it_is_silent_or_ends() {
        let handover: Arc<Handover<char>> = Handover::new(0..3);
        let give = |from, time| handover.give(from, None, EventTime(time), EventTime(time));
        give(0, 50);
        give(1, 40);
        assert_eq!(until(&handover), Some(EventTime::MIN), "the third has said nothing");
        assert_eq!(until(&handover), None, "nothing has changed");
        assert_eq!(handover.set_idle(2, true), None);
        assert_eq!(follow(&handover), EventTime(40), "it may follow");
        assert_eq!(until(&handover), Some(EventTime::MIN), "but has not yet");
        give(2, 40);
        assert_eq!(until(&handover), Some(EventTime(40)));
        handover.end(1);
        assert_eq!(follow(&handover), EventTime(50), "the first is left");
        assert_eq!(until(&handover), Some(EventTime(40)), "the third is at 40 and has not ended");
        handover.end(2);
        assert_eq!(until(&handover), Some(EventTime(50)));
        handover.give(0, Some('a'), EventTime(60), EventTime(60));
        handover.end(0);
        let taken = handover.take().expect("it was given");
        assert_eq!((taken.until, taken.sealed), (EventTime::MAX, vec![(0, 'a')]));
    }

    #[test]
    fn when_all_are_silent_the_greatest_watermark_holds_in_whichever_order_they_fell_silent() {
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1]] {
            let handover: Arc<Handover<char>> = Handover::new(0..4);
            for (from, time) in [(0, 50), (1, 70), (2, 10)] {
                handover.give(from, None, EventTime(time), EventTime(time));
            }
            handover.end(3);
            let fell: Vec<_> = order.map(|from| handover.set_idle(from, true)).to_vec();
            assert_eq!(fell, [None, None, Some(EventTime(70))], "{order:?}");
            let mut seen = u64::MAX;
            assert_eq!(handover.to_follow(&mut seen), Some(EventTime(70)), "{order:?}");
            assert_eq!(handover.to_follow(&mut seen), None, "nothing has changed");
            assert_eq!(handover.set_idle(0, false), None);
            assert_eq!(handover.to_follow(&mut seen), Some(EventTime(50)), "one speaks again");
        }
    }

    #[test]
    fn what_is_taken_is_in_order_of_giver_then_as_it_was_given() {
        let handover: Arc<Handover<char>> = Handover::new(0..2);
        for (from, sealed) in [(1, 'a'), (0, 'b'), (1, 'c'), (0, 'd')] {
            handover.give(from, Some(sealed), EventTime(1), EventTime(1));
        }
        let taken = handover.take().expect("it was given").sealed;
        assert_eq!(taken, [(0, 'b'), (0, 'd'), (1, 'a'), (1, 'c')]);
    }

    #[test]
    fn one_that_joins_begins_where_the_gather_is_and_is_silent() {
        let bell = Bell::new().expect("an event");
        let handover: Arc<Handover<char>> = Handover::new([0, 1]);
        handover.give(0, None, EventTime(50), EventTime(60));
        handover.give(1, None, EventTime(40), EventTime(45));
        assert!(!handover.may_join(), "nobody knows how far the gather had come");
        handover.set_taker(&bell, EventTime(30));
        assert_eq!(handover.join(7), EventTime(40));
        assert_eq!(follow(&handover), EventTime(45), "it follows the one that is behind");
        handover.give(1, None, EventTime(70), EventTime(70));
        assert_eq!(until(&handover), Some(EventTime(40)), "it has not followed yet");
        handover.give(7, Some('c'), EventTime(50), EventTime(60));
        let taken = handover.take().expect("it was given");
        assert_eq!((taken.until, taken.sealed), (EventTime(50), vec![(7, 'c')]));
        assert_eq!(handover.set_idle(7, false), None, "its first record has come");
        assert_eq!(follow(&handover), EventTime(60));
        handover.acknowledge(&[(7, EventTime(55)), (9, EventTime(1))]);
        assert_eq!(handover.acknowledged(7), EventTime::MIN, "the checkpoint before lacks it");
        handover.acknowledge(&[(7, EventTime(58))]);
        assert_eq!(handover.acknowledged(7), EventTime(55));
        let resumed: Arc<Handover<char>> = Handover::new([0]);
        resumed.set_taker(&bell, EventTime(90));
        assert_eq!(resumed.join(1), EventTime(90), "what has left before does not come again");
    }

    #[test]
    fn one_that_is_retired_leaves_nothing_and_the_last_does_not_end_it() {
        let bell = Bell::new().expect("an event");
        let handover: Arc<Handover<char>> = Handover::new([0, 1]);
        handover.set_taker(&bell, EventTime::MIN);
        handover.set_open_ended(true);
        handover.give(0, None, EventTime(50), EventTime(60));
        handover.give(1, Some('b'), EventTime(40), EventTime(45));
        handover.end(1);
        handover.retire(1);
        let taken = handover.take().expect("it was given");
        assert_eq!((taken.until, taken.sealed), (EventTime(50), vec![(1, 'b')]));
        assert!(taken.has_retired && handover.has(0) && !handover.has(1));
        handover.end(0);
        handover.retire(0);
        assert_eq!(until(&handover), Some(EventTime(60)), "as far as all have come, and no end");
        for id in 2..100 {
            assert_eq!(handover.join(id), EventTime(60));
            handover.end(id);
            handover.retire(id);
        }
        let state = handover.lock();
        assert!(state.givers.is_empty() && state.untils.is_empty() && state.active.is_empty());
        drop(state);
        assert_eq!(handover.given_max.load(Ordering::Relaxed), 0);
        handover.set_open_ended(false);
        assert_eq!(until(&handover), Some(EventTime::MAX), "nobody comes any more");
    }

    #[test]
    fn what_is_not_taken_has_a_bound() {
        let handover: Arc<Handover<u64>> = Handover::new(0..2);
        let mut given = 0;
        while !handover.is_full() {
            handover.give(given % 2, Some(given), EventTime(0), EventTime(0));
            given += 1;
            assert!(given <= 100, "it is never full");
        }
        assert_eq!(handover.take().map(|taken| taken.sealed.len() as u64), Some(given));
        assert!(!handover.is_full(), "a gather takes all there is");
        handover.give(0, None, EventTime(1), EventTime(1));
        assert!(!handover.is_full(), "the time alone takes no room");
    }

    #[test]
    fn a_gather_that_has_ended_holds_nobody_up_and_keeps_nothing() {
        let part = Arc::new(());
        let handover: Arc<Handover<Arc<()>>> = Handover::new(0..1);
        while !handover.is_full() {
            handover.give(0, Some(Arc::clone(&part)), EventTime(0), EventTime(0));
        }
        assert!(!handover.is_over());
        handover.close();
        assert!(handover.is_over() && !handover.is_full());
        for _ in 0..100 {
            handover.give(0, Some(Arc::clone(&part)), EventTime(0), EventTime(0));
        }
        assert!(!handover.is_full());
        assert_eq!(Arc::strong_count(&part), 1, "what nobody takes is dropped");
    }
}
