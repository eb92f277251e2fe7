//! Standard output and standard error. Nothing here panics, whatever has become of them.
//!
//! A result that cannot be printed is an error; a report that cannot be is not: where standard error is
//! closed or full there is nobody to tell, and what the command was for has been done or has failed before.

use std::borrow::Cow;
use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write, stderr, stdout};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{EXIT_FAILED, EXIT_USAGE};

/// Standard output was closed as the process began.
static IS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Has [`look`] called before Rust's own start, which opens `/dev/null` in the place of standard
/// descriptors that are closed: so no file of ours becomes one of them, but results would vanish there.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    // SAFETY: the call takes no memory, and may be made at any time.
    if unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) } == -1 {
        IS_CLOSED.store(true, Ordering::Relaxed);
    }
}

/// Whether what is written to standard output would vanish.
pub(crate) fn is_stdout_closed() -> bool {
    IS_CLOSED.load(Ordering::Relaxed)
}

/// Whether standard output is a pipe that nobody will read from any more.
pub(crate) fn is_unread() -> bool {
    let mut stdout = libc::pollfd { fd: libc::STDOUT_FILENO, events: 0, revents: 0 };
    // SAFETY: one writable entry, and no waiting.
    let found = unsafe { libc::poll(&raw mut stdout, 1, 0) };
    found == 1 && stdout.revents & libc::POLLERR != 0
}

/// Says that results would vanish.
pub(crate) fn refuse_closed() -> ExitCode {
    tell!(
        "error: cannot write to standard output: it was closed before the command began; open it, or write to \
         a sink of files"
    );
    ExitCode::from(EXIT_FAILED)
}

/// Prints text whole. A reader that has gone away (`| head`) is no failure.
pub(crate) fn print(text: &[u8]) -> ExitCode {
    if text.is_empty() {
        return ExitCode::SUCCESS;
    }
    if is_stdout_closed() {
        return refuse_closed();
    }
    let mut stdout = stdout().lock();
    code(stdout.write_all(text).and_then(|()| stdout.flush()))
}

/// Prints what clap answers instead of running a command: help and versions as results, what is wrong
/// with the arguments as a report.
pub(crate) fn print_help(help: &clap::Error) -> ExitCode {
    if help.use_stderr() {
        // As in `report`.
        let _ = help.print();
        return ExitCode::from(EXIT_USAGE);
    }
    if is_stdout_closed() {
        return refuse_closed();
    }
    code(help.print().and_then(|()| stdout().flush()))
}

fn code(printed: io::Result<()>) -> ExitCode {
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            tell!("error: cannot write to standard output: {error}");
            ExitCode::from(EXIT_FAILED)
        }
    }
}

/// Writes to standard error, if it takes anything. Names and values in it steer no terminal.
pub(crate) fn report(text: &str) {
    let _ = stderr().lock().write_all(fit(text).as_bytes());
}

/// A text of lines without what would steer a terminal: names of files, and what a script holds, stand in it.
pub(crate) fn fit(text: &str) -> Cow<'_, str> {
    tidemill::harmless(text, &['\n', '\t'])
}

/// Writes a line to standard error, if it takes anything; see [`tell!`].
pub(crate) fn report_line(text: Arguments<'_>) {
    // In one piece, lest lines of several processes mix.
    report(&format!("{text}\n"));
}

/// `eprintln!` that cannot panic.
macro_rules! tell {
    ($($text:tt)+) => {
        $crate::output::report_line(format_args!($($text)+))
    };
}
pub(crate) use tell;
