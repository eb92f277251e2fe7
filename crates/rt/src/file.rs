//! One file, by position. Reads of cached data never block and never allocate.
//!
//! Files are opened by ordinary calls, so that all backends report the same errors; what differs is
//! who waits for the device. A file becomes one of glommio's at its first read that would wait. Absent on purpose: streams with a position of their own, and glommio's
//! stream writers, which drop the results of fsync and ignore short writes.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, RawFd};
use std::path::Path;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use glommio::GlommioError;
use glommio::io::{BufferedFile, ReadResult};

use crate::fs::{self, Metadata};
use crate::yielding::QueuedClose;
use crate::{Backend, FileChange, ring, turns};

/// A file, opened for one core. Not `Send`.
#[derive(Debug)]
pub struct File {
    /// Of one descriptor as long as the file is open, whoever owns that.
    handle: RefCell<Handle>,
    /// Reads wait where they stand: no ring is asked for.
    is_waited_for: bool,
    /// The file system refuses `RWF_NOWAIT`: remembered, so that it is asked once.
    is_nowait_refused: Cell<bool>,
}

#[derive(Debug)]
enum Handle {
    Plain(fs::File),
    Ring(Rc<BufferedFile>, QueuedClose),
}

/// What tells one state of a file from another. Of many files there is one each, so it is small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileIdentity {
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Length in bytes.
    pub byte_count: u64,
    /// Modification time, nanoseconds since the Unix epoch.
    pub modified_ns: i64,
    /// It has no name any more.
    pub is_removed: bool,
    /// When it was created, nanoseconds since the Unix epoch; [`UNSAID_NS`] where the file system does not say.
    created_ns: i64,
}

/// In the place of a time that no file was created at.
const UNSAID_NS: i64 = i64::MIN;

/// Which file it is, whatever becomes of its names and contents. The time tells it from a later file
/// that is given the number of one that was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileKey {
    device: u64,
    inode: u64,
    created_ns: Option<i64>,
}

impl FileKey {
    /// Of its numbers and when it was created, as they were written down.
    #[must_use]
    pub fn new(device: u64, inode: u64, created_ns: Option<i64>) -> Self {
        Self { device, inode, created_ns }
    }

    /// Device number.
    #[must_use]
    pub fn device(&self) -> u64 {
        self.device
    }

    /// Inode number.
    #[must_use]
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// When it was created, nanoseconds since the Unix epoch; `None` where the file system does not say.
    #[must_use]
    pub fn created_ns(&self) -> Option<i64> {
        self.created_ns
    }
}

impl FileIdentity {
    /// That of no file: whatever is opened in its place differs.
    pub const NONE: Self = Self {
        device: 0,
        inode: 0,
        byte_count: 0,
        modified_ns: 0,
        is_removed: true,
        created_ns: UNSAID_NS,
    };

    /// Identity of what has this name now.
    ///
    /// # Errors
    /// What stat said.
    pub fn of_path(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|metadata| Self::of(&metadata))
    }

    /// Identity from what stat has already said.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        let &Metadata { device, inode, byte_count, modified_ns, .. } = metadata;
        Self {
            device,
            inode,
            byte_count,
            modified_ns,
            is_removed: metadata.link_count == 0,
            created_ns: metadata.created_ns.unwrap_or(UNSAID_NS),
        }
    }

    /// Which file it is.
    #[must_use]
    pub fn key(&self) -> FileKey {
        let Self { device, inode, .. } = *self;
        FileKey { device, inode, created_ns: self.created_ns() }
    }

    /// When it was created, nanoseconds since the Unix epoch; `None` where the file system does not say.
    #[must_use]
    pub fn created_ns(&self) -> Option<i64> {
        Some(self.created_ns).filter(|&created_ns| created_ns != UNSAID_NS)
    }

    /// How the file became `later`; `None` if it has not changed. Another link to it is no change.
    #[must_use]
    pub fn change_to(&self, later: &Self) -> Option<FileChange> {
        let (before, after) = (self.byte_count, later.byte_count);
        if (self.device, self.inode) != (later.device, later.inode) {
            Some(FileChange::Replaced)
        } else if later.is_removed {
            Some(FileChange::Removed)
        } else if after < before {
            Some(FileChange::Shrank(before, after))
        } else if after > before {
            Some(FileChange::Grew(before, after))
        } else if self.modified_ns != later.modified_ns {
            Some(FileChange::Rewritten)
        } else {
            None
        }
    }
}

