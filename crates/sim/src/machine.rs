//! The world that a run is in: a disk, two clocks, cores that go on in any order, and a moment at which all ends.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tidemill_rt::fs::{FileKind, Metadata, OpenOptions};
use tidemill_rt::world::{Step, World, WorldFile, epoch};

use crate::dice::Dice;
use crate::disk::Inode;
use crate::{Cut, Disk, Fault, Omitted};

/// What happens outside of the product at a moment.
pub(crate) enum Event {
    /// Somebody adds to a file.
    Append(PathBuf, Vec<u8>),
    /// Anything else that takes no time, such as a signal.
    Call(Box<dyn FnOnce() + Send>),
    /// Another process, which is run to its end between two turns of cores.
    Process(Box<dyn FnOnce() + Send>),
}

/// How often what happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls on files and names.
    pub calls: u64,
    /// Of these, flushes of files.
    pub syncs: u64,
    /// Flushes of directories.
    pub directory_syncs: u64,
    /// Renames.
    pub renames: u64,
    /// Removals.
    pub removals: u64,
    /// Files that were shortened.
    pub truncations: u64,
    /// Turns of cores.
    pub turns: u64,
    /// Steps back of the wall clock.
    pub clock_steps_back: u64,
    /// Calls that took seconds.
    pub stalls: u64,
}

impl Counts {
    /// Adds those of another.
    pub fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.syncs += other.syncs;
        self.directory_syncs += other.directory_syncs;
        self.renames += other.renames;
        self.removals += other.removals;
        self.truncations += other.truncations;
        self.turns += other.turns;
        self.clock_steps_back += other.clock_steps_back;
        self.stalls += other.stalls;
    }
}

struct State {
    disk: Disk,
    dice: Dice,
    /// Since the epoch of the monotonic clock.
    now: Duration,
    /// The wall clock at that epoch, and how far it is from there by now.
    wall_at_epoch: SystemTime,
    wall_off_ms: i64,
    core_count: usize,
    /// In order of time.
    events: VecDeque<(Duration, Event)>,
    /// The call of this boot at which all ends.
    ends_at: Option<u64>,
    /// The one that goes wrong, and how.
    fault: Option<(u64, Fault)>,
    /// The fault stays until the boot ends.
    is_lasting: bool,
    /// Calls of this boot.
    calls: u64,
    /// The boot is over: nothing that is done any more has an effect.
    is_over: bool,
    boot: u64,
    /// Handles that hold a lock: what, and who.
    locks: Vec<(Inode, u64)>,
    next_handle: u64,
    omitted: Option<Omitted>,
    counts: Counts,
    /// What the call at which all ended was.
    last_call: String,
    trace: Option<Vec<String>>,
    /// What is to be run between two turns of cores.
    processes: Vec<Box<dyn FnOnce() + Send>>,
}

/// A machine. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Machine(Arc<Mutex<State>>);

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").finish_non_exhaustive()
    }
}

/// What a call is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Open,
    Look,
    Read,
    Write,
    Length,
    Sync,
    Change,
    Lock,
}

/// What becomes of it.
enum Fate {
    Done,
    /// Of the bytes so many.
    Short(usize),
    Failed(io::Error),
    /// It is done, and nobody hears of it.
    DoneUnheard,
    /// So many bytes are, and nobody hears of it.
    ShortUnheard(usize),
}

fn gone() -> io::Error {
    io::Error::from_raw_os_error(libc::EIO)
}

impl State {
    /// Time passes.
    fn pass(&mut self, at_most_us: u64) {
        self.now += Duration::from_micros(1 + self.dice.below(at_most_us));
        if self.dice.once_in(64) {
            let step = i64::try_from(self.dice.below(4001)).expect("it is small") - 2000;
            self.wall_off_ms += step;
            self.counts.clock_steps_back += u64::from(step < 0);
        }
        while self.events.front().is_some_and(|(at, _)| *at <= self.now) {
            let Some((_, event)) = self.events.pop_front() else { break };
            match event {
                Event::Append(path, bytes) => self.append(&path, &bytes),
                Event::Call(call) => call(),
                Event::Process(process) => self.processes.push(process),
            }
        }
    }

