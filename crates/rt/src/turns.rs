//! Many bodies on one core, taking turns.
//!
//! A core polls its bodies one after the other. One that is at work gives way after its slice of time; one that has nothing
//! to do says what it waits for and sleeps. Only when all of them sleep does the core block, in one `poll` for all
//! together. A body that waits for a read of the ring sleeps too: the others go on meanwhile.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crate::waiting::{Asked, Waiting};
use crate::yielding::submit_queued;
use crate::{Bell, ring, world};

/// What a core runs beside others.
pub type Body = Pin<Box<dyn Future<Output = ()>>>;

/// How long a body goes on while others have something to do, too.
const SLICE: Duration = Duration::from_micros(200);
/// How long it goes on by itself, before it is looked whether others have come.
const LOOK_INTERVAL: Duration = Duration::from_millis(1);
/// So long it is looked again and again whether a read of the ring has ended, while others sleep on the same core. A
/// device that takes longer costs [`LOOK_INTERVAL`] more, and no CPU.
const SPIN: Duration = Duration::from_millis(2);

/// Why a body is pending.
enum Pause {
    /// For whoever calls its waker: nobody has said otherwise.
    Waker,
    /// For a request of the ring.
    Ring,
    /// Its slice is over.
    GaveWay,
    /// It has nothing to do.
    Asleep(Asked),
}

thread_local! {
    /// Since when the body that is polled has had the core, and for how long it may.
    static SLICE_OF: Cell<Option<(Instant, Duration)>> = const { Cell::new(None) };
    static PAUSE: RefCell<Pause> = const { RefCell::new(Pause::Waker) };
}

/// Whether the calling thread polls a body of [`take_turns`].
pub(crate) fn are_taken() -> bool {
    SLICE_OF.get().is_some()
}

/// Whether the body that calls it has had its time.
pub(crate) fn is_over() -> bool {
    let is_over = |(since, slice): (Instant, Duration)| match world::current() {
        Some(world) => world.gives_way(),
        None => since.elapsed() >= slice,
    };
    SLICE_OF.get().is_some_and(is_over)
}

/// Lets the others have their turn.
pub(crate) async fn give_way() {
    pause(Pause::GaveWay).await;
}

/// Lets them, until it may be worth it to go on.
pub(crate) async fn sleep(asked: Asked) {
    pause(Pause::Asleep(asked)).await;
}

fn pause(why: Pause) -> impl Future<Output = ()> {
    let mut why = Some(why);
    poll_fn(move |_| match why.take() {
        Some(why) => {
            PAUSE.set(why);
            Poll::Pending
        }
        None => Poll::Ready(()),
    })
}

/// Says of a future that while it is pending its body waits for the ring.
pub(crate) async fn on_ring<T>(request: impl Future<Output = T>) -> T {
    let mut request = pin!(request);
    poll_fn(|context| {
        let polled = request.as_mut().poll(context);
        if polled.is_pending() {
            PAUSE.set(Pause::Ring);
        }
        polled
    })
    .await
}

/// What bodies are woken by, from any thread: it wakes the core, wherever that waits.
struct Rouse {
    bell: Bell,
    /// Of who polls the core: the ring's executor, once there is one.
    outer: Mutex<Waker>,
}

impl Wake for Rouse {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.bell.ring();
        self.outer.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
    }
}

/// One of a core's bodies.
struct Resident {
    body: Body,
    /// What it waits for, while it sleeps.
    asked: Option<Asked>,
}

/// What a round has come to.
#[derive(Default)]
struct Round {
    /// Some body has more to do now, or has come to its end, of which others may have to hear.
    is_busy: bool,
    /// Some body waits for the ring.
    is_on_ring: bool,
    /// Some body sleeps.
    is_asleep: bool,
}

/// The bodies of a core.
struct Turns<'a, F> {
    waiting: &'a Waiting,
    arrive: F,
    rouse: Arc<Rouse>,
    residents: Vec<Resident>,
    arrived: Vec<Body>,
    /// More may come.
    is_open: bool,
    /// The bell is expected: whoever sleeps is looked at once more before the core blocks.
    is_expecting: bool,
    looked: Instant,
    /// A request of the ring that ends at once: who waits for it sees what else has ended.
    tick: Option<Body>,
    /// Since when nobody does anything but wait for the ring or sleep.
    spinning: Option<Instant>,
}

