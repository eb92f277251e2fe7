//! A directory of checkpoints.
//!
//! `<resident>.<epoch>.ck`, ten digits an epoch; `.tmp` behind that while one is written; `lock`. A checkpoint counts from the
//! moment at which its rename is durable, which is when the directory has been flushed. The last two of each resident
//! are kept.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use tidemill_rt::fs::{self, File};

use crate::lock::Lock;
use crate::{Checkpoint, CheckpointError};

const EXTENSION: &str = ".ck";
const TMP: &str = ".tmp";
const EPOCH_DIGITS: usize = 10;
/// Checkpoints of a resident that are kept.
const KEPT: usize = 2;

/// A directory of checkpoints that this process alone writes to.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    directory: File,
    _lock: Lock,
}

/// A checkpoint that is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Whose it is.
    pub resident: String,
    /// Which of its checkpoints.
    pub epoch: u64,
    /// Bytes of its file.
    pub bytes: u64,
}

impl Store {
    /// Opens a directory, which is made if it is missing (its parent must be there), and removes what a killed process has
    /// begun to write.
    ///
    /// # Errors
    /// [`CheckpointError::Locked`] while another process has it; [`CheckpointError::Io`], also where the file system cannot
    /// flush a directory.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let above = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let above = above.unwrap_or(Path::new("."));
        match fs::create_private_dir(path) {
            Ok(()) => flush_directory(above)?,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                if !fs::is_dir(path) {
                    return Err(CheckpointError::NotDirectory { path: path.to_owned() });
                }
                // A process that was killed may have made it, and nobody has flushed that. Above a directory that somebody
                // else has made, that may be refused.
                match flush_directory(above) {
                    Err(CheckpointError::Io { error, .. })
                        if error.kind() != std::io::ErrorKind::PermissionDenied =>
                    {
                        return Err(CheckpointError::io("flush the directory", above, error));
                    }
                    _ => {}
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(CheckpointError::NoParent { path: path.to_owned() });
            }
            Err(error) => return Err(CheckpointError::io("make the directory", path, error)),
        }
        let directory =
            File::open(path).map_err(|error| CheckpointError::io("open", path, error))?;
        let lock = Lock::take(path)?;
        directory
            .sync_all()
            .map_err(|error| CheckpointError::io("flush the directory", path, error))?;
        let store = Self { path: path.to_owned(), directory, _lock: lock };
        for name in names(path)?.iter().filter(|name| name.ends_with(TMP)) {
            store.remove(name)?;
        }
        Ok(store)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file system is in memory, so that nothing of it outlives the host.
    #[must_use]
    pub fn is_volatile(&self) -> bool {
        self.directory.is_volatile()
    }

    /// The residents that have a checkpoint, in order of their names.
    ///
    /// # Errors
    /// [`CheckpointError::Io`].
    pub fn residents(&self) -> Result<BTreeSet<String>, CheckpointError> {
        residents(&self.path)
    }

    /// The newest checkpoint of a resident, made durable: the rename that it was committed by may so far be seen in memory
    /// alone. `None` where there is none.
    ///
    /// # Errors
    /// [`CheckpointError`]; one that is damaged is an error also where an older one is whole.
    pub fn newest(&self, resident: &str) -> Result<Option<Checkpoint>, CheckpointError> {
        let epochs = epochs(&self.path, resident)?;
        epochs.last().map(|&epoch| self.read_durably(resident, epoch)).transpose()
    }

    /// The one before the newest, for who has decided to do without that.
    ///
    /// # Errors
    /// As [`Self::newest`].
    pub fn before_newest(&self, resident: &str) -> Result<Option<Checkpoint>, CheckpointError> {
        let epochs = epochs(&self.path, resident)?;
        let before = epochs.len().checked_sub(2).map(|at| epochs[at]);
        before.map(|epoch| self.read_durably(resident, epoch)).transpose()
    }

    /// Sets the newest checkpoint of each resident but these aside where it is damaged and the one before is whole, so that this is
    /// the newest: for who has decided to do without it. A sentence for each.
    ///
    /// # Errors
    /// [`CheckpointError::Io`]. Damage that this is no remedy for stays where it is.
    pub fn set_damaged_aside(&self, kept: &[&str]) -> Result<Vec<String>, CheckpointError> {
        let mut said = Vec::new();
        for resident in self.residents()?.iter().filter(|name| !kept.contains(&name.as_str())) {
            let Err(CheckpointError::Damaged { path, reason }) = self.newest(resident) else {
                continue;
            };
            let Ok(Some(before)) = self.before_newest(resident) else { continue };
            let aside = path.with_extension("ck.damaged");
            fs::rename(&path, &aside)
                .map_err(|error| CheckpointError::io("rename", &path, error))?;
            said.push(format!(
                "{} is damaged: {reason}; {resident} goes on from checkpoint {}, the one before; the damaged one is kept as {}",
                path.display(),
                before.epoch,
                aside.display()
            ));
        }
        self.flush()?;
        Ok(said)
    }

