//! A world in place of the host's for the calling thread: its files, its clocks and its cores.
//!
//! Whoever is above this crate reaches files by [`crate::fs`] and clocks by [`now`], [`system_time`] and [`sleep`]. On a thread
//! that has [entered](enter) a world these ask it; on any other they are the calls of the host, and finding that out is a look
//! at a variable of the thread. In a world a core is no thread but a body that is polled here, one turn at a time, whenever the
//! thread of `control` would wait for it: so one thread is a whole process, and the same choices of the world give the same run.
//! Absent on purpose: any world. `tidemill-sim` has one.

use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::fmt;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::task::{Context, Waker};
use std::time::{Duration, Instant, SystemTime};

use crate::fs::{FileKind, Metadata, OpenOptions};

/// What stands in place of the host.
pub trait World {
    /// The monotonic clock.
    fn now(&self) -> Instant;

    /// The wall clock, which may go back.
    fn system_time(&self) -> SystemTime;

    /// Lets that moment come, or does nothing where it is over.
    fn wait_until(&self, moment: Instant);

    /// How many cores there are, at least one.
    fn core_count(&self) -> usize;

    /// Which of so many cores, at least one, goes on next.
    fn choose(&self, count: usize) -> usize;

    /// Whether a body that could go on gives way to others.
    fn gives_way(&self) -> bool;

    /// Whether a step of the product is left out, to see that this is found.
    fn omits(&self, step: Step) -> bool;

    /// As `open`.
    ///
    /// # Errors
    /// As of the host.
    fn open(&self, path: &Path, options: &OpenOptions) -> io::Result<Box<dyn WorldFile>>;

    /// As `stat`, and as `lstat` where links are not followed.
    ///
    /// # Errors
    /// As of the host.
    fn metadata(&self, path: &Path, follows_links: bool) -> io::Result<Metadata>;

    /// The names in a directory.
    ///
    /// # Errors
    /// As of the host.
    fn list(&self, path: &Path) -> io::Result<Vec<(OsString, FileKind)>>;

    /// As `mkdir`.
    ///
    /// # Errors
    /// As of the host.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// As `rmdir`.
    ///
    /// # Errors
    /// As of the host.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// As `unlink`.
    ///
    /// # Errors
    /// As of the host.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// As `rename`; with `RENAME_NOREPLACE` where it must not replace anything.
    ///
    /// # Errors
    /// As of the host.
    fn rename(&self, from: &Path, to: &Path, may_replace: bool) -> io::Result<()>;

    /// The path without links and `..`.
    ///
    /// # Errors
    /// As of the host.
    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf>;

    /// What a link points to.
    ///
    /// # Errors
    /// As of the host.
    fn read_link(&self, path: &Path) -> io::Result<PathBuf>;
}

/// A file that is open in a world. It may go to another thread, as a descriptor may.
pub trait WorldFile: fmt::Debug + Send + Sync {
    /// As `pread`.
    ///
    /// # Errors
    /// As of the host.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// As `pwrite`: it may write fewer bytes, at least one of some.
    ///
    /// # Errors
    /// As of the host.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// As `ftruncate`.
    ///
    /// # Errors
    /// As of the host.
    fn set_len(&self, byte_count: u64) -> io::Result<()>;

    /// As `fdatasync` of a file, and `fsync` of a directory.
    ///
    /// # Errors
    /// As of the host.
    fn sync(&self) -> io::Result<()>;

    /// As `fstat`.
    ///
    /// # Errors
    /// As of the host.
    fn metadata(&self) -> io::Result<Metadata>;

    /// As `flock`, exclusive and without waiting: whether it is had now.
    ///
    /// # Errors
    /// As of the host.
    fn try_lock(&self) -> io::Result<bool>;

    /// As `dup`.
    ///
    /// # Errors
    /// As of the host.
    fn share(&self) -> io::Result<Box<dyn WorldFile>>;
}

/// What a world may leave out of what the product does, to show that runs go wrong without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Holding a segment's bytes to the hash that a checkpoint has of them.
    HashCheck,
    /// Publishing segments only once the checkpoint that speaks of them is durable.
    PublishBehindCommit,
    /// Showing what an idle partition's raised watermark closes only once a checkpoint has that.
    LogOfRaise,
    /// Knowing by its number what was given before.
    NumberOfGive,
}

thread_local! {
    static WORLD: RefCell<Option<Rc<dyn World>>> = const { RefCell::new(None) };
    static IS_IN_WORLD: Cell<bool> = const { Cell::new(false) };
    static CORES: RefCell<Cores> = const { RefCell::new(Cores { next_id: 0, seats: Vec::new() }) };
    /// What the core that is polled said last of when it is worth to poll it again.
    static SAID: Cell<Said> = const { Cell::new(Said::Busy) };
    /// Bells that have been rung.
    static RINGS: Cell<u64> = const { Cell::new(0) };
}

/// The cores of a world.
struct Cores {
    next_id: u64,
    seats: Vec<Seat>,
}

struct Seat {
    id: u64,
    /// Taken out while it is polled.
    body: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

/// What a core says as it gives the thread back.
#[derive(Clone, Copy)]
enum Said {
    /// It has more to do.
    Busy,
    /// It sleeps until then, or until a bell.
    Asleep(Option<Instant>),
}

/// Has the calling thread in a world until this is dropped.
pub struct Entered(());

impl fmt::Debug for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entered")
    }
}

