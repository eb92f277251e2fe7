//! Which backend this host allows, found out before glommio could exit or panic over it.

use std::ffi::CStr;

use crate::{IoUringRefusal, RtError, world};

/// How a core waits for files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// io_uring, by glommio, from the start of a core.
    Glommio,
    /// The same, from a core's first read that would wait for the device; until then calls that do not wait.
    OnDemand,
    /// Blocking positioned calls on pinned threads.
    Std,
}

/// Which backend is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// io_uring on demand where the host allows it, else the portable one, saying why.
    #[default]
    Auto,
    /// io_uring from the start, or an error.
    Glommio,
    /// The portable one.
    Std,
}

/// What [`probe`] found.
#[derive(Debug)]
pub struct Probe {
    /// The backend to run on.
    pub backend: Backend,
    /// Why it is not io_uring although `Auto` was asked for.
    pub reason: Option<RtError>,
}

/// Locked memory that glommio insists on, in bytes (`sys/uring.rs`, `MIN_MEMLOCK_LIMIT`).
const MEMLOCK_BYTES_MIN: u64 = 512 * 1024;

/// Decides which backend to run on: looks at the kernel, the memlock limit and io_uring itself.
///
/// # Errors
/// Why io_uring cannot be used, if it was asked for by name. `Auto` and `Std` never fail.
pub fn probe(choice: Choice) -> Result<Probe, RtError> {
    if world::is_entered() {
        return Ok(Probe { backend: Backend::Std, reason: None });
    }
    match choice {
        Choice::Std => Ok(Probe { backend: Backend::Std, reason: None }),
        Choice::Glommio => {
            check_io_uring()?;
            Ok(Probe { backend: Backend::Glommio, reason: None })
        }
        Choice::Auto => Ok(match check_io_uring() {
            Ok(()) => Probe { backend: Backend::OnDemand, reason: None },
            Err(reason) => Probe { backend: Backend::Std, reason: Some(reason) },
        }),
    }
}

fn check_io_uring() -> Result<(), RtError> {
    // glommio's own threshold: below it, it exits the process.
    const KERNEL_MIN: (u32, u32) = (5, 8);
    if let Some(found) = kernel_version().filter(|&found| found < KERNEL_MIN) {
        return Err(RtError::KernelTooOld { found });
    }
    let limit_bytes = memlock_limit_bytes();
    if limit_bytes < MEMLOCK_BYTES_MIN {
        return Err(RtError::MemlockTooSmall { limit_bytes, needed_bytes: MEMLOCK_BYTES_MIN });
    }
    try_io_uring().map_err(RtError::IoUring)
}

/// Makes a small ring and asks it what it can do, as glommio will.
fn try_io_uring() -> Result<(), IoUringRefusal> {
    const PARAMS_WORDS: usize = 30; // struct io_uring_params is 120 bytes.
    const ENTRIES: u32 = 8;
    const REGISTER_PROBE: u32 = 8; // IORING_REGISTER_PROBE
    const PROBE_OPS: u32 = 256;
    const PROBE_WORDS: usize = 2 + 256; // struct io_uring_probe: 16 bytes, then 8 for each op.

    let refusal = || match std::io::Error::last_os_error().raw_os_error().unwrap_or(0) {
        libc::ENOSYS => IoUringRefusal::Missing,
        libc::EPERM | libc::EACCES => IoUringRefusal::Forbidden,
        errno => IoUringRefusal::Errno(errno),
    };
    let mut params = [0_u32; PARAMS_WORDS];
    // SAFETY: the kernel writes at most `struct io_uring_params`, which `params` has room for.
    let ring = unsafe { libc::syscall(libc::SYS_io_uring_setup, ENTRIES, params.as_mut_ptr()) };
    let Some(ring) = libc::c_int::try_from(ring).ok().filter(|&ring| ring >= 0) else {
        return Err(refusal());
    };
    let mut ops = [0_u64; PROBE_WORDS];
    // SAFETY: `ops` has room for the header and `PROBE_OPS` entries of 8 bytes.
    let result = unsafe {
        libc::syscall(
            libc::SYS_io_uring_register,
            ring,
            REGISTER_PROBE,
            ops.as_mut_ptr(),
            PROBE_OPS,
        )
    };
    let outcome = if result < 0 { Err(refusal()) } else { Ok(()) };
    // SAFETY: `ring` is a descriptor that this function made and nobody else knows.
    unsafe { libc::close(ring) };
    outcome
}

/// Major and minor number of the running kernel; `None` where `uname` says something unreadable.
#[must_use]
pub fn kernel_version() -> Option<(u32, u32)> {
    // SAFETY: all fields of `utsname` are byte arrays, for which zero is valid.
    let mut name: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: `name` is writable and of the type that uname fills.
    if unsafe { libc::uname(&raw mut name) } != 0 {
        return None;
    }
    // SAFETY: uname ends every field with a zero byte, and `name` outlives the borrow.
    let release = unsafe { CStr::from_ptr(name.release.as_ptr()) }.to_str().ok()?.to_owned();
    parse_version(&release)
}

fn parse_version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// The soft limit on locked memory, in bytes; `u64::MAX` where there is none.
#[must_use]
pub fn memlock_limit_bytes() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is writable and of the type that getrlimit fills.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) };
    if result == 0 { limit.rlim_cur } else { u64::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_releases_are_read() {
        assert_eq!(parse_version("5.8.0-1-amd64"), Some((5, 8)));
        assert_eq!(parse_version("6.18.44"), Some((6, 18)));
        assert_eq!(parse_version("6.1-rc1"), Some((6, 1)));
        assert_eq!(parse_version("weird"), None);
    }
}
