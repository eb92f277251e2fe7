//! Where a core waits while none of its bodies has anything to do.

use std::cell::OnceCell;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::{Bell, FileEvents, turns, world};

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

/// The same, kept by the core for who sleeps meanwhile: the descriptors are those of the body that asked, and it is
/// looked at only while that body neither goes on nor is dropped.
#[derive(Debug)]
pub(crate) struct Asked {
    is_due: bool,
    at: Option<Instant>,
    inputs: Vec<RawFd>,
}

/// The place where one core waits: for its bell, files that change, and what its bodies wait for. Not `Send`.
#[derive(Debug)]
pub struct Waiting {
    bell: Bell,
    /// Made when the first reader asks.
    files: OnceCell<Option<Rc<FileEvents>>>,
}

impl Waiting {
    /// For the core that calls it.
    #[must_use]
    pub fn new(bell: Bell) -> Self {
        Self { bell, files: OnceCell::new() }
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

    /// Gives the core to its other bodies until there may be something to do: after what was asked for, after any
    /// ring of the bell, and at times without a reason. Look again then.
    ///
    /// Who calls it has looked at everything else that it waits for since it last went on; whatever changes of that rings
    /// the core's bell. To be called in a body of [`crate::take_turns`]; elsewhere it blocks the thread.
    pub async fn wait(&self, wakes: &Wakes<'_>) {
        let inputs = wakes.inputs.iter().map(AsRawFd::as_raw_fd).collect();
        let asked = Asked { is_due: wakes.is_due, at: wakes.at, inputs };
        if turns::are_taken() {
            turns::sleep(asked).await;
            return;
        }
        self.bell.expect();
        self.block(&[&asked], None);
    }

    /// When who asked should be asked again.
    pub(crate) fn wakes_at(asked: &[&Asked]) -> Option<Instant> {
        let now = asked.iter().any(|one| one.is_due).then(world::now);
        asked.iter().filter_map(|one| one.at).chain(now).min()
    }

    /// Says that the core is going to wait, unless it finds something to do now.
    pub(crate) fn expect(&self) {
        self.bell.expect();
    }

    /// Says that there is something to do.
    pub(crate) fn go_on(&self) {
        self.bell.answer();
    }

    /// Waits until there is something to do, for so long at most. Blocks the core.
    pub(crate) fn block(&self, asked: &[&Asked], at_most: Option<Duration>) {
        let files = self.watched();
        let mut polled = vec![PollFd::new(&self.bell, PollFlags::IN)];
        polled.extend(files.map(|files| PollFd::new(&**files, PollFlags::IN)));
        let inputs = asked.iter().flat_map(|one| &one.inputs);
        // SAFETY: the body that asked holds its descriptors open for as long as it sleeps.
        let inputs = inputs.map(|&input| unsafe { BorrowedFd::borrow_raw(input) });
        polled.extend(inputs.map(|input| PollFd::from_borrowed_fd(input, PollFlags::IN)));
        let now = Instant::now();
        let left = |at: Instant| at.saturating_duration_since(now);
        let timeouts = [
            asked.iter().any(|one| one.is_due).then_some(Duration::ZERO),
            asked.iter().filter_map(|one| one.at).min().map(left),
            files.map(|files| left(files.next_sweep())),
            at_most,
        ];
        let timeout = timeouts.into_iter().flatten().min().map(|timeout| Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        // A signal, or any other failure, ends the wait early, which does no harm.
        let _ = poll(&mut polled, timeout.as_ref());
        self.bell.answer();
        self.look();
    }
}
