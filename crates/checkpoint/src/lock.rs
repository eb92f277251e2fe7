//! Who may write to a directory of checkpoints: one process at a time.

use std::io::{Read as _, Seek as _};
use std::path::Path;
use std::time::Duration;

use tidemill_rt::fs::{self, File, OpenOptions};

use crate::CheckpointError;

const NAME: &str = "lock";

/// A process that was killed holds its lock until the kernel has taken it down, which takes some time where it had much
/// memory. Who starts it again at once waits that long.
const DEATH_TIME_MAX: Duration = Duration::from_secs(10);
/// One that has it and has not written down who it is does so at once, or was killed before.
const NOTING_TIME_MAX: Duration = Duration::from_secs(1);
const LOOK_INTERVAL: Duration = Duration::from_millis(2);

/// The lock of a directory, held until this is dropped or the process ends.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "locked as long as it is open")] File);

impl Lock {
    /// Takes it, and writes down whose it is.
    ///
    /// # Errors
    /// [`CheckpointError::Locked`] where another process has it that is not about to end.
    pub(crate) fn take(directory: &Path) -> Result<Self, CheckpointError> {
        let path = directory.join(NAME);
        let opened =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = opened.map_err(|error| CheckpointError::io("open", &path, error))?;
        let begun = tidemill_rt::now();
        loop {
            let is_had = file.try_lock();
            if is_had.map_err(|error| CheckpointError::io("lock", &path, error))? {
                break;
            }
            let pid = written(&mut file);
            let time_max = match pid.map_or(Holder::Unknown, look_at) {
                Holder::AtWork => Duration::ZERO,
                Holder::Unknown => NOTING_TIME_MAX,
                Holder::Ending => DEATH_TIME_MAX,
            };
            if tidemill_rt::elapsed(begun) >= time_max {
                return Err(CheckpointError::Locked { path: directory.to_owned(), pid });
            }
            tidemill_rt::sleep(LOOK_INTERVAL);
        }
        // In one piece, as long for any process, so that there is no moment at which nothing is said.
        let noted = file.write_all_at(format!("{:<10}\n", std::process::id()).as_bytes(), 0);
        noted.map_err(|error| CheckpointError::io("write", &path, error))?;
        Ok(Self(file))
    }
}

/// The process that has written down that it holds the lock.
fn written(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().and_then(|()| file.read_to_string(&mut text)).ok()?;
    text.trim().parse().ok()
}

/// What the process that wrote down that it has the lock is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    AtWork,
    /// It was killed, or has begun to exit: it is about to end whatever it does.
    Ending,
    /// There is none of this number: it is one that had the lock before.
    Unknown,
}

fn look_at(pid: u32) -> Holder {
    // Of `include/linux/sched.h`.
    const EXITING: u64 = 0x4;
    const KILL: u64 = 1 << (9 - 1);

    let Ok(stat) = fs::read_kernel_text(format!("/proc/{pid}/stat")) else {
        return Holder::Unknown;
    };
    // What stands before the last bracket is its name, which may hold anything: then come its state and, seventh, its flags.
    let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let is_gone = matches!(fields.next(), Some("Z" | "X"));
    let flags: u64 = fields.nth(5).and_then(|flags| flags.parse().ok()).unwrap_or(0);
    let status = fs::read_kernel_text(format!("/proc/{pid}/status")).unwrap_or_default();
    let pending = status
        .lines()
        .filter_map(|line| line.strip_prefix("SigPnd:").or_else(|| line.strip_prefix("ShdPnd:")));
    let is_killed = pending
        .filter_map(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .any(|mask| mask & KILL != 0);
    let is_ending = is_gone || is_killed || flags & EXITING != 0;
    if is_ending { Holder::Ending } else { Holder::AtWork }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_that_was_killed_is_about_to_end_and_one_at_work_is_not() {
        assert_eq!(look_at(std::process::id()), Holder::AtWork);
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        assert_eq!(look_at(child.id()), Holder::AtWork);
        child.kill().unwrap();
        // From the signal on, and as long as nobody has heard of its end.
        assert_eq!(look_at(child.id()), Holder::Ending);
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(look_at(child.id()), Holder::Ending);
        child.wait().unwrap();
        assert_eq!(look_at(child.id()), Holder::Unknown);
    }

    #[test]
    fn a_lock_is_had_by_one() {
        let directory = tempfile::tempdir().unwrap();
        let lock = Lock::take(directory.path()).unwrap();
        let refused = Lock::take(directory.path()).unwrap_err();
        let own = std::process::id();
        assert!(matches!(refused, CheckpointError::Locked { pid: Some(pid), .. } if pid == own));
        drop(lock);
        Lock::take(directory.path()).unwrap();
    }
}