    /// What somebody else writes is there for good.
    fn append(&mut self, path: &Path, bytes: &[u8]) {
        let now_ns = self.wall_ns();
        let inode = self.disk.open(path, (true, false, false), now_ns);
        let inode = inode.expect("the input's directory is there");
        let at = self.disk.metadata(inode).len();
        let at = usize::try_from(at).expect("it is in memory");
        self.disk.write_at(inode, bytes, at, now_ns).expect("it is a file");
        self.disk.keep(inode, path);
    }

    fn wall(&self) -> SystemTime {
        let off = Duration::from_millis(self.wall_off_ms.unsigned_abs());
        let now = self.wall_at_epoch + self.now;
        if self.wall_off_ms < 0 { now - off } else { now + off }
    }

    fn wall_ns(&self) -> i64 {
        tidemill_rt::since_epoch_ns(self.wall())
    }

    fn omits(&self, omitted: Omitted) -> bool {
        self.omitted == Some(omitted)
    }

    /// Says what becomes of a call; `byte_count` is what it reads or writes.
    fn call(&mut self, call: Call, byte_count: usize, what: impl FnOnce() -> String) -> Fate {
        if self.is_over {
            return Fate::Failed(gone());
        }
        self.pass(40);
        let number = self.calls;
        self.calls += 1;
        self.counts.calls += 1;
        if self.trace.is_some() {
            let line = format!("{number:6} {:>9} us {call:?} {}", self.now.as_micros(), what());
            if let Some(trace) = &mut self.trace {
                trace.push(line.clone());
            }
            self.last_call = line;
        }
        if self.ends_at.is_some_and(|at| number >= at) {
            self.is_over = true;
            return match self.dice.below(3) {
                0 => Fate::DoneUnheard,
                1 if byte_count > 1 => Fate::ShortUnheard(1 + self.dice.place(byte_count - 1)),
                _ => Fate::Failed(gone()),
            };
        }
        let Some((_, fault)) =
            self.fault.filter(|&(at, _)| if self.is_lasting { number >= at } else { number == at })
        else {
            return Fate::Done;
        };
        let errno = |errno| Fate::Failed(io::Error::from_raw_os_error(errno));
        let moves_bytes = matches!(call, Call::Read | Call::Write);
        match fault {
            Fault::Full if matches!(call, Call::Write | Call::Change | Call::Open) => {
                errno(libc::ENOSPC)
            }
            Fault::Device => errno(libc::EIO),
            Fault::Short if moves_bytes && byte_count > 1 => {
                Fate::Short(1 + self.dice.place(byte_count - 1))
            }
            Fault::Interrupted if moves_bytes => errno(libc::EINTR),
            Fault::Stall => {
                self.counts.stalls += 1;
                self.pass(3_000_000);
                Fate::Done
            }
            Fault::Full | Fault::Short | Fault::Interrupted => Fate::Done,
        }
    }
}

