//! Files that a core is told of when they change (inotify), so that it need not look at them.
//!
//! The kernel tells of what this host does to a file of its own file systems. It does not tell of other hosts'
//! writes to a network's file system, nor of writes through a memory map: so only files of file systems that are
//! known to be local are taken, and every one of them counts as changed once in [`SWEEP_INTERVAL`]. Who is told
//! of nothing (no instance or watch is left to this user) looks by itself.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};

use crate::{File, since_epoch_ns, world};

/// How often every file that is watched is looked at all the same.
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(2);

/// What is told of a file: that it was written, cut, renamed or removed.
const OF_FILE: WatchFlags = WatchFlags::MODIFY
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MASK_ADD);

/// What is told of a directory: that a name comes to stand for another file.
const OF_DIRECTORY: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::ONLYDIR)
    .union(WatchFlags::MASK_ADD);

/// File systems whose every change goes through this kernel, by the numbers that statfs gives (statfs(2)):
/// ext2 to ext4, XFS, Btrfs, tmpfs, ramfs, overlayfs, F2FS, ZFS, bcachefs, FAT, exFAT, JFS, NILFS.
const LOCAL: [i64; 13] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0x0102_1994,
    0x8584_58f6,
    0x794c_7630,
    0xf2f5_2010,
    0x2fc1_2fc1,
    0xca45_1a4e,
    0x4d44,
    0x2011_bab0,
    0x3153_464a,
    0x3434,
];

/// Whether anything that is watched has changed since it was last asked. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Touched(Rc<Cell<Option<Touch>>>);

/// That something may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch {
    /// Until then, nanoseconds since the Unix epoch, nothing had.
    pub quiet_until_ns: i64,
    /// So often a name that is watched came to stand for another file, at most.
    pub name_count: u32,
}

impl Touched {
    /// Says that something may have changed since that time, and so many names.
    fn set(&self, quiet_until_ns: i64, name_count: u32) {
        let before = self.0.get().unwrap_or(Touch { quiet_until_ns, name_count: 0 });
        self.0.set(Some(Touch {
            name_count: before.name_count.saturating_add(name_count),
            ..before
        }));
    }

    /// Says that it is worth to look again.
    pub fn look_again(&self) {
        self.set(i64::MIN, 0);
    }

    /// Whether something may have changed.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.get().is_some()
    }

    /// What may have changed, which is forgotten.
    #[must_use]
    pub fn take(&self) -> Option<Touch> {
        self.0.take()
    }
}

/// More names may have changed than are known.
const NAMES_UNKNOWN: u32 = 2;

/// The files that one core is told of. Not `Send`.
#[derive(Debug)]
pub struct FileEvents {
    inotify: OwnedFd,
    listeners: RefCell<HashMap<i32, Vec<Listener>>>,
    next_id: Cell<u64>,
    next_sweep: Cell<Instant>,
    /// All that happened before this time has been told of; nanoseconds since the Unix epoch.
    told_until_ns: Cell<i64>,
}

/// Who is to be told of what happens to a file, or to a name in a directory.
#[derive(Debug)]
struct Listener {
    id: u64,
    /// Of a directory, the name that is meant.
    name: Option<OsString>,
    touched: Touched,
}

/// A file or name that is watched until this is dropped.
#[derive(Debug)]
pub struct Watch {
    events: Rc<FileEvents>,
    number: i32,
    id: u64,
}

impl FileEvents {
    /// Watches nothing yet; `None` where the kernel gives no instance, and in a world.
    #[must_use]
    pub fn new() -> Option<Rc<Self>> {
        if world::is_entered() {
            return None;
        }
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
        Some(Rc::new(Self {
            inotify,
            listeners: RefCell::default(),
            next_id: Cell::new(0),
            next_sweep: Cell::new(Instant::now() + SWEEP_INTERVAL),
            told_until_ns: Cell::new(since_epoch_ns(SystemTime::now())),
        }))
    }

