//! What can go wrong between us and the host. Every message names its remedy.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// An error of the runtime.
#[derive(Debug)]
pub enum RtError {
    /// The kernel is older than io_uring as glommio needs it.
    KernelTooOld {
        /// Version found, as (major, minor).
        found: (u32, u32),
    },
    /// io_uring cannot be used.
    IoUring(IoUringRefusal),
    /// The limit on locked memory is too small for io_uring's rings.
    MemlockTooSmall {
        /// `RLIMIT_MEMLOCK`, soft, in bytes.
        limit_bytes: u64,
        /// What glommio insists on, in bytes.
        needed_bytes: u64,
    },
    /// More files have to be open at once than this process may have.
    DescriptorLimit {
        /// How many in all.
        needed: u64,
        /// `RLIMIT_NOFILE`, hard.
        limit: u64,
    },
    /// A CPU was asked for that this process may not run on.
    CpuNotAllowed {
        /// The CPU asked for.
        cpu: usize,
        /// The affinity mask.
        allowed: Vec<usize>,
    },
    /// A CPU was named twice.
    CpuRepeated {
        /// That CPU.
        cpu: usize,
    },
    /// More cores were asked for than the affinity mask holds, or none.
    CoreCount {
        /// How many were asked for.
        asked: usize,
        /// The affinity mask.
        allowed: Vec<usize>,
    },
    /// A core did not come up.
    Launch {
        /// The core's name.
        name: String,
        /// The CPU it was to run on.
        cpu: usize,
        /// What the system or the executor said.
        reason: String,
    },
    /// The body of a core panicked.
    Panicked {
        /// The core's name.
        name: String,
        /// The panic's message.
        message: String,
    },
    /// A call on a file failed.
    File {
        /// The file.
        path: PathBuf,
        /// What was being done to it, as a verb: `open`, `read`.
        operation: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A file was changed by somebody else while it was being read.
    FileChanged {
        /// The file.
        path: PathBuf,
        /// How.
        change: FileChange,
    },
}

/// Why io_uring cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoUringRefusal {
    /// The kernel does not have it (ENOSYS).
    Missing,
    /// Not permitted (EPERM, EACCES): seccomp, or `kernel.io_uring_disabled`.
    Forbidden,
    /// Another error number.
    Errno(i32),
}

/// How a file changed while it was being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileChange {
    /// It became shorter: bytes before and after.
    Shrank(u64, u64),
    /// It became longer: bytes before and after.
    Grew(u64, u64),
    /// Same length, other modification time.
    Rewritten,
    /// Its name was removed.
    Removed,
    /// Another file now has its name.
    Replaced,
}

impl RtError {
    /// The file that it is about.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File { path, .. } | Self::FileChanged { path, .. } => Some(path),
            _ => None,
        }
    }
}

impl fmt::Display for RtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KernelTooOld { found: (major, minor) } => write!(
                f,
                "linux {major}.{minor} is too old for the io_uring backend, which needs 5.8; \
                 choose runtime = std"
            ),
            Self::IoUring(refusal) => write!(f, "{refusal}"),
            Self::MemlockTooSmall { limit_bytes, needed_bytes } => write!(
                f,
                "locked memory is limited to {limit_bytes} bytes and io_uring needs {needed_bytes}; \
                 raise it with ulimit -l or LimitMEMLOCK=, or choose runtime = std"
            ),
            Self::DescriptorLimit { needed, limit } => write!(
                f,
                "{needed} files have to be open at once, and this process may have {limit}; raise \
                 the limit with ulimit -Hn or LimitNOFILE=, or follow fewer files"
            ),
            Self::CpuNotAllowed { cpu, allowed } => write!(
                f,
                "CPU {cpu} is not among those this process may run on ({}); choose from them, or \
                 widen the affinity mask with taskset or the cpuset of the container",
                list(allowed)
            ),
            Self::CpuRepeated { cpu } => {
                write!(f, "CPU {cpu} is named twice; a core is pinned to a CPU of its own")
            }
            Self::CoreCount { asked, allowed } => write!(
                f,
                "{asked} cores are asked for and this process may run on {} ({}); ask for 1 to {}",
                allowed.len(),
                list(allowed),
                allowed.len()
            ),
            Self::Launch { name, cpu, reason } => {
                write!(f, "core {name} did not come up on CPU {cpu}: {reason}")
            }
            Self::Panicked { name, message } => write!(f, "core {name} panicked: {message}"),
            Self::File { path, operation, source } => {
                write!(f, "cannot {operation} {}", path.display())?;
                match source.raw_os_error() {
                    Some(errno) => write!(f, " (errno {errno})"),
                    None => Ok(()),
                }
            }
            Self::FileChanged { path, change } => write!(
                f,
                "{} {change} while it was being read; run again when nothing writes to it",
                path.display()
            ),
        }
    }
}

impl std::error::Error for RtError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl fmt::Display for IoUringRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str(
                "this kernel has no io_uring (ENOSYS); use a kernel built with CONFIG_IO_URING, or \
                 choose runtime = std",
            ),
            Self::Forbidden => f.write_str(
                "io_uring is not permitted (EPERM); allow it in the seccomp profile of the \
                 container, or set the sysctl kernel.io_uring_disabled to 0, or choose runtime = std",
            ),
            Self::Errno(errno) => write!(
                f,
                "io_uring_setup fails with errno {errno}; choose runtime = std if it cannot be helped"
            ),
        }
    }
}

impl fmt::Display for FileChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shrank(before, after) => write!(f, "shrank from {before} to {after} bytes"),
            Self::Grew(before, after) => write!(f, "grew from {before} to {after} bytes"),
            Self::Rewritten => f.write_str("was rewritten"),
            Self::Removed => f.write_str("was removed"),
            Self::Replaced => f.write_str("was replaced by another file"),
        }
    }
}

fn list(cpus: &[usize]) -> String {
    cpus.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