impl Machine {
    /// With an empty disk; all that it does follows from the seed.
    #[must_use]
    pub fn new(seed: u64, core_count: usize) -> Self {
        let state = State {
            disk: Disk::default(),
            dice: Dice::new(seed, 1),
            now: Duration::from_secs(1),
            wall_at_epoch: SystemTime::UNIX_EPOCH + Duration::from_secs(1_714_521_600),
            wall_off_ms: 0,
            core_count,
            events: VecDeque::new(),
            ends_at: None,
            fault: None,
            is_lasting: false,
            calls: 0,
            is_over: false,
            boot: 0,
            locks: Vec::new(),
            next_handle: 0,
            omitted: None,
            counts: Counts::default(),
            last_call: String::new(),
            trace: None,
            processes: Vec::new(),
        };
        Self(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves something out from now on.
    pub fn omit(&self, omitted: Option<Omitted>) {
        self.state().omitted = omitted;
    }

    /// Notes every call from now on, for [`Self::trace`].
    pub fn note_calls(&self) {
        self.state().trace = Some(Vec::new());
    }

    /// The calls that were noted, a line each.
    #[must_use]
    pub fn trace(&self) -> Vec<String> {
        self.state().trace.clone().unwrap_or_default()
    }

    /// How many cores it has from now on.
    pub fn set_core_count(&self, count: usize) {
        self.state().core_count = count;
    }

    /// What somebody has put there before: a file, durable, with all directories above it.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.state();
        let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
        above.reverse();
        let now_ns = state.wall_ns();
        for directory in above {
            let _ = state.disk.create_dir(directory, now_ns);
        }
        state.append(path, bytes);
        state.disk.sync_all();
    }

    /// Makes a directory that is there for good.
    pub fn put_directory(&self, path: &Path) {
        let mut state = self.state();
        let now_ns = state.wall_ns();
        let _ = state.disk.create_dir(path, now_ns);
        state.disk.sync_all();
    }

    /// What is to happen outside, each so long from now.
    pub(crate) fn expect(&self, events: Vec<(Duration, Event)>) {
        let mut state = self.state();
        let now = state.now;
        state.events.extend(events.into_iter().map(|(after, event)| (now + after, event)));
        state.events.make_contiguous().sort_by_key(|(at, _)| *at);
    }

    /// Lets all that is still to be added to files happen now; the rest does not any more.
    pub(crate) fn finish_events(&self) {
        let mut state = self.state();
        for (_, event) in std::mem::take(&mut state.events) {
            if let Event::Append(path, bytes) = event {
                state.append(&path, &bytes);
            }
        }
    }

    /// Forgets what is to be called.
    pub(crate) fn forget_calls(&self) {
        let mut state = self.state();
        state.processes.clear();
        state.events.retain(|(_, event)| matches!(event, Event::Append(..)));
    }

    /// Begins a boot, which ends at a call of that number, if one is given, and of which one call goes wrong, if one is given.
    pub fn boot(&self, ends_at: Option<u64>, fault: Option<(u64, Fault)>, is_lasting: bool) {
        let mut state = self.state();
        state.boot += 1;
        state.locks.clear();
        (state.ends_at, state.fault, state.is_lasting) = (ends_at, fault, is_lasting);
        (state.calls, state.is_over) = (0, false);
        // Whoever starts it again takes a while.
        let pause = 1 + state.dice.below(2000);
        state.now += Duration::from_millis(pause);
    }

    /// Ends the boot; what the disk keeps is the dice's to say. Whether it had come to the call at which it was to end.
    pub fn end(&self, cut: Cut) -> bool {
        let mut state = self.state();
        let is_damaged = state.omits(Omitted::HashCheck);
        let State { disk, dice, .. } = &mut *state;
        disk.cut(cut, dice);
        if is_damaged && cut == Cut::Power {
            disk.damage(".open", dice);
        }
        std::mem::replace(&mut state.is_over, true)
    }

    /// Whether the boot is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state().is_over
    }

    /// Calls of this boot.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// How often what happened since it was made.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    /// Looks at the disk.
    pub fn look<T>(&self, look: impl FnOnce(&Disk) -> T) -> T {
        look(&self.state().disk)
    }

    /// Does something to the disk that has a fate.
    fn act<T>(
        &self,
        call: Call,
        what: impl FnOnce() -> String,
        act: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.state();
        match state.call(call, 0, what) {
            Fate::Done | Fate::Short(_) => act(&mut state),
            Fate::DoneUnheard | Fate::ShortUnheard(_) => {
                let _ = act(&mut state);
                Err(gone())
            }
            Fate::Failed(error) => Err(error),
        }
    }
}

impl World for Machine {
    fn now(&self) -> Instant {
        epoch() + self.state().now
    }

    fn system_time(&self) -> SystemTime {
        self.state().wall()
    }

    fn wait_until(&self, moment: Instant) {
        let mut state = self.state();
        state.now = state.now.max(moment.saturating_duration_since(epoch()));
        state.pass(20);
    }

    fn core_count(&self) -> usize {
        self.state().core_count
    }