/// Nanoseconds since the Unix epoch; negative before it. Times before 1677 and behind 2262 are the first and the
/// last that there are.
pub fn since_epoch_ns(time: SystemTime) -> i64 {
    let ns = |nanos: u128| i64::try_from(nanos).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => ns(since.as_nanos()),
        Err(before) => -ns(before.duration().as_nanos()),
    }
}

/// What a read that must not wait came to.
pub(crate) enum Immediate {
    /// So many bytes; 0 only at the end of the file.
    Read(usize),
    /// The data is not in memory.
    WouldWait,
}

impl File {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// What open said.
    #[expect(clippy::unused_async, reason = "opening may wait in a later backend")]
    pub async fn open(backend: Backend, path: &Path) -> io::Result<Self> {
        Ok(Self::over(backend, fs::File::open(path)?))
    }

    /// Creates a file for reading and writing; it must not exist.
    ///
    /// # Errors
    /// What open said: EEXIST if there is such a file.
    #[expect(clippy::unused_async, reason = "opening may wait in a later backend")]
    pub async fn create(backend: Backend, path: &Path) -> io::Result<Self> {
        Ok(Self::over(backend, fs::File::create_new(path)?))
    }

    /// Takes over a file that has been opened for reading.
    #[must_use]
    pub fn over(backend: Backend, file: impl Into<fs::File>) -> Self {
        let file = file.into();
        Self {
            // In a world there is no ring, nor a device.
            is_waited_for: backend == Backend::Std || file.descriptor().is_none(),
            handle: RefCell::new(Handle::Plain(file)),
            is_nowait_refused: Cell::new(false),
        }
    }

    /// The descriptor; `None` in a world.
    fn descriptor(&self) -> Option<RawFd> {
        match &*self.handle.borrow() {
            Handle::Ring(file, _) => Some(file.as_raw_fd()),
            Handle::Plain(file) => file.descriptor(),
        }
    }

    /// Does with the file what needs no ring, whoever owns it.
    fn with<T>(&self, act: impl FnOnce(&fs::File) -> T) -> T {
        match &*self.handle.borrow() {
            Handle::Plain(file) => act(file),
            Handle::Ring(file, _) => {
                // SAFETY: the descriptor is open, and `ManuallyDrop` keeps this second owner from closing it.
                let borrowed = unsafe { std::fs::File::from_raw_fd(file.as_raw_fd()) };
                act(&std::mem::ManuallyDrop::new(fs::File::from(borrowed)))
            }
        }
    }

    /// The file as glommio has it, from now on, once this core has a ring.
    ///
    /// # Errors
    /// Why there is no ring.
    async fn on_ring(&self) -> io::Result<Rc<BufferedFile>> {
        ring::made().await?;
        let mut handle = self.handle.borrow_mut();
        let descriptor = match &*handle {
            Handle::Ring(file, _) => return Ok(Rc::clone(file)),
            Handle::Plain(file) => {
                file.descriptor().ok_or(io::Error::from(io::ErrorKind::Unsupported))?
            }
        };
        // SAFETY: the descriptor is open, and its ownership moves from `file` to glommio's.
        let file = Rc::new(unsafe { BufferedFile::from_raw_fd(descriptor) });
        let ring = Handle::Ring(Rc::clone(&file), QueuedClose);
        if let Handle::Plain(plain) = std::mem::replace(&mut *handle, ring) {
            let _ = plain.into_host().map(IntoRawFd::into_raw_fd);
        }
        Ok(file)
    }

