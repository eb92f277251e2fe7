//! SIGINT and SIGTERM ask a job to stop; a second one ends the process.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// The shell's convention for a process that SIGINT ended: 128 + 2.
const EXIT_INTERRUPTED: i32 = 130;

/// Arranges that the first signal sets the flag that is returned, and the second ends the process.
pub(crate) fn catch() -> io::Result<Arc<AtomicBool>> {
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // Order matters: the shutdown looks at the flag before the second line sets it.
        flag::register_conditional_shutdown(signal, EXIT_INTERRUPTED, Arc::clone(&asked))?;
        flag::register(signal, Arc::clone(&asked))?;
    }
    Ok(asked)
}
