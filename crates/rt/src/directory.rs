//! Calls of the control plane on names: blocking, a few a job, never on the path of a record.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::{fs, world};

/// Makes the names in a directory durable: `fsync` of the directory.
///
/// Blocks for as long as the device takes.
///
/// # Errors
/// What open or fsync said. A failed fsync must not be repeated: what it covered may be lost.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

/// Gives a file another name, which nothing has yet. Durable only after [`sync_directory`].
///
/// One step where the file system knows `RENAME_NOREPLACE`; else a second link and the removal of the first,
/// so that a crash in between leaves both names, and this function, called again, goes on.
///
/// # Errors
/// `AlreadyExists` where something has the name; what the system said otherwise. Both names are then as
/// before.
pub fn rename_to_free(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(world) = world::current() {
        return world.rename(from, to, false);
    }
    match rename_no_replace(from, to) {
        Err(error) if is_refusal(&error) => link_to_free(from, to),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_same_file(from, to) => {
            fs::remove_file(from)
        }
        done => done,
    }
}

/// The file system, or the kernel, does not do such a thing.
fn is_refusal(error: &io::Error) -> bool {
    let refusals = [libc::EINVAL, libc::ENOSYS, libc::EOPNOTSUPP, libc::EPERM, libc::EMLINK];
    error.raw_os_error().is_some_and(|errno| refusals.contains(&errno))
}

fn rename_no_replace(from: &Path, to: &Path) -> io::Result<()> {
    let text = |path: &Path| CString::new(path.as_os_str().as_bytes()).map_err(io::Error::from);
    let (from, to) = (text(from)?, text(to)?);
    // By number, because not every C library has the function.
    // SAFETY: both are C strings that outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            libc::AT_FDCWD,
            from.as_ptr(),
            libc::AT_FDCWD,
            to.as_ptr(),
            libc::RENAME_NOREPLACE,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Where there are no links either, it is looked whether the name is free: what takes it at the very next
/// moment would be lost.
fn link_to_free(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_same_file(from, to) => {
            fs::remove_file(from)
        }
        Err(error) if is_refusal(&error) => match fs::symlink_metadata(to) {
            Ok(_) => Err(io::Error::from_raw_os_error(libc::EEXIST)),
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => fs::rename(from, to),
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    match (fs::symlink_metadata(one), fs::symlink_metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs;

    use super::*;

    /// Whatever way is taken, nothing is written over, and what was interrupted goes on.
    #[test]
    fn a_name_that_is_taken_stays_what_it_is() {
        for rename in [rename_to_free, link_to_free] {
            let root = tempfile::tempdir().unwrap();
            let at = |name: &str| root.path().join(name);
            let read = |name: &str| fs::read_to_string(at(name)).unwrap();
            fs::write(at("one"), "1").unwrap();
            fs::write(at("two"), "2").unwrap();
            let error = rename(&at("one"), &at("two")).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!((read("one"), read("two")), ("1".to_owned(), "2".to_owned()));
            // A link that leads nowhere has its name, too.
            std::os::unix::fs::symlink("nowhere", at("link")).unwrap();
            assert!(rename(&at("one"), &at("link")).is_err());
            rename(&at("one"), &at("three")).unwrap();
            assert_eq!((at("one").exists(), read("three")), (false, "1".to_owned()));
            // As a crash between link and removal leaves it.
            fs::hard_link(at("three"), at("four")).unwrap();
            rename(&at("three"), &at("four")).unwrap();
            assert_eq!((at("three").exists(), read("four")), (false, "1".to_owned()));
            assert!(rename(&at("missing"), &at("five")).is_err());
        }
    }
}
