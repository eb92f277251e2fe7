//! How many files this process may have open.

use std::fs;

use crate::RtError;

/// Descriptors that are left for what nobody counts: outputs, rings, libraries.
const SPARE: u64 = 64;

/// Makes sure that so many descriptors more can be open at once. The soft limit is raised where it has to
/// be and the hard one allows it.
///
/// # Errors
/// [`RtError::DescriptorLimit`] where the hard limit does not; nothing is changed then.
pub fn allow_descriptors(more: u64) -> Result<(), RtError> {
    let open = fs::read_dir("/proc/self/fd")
        .map_or(SPARE, |entries| u64::try_from(entries.count()).expect("a usize fits u64"));
    let needed = open.saturating_add(more).saturating_add(SPARE);
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is writable and of the type that getrlimit fills.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0
        || limit.rlim_cur >= needed
    {
        return Ok(());
    }
    let hard = limit.rlim_max;
    let raised = libc::rlimit { rlim_cur: needed.min(hard), rlim_max: hard };
    // SAFETY: `raised` is read while the call lasts.
    if hard < needed || unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) } != 0 {
        return Err(RtError::DescriptorLimit { needed, limit: hard });
    }
    Ok(())
}