    /// Reads at a position into the caller's buffer; returns how many bytes, 0 only at the end of the
    /// file or for an empty buffer. May return fewer than asked for.
    ///
    /// Cached data is copied without waiting or allocating. What is not cached is read by io_uring
    /// into a buffer of glommio's and copied, or waited for in the portable backend.
    ///
    /// # Errors
    /// What read said; interruptions are retried.
    pub async fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if let Immediate::Read(count) = self.try_read_at(buffer, offset)? {
            return Ok(count);
        }
        let bytes = read_ring(self.on_ring().await?, offset, buffer.len()).await?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    /// As [`Self::read_at`], but waits on the core for what is not cached. For readers that cannot
    /// await, such as decompressors.
    ///
    /// # Errors
    /// What read said; interruptions are retried.
    pub fn read_at_blocking(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        file_offset(offset)?;
        loop {
            match self.with(|file| file.read_at(buffer, offset)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    /// Reads what is in memory. In the portable backend nothing is worth asking for twice: it waits.
    pub(crate) fn try_read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<Immediate> {
        if self.is_waited_for {
            return self.read_at_blocking(buffer, offset).map(Immediate::Read);
        }
        let Some(descriptor) = self.descriptor().filter(|_| !self.is_nowait_refused.get()) else {
            return Ok(Immediate::WouldWait);
        };
        let offset = file_offset(offset)?;
        let part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        loop {
            // SAFETY: the descriptor is open, and `part` describes `buffer`, which is writable.
            let count =
                unsafe { libc::preadv2(descriptor, &raw const part, 1, offset, libc::RWF_NOWAIT) };
            if let Ok(count) = usize::try_from(count) {
                return Ok(Immediate::Read(count));
            }
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::EINTR) => {}
                Some(libc::EAGAIN) => return Ok(Immediate::WouldWait),
                Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL) => {
                    self.is_nowait_refused.set(true);
                    return Ok(Immediate::WouldWait);
                }
                _ => return Err(error),
            }
        }
    }

