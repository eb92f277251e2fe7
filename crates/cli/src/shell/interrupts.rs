//! Ctrl-C while a query of the shell runs: it ends the query, never the shell.

use std::mem::{MaybeUninit, zeroed};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use libc::{SIGHUP, SIGINT, SIGTERM, c_int, sigaction};

/// Requests since listening began.
static COUNT: AtomicU32 = AtomicU32::new(0);
/// The shell is to end, too: its terminal has gone, or it was told to.
static LEAVE: AtomicBool = AtomicBool::new(false);

const SIGNALS: [c_int; 3] = [SIGINT, SIGTERM, SIGHUP];

/// Counts requests for as long as it lives; what signals did before, they do again afterwards.
pub(crate) struct Interrupts {
    /// What each of the signals did before, where it could be changed.
    before: [Option<sigaction>; 3],
}

impl Interrupts {
    /// Listens from now on.
    pub(crate) fn listen() -> Self {
        COUNT.store(0, Ordering::SeqCst);
        Self { before: SIGNALS.map(catch) }
    }

    /// How often the query was asked to end.
    pub(crate) fn count(&self) -> u32 {
        COUNT.load(Ordering::SeqCst)
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        for (signal, before) in SIGNALS.into_iter().zip(&self.before) {
            if let Some(before) = before {
                // SAFETY: `before` is what the call gave when it was changed. A failure leaves what is there now.
                unsafe { sigaction(signal, before, null_mut()) };
            }
        }
    }
}

/// Whether the shell was asked to end.
pub(crate) fn is_to_leave() -> bool {
    LEAVE.load(Ordering::SeqCst)
}

fn catch(signal: c_int) -> Option<sigaction> {
    // SAFETY: all-zero bytes are a valid `sigaction` without flags and with an empty mask.
    let mut action: sigaction = unsafe { zeroed() };
    let handler: extern "C" fn(c_int) = note;
    action.sa_sigaction = handler as libc::sighandler_t;
    action.sa_flags = libc::SA_RESTART;
    let mut before = MaybeUninit::<sigaction>::uninit();
    // SAFETY: `action` is whole, its handler does nothing but touch atomics, and the call fills `before`.
    let is_caught = unsafe { sigaction(signal, &raw const action, before.as_mut_ptr()) } == 0;
    // SAFETY: the call succeeded.
    is_caught.then(|| unsafe { before.assume_init() })
}

/// Runs on whatever thread the signal finds.
extern "C" fn note(signal: c_int) {
    if signal != SIGINT {
        LEAVE.store(true, Ordering::SeqCst);
    }
    COUNT.fetch_add(1, Ordering::SeqCst);
}
