//! Calls of the control plane on names: blocking, a few a job, never on the path of a record.

use std::fs;
use std::io;
use std::path::Path;

/// Makes the names in a directory durable: `fsync` of the directory.
///
/// Blocks for as long as the device takes.
///
/// # Errors
/// What open or fsync said. A failed fsync must not be repeated: what it covered may be lost.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

/// Gives a file another name in one step, over any file that has it. Durable only after
/// [`sync_directory`].
///
/// # Errors
/// What rename said; both names are then as before.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}