    fn choose(&self, count: usize) -> usize {
        let processes = std::mem::take(&mut self.state().processes);
        processes.into_iter().for_each(|process| process());
        let mut state = self.state();
        state.counts.turns += 1;
        state.pass(400);
        state.dice.place(count)
    }

    fn gives_way(&self) -> bool {
        let mut state = self.state();
        state.pass(100);
        state.dice.once_in(2)
    }

    fn omits(&self, step: Step) -> bool {
        let omitted = match step {
            Step::HashCheck => Omitted::HashCheck,
            Step::PublishBehindCommit => Omitted::PublishOrder,
            Step::LogOfRaise => Omitted::LogOfRaise,
            Step::NumberOfGive => Omitted::NumberOfGive,
        };
        self.state().omits(omitted)
    }

    fn open(&self, path: &Path, options: &OpenOptions) -> io::Result<Box<dyn WorldFile>> {
        let makes = options.create || options.create_new;
        let call = if makes || options.truncate { Call::Open } else { Call::Look };
        let inode = self.act(
            call,
            || format!("open {}", path.display()),
            |state| {
                let how = (options.create, options.create_new, options.truncate);
                let now_ns = state.wall_ns();
                let inode = state.disk.open(path, how, now_ns)?;
                if options.write && state.disk.metadata(inode).is_dir() {
                    return Err(io::Error::from_raw_os_error(libc::EISDIR));
                }
                Ok(inode)
            },
        )?;
        let mut state = self.state();
        state.next_handle += 1;
        Ok(Box::new(OpenFile {
            machine: self.clone(),
            inode,
            path: path.to_owned(),
            is_reading: !options.write,
            boot: state.boot,
            handle: Arc::new(state.next_handle),
        }))
    }

    fn metadata(&self, path: &Path, _follows_links: bool) -> io::Result<Metadata> {
        let what = || format!("look at {}", path.display());
        self.act(Call::Look, what, |state| {
            state.disk.find(path).map(|inode| state.disk.metadata(inode))
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(OsString, FileKind)>> {
        let what = || format!("list {}", path.display());
        self.act(Call::Look, what, |state| {
            // A listing has no order.
            let mut all = state.disk.list(path)?;
            for at in (1..all.len()).rev() {
                let other = state.dice.place(at + 1);
                all.swap(at, other);
            }
            Ok(all)
        })
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let what = || format!("make {}", path.display());
        self.act(Call::Change, what, |state| {
            let now_ns = state.wall_ns();
            state.disk.create_dir(path, now_ns)
        })
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let what = || format!("remove {}", path.display());
        self.act(Call::Change, what, |state| {
            state.counts.removals += 1;
            state.disk.remove_dir(path)
        })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let what = || format!("remove {}", path.display());
        self.act(Call::Change, what, |state| {
            state.counts.removals += 1;
            state.disk.remove_file(path)
        })
    }

    fn rename(&self, from: &Path, to: &Path, may_replace: bool) -> io::Result<()> {
        let what = || format!("rename {} to {}", from.display(), to.display());
        self.act(Call::Change, what, |state| {
            state.counts.renames += 1;
            state.disk.rename(from, to, may_replace)
        })
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        let what = || format!("resolve {}", path.display());
        self.act(Call::Look, what, |state| {
            let path = Path::new("/").join(path);
            state.disk.find(&path).map(|_| path)
        })
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        let what = || format!("read link {}", path.display());
        self.act(Call::Look, what, |state| {
            state.disk.find(path)?;
            Err(io::Error::from_raw_os_error(libc::EINVAL))
        })
    }
}

/// A file that is open.
struct OpenFile {
    machine: Machine,
    inode: Inode,
    path: PathBuf,
    is_reading: bool,
    boot: u64,
    /// Shared by those that were given by [`WorldFile::share`].
    handle: Arc<u64>,
}

impl fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl OpenFile {
    /// Whether the machine was booted again since it was opened.
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.machine.state();
        if state.boot == self.boot { Ok(state) } else { Err(gone()) }
    }

    fn is_segment(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == "open")
    }

    fn is_checkpoint(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == "ck")
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        if Arc::strong_count(&self.handle) == 1 {
            let mut state = self.machine.state();
            if state.boot == self.boot {
                let handle = *self.handle;
                state.locks.retain(|&(_, holder)| holder != handle);
            }
        }
    }
}