    /// A read by io_uring that owns all it needs; it starts when first polled. `None` in the portable
    /// backend.
    ///
    /// # Errors
    /// Why there is no ring.
    pub(crate) async fn ring_read(
        &self,
        offset: u64,
        byte_count: usize,
    ) -> io::Result<Option<impl Future<Output = io::Result<ReadResult>> + 'static>> {
        if self.is_waited_for {
            return Ok(None);
        }
        Ok(Some(read_ring(self.on_ring().await?, offset, byte_count)))
    }

    /// Writes all bytes at a position, into the page cache, by `pwrite`.
    ///
    /// Not through the ring: file systems without non-blocking buffered writes (ext4) have it hand the
    /// write to a thread on the same core, which costs two switches, and a copy that the kernel can own
    /// meanwhile. The caller waits either way; what can hold it up is that too much is unwritten, which
    /// [`Self::start_writeback`] works against.
    ///
    /// # Errors
    /// What write said (ENOSPC, EIO, EDQUOT); some of the bytes may have been written. A write of no
    /// bytes is `WriteZero`.
    pub fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.with(|file| file.write_all_at(bytes, offset))
    }

    /// Has the device begin to write what the page cache holds of a range, so that [`Self::fsync`] has
    /// little left to wait for. A hint: whether it is taken changes only when the device works.
    pub fn start_writeback(&self, offset: u64, byte_count: u64) {
        let (Ok(offset), Ok(byte_count)) = (file_offset(offset), file_offset(byte_count)) else {
            return;
        };
        let Some(descriptor) = self.descriptor() else { return };
        // SAFETY: the descriptor is open; the call takes no memory. What it says is left to fsync.
        unsafe {
            libc::sync_file_range(descriptor, offset, byte_count, libc::SYNC_FILE_RANGE_WRITE)
        };
    }

    /// Makes contents and length durable (`fdatasync`).
    ///
    /// # Errors
    /// What fsync said. It must not be repeated: what it covered may be lost.
    pub async fn fsync(&self) -> io::Result<()> {
        self.with(fs::File::sync_data)
    }

    /// A second descriptor of the same open file, which may go to another thread: what is synced through it
    /// is what was written through this one.
    ///
    /// # Errors
    /// What fcntl said: EMFILE where the process has no descriptor left.
    pub fn share(&self) -> io::Result<fs::File> {
        self.with(fs::File::try_clone)
    }

    /// The descriptor, for calls that this crate makes on it; `None` in a world.
    pub(crate) fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        // SAFETY: the descriptor is open for as long as `self` is borrowed.
        self.descriptor().map(|descriptor| unsafe { BorrowedFd::borrow_raw(descriptor) })
    }

    /// Length, place and modification time, by fstat: true of the open file whatever becomes of its
    /// name.
    ///
    /// # Errors
    /// What fstat said.
    pub fn identity(&self) -> io::Result<FileIdentity> {
        self.with(fs::File::metadata).map(|metadata| FileIdentity::of(&metadata))
    }

    /// Length in bytes, by fstat.
    ///
    /// # Errors
    /// What fstat said.
    pub fn byte_count(&self) -> io::Result<u64> {
        self.identity().map(|identity| identity.byte_count)
    }

    /// Whether somebody has the file open for writing; `None` where the kernel does not say that to this user, or of this
    /// file system.
    #[must_use]
    pub fn has_writer(&self) -> Option<bool> {
        let descriptor = self.descriptor()?;
        // A lease for reading is given only where nobody writes.
        // SAFETY: the descriptor is open; the call takes no memory.
        let lease = |kind: libc::c_int| unsafe { libc::fcntl(descriptor, libc::F_SETLEASE, kind) };
        if lease(libc::F_RDLCK) == 0 {
            // It may be broken by now, which ends it as well.
            lease(libc::F_UNLCK);
            return Some(false);
        }
        let error = io::Error::last_os_error();
        (error.raw_os_error() == Some(libc::EAGAIN)).then_some(true)
    }

    /// Tells the kernel that the file is read from front to back, so that it reads further ahead.
    pub fn expect_sequential(&self) {
        let Some(descriptor) = self.descriptor() else { return };
        // SAFETY: the descriptor is open; the call takes no memory. Advice may be ignored, and so is
        // its result.
        unsafe { libc::posix_fadvise(descriptor, 0, 0, libc::POSIX_FADV_SEQUENTIAL) };
    }

    /// Closes the file and says whether that went well. Dropping it closes it too.
    ///
    /// # Errors
    /// What close said; the file is closed all the same.
    pub async fn close(self) -> io::Result<()> {
        match self.handle.into_inner() {
            Handle::Plain(file) => {
                let Ok(file) = file.into_host() else { return Ok(()) };
                // SAFETY: the descriptor is open and owned; `into_raw_fd` gives the ownership up.
                match unsafe { libc::close(file.into_raw_fd()) } {
                    0 => Ok(()),
                    _ => Err(io::Error::last_os_error()),
                }
            }
            // A read still in flight holds the file too; whoever is last closes it.
            Handle::Ring(file, _) => match Rc::try_unwrap(file) {
                Ok(file) => turns::on_ring(file.close()).await.map_err(io_error),
                Err(_) => Ok(()),
            },
        }
    }
}

async fn read_ring(
    file: Rc<BufferedFile>,
    offset: u64,
    byte_count: usize,
) -> io::Result<ReadResult> {
    file_offset(offset)?;
    loop {
        match turns::on_ring(file.read_at(offset, byte_count)).await.map_err(io_error) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

fn file_offset(offset: u64) -> io::Result<libc::off_t> {
    libc::off_t::try_from(offset).map_err(|_| io::Error::from_raw_os_error(libc::EOVERFLOW))
}

/// glommio wraps errors in text of its own; the error number is what callers act on.
fn io_error(error: GlommioError<()>) -> io::Error {
    match error.raw_os_error() {
        Some(errno) => io::Error::from_raw_os_error(errno),
        None => error.into(),
    }
}
