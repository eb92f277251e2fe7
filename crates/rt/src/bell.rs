//! Waking a core that waits: by another thread, or by a signal handler.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::task::{Wake, Waker};

use rustix::event::{EventfdFlags, eventfd};

use crate::world::note_ring;

/// Wakes one core. Cheap to clone; all clones are one.
///
/// Whoever changes what a core looks at rings afterwards; the core says that it is about to wait, looks once
/// more, and then waits. So no change is missed, whichever comes first.
#[derive(Clone, Debug)]
pub struct Bell(Arc<BellState>);

#[derive(Debug)]
struct BellState {
    event: OwnedFd,
    /// The core waits, or is about to.
    is_awaited: AtomicBool,
}

impl Bell {
    /// A bell that nobody waits for.
    ///
    /// # Errors
    /// What eventfd said: EMFILE where the process has no descriptor left.
    pub fn new() -> io::Result<Self> {
        let (event, is_awaited) = (made_event()?, AtomicBool::new(false));
        Ok(Self(Arc::new(BellState { event, is_awaited })))
    }

    /// Wakes the core, if it waits or is about to. While it is at work this costs an atomic exchange.
    pub fn ring(&self) {
        note_ring();
        // Between what was changed before and this look: see `expect`.
        fence(Ordering::SeqCst);
        if self.0.is_awaited.swap(false, Ordering::SeqCst) {
            raise(&self.0.event);
        }
    }

    /// Says that its core is going to wait, unless it finds something to do now.
    pub(crate) fn expect(&self) {
        self.0.is_awaited.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// Says that its core is at work again.
    pub(crate) fn answer(&self) {
        if !self.0.is_awaited.swap(false, Ordering::SeqCst) {
            // Somebody rang, or is about to: then the next wait ends at once, which does no harm.
            let _ = rustix::io::read(&self.0.event, &mut [0; 8]);
        }
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.event.as_fd()
    }
}

/// A flag that wakers set, and that wakes the core that looks at it. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Call(Arc<CallState>);

#[derive(Debug)]
struct CallState {
    is_made: AtomicBool,
    bell: Bell,
}

impl Call {
    /// A flag of the core with this bell.
    #[must_use]
    pub fn new(bell: &Bell) -> Self {
        Self(Arc::new(CallState { is_made: AtomicBool::new(false), bell: bell.clone() }))
    }

    /// What sets it, from any thread.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.0))
    }

    /// Whether it was set since it was last answered.
    #[must_use]
    pub fn is_made(&self) -> bool {
        self.0.is_made.load(Ordering::SeqCst)
    }

    /// Takes it back; what it was set for is looked at behind this.
    pub fn answer(&self) {
        self.0.is_made.store(false, Ordering::SeqCst);
    }
}

impl Wake for CallState {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_made.store(true, Ordering::SeqCst);
        self.bell.ring();
    }
}

/// A flag that is set once, and rings the bells that it was given. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Latch(Arc<LatchState>);

#[derive(Debug, Default)]
struct LatchState {
    is_set: AtomicBool,
    bells: OnceLock<Arc<[Bell]>>,
}

impl Latch {
    /// Sets the flag; cannot be undone. Safe to call from a signal handler: it neither locks nor allocates.
    pub fn set(&self) {
        self.0.is_set.store(true, Ordering::SeqCst);
        self.0.bells.get().into_iter().flat_map(|bells| bells.iter()).for_each(Bell::ring);
    }

    /// Says whose bells it rings; only the first call says so. Who waits looks at the flag behind this.
    pub fn wakes(&self, bells: &Arc<[Bell]>) {
        let _ = self.0.bells.set(Arc::clone(bells));
        if self.is_set() {
            bells.iter().for_each(Bell::ring);
        }
    }

    /// Whether the flag is set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.is_set.load(Ordering::Relaxed)
    }
}

fn made_event() -> io::Result<OwnedFd> {
    Ok(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
}

/// Makes an event readable. It fails only where the count is full, and then it is readable.
fn raise(event: &OwnedFd) {
    let _ = rustix::io::write(event, &1_u64.to_ne_bytes());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    fn is_readable(event: &impl AsFd) -> bool {
        let mut asked = [PollFd::new(event, PollFlags::IN)];
        poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() == 1
    }

    #[test]
    fn a_bell_is_heard_by_who_expects_it_and_costs_nothing_else() {
        let bell = Bell::new().unwrap();
        bell.ring();
        assert!(!is_readable(&bell), "nobody waits");
        bell.expect();
        assert!(!is_readable(&bell));
        let other = bell.clone();
        std::thread::spawn(move || (0..3).for_each(|_| other.ring())).join().unwrap();
        assert!(is_readable(&bell));
        bell.answer();
        assert!(!is_readable(&bell), "it was answered");
        bell.expect();
        bell.answer();
        bell.ring();
        assert!(!is_readable(&bell), "it is at work again");
    }

    #[test]
    fn a_latch_stays_set_and_rings_whoever_waits_then_or_later() {
        let (latch, bell) = (Latch::default(), Bell::new().unwrap());
        let bells: Arc<[Bell]> = [bell.clone()].into();
        latch.wakes(&bells);
        bell.expect();
        assert!(!latch.is_set() && !is_readable(&bell));
        latch.clone().set();
        assert!(latch.is_set() && is_readable(&bell));
        bell.answer();
        // Set before it knows whom it wakes.
        let early = Latch::default();
        early.set();
        bell.expect();
        early.wakes(&bells);
        assert!(early.is_set() && is_readable(&bell));
    }
}