    /// Copies the newest checkpoint of each resident to another directory, which must be empty or not there; how many.
    ///
    /// # Errors
    /// As [`Self::newest`], [`Self::open`] and [`Self::commit`]; [`CheckpointError::Taken`] where checkpoints are there.
    pub fn copy_to(&self, path: &Path) -> Result<usize, CheckpointError> {
        let copy = Self::open(path)?;
        if !copy.residents()?.is_empty() {
            return Err(CheckpointError::Taken { path: path.to_owned() });
        }
        let residents = self.residents()?;
        for resident in &residents {
            copy.commit(self.newest(resident)?.into_iter().collect())?;
        }
        Ok(residents.len())
    }

    fn read_durably(&self, resident: &str, epoch: u64) -> Result<Checkpoint, CheckpointError> {
        let path = self.path.join(name_of(resident, epoch));
        let file = File::open(&path).map_err(|error| CheckpointError::io("open", &path, error))?;
        file.sync_all().map_err(|error| CheckpointError::io("flush", &path, error))?;
        self.flush()?;
        read(file, &path, resident, epoch)
    }

    /// Writes checkpoints, of one resident each, so that each is either there, whole and durable, or as if it had not been
    /// begun; all of them share one flush of the directory. Of each resident the last two are kept.
    ///
    /// # Errors
    /// [`CheckpointError::Io`]. A write or flush that failed is not to be repeated for the same bytes: which of them are
    /// there, and durable, is only known after a restart.
    pub fn commit(&self, checkpoints: Vec<Checkpoint>) -> Result<Vec<Commit>, CheckpointError> {
        self.commit_by(checkpoints, |write| write())
    }

    /// As [`Self::commit`]; each file is written by `until_written`, which may try again where there was no room
    /// ([`CheckpointError::full`]): what was begun is gone by then.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn commit_by(
        &self,
        checkpoints: Vec<Checkpoint>,
        until_written: impl Fn(
            &mut dyn FnMut() -> Result<(), CheckpointError>,
        ) -> Result<(), CheckpointError>,
    ) -> Result<Vec<Commit>, CheckpointError> {
        let mut commits = Vec::with_capacity(checkpoints.len());
        for checkpoint in checkpoints {
            let (resident, epoch) = (checkpoint.resident.clone(), checkpoint.epoch);
            let bytes = checkpoint.to_bytes();
            let path = self.path.join(name_of(&resident, epoch) + TMP);
            until_written(&mut || {
                let written = write(&path, &bytes);
                if written.as_ref().is_err_and(|error| error.full().is_some()) {
                    // What cannot be removed is written anew, or goes when the job is run again.
                    let _ = fs::remove_file(&path);
                }
                written
            })?;
            let bytes = u64::try_from(bytes.len()).expect("usize is at most 64 bits");
            commits.push(Commit { resident, epoch, bytes });
        }
        for Commit { resident, epoch, .. } in &commits {
            let name = name_of(resident, *epoch);
            let (from, to) = (self.path.join(name.clone() + TMP), self.path.join(name));
            fs::rename(&from, &to).map_err(|error| CheckpointError::io("rename", &from, error))?;
        }
        self.flush()?;
        for Commit { resident, epoch, .. } in &commits {
            if let Some(old) = epoch.checked_sub(u64::try_from(KEPT).expect("it is small")) {
                // An epoch may have been skipped by one that failed: all that are older go.
                for old in epochs(&self.path, resident)?.into_iter().filter(|&epoch| epoch <= old) {
                    self.remove(&name_of(resident, old))?;
                }
            }
        }
        Ok(commits)
    }

    /// Removes the checkpoints of a resident that no later run has. It needs no flush: whoever finds them again does so once more.
    ///
    /// # Errors
    /// [`CheckpointError::Io`].
    pub fn forget(&self, resident: &str) -> Result<(), CheckpointError> {
        for epoch in epochs(&self.path, resident)? {
            self.remove(&name_of(resident, epoch))?;
        }
        Ok(())
    }

    /// Removes the checkpoints of every resident but this one.
    ///
    /// # Errors
    /// [`CheckpointError::Io`].
    pub fn clear(&self, kept: &str) -> Result<(), CheckpointError> {
        let is_to_go = |name: &str| parse(name).is_some_and(|(resident, _)| resident != kept);
        for name in names(&self.path)?.iter().filter(|name| is_to_go(name)) {
            self.remove(name)?;
        }
        self.flush()
    }

    /// The epoch of a resident's newest checkpoint, whether that can be read or not; 0 where there is none.
    ///
    /// # Errors
    /// [`CheckpointError::Io`].
    pub fn last_epoch(&self, resident: &str) -> Result<u64, CheckpointError> {
        Ok(epochs(&self.path, resident)?.last().copied().unwrap_or(0))
    }

    fn flush(&self) -> Result<(), CheckpointError> {
        let flushed = self.directory.sync_all();
        flushed.map_err(|error| CheckpointError::io("flush the directory", &self.path, error))
    }

    fn remove(&self, name: &str) -> Result<(), CheckpointError> {
        let path = self.path.join(name);
        fs::remove_file(&path).map_err(|error| CheckpointError::io("remove", &path, error))
    }
}