    /// Watches an open file, whatever becomes of its name.
    ///
    /// `None` where changes might not be told of: look at it by yourself.
    #[must_use]
    pub fn watch_file(self: &Rc<Self>, file: &File, touched: &Touched) -> Option<Watch> {
        let descriptor = file.as_fd()?;
        if !is_local(descriptor) {
            return None;
        }
        let path = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
        self.watch(path.as_ref(), OF_FILE, None, touched)
    }

    /// Watches the file that a path names now. As [`Self::watch_file`].
    #[must_use]
    pub fn watch_path(self: &Rc<Self>, path: &Path, touched: &Touched) -> Option<Watch> {
        self.watch(path, OF_FILE, None, touched)
    }

    /// Watches what a path names: that it comes to name another file. As [`Self::watch_file`].
    #[must_use]
    pub fn watch_name(self: &Rc<Self>, path: &Path, touched: &Touched) -> Option<Watch> {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        self.watch(directory, OF_DIRECTORY, Some(path.file_name()?), touched)
    }

    fn watch(
        self: &Rc<Self>,
        path: &Path,
        flags: WatchFlags,
        name: Option<&OsStr>,
        touched: &Touched,
    ) -> Option<Watch> {
        let number = inotify::add_watch(&self.inotify, path, flags).ok()?;
        let id = self.next_id.replace(self.next_id.get() + 1);
        let listener = Listener { id, name: name.map(OsStr::to_owned), touched: touched.clone() };
        self.listeners.borrow_mut().entry(number).or_default().push(listener);
        Some(Watch { events: Rc::clone(self), number, id })
    }

    /// Whether nothing is watched.
    pub(crate) fn is_empty(&self) -> bool {
        self.listeners.borrow().is_empty()
    }

    /// When all count as changed next.
    pub(crate) fn next_sweep(&self) -> Instant {
        self.next_sweep.get()
    }

    /// Tells those who listen what has happened since this was last called. Does not wait.
    pub(crate) fn tell(&self) {
        let now = Instant::now();
        let told_until_ns = self.told_until_ns.replace(since_epoch_ns(SystemTime::now()));
        if now >= self.next_sweep.get() {
            self.next_sweep.set(now + SWEEP_INTERVAL);
            self.touch_all(told_until_ns, 0);
        }
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.inotify, &mut buffer);
        // It ends with EAGAIN; any other failure is what the sweep is for.
        while let Ok(event) = events.next() {
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                self.touch_all(told_until_ns, NAMES_UNKNOWN);
                continue;
            }
            let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
            let mut listeners = self.listeners.borrow_mut();
            for listener in listeners.get(&event.wd()).into_iter().flatten() {
                let name_count = match (&listener.name, name) {
                    (None, _) => 0,
                    (Some(own), Some(name)) if own == name => 1,
                    (Some(_), Some(_)) => continue,
                    // It is the directory itself that something happened to.
                    (Some(_), None) => NAMES_UNKNOWN,
                };
                listener.touched.set(told_until_ns, name_count);
            }
            if event.events().contains(ReadFlags::IGNORED) {
                // The file is gone, and the kernel has forgotten it.
                listeners.remove(&event.wd());
            }
        }
    }

    fn touch_all(&self, quiet_until_ns: i64, name_count: u32) {
        let listeners = self.listeners.borrow();
        let all = listeners.values().flatten();
        all.for_each(|listener| listener.touched.set(quiet_until_ns, name_count));
    }
}

impl AsFd for FileEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut listeners = self.events.listeners.borrow_mut();
        let Some(of_file) = listeners.get_mut(&self.number) else { return };
        of_file.retain(|listener| listener.id != self.id);
        if of_file.is_empty() {
            listeners.remove(&self.number);
            // A file that is gone is not watched any more, which is all that is wanted.
            let _ = inotify::remove_watch(&self.events.inotify, self.number);
        }
    }
}

/// Whether nobody but this kernel changes what is behind a descriptor.
fn is_local(descriptor: BorrowedFd<'_>) -> bool {
    rustix::fs::fstatfs(descriptor).is_ok_and(|found| LOCAL.contains(&found.f_type))
}