/// Enters a world with the calling thread.
///
/// # Panics
/// If it is in one.
#[must_use]
pub fn enter(world: Rc<dyn World>) -> Entered {
    assert!(!is_entered(), "the thread is in a world already");
    WORLD.set(Some(world));
    IS_IN_WORLD.set(true);
    Entered(())
}

impl Drop for Entered {
    fn drop(&mut self) {
        IS_IN_WORLD.set(false);
        let seats = CORES.with_borrow_mut(|cores| std::mem::take(&mut cores.seats));
        drop(seats);
        WORLD.set(None);
    }
}

/// Whether the calling thread is in a world.
#[must_use]
pub fn is_entered() -> bool {
    IS_IN_WORLD.get()
}

/// The world of the calling thread.
pub(crate) fn current() -> Option<Rc<dyn World>> {
    if !is_entered() {
        return None;
    }
    WORLD.with_borrow(Clone::clone)
}

/// The monotonic clock.
#[must_use]
pub fn now() -> Instant {
    current().map_or_else(Instant::now, |world| world.now())
}

/// A moment of the monotonic clock that is the same whoever asks, in every world of the process too.
#[must_use]
pub fn epoch() -> Instant {
    static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);
    *EPOCH
}

/// How much time has passed since a moment.
#[must_use]
pub fn elapsed(since: Instant) -> Duration {
    now().saturating_duration_since(since)
}

/// The wall clock.
#[must_use]
pub fn system_time() -> SystemTime {
    current().map_or_else(SystemTime::now, |world| world.system_time())
}

/// Blocks the thread for so long; in a world that time passes at once.
pub fn sleep(time: Duration) {
    match current() {
        None => std::thread::sleep(time),
        Some(world) => world.wait_until(world.now() + time),
    }
}

/// Whether a step is left out; never outside of a world.
#[must_use]
pub fn omits(step: Step) -> bool {
    current().is_some_and(|world| world.omits(step))
}

/// Of threads that could work beside each other, how many may: in a world none but the calling one.
#[must_use]
pub fn threads(wanted: std::num::NonZeroUsize) -> std::num::NonZeroUsize {
    if is_entered() { std::num::NonZeroUsize::MIN } else { wanted }
}

/// Receives what cores send, for so long at most; for ever where that is [`Duration::MAX`].
///
/// # Errors
/// As [`Receiver::recv_timeout`].
///
/// # Panics
/// In a world, if nothing would ever be sent: everybody waits for somebody else.
pub fn receive<T>(from: &Receiver<T>, at_most: Duration) -> Result<T, RecvTimeoutError> {
    let Some(world) = current() else {
        return match at_most {
            Duration::MAX => from.recv().map_err(|_| RecvTimeoutError::Disconnected),
            _ => from.recv_timeout(at_most),
        };
    };
    let until = world.now().checked_add(at_most);
    loop {
        match from.try_recv() {
            Ok(received) => return Ok(received),
            Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
            Err(TryRecvError::Empty) => {}
        }
        if until.is_some_and(|until| world.now() >= until) {
            return Err(RecvTimeoutError::Timeout);
        }
        step(&*world, until);
    }
}

/// Has one core go on; where none has anything to do, lets the moment come at which one has, or `until`.
fn step(world: &dyn World, until: Option<Instant>) {
    let mut waiting: Vec<u64> =
        CORES.with_borrow(|cores| cores.seats.iter().map(|seat| seat.id).collect());
    let rings = RINGS.get();
    let mut wakes_at: Option<Instant> = until;
    while !waiting.is_empty() {
        let id = waiting.swap_remove(world.choose(waiting.len()) % waiting.len());
        match poll(id) {
            Some(Said::Asleep(at)) => wakes_at = wakes_at.into_iter().chain(at).min(),
            Some(Said::Busy) | None => return,
        }
    }
    if RINGS.get() != rings {
        return;
    }
    let wakes_at = wakes_at.expect("everybody waits for somebody else, and for no moment");
    world.wait_until(wakes_at);
}

/// Polls a core once; `None` if it has ended.
fn poll(id: u64) -> Option<Said> {
    let mut body = CORES.with_borrow_mut(|cores| {
        cores.seats.iter_mut().find(|seat| seat.id == id).and_then(|seat| seat.body.take())
    })?;
    SAID.set(Said::Busy);
    let polled = body.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    CORES.with_borrow_mut(|cores| {
        let at = cores.seats.iter().position(|seat| seat.id == id)?;
        if polled.is_ready() {
            cores.seats.swap_remove(at);
            return None;
        }
        cores.seats[at].body = Some(body);
        Some(SAID.get())
    })
}

/// A body that is a core from now on; by what is given back it is asked whether it has ended.
pub(crate) fn add_core(body: impl Future<Output = ()> + 'static) -> u64 {
    CORES.with_borrow_mut(|cores| {
        cores.next_id += 1;
        cores.seats.push(Seat { id: cores.next_id, body: Some(Box::pin(body)) });
        cores.next_id
    })
}

/// Whether a core has ended.
pub(crate) fn has_ended(id: u64) -> bool {
    CORES.with_borrow(|cores| cores.seats.iter().all(|seat| seat.id != id))
}

/// Has the cores go on until this one has ended.
pub(crate) fn join(id: u64) {
    while let Some(world) = current()
        && !has_ended(id)
    {
        step(&*world, None);
    }
}

/// Says that the core that is polled sleeps until then, or until a bell.
pub(crate) fn note_asleep(until: Option<Instant>) {
    SAID.set(Said::Asleep(until));
}

/// Notes that a bell has been rung.
pub(crate) fn note_ring() {
    if is_entered() {
        RINGS.set(RINGS.get() + 1);
    }
}
