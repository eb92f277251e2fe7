//! Files and names as `std::fs` has them: those of the host, or of the [world](crate::world) that the calling thread is in.
//!
//! Names and behaviour are those of the standard library, so that code reads the same. Costs one look at a variable of the thread
//! more. Absent on purpose: what nobody above needs.

mod metadata;
mod names;

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

pub use self::metadata::{FileKind, Metadata};
pub use self::names::{
    DirEntry, ReadDir, canonicalize, create_dir, create_private_dir, exists, is_dir, is_file,
    is_link, metadata, read_dir, read_kernel_text, read_link, remove_dir, remove_file, rename,
    symlink_metadata,
};
use crate::world::{WorldFile, current};

/// A file that is open, or a directory.
#[derive(Debug)]
pub struct File(Handle);

#[derive(Debug)]
enum Handle {
    Host(std::fs::File),
    World(InWorld),
}

#[derive(Debug)]
struct InWorld {
    file: Box<dyn WorldFile>,
    /// Where reading and writing without an offset go on.
    position: AtomicU64,
}

/// How a file is opened.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of open(2)")]
pub struct OpenOptions {
    /// To read.
    pub read: bool,
    /// To write.
    pub write: bool,
    /// It is made where it is not there.
    pub create: bool,
    /// It is made, and must not be there.
    pub create_new: bool,
    /// It is emptied.
    pub truncate: bool,
    /// Flags of `open` besides.
    pub flags: i32,
}

macro_rules! setters {
    ($($name:ident)*) => {$(
        /// Sets what the field of this name says.
        pub fn $name(&mut self, value: bool) -> &mut Self {
            self.$name = value;
            self
        }
    )*};
}

impl OpenOptions {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    setters!(read write create create_new truncate);

    /// Flags of `open` besides.
    pub fn custom_flags(&mut self, flags: i32) -> &mut Self {
        self.flags = flags;
        self
    }

    /// Opens it.
    ///
    /// # Errors
    /// What open said.
    pub fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let path = path.as_ref();
        if let Some(world) = current() {
            let file = world.open(path, self)?;
            return Ok(File(Handle::World(InWorld { file, position: AtomicU64::new(0) })));
        }
        let Self { read, write, create, create_new, truncate, flags } = *self;
        let mut options = std::fs::OpenOptions::new();
        options.read(read).write(write).create(create).create_new(create_new).truncate(truncate);
        options.custom_flags(flags).open(path).map(File::from)
    }
}

impl From<std::fs::File> for File {
    fn from(file: std::fs::File) -> Self {
        Self(Handle::Host(file))
    }
}