/// The residents that have a checkpoint in a directory, without a lock and without touching anything.
///
/// # Errors
/// [`CheckpointError::Io`].
pub fn residents(path: &Path) -> Result<BTreeSet<String>, CheckpointError> {
    let names = names(path)?;
    Ok(names
        .iter()
        .filter_map(|name| parse(name))
        .map(|(resident, _)| resident.to_owned())
        .collect())
}

/// The epochs of a resident that are there, ascending, in the same way.
///
/// # Errors
/// [`CheckpointError::Io`].
pub fn epochs(path: &Path, resident: &str) -> Result<Vec<u64>, CheckpointError> {
    let names = names(path)?;
    let all = names.iter().filter_map(|name| parse(name));
    let mut epochs: Vec<u64> =
        all.filter(|(name, _)| *name == resident).map(|(_, epoch)| epoch).collect();
    epochs.sort_unstable();
    Ok(epochs)
}

/// Where a checkpoint stands in a directory.
#[must_use]
pub fn path_of(path: &Path, resident: &str, epoch: u64) -> PathBuf {
    path.join(name_of(resident, epoch))
}

/// Reads one checkpoint, in the same way.
///
/// # Errors
/// [`CheckpointError`].
pub fn look_at(path: &Path, resident: &str, epoch: u64) -> Result<Checkpoint, CheckpointError> {
    let path = path.join(name_of(resident, epoch));
    let file = File::open(&path).map_err(|error| CheckpointError::io("open", &path, error))?;
    read(file, &path, resident, epoch)
}

fn read(
    mut file: File,
    path: &Path,
    resident: &str,
    epoch: u64,
) -> Result<Checkpoint, CheckpointError> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|error| CheckpointError::io("read", path, error))?;
    let checkpoint = Checkpoint::from_bytes(&bytes, path)?;
    if checkpoint.resident != resident || checkpoint.epoch != epoch {
        let reason = format!("it is of {} {}", checkpoint.resident, checkpoint.epoch);
        return Err(CheckpointError::damaged(path, reason));
    }
    Ok(checkpoint)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), CheckpointError> {
    let mut file =
        File::create(path).map_err(|error| CheckpointError::io("create", path, error))?;
    file.write_all(bytes).map_err(|error| CheckpointError::io("write", path, error))?;
    file.sync_all().map_err(|error| CheckpointError::io("flush", path, error))
}

fn flush_directory(path: &Path) -> Result<(), CheckpointError> {
    let flushed = File::open(path).and_then(|directory| directory.sync_all());
    flushed.map_err(|error| CheckpointError::io("flush the directory", path, error))
}

fn names(path: &Path) -> Result<Vec<String>, CheckpointError> {
    let failed = |error| CheckpointError::io("list", path, error);
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        // What is no text is not ours.
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    Ok(names)
}

fn name_of(resident: &str, epoch: u64) -> String {
    format!("{resident}.{epoch:0EPOCH_DIGITS$}{EXTENSION}")
}