impl WorldFile for OpenFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        let what = || format!("read {} from {offset}", self.path.display());
        let mut state = self.state()?;
        match state.call(Call::Read, buffer.len(), what) {
            Fate::Done => state.disk.read_at(self.inode, buffer, at),
            Fate::Short(count) => state.disk.read_at(self.inode, &mut buffer[..count], at),
            Fate::DoneUnheard | Fate::ShortUnheard(_) => Err(gone()),
            Fate::Failed(error) => Err(error),
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        let what = || format!("write {} bytes of {} at {offset}", bytes.len(), self.path.display());
        let mut state = self.state()?;
        let fate = state.call(Call::Write, bytes.len(), what);
        let (count, is_heard) = match fate {
            Fate::Done => (bytes.len(), true),
            Fate::Short(count) => (count, true),
            Fate::DoneUnheard => (bytes.len(), false),
            Fate::ShortUnheard(count) => (count, false),
            Fate::Failed(error) => return Err(error),
        };
        let now_ns = state.wall_ns();
        state.disk.write_at(self.inode, &bytes[..count], at, now_ns)?;
        if is_heard { Ok(count) } else { Err(gone()) }
    }

    fn set_len(&self, byte_count: u64) -> io::Result<()> {
        let count = usize::try_from(byte_count).unwrap_or(usize::MAX);
        let what = || format!("cut {} to {byte_count}", self.path.display());
        drop(self.state()?);
        self.machine.act(Call::Length, what, |state| {
            let is_shorter = state.disk.metadata(self.inode).len() > byte_count;
            state.counts.truncations += u64::from(is_shorter);
            if is_shorter && state.omits(Omitted::Truncation) {
                return Ok(());
            }
            let now_ns = state.wall_ns();
            state.disk.set_len(self.inode, count, now_ns)
        })
    }

    fn sync(&self) -> io::Result<()> {
        let what = || format!("flush {}", self.path.display());
        let mut state = self.state()?;
        let is_directory = state.disk.metadata(self.inode).is_dir();
        let is_left_out = match state.omitted {
            Some(Omitted::SegmentSync) => self.is_segment(),
            Some(Omitted::DirectorySync) => is_directory,
            Some(Omitted::RecoverySync) => self.is_checkpoint() && self.is_reading,
            _ => false,
        };
        match state.call(Call::Sync, 0, what) {
            Fate::Done | Fate::Short(_) => {
                match is_directory {
                    true => state.counts.directory_syncs += 1,
                    false => state.counts.syncs += 1,
                }
                if !is_left_out {
                    state.disk.sync(self.inode);
                }
                Ok(())
            }
            Fate::DoneUnheard | Fate::ShortUnheard(_) => {
                state.disk.sync(self.inode);
                Err(gone())
            }
            Fate::Failed(error) => {
                if !state.is_over {
                    state.disk.fail_to_sync(self.inode);
                }
                Err(error)
            }
        }
    }

    fn metadata(&self) -> io::Result<Metadata> {
        let what = || format!("look at open {}", self.path.display());
        drop(self.state()?);
        self.machine.act(Call::Look, what, |state| Ok(state.disk.metadata(self.inode)))
    }

    fn try_lock(&self) -> io::Result<bool> {
        let what = || format!("lock {}", self.path.display());
        drop(self.state()?);
        let handle = *self.handle;
        self.machine.act(Call::Lock, what, |state| {
            let is_free =
                state.locks.iter().all(|&(inode, by)| inode != self.inode || by == handle);
            if is_free {
                state.locks.push((self.inode, handle));
            }
            Ok(is_free || state.omits(Omitted::Lock))
        })
    }

    fn share(&self) -> io::Result<Box<dyn WorldFile>> {
        Ok(Box::new(Self {
            machine: self.machine.clone(),
            inode: self.inode,
            path: self.path.clone(),
            is_reading: self.is_reading,
            boot: self.boot,
            handle: Arc::clone(&self.handle),
        }))
    }
}