impl File {
    /// To read it, or to flush a directory.
    ///
    /// # Errors
    /// What open said.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new().read(true).open(path)
    }

    /// Empty, to write it.
    ///
    /// # Errors
    /// What open said.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new().write(true).create(true).truncate(true).open(path)
    }

    /// To read and write it; it must not be there.
    ///
    /// # Errors
    /// What open said.
    pub fn create_new(path: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new().read(true).write(true).create_new(true).open(path)
    }

    /// As said then.
    #[must_use]
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// The descriptor; `None` in a world.
    #[must_use]
    pub fn descriptor(&self) -> Option<RawFd> {
        match &self.0 {
            Handle::Host(file) => Some(file.as_raw_fd()),
            Handle::World(_) => None,
        }
    }

    /// The host's file; an error gives it back.
    ///
    /// # Errors
    /// In a world.
    pub(crate) fn into_host(self) -> Result<std::fs::File, Self> {
        match self.0 {
            Handle::Host(file) => Ok(file),
            world @ Handle::World(_) => Err(Self(world)),
        }
    }

    /// Reads at an offset; 0 only at the end, or for an empty buffer.
    ///
    /// # Errors
    /// What read said.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match &self.0 {
            Handle::Host(file) => file.read_at(buffer, offset),
            Handle::World(world) => world.file.read_at(buffer, offset),
        }
    }

    /// Fills the buffer from an offset.
    ///
    /// # Errors
    /// What read said, and `UnexpectedEof`; interruptions are retried.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match &self.0 {
            Handle::Host(file) => file.read_exact_at(buffer, offset),
            Handle::World(world) => {
                let (mut buffer, mut offset) = (buffer, offset);
                while !buffer.is_empty() {
                    match world.file.read_at(buffer, offset) {
                        Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                        Ok(count) => {
                            buffer = &mut buffer[count..];
                            offset += bytes(count);
                        }
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(())
            }
        }
    }

    /// Writes all bytes at an offset.
    ///
    /// # Errors
    /// What write said; some may have been written. Interruptions are retried.
    pub fn write_all_at(&self, all: &[u8], offset: u64) -> io::Result<()> {
        match &self.0 {
            Handle::Host(file) => file.write_all_at(all, offset),
            Handle::World(world) => {
                let (mut left, mut offset) = (all, offset);
                while !left.is_empty() {
                    match world.file.write_at(left, offset) {
                        Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                        Ok(count) => {
                            left = &left[count..];
                            offset += bytes(count);
                        }
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(())
            }
        }
    }

    /// Makes it so many bytes long.
    ///
    /// # Errors
    /// What ftruncate said.
    pub fn set_len(&self, byte_count: u64) -> io::Result<()> {
        match &self.0 {
            Handle::Host(file) => file.set_len(byte_count),
            Handle::World(world) => world.file.set_len(byte_count),
        }
    }

    /// Makes it durable: bytes and length, or the names of a directory.
    ///
    /// # Errors
    /// What fsync said.
    pub fn sync_all(&self) -> io::Result<()> {
        match &self.0 {
            Handle::Host(file) => file.sync_all(),
            Handle::World(world) => world.file.sync(),
        }
    }

    /// The same but for what nobody needs to read it.
    ///
    /// # Errors
    /// What fdatasync said.
    pub fn sync_data(&self) -> io::Result<()> {
        match &self.0 {
            Handle::Host(file) => file.sync_data(),
            Handle::World(world) => world.file.sync(),
        }
    }

    /// What is known of it.
    ///
    /// # Errors
    /// What fstat said.
    pub fn metadata(&self) -> io::Result<Metadata> {
        match &self.0 {
            Handle::Host(file) => file.metadata().map(|metadata| Metadata::of_host(&metadata)),
            Handle::World(world) => world.file.metadata(),
        }
    }

    /// A second descriptor of the same open file.
    ///
    /// # Errors
    /// What fcntl said.
    pub fn try_clone(&self) -> io::Result<Self> {
        match &self.0 {
            Handle::Host(file) => file.try_clone().map(Self::from),
            Handle::World(world) => {
                let position = AtomicU64::new(world.position.load(Ordering::Relaxed));
                Ok(Self(Handle::World(InWorld { file: world.file.share()?, position })))
            }
        }
    }

    /// Locks it for this process alone until it is closed; whether that could be had without waiting.
    ///
    /// # Errors
    /// What flock said.
    pub fn try_lock(&self) -> io::Result<bool> {
        match &self.0 {
            Handle::Host(file) => {
                // SAFETY: the descriptor is open; the call takes no memory.
                if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
                    return Ok(true);
                }
                let error = io::Error::last_os_error();
                if error.kind() == io::ErrorKind::WouldBlock { Ok(false) } else { Err(error) }
            }
            Handle::World(world) => world.file.try_lock(),
        }
    }

    /// Whether its file system is in memory, so that nothing of it outlives the host.
    #[must_use]
    pub fn is_volatile(&self) -> bool {
        // Of tmpfs and ramfs, as linux/magic.h has them.
        const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];
        let Handle::Host(file) = &self.0 else { return false };
        let found = rustix::fs::fstatfs(file).map(|found| found.f_type);
        found.is_ok_and(|kind| IN_MEMORY.iter().any(|&known| i128::from(kind) == i128::from(known)))
    }

    /// Copies so many bytes from where another file is read to where this is written; how many there were.
    /// Between two files of the host the kernel does it.
    ///
    /// # Errors
    /// What reading or writing said.
    pub fn copy_from(&mut self, from: &File, byte_count: u64) -> io::Result<u64> {
        match (&mut self.0, &from.0) {
            (Handle::Host(to), Handle::Host(from)) => io::copy(&mut from.take(byte_count), to),
            _ => io::copy(&mut from.take(byte_count), self),
        }
    }
}

fn bytes(count: usize) -> u64 {
    u64::try_from(count).expect("a usize fits u64")
}

impl InWorld {
    fn advance(&self, count: usize) {
        self.position.fetch_add(bytes(count), Ordering::Relaxed);
    }

    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.position.load(Ordering::Relaxed))?;
        self.advance(count);
        Ok(count)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write_at(bytes, self.position.load(Ordering::Relaxed))?;
        self.advance(count);
        Ok(count)
    }

    fn seek(&self, to: SeekFrom) -> io::Result<u64> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
        let position = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.file.metadata()?.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.position.load(Ordering::Relaxed).checked_add_signed(by),
        };
        let position = position.ok_or_else(invalid)?;
        self.position.store(position, Ordering::Relaxed);
        Ok(position)
    }
}

impl Read for &File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Handle::Host(file) => (&*file).read(buffer),
            Handle::World(world) => world.read(buffer),
        }
    }
}

impl Write for &File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Handle::Host(file) => (&*file).write(bytes),
            Handle::World(world) => world.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for &File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match &self.0 {
            Handle::Host(file) => (&*file).seek(to),
            Handle::World(world) => world.seek(to),
        }
    }
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        (&*self).seek(to)
    }
}
