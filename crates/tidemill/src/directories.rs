//! Directories that a job writes to.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;
use std::sync::Arc;

use tidemill_sink::OutputDirectory;

use crate::Error;

/// Directories that a job has written to so far, by absolute path. They stay the job's from wave to
/// wave, lest a later wave takes what an earlier one left there for old.
#[derive(Default)]
pub(crate) struct Directories(HashMap<PathBuf, Target>);

/// A directory, open and locked.
struct Target {
    directory: Arc<OutputDirectory>,
    /// What writes there, for messages.
    writer: String,
    next_file: u32,
}

impl Directories {
    /// The directory at a path and a file number that nobody else in the job has.
    ///
    /// # Errors
    /// A path that something else in the job writes to, and what opening says.
    pub(crate) fn numbered(
        &mut self,
        path: &str,
        writer: String,
        open: impl FnOnce() -> Result<OutputDirectory, Error>,
    ) -> Result<(Arc<OutputDirectory>, u32), Error> {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
        // Component by component, `out` and `out/` are one path.
        let key: PathBuf = absolute.components().collect();
        let target = match self.0.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => free.insert(Target {
                directory: Arc::new(open()?),
                writer: writer.clone(),
                next_file: 0,
            }),
        };
        if target.writer != writer {
            return Err(Error::Usage(format!(
                "{} and {writer} both write to {path}; give each a directory of its own",
                target.writer
            )));
        }
        target.next_file += 1;
        Ok((Arc::clone(&target.directory), target.next_file - 1))
    }
}
