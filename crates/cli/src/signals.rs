//! SIGINT, SIGTERM and SIGHUP ask a job to stop. One whose input ends by itself leaves nothing then, and the
//! exit code says which signal it was.
//!
//! Those that come within a second of the first are one request: `timeout` signals the command and then its
//! group, and whatever relays signals beside it doubles them again. One that comes later ends the process and
//! says so. SIGHUP that was ignored as the command began stays so (`nohup`). A shell without job control starts
//! what it runs in the background with SIGINT ignored, so that a key pressed at the terminal does not reach it:
//! then only a SIGINT that a process sends is a request. SIGQUIT and all others do what they always do.

use std::io;
use std::mem::{MaybeUninit, zeroed};
use std::process::ExitCode;
use std::ptr::null_mut;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

use libc::{SIGHUP, SIGINT, SIGTERM, c_int, c_void, sigaction, siginfo_t};
use tidemill::StopFlag;

/// Signals that come so long after the first are part of the same request, in milliseconds.
const BURST_MS: u64 = 1000;

/// The shell's convention for a process that SIGINT ended: 128 + 2.
const EXIT_INTERRUPTED: u8 = 130;

/// The same of SIGTERM; a hang-up counts as one.
const EXIT_TERMINATED: u8 = 143;

const ABORTED: &[u8] = b"error: a second request to stop ended the job at once; results that were not yet visible are \
                         left in files that end in .open\n";

/// When the first request came, in milliseconds of the monotonic clock; 0 before that.
static ASKED_MS: AtomicU64 = AtomicU64::new(0);

/// The first request was a SIGINT.
static IS_INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// What a request sets.
static STOP: OnceLock<StopFlag> = OnceLock::new();

/// Keys at the terminal are not for this process.
static IGNORES_KEYS: AtomicBool = AtomicBool::new(false);

/// Listens from now on.
pub(crate) fn catch() -> io::Result<()> {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        match (signal, is_ignored(signal)?) {
            (SIGHUP, true) => continue,
            (SIGINT, true) => IGNORES_KEYS.store(true, Ordering::Relaxed),
            _ => {}
        }
        // SAFETY: all-zero bytes are a valid `sigaction` without flags and with an empty mask.
        let mut action: sigaction = unsafe { zeroed() };
        let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = note;
        action.sa_sigaction = handler as libc::sighandler_t;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        // SAFETY: `action` is whole, and its handler calls only what a handler may.
        if unsafe { sigaction(signal, &raw const action, null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Has requests stop a job, also one that came before: from the handler itself, so that nothing that holds up
/// this process's other threads, such as a standard error that nobody reads, keeps a job from its end. There is
/// one job for each process.
pub(crate) fn stop_by(flag: StopFlag) {
    let flag = STOP.get_or_init(|| flag);
    // A handler either sees the flag, or is seen here.
    fence(Ordering::SeqCst);
    if ASKED_MS.load(Ordering::SeqCst) != 0 {
        flag.stop();
    }
}

/// What to exit with where a request has ended a job before its input did.
pub(crate) fn exit_code() -> ExitCode {
    let is_interrupted = IS_INTERRUPTED.load(Ordering::Relaxed);
    ExitCode::from(if is_interrupted { EXIT_INTERRUPTED } else { EXIT_TERMINATED })
}

fn is_ignored(signal: c_int) -> io::Result<bool> {
    let mut before = MaybeUninit::<sigaction>::uninit();
    // SAFETY: nothing is changed, and the call fills `before`.
    if unsafe { sigaction(signal, std::ptr::null(), before.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded.
    Ok(unsafe { before.assume_init() }.sa_sigaction == libc::SIG_IGN)
}

/// Runs on whatever thread the signal finds: atomics, and calls that POSIX allows in a handler.
extern "C" fn note(signal: c_int, info: *mut siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel gives a valid `info` to a handler with SA_SIGINFO.
    let is_of_kernel = unsafe { (*info).si_code } > 0;
    if signal == SIGINT && is_of_kernel && IGNORES_KEYS.load(Ordering::Relaxed) {
        return;
    }
    let now_ms = monotonic_ms();
    let first = ASKED_MS.compare_exchange(0, now_ms, Ordering::SeqCst, Ordering::SeqCst);
    if first.is_ok() {
        IS_INTERRUPTED.store(signal == SIGINT, Ordering::Relaxed);
    }
    fence(Ordering::SeqCst);
    if let Some(flag) = STOP.get() {
        flag.stop();
    }
    if first.is_err_and(|first_ms| now_ms.saturating_sub(first_ms) > BURST_MS) {
        abort();
    }
}

/// At least 1.
fn monotonic_ms() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is writable. Every Linux has this clock, so that the call cannot fail.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    let (seconds, nanos) = (now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs());
    (seconds * 1000 + nanos / 1_000_000).max(1)
}

fn abort() -> ! {
    let mut stderr = libc::pollfd { fd: libc::STDERR_FILENO, events: libc::POLLOUT, revents: 0 };
    // SAFETY: `stderr` is one valid pollfd, and the text is readable for its length. Only what would not
    // hold the process up is written; what became of it changes nothing.
    unsafe {
        if libc::poll(&raw mut stderr, 1, 0) == 1 {
            libc::write(libc::STDERR_FILENO, ABORTED.as_ptr().cast(), ABORTED.len());
        }
        libc::_exit(EXIT_INTERRUPTED.into())
    }
}
