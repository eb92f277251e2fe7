//! What is known of a file without reading it.

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::file::since_epoch_ns;

/// What kind of thing has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A pipe with a name, or a socket.
    Pipe,
    /// A device of characters, such as a terminal.
    CharDevice,
    /// Any other.
    Other,
}

/// What stat says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: FileKind,
    /// Number of the device.
    pub device: u64,
    /// Number of the inode.
    pub inode: u64,
    /// How many names it has.
    pub link_count: u64,
    /// Length in bytes.
    pub byte_count: u64,
    /// When it was last written, nanoseconds since the Unix epoch.
    pub modified_ns: i64,
    /// When it was created, nanoseconds since the Unix epoch; `None` where the file system does not say.
    pub created_ns: Option<i64>,
}

impl FileKind {
    pub(crate) fn of_host(kind: std::fs::FileType) -> Self {
        if kind.is_file() {
            Self::File
        } else if kind.is_dir() {
            Self::Directory
        } else if kind.is_symlink() {
            Self::Link
        } else if kind.is_fifo() || kind.is_socket() {
            Self::Pipe
        } else if kind.is_char_device() {
            Self::CharDevice
        } else {
            Self::Other
        }
    }

    /// Whether it is a regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        *self == Self::File
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        *self == Self::Directory
    }

    /// Whether it is a symbolic link.
    #[must_use]
    pub fn is_symlink(&self) -> bool {
        *self == Self::Link
    }
}

impl Metadata {
    pub(crate) fn of_host(metadata: &std::fs::Metadata) -> Self {
        const NS_PER_SECOND: i64 = 1_000_000_000;
        Self {
            kind: FileKind::of_host(metadata.file_type()),
            device: metadata.dev(),
            inode: metadata.ino(),
            link_count: metadata.nlink(),
            byte_count: metadata.size(),
            modified_ns: metadata
                .mtime()
                .saturating_mul(NS_PER_SECOND)
                .saturating_add(metadata.mtime_nsec()),
            created_ns: metadata.created().ok().map(since_epoch_ns),
        }
    }

    /// Whether it is a regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.kind.is_file()
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.kind.is_dir()
    }

    /// Whether it is a symbolic link.
    #[must_use]
    pub fn is_symlink(&self) -> bool {
        self.kind.is_symlink()
    }

    /// Length in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "as the standard library has it")]
    pub fn len(&self) -> u64 {
        self.byte_count
    }

    /// When it was last written.
    #[must_use]
    pub fn modified(&self) -> SystemTime {
        let ns = Duration::from_nanos(self.modified_ns.unsigned_abs());
        if self.modified_ns < 0 { UNIX_EPOCH - ns } else { UNIX_EPOCH + ns }
    }

    /// Number of the device.
    #[must_use]
    pub fn dev(&self) -> u64 {
        self.device
    }

    /// Number of the inode.
    #[must_use]
    pub fn ino(&self) -> u64 {
        self.inode
    }
}