/// Whose checkpoint a file of this name is, and which.
fn parse(name: &str) -> Option<(&str, u64)> {
    let (resident, epoch) = name.strip_suffix(EXTENSION)?.rsplit_once('.')?;
    let is_epoch = epoch.len() >= EPOCH_DIGITS && epoch.bytes().all(|byte| byte.is_ascii_digit());
    is_epoch.then(|| epoch.parse().ok()).flatten().map(|epoch| (resident, epoch))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use tidemill_record::Image;

    use super::{Store, epochs, residents};
    use crate::{Checkpoint, CheckpointError, Fingerprint};

    fn checkpoint(resident: &str, epoch: u64) -> Checkpoint {
        let mut image = Image::new();
        image.put_one("epoch", epoch);
        Checkpoint { resident: resident.into(), epoch, fingerprint: Fingerprint([7; 16]), image }
    }

    #[test]
    fn the_newest_counts_and_the_last_two_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let store = Store::open(&path).unwrap();
        assert!(store.newest("a.b").unwrap().is_none());
        for epoch in 1..=12 {
            let commits = store.commit(vec![checkpoint("a.b", epoch), checkpoint("a", epoch)]);
            assert_eq!(commits.unwrap().len(), 2);
        }
        assert_eq!(store.newest("a.b").unwrap().unwrap(), checkpoint("a.b", 12));
        assert_eq!(store.before_newest("a").unwrap().unwrap(), checkpoint("a", 11));
        assert_eq!(epochs(&path, "a").unwrap(), [11, 12]);
        assert!(residents(&path).unwrap().iter().eq(["a", "a.b"]));
        store.clear("a").unwrap();
        assert!(residents(&path).unwrap().iter().eq(["a"]));
        assert_eq!([store.last_epoch("a").unwrap(), store.last_epoch("a.b").unwrap()], [12, 0]);
        let error = Store::open(&path.join("b/c")).unwrap_err();
        assert!(matches!(error, CheckpointError::NoParent { .. }), "{error}");
        let file = directory.path().join("file");
        std::fs::write(&file, "a").unwrap();
        let error = Store::open(&file).unwrap_err();
        assert!(error.to_string().contains("file is no directory; name one"), "{error}");
        assert_eq!(std::fs::read(&file).unwrap(), b"a");
    }

    #[test]
    fn what_is_damaged_is_set_aside_only_where_the_one_before_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let store = Store::open(path).unwrap();
        for epoch in 1..=3 {
            store.commit(vec![checkpoint("a", epoch), checkpoint("job", epoch)]).unwrap();
        }
        store.commit(vec![checkpoint("b", 1)]).unwrap();
        for name in ["a.0000000003.ck", "b.0000000001.ck", "job.0000000003.ck"] {
            std::fs::write(path.join(name), b"half").unwrap();
        }
        let said = store.set_damaged_aside(&["job"]).unwrap();
        assert_eq!(said.len(), 1);
        assert!(said[0].contains("a goes on from checkpoint 2"), "{said:?}");
        assert!(path.join("a.0000000003.ck.damaged").exists());
        assert_eq!(store.newest("a").unwrap().unwrap().epoch, 2);
        store.newest("b").unwrap_err();
        store.newest("job").unwrap_err();
        assert!(store.set_damaged_aside(&["job"]).unwrap().is_empty());
    }

    #[test]
    fn a_copy_has_the_newest_of_each() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("a")).unwrap();
        for epoch in 1..=3 {
            store.commit(vec![checkpoint("x", epoch), checkpoint("y", epoch)]).unwrap();
        }
        let to = directory.path().join("b");
        assert_eq!(store.copy_to(&to).unwrap(), 2);
        let error = store.copy_to(&to).unwrap_err();
        assert!(matches!(error, CheckpointError::Taken { .. }), "{error}");
        let copy = Store::open(&to).unwrap();
        assert_eq!(copy.newest("x").unwrap().unwrap(), checkpoint("x", 3));
        assert_eq!(epochs(&to, "y").unwrap(), [3]);
    }

    #[test]
    fn one_process_has_it() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let error = Store::open(directory.path()).unwrap_err();
        let pid = std::process::id();
        assert!(matches!(error, CheckpointError::Locked { pid: Some(of), .. } if of == pid));
        drop(store);
        Store::open(directory.path()).unwrap();
    }

    #[test]
    fn what_was_begun_goes_and_what_is_damaged_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let store = Store::open(path).unwrap();
        store.commit(vec![checkpoint("a", 1)]).unwrap();
        store.commit(vec![checkpoint("a", 2)]).unwrap();
        drop(store);
        std::fs::write(path.join("a.0000000003.ck.tmp"), b"half").unwrap();
        std::fs::write(path.join("note.txt"), b"of somebody else").unwrap();
        let store = Store::open(path).unwrap();
        assert_eq!(store.newest("a").unwrap().unwrap().epoch, 2);
        assert!(!path.join("a.0000000003.ck.tmp").exists() && path.join("note.txt").exists());
        std::fs::write(path.join("a.0000000002.ck"), b"half").unwrap();
        let error = store.newest("a").unwrap_err();
        assert!(matches!(error, CheckpointError::Damaged { .. }), "{error}");
        assert_eq!(store.before_newest("a").unwrap().unwrap().epoch, 1);
        // Another one under its name is not taken for it.
        std::fs::copy(path.join("a.0000000001.ck"), path.join("a.0000000002.ck")).unwrap();
        let error = store.newest("a").unwrap_err();
        assert!(error.to_string().contains("is damaged: it is of a 1;"), "{error}");
    }
}
