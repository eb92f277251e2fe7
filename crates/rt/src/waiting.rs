//! Where a core waits while none of its pipelines has anything to do.

use std::cell::OnceCell;
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::{Bell, FileEvents, Latch};

/// How often it is looked whether a latch is set that has no descriptor to wait for.
const LATCH_LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// What makes it worth asking again who had nothing to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wake<'a> {
    /// It is now.
    pub is_due: bool,
    /// A moment.
    pub at: Option<Instant>,
    /// Something to read at a descriptor.
    pub input: Option<BorrowedFd<'a>>,
}

impl<'a> Wake<'a> {
    /// Asking again at once is worth it.
    pub const NOW: Self = Self { is_due: true, at: None, input: None };

    /// A moment.
    #[must_use]
    pub fn at(at: Option<Instant>) -> Self {
        Self { at, ..Self::default() }
    }

    /// Whichever comes first of both.
    #[must_use]
    pub fn or(self, other: Wake<'a>) -> Self {
        let input = self.input.or(other.input);
        debug_assert!(self.input.is_none() || other.input.is_none(), "one reads one input");
        Self { is_due: self.is_due || other.is_due, input, ..self.or_at(other.at) }
    }

    /// Whichever comes first of these and that moment.
    #[must_use]
    pub fn or_at(self, at: Option<Instant>) -> Self {
        Self { at: self.at.into_iter().chain(at).min(), ..self }
    }

    /// Whether it is worth it now, as far as is known without asking a descriptor.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        self.is_due || self.at.is_some_and(|at| at <= now)
    }

    /// Whether it may be worth it now.
    #[must_use]
    pub fn may_be_due(&self, now: Instant) -> bool {
        self.input.is_some() || self.is_due(now)
    }
}

/// What several wait for.
#[derive(Debug, Default)]
pub struct Wakes<'a> {
    is_due: bool,
    at: Option<Instant>,
    inputs: Vec<BorrowedFd<'a>>,
}

impl<'a> Wakes<'a> {
    /// One more.
    pub fn add(&mut self, wake: Wake<'a>) {
        self.is_due |= wake.is_due;
        self.at = self.at.into_iter().chain(wake.at).min();
        self.inputs.extend(wake.input);
    }
}

/// The place where one core waits: for its bell, latches, files that change, and what its pipelines wait for.
/// Not `Send`.
#[derive(Debug)]
pub struct Waiting {
    bell: Bell,
    latches: Vec<Latch>,
    /// Made when the first reader asks.
    files: OnceCell<Option<Rc<FileEvents>>>,
}

impl Waiting {
    /// For the core that calls it. A latch that is set wakes nobody any more.
    #[must_use]
    pub fn new(bell: Bell, latches: Vec<Latch>) -> Self {
        Self { bell, latches, files: OnceCell::new() }
    }

    /// What wakes this core.
    #[must_use]
    pub fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Where the core's readers have files watched; `None` where the kernel allows none.
    #[must_use]
    pub fn files(&self) -> Option<&Rc<FileEvents>> {
        self.files.get_or_init(FileEvents::new).as_ref()
    }

    /// The same, where some are watched.
    fn watched(&self) -> Option<&Rc<FileEvents>> {
        self.files.get().and_then(Option::as_ref).filter(|files| !files.is_empty())
    }

    /// Tells readers which of their files have changed, without waiting. Costs nothing where none is watched.
    pub fn look(&self) {
        if let Some(files) = self.watched() {
            files.tell();
        }
    }

    /// Says that the core is going to wait: look then whether there is something to do after all, and either
    /// [`Self::wait`] or [`Self::go_on`].
    pub fn expect(&self) {
        self.bell.expect();
    }

    /// Says that there is something to do.
    pub fn go_on(&self) {
        self.bell.answer();
    }

    /// Waits until there is something to do. Blocks the core.
    pub fn wait(&self, wakes: &Wakes<'_>) {
        let files = self.watched();
        let latches = || self.latches.iter().filter(|latch| !latch.is_set()).map(Latch::event);
        let mut asked = vec![PollFd::new(&self.bell, PollFlags::IN)];
        asked.extend(latches().flatten().map(|event| PollFd::new(event, PollFlags::IN)));
        asked.extend(files.map(|files| PollFd::new(&**files, PollFlags::IN)));
        asked.extend(wakes.inputs.iter().map(|input| PollFd::new(input, PollFlags::IN)));
        let now = Instant::now();
        let left = |at: Instant| at.saturating_duration_since(now);
        let timeouts = [
            wakes.is_due.then_some(Duration::ZERO),
            wakes.at.map(left),
            files.map(|files| left(files.next_sweep())),
            latches().any(|event| event.is_none()).then_some(LATCH_LOOK_INTERVAL),
        ];
        let timeout = timeouts.into_iter().flatten().min().map(|timeout| Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        // A signal, or any other failure, ends the wait early, which does no harm.
        let _ = poll(&mut asked, timeout.as_ref());
        self.bell.answer();
        self.look();
    }
}