/// Runs bodies on the calling core until there are none and no more come.
///
/// `arrive` is asked between turns for those that have come, and says whether more may; whoever makes one come rings the
/// core's bell afterwards. A body waits for reads of this crate, [`crate::yield_if_needed`] and
/// [`Waiting::wait`], or for any other future, whose waker may be called by any thread; and does not panic.
///
/// # Cost
/// With a single body at work a look at `arrive` every millisecond. O(bodies) each time a core that slept is woken,
/// and once a millisecond while some are at work.
pub async fn take_turns(waiting: &Waiting, arrive: impl FnMut(&mut Vec<Body>) -> bool) {
    let outer = Mutex::new(Waker::noop().clone());
    let rouse = Arc::new(Rouse { bell: waiting.bell().clone(), outer });
    let mut turns = Turns {
        waiting,
        arrive,
        rouse,
        residents: Vec::new(),
        arrived: Vec::new(),
        is_open: true,
        is_expecting: false,
        looked: Instant::now(),
        tick: None,
        spinning: None,
    };
    poll_fn(|context| turns.poll(context)).await;
}

impl<F: FnMut(&mut Vec<Body>) -> bool> Turns<'_, F> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.rouse.outer.lock().unwrap_or_else(PoisonError::into_inner).clone_from(context.waker());
        let waker = Waker::from(Arc::clone(&self.rouse));
        let inner = &mut Context::from_waker(&waker);
        let mut is_calm = true;
        loop {
            if self.is_open {
                self.is_open = (self.arrive)(&mut self.arrived);
                let resident = |body| Resident { body, asked: None };
                is_calm &= self.arrived.is_empty();
                self.residents.extend(self.arrived.drain(..).map(resident));
            }
            if self.residents.is_empty() && !self.is_open {
                return Poll::Ready(());
            }
            let round = self.round(is_calm, inner);
            is_calm = !round.is_busy;
            if round.is_busy {
                if world::is_entered() {
                    // Who goes on next is the world's to say.
                    return Poll::Pending;
                }
                self.spinning = None;
                if std::mem::take(&mut self.is_expecting) {
                    self.waiting.go_on();
                }
                if round.is_on_ring && self.is_ticking(inner) {
                    return Poll::Pending;
                }
                continue;
            }
            if round.is_on_ring && (ring::is_wanted() || !round.is_asleep) {
                // The ring wakes the core. Nobody else would, so what comes meanwhile waits for the device.
                if std::mem::take(&mut self.is_expecting) {
                    self.waiting.go_on();
                }
                return Poll::Pending;
            }
            if !std::mem::replace(&mut self.is_expecting, true) {
                // What has changed before this is seen in one more round, and what changes later rings.
                self.waiting.expect();
                continue;
            }
            self.is_expecting = false;
            let asked: Vec<&Asked> =
                self.residents.iter().filter_map(|one| one.asked.as_ref()).collect();
            if world::is_entered() {
                self.waiting.go_on();
                world::note_asleep(Waiting::wakes_at(&asked));
                return Poll::Pending;
            }
            if !round.is_on_ring {
                self.waiting.block(&asked, None);
                continue;
            }
            let spinning = *self.spinning.get_or_insert_with(Instant::now);
            let at_most = if spinning.elapsed() < SPIN { Duration::ZERO } else { LOOK_INTERVAL };
            self.waiting.block(&asked, Some(at_most));
            if self.is_ticking(inner) {
                return Poll::Pending;
            }
        }
    }

    /// Polls everybody who has something to do, or may have; `is_calm` if nobody had in the round before.
    fn round(&mut self, is_calm: bool, context: &mut Context<'_>) -> Round {
        let are_sleepers_asked = is_calm || self.is_expecting || {
            let is_time = self.looked.elapsed() >= LOOK_INTERVAL;
            if is_time {
                self.looked = Instant::now();
            }
            is_time
        };
        let is_alone = self.residents.len() == 1;
        let slice = if is_alone { LOOK_INTERVAL } else { SLICE };
        let mut round = Round::default();
        self.residents.retain_mut(|one| {
            if one.asked.is_some() && !are_sleepers_asked {
                round.is_asleep = true;
                return true;
            }
            one.asked = None;
            SLICE_OF.set(Some((Instant::now(), slice)));
            PAUSE.set(Pause::Waker);
            let polled = one.body.as_mut().poll(context);
            SLICE_OF.set(None);
            if polled.is_ready() {
                round.is_busy = true;
                return false;
            }
            match PAUSE.replace(Pause::Waker) {
                Pause::Waker => round.is_asleep = true,
                Pause::Ring => round.is_on_ring = true,
                Pause::GaveWay => round.is_busy = true,
                Pause::Asleep(asked) => (one.asked, round.is_asleep) = (Some(asked), true),
            }
            true
        });
        round
    }

    /// Has the ring looked at. Whether that takes a moment, after which `context` is woken.
    fn is_ticking(&mut self, context: &mut Context<'_>) -> bool {
        if !ring::has_ring() {
            return true;
        }
        let tick = self.tick.get_or_insert_with(|| Box::pin(submit_queued()));
        let is_pending = tick.as_mut().poll(context).is_pending();
        if !is_pending {
            self.tick = None;
        }
        is_pending
    }
}
