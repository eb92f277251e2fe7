//! Waiting for room where a disk is full, instead of failing.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::world::{elapsed, now, sleep};

/// The first pause before a write is tried again, and the longest.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// So often it is looked meanwhile whether it is still to be waited.
const STOP_INTERVAL: Duration = Duration::from_millis(20);

/// Holds what finds no room on its disk (ENOSPC, EDQUOT) until there is some, shared by all of a job. That is said once,
/// and again when all goes on.
#[derive(Clone)]
pub struct Hold(Arc<Shared>);

struct Shared {
    is_over: Box<dyn Fn() -> bool + Send + Sync>,
    say: Box<dyn Fn(String) + Send + Sync>,
    held_count: AtomicUsize,
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held_count = self.0.held_count.load(Ordering::Relaxed);
        f.debug_struct("Hold").field("held_count", &held_count).finish_non_exhaustive()
    }
}

/// Whether an error says that there is no room, so that the same may succeed later.
#[must_use]
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT))
}

impl Hold {
    /// One that gives up once `is_over` says so, and says what a person should know by `say`.
    #[must_use]
    pub fn new(
        is_over: impl Fn() -> bool + Send + Sync + 'static,
        say: impl Fn(String) + Send + Sync + 'static,
    ) -> Self {
        let (is_over, say) = (Box::new(is_over), Box::new(say));
        Self(Arc::new(Shared { is_over, say, held_count: AtomicUsize::new(0) }))
    }

    /// Tries until there is room; `error_of` says of a failure what the system said. What is tried must come to the same
    /// however often and however far it was tried before: a write at an offset, a file that is made anew.
    ///
    /// # Errors
    /// What was tried says, if that is not for want of room; that also where it is not to be waited any longer.
    ///
    /// # Cost
    /// Blocks the thread while there is no room.
    pub fn until_room<T, E>(
        &self,
        path: &Path,
        error_of: impl Fn(&E) -> Option<&io::Error>,
        mut attempt: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        let mut pause = PAUSE_MIN;
        let mut is_held = false;
        let outcome = loop {
            match attempt() {
                Err(error) if error_of(&error).is_some_and(is_full) => {
                    if !std::mem::replace(&mut is_held, true) {
                        self.begin(path);
                    }
                    if !self.wait(pause) {
                        break Err(error);
                    }
                    pause = PAUSE_MAX.min(pause * 2);
                }
                outcome => break outcome,
            }
        };
        if is_held {
            self.end(outcome.is_ok());
        }
        outcome
    }

    fn begin(&self, path: &Path) {
        if self.0.held_count.fetch_add(1, Ordering::Relaxed) == 0 {
            (self.0.say)(format!(
                "no space is left for {}: the job waits, and goes on by itself once there is",
                path.display()
            ));
        }
    }

    fn end(&self, has_room: bool) {
        if self.0.held_count.fetch_sub(1, Ordering::Relaxed) == 1 && has_room {
            (self.0.say)("there is space again: the job goes on".to_owned());
        }
    }

    /// Whether it is to be tried again, after a pause.
    fn wait(&self, pause: Duration) -> bool {
        let began = now();
        loop {
            if (self.0.is_over)() {
                return false;
            }
            let left = pause.saturating_sub(elapsed(began));
            if left.is_zero() {
                return true;
            }
            sleep(left.min(STOP_INTERVAL));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;

    use super::*;

    fn full() -> io::Error {
        io::Error::from_raw_os_error(libc::ENOSPC)
    }

    #[test]
    fn what_finds_no_room_is_tried_until_there_is_some_and_that_is_said_once() {
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        let hold = Hold::new(|| false, move |text| heard.lock().unwrap().push(text));
        let mut left = 3;
        let done = hold.until_room(
            Path::new("o"),
            |error| Some(error),
            || {
                left -= 1;
                if left == 0 { Ok(7) } else { Err(full()) }
            },
        );
        assert_eq!(done.unwrap(), 7);
        let said = said.lock().unwrap();
        assert_eq!(said.len(), 2);
        assert!(said[0].contains("no space is left for o") && said[1].contains("again"));
    }

    #[test]
    fn a_stop_ends_the_wait_and_other_failures_are_none_of_it() {
        let is_over = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&is_over);
        let hold = Hold::new(move || asked.load(Ordering::Relaxed), |_| {});
        let mut count = 0;
        let denied = hold.until_room(
            Path::new("o"),
            |error| Some(error),
            || -> io::Result<()> {
                count += 1;
                Err(io::ErrorKind::PermissionDenied.into())
            },
        );
        assert_eq!((denied.unwrap_err().kind(), count), (io::ErrorKind::PermissionDenied, 1));
        is_over.store(true, Ordering::Relaxed);
        let full = hold.until_room(
            Path::new("o"),
            |error| Some(error),
            || -> io::Result<()> { Err(full()) },
        );
        assert!(is_full(&full.unwrap_err()));
    }
}
