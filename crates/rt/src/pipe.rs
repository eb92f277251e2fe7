//! The reading end of a pipe, a terminal or a socket: bytes that come once, when they come.
//!
//! Never waits on a core: who reads asks, and asks again. Both backends do the same, since io_uring is no
//! faster for what is not a file.

use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// The reading end of a pipe.
#[derive(Debug)]
pub struct Pipe {
    file: fs::File,
}

/// The number of the descriptor of this process that a path stands for, if it stands for one:
/// `/dev/stdin`, `/dev/fd/63`.
#[must_use]
pub fn descriptor_of(path: &Path) -> Option<RawFd> {
    if path == Path::new("/dev/stdin") {
        return Some(libc::STDIN_FILENO);
    }
    let number =
        ["/dev/fd", "/proc/self/fd"].iter().find_map(|start| path.strip_prefix(start).ok())?;
    number.to_str()?.parse().ok()
}

impl AsFd for Pipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Pipe {
    /// Opens what a path names, without waiting for somebody to write. A descriptor of this process is
    /// taken as it is: not all can be opened once more.
    ///
    /// # Errors
    /// What open or dup said.
    pub fn open(path: &Path) -> io::Result<Self> {
        if let Some(descriptor) = descriptor_of(path) {
            // SAFETY: the number is only handed to fcntl, which says so where nothing is open there.
            let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
            return Ok(Self { file: borrowed.try_clone_to_owned()?.into() });
        }
        let flags = libc::O_NONBLOCK | libc::O_CLOEXEC | libc::O_NOCTTY;
        let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        Ok(Self { file })
    }

    /// Reads what has come: `None` if there is nothing now, 0 bytes if nothing comes any more because
    /// nobody has it open for writing.
    ///
    /// # Errors
    /// What poll or read said.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        debug_assert!(!buffer.is_empty());
        if !self.wait(Duration::ZERO)? {
            return Ok(None);
        }
        match (&self.file).read(buffer) {
            Ok(count) => Ok(Some(count)),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
                _ => Err(error),
            },
        }
    }

    /// Waits until bytes have come or none will, for so long at most; whether that is so.
    ///
    /// # Errors
    /// What poll said; a signal ends the wait and is none.
    pub fn wait(&self, time: Duration) -> io::Result<bool> {
        let mut asked =
            libc::pollfd { fd: self.file.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let millis = libc::c_int::try_from(time.as_millis()).unwrap_or(libc::c_int::MAX);
        // SAFETY: `asked` is one entry, writable while the call lasts.
        match unsafe { libc::poll(&raw mut asked, 1, millis) } {
            0 => Ok(false),
            1.. => Ok(true),
            _ => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => Ok(false),
                error => Err(error),
            },
        }
    }
}
