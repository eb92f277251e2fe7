//! Directories that a job writes to.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tidemill_rt::Hold;
use tidemill_sink::OutputDirectory;

use crate::Error;

/// Directories that a job has written to so far, by absolute path. They stay the job's from wave to
/// wave, lest a later wave takes what an earlier one left there for old.
#[derive(Default)]
pub(crate) struct Directories {
    targets: HashMap<PathBuf, Target>,
    /// What a person should know of those that were opened since this was last taken.
    notices: Vec<String>,
}

/// A directory, open and locked.
struct Target {
    directory: Arc<OutputDirectory>,
    /// What writes there, for messages.
    writer: String,
    /// Behind the numbers of all that writes there from the start.
    next_file: Arc<AtomicU32>,
}

impl Directories {
    /// The directory at a path, the first of `count` file numbers that nobody else in the job has, and the number behind all
    /// such, which is known once all that writes there is planned.
    ///
    /// # Errors
    /// A path that something else in the job writes to, and what opening says.
    pub(crate) fn numbered(
        &mut self,
        path: &str,
        writer: String,
        count: u32,
        open: impl FnOnce() -> Result<OutputDirectory, Error>,
    ) -> Result<(Arc<OutputDirectory>, u32, Arc<AtomicU32>), Error> {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
        // Component by component, `out` and `out/` are one path.
        let key: PathBuf = absolute.components().collect();
        let target = match self.targets.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => {
                let directory = Arc::new(open()?);
                // A job that keeps state removes what it has left open itself.
                if !directory.has_state() {
                    self.notices.extend(left_open(&directory));
                }
                self.notices.extend(comes_late(&directory));
                free.insert(Target { directory, writer: writer.clone(), next_file: Arc::default() })
            }
        };
        if target.writer != writer {
            return Err(Error::usage(format!(
                "{} and {writer} both write to {path}; give each a path of its own",
                target.writer
            )));
        }
        let first = target.next_file.load(Ordering::Relaxed);
        let end = first.checked_add(count).ok_or_else(|| {
            Error::usage(format!("{writer} would write more than 2^32 files to {path}"))
        })?;
        target.next_file.store(end, Ordering::Relaxed);
        Ok((Arc::clone(&target.directory), first, Arc::clone(&target.next_file)))
    }

    /// Removes what a job that goes on was writing when it ended, and that none of its checkpoints names.
    ///
    /// # Errors
    /// What listing or removing said.
    pub(crate) fn remove_unknown(&self, named: &[String]) -> Result<(), Error> {
        for target in self.targets.values() {
            target.directory.remove_unknown(named)?;
        }
        Ok(())
    }

    /// The directories so far.
    pub(crate) fn known(&self) -> Vec<PathBuf> {
        self.targets.keys().cloned().collect()
    }

    /// Lets go of directories that were opened since these were all, as if they had not been: what was to be
    /// written there is written again.
    pub(crate) fn forget_all_but(&mut self, known: &[PathBuf]) {
        self.targets.retain(|path, _| known.contains(path));
    }

    /// What a person should know of the directories that were opened since this was last asked.
    pub(crate) fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// What a failed job leaves in its directories: rows of input without end, which nobody may be able to
    /// read again, and what could not be published.
    pub(crate) fn left_behind(&self) -> Vec<String> {
        let mut notices: Vec<String> = self
            .targets
            .values()
            .filter_map(|target| {
                // A directory that cannot be listed has caused the failure, or will cause the next.
                let open = target.directory.open_files().unwrap_or_default();
                let names = some_of(&open)?;
                Some(format!("rows that were not yet published are left in {names}"))
            })
            .collect();
        notices.sort_unstable();
        notices
    }
}

/// A directory as a query writes to it.
pub(crate) fn of_job(
    directory: OutputDirectory,
    is_live: bool,
    hold: Option<Hold>,
) -> OutputDirectory {
    let directory = if is_live { directory.live() } else { directory };
    match hold {
        Some(hold) => directory.holding(hold),
        None => directory,
    }
}

fn comes_late(directory: &OutputDirectory) -> Option<String> {
    let path = directory.path().display();
    (directory.is_live() && directory.is_one_file()).then(|| {
        format!("{path} appears when the job is stopped; a directory ('{path}/') gets files while it runs")
    })
}

fn left_open(directory: &OutputDirectory) -> Option<String> {
    let names = some_of(directory.left_open())?;
    Some(format!(
        "a job that did not end in good order has left {names}; they stay until you remove them, and \
         segments are numbered behind them"
    ))
}

/// The first paths, and how many more there are; `None` where there are none.
fn some_of(paths: &[PathBuf]) -> Option<String> {
    const SHOWN_MAX: usize = 3;
    let shown: Vec<String> =
        paths.iter().take(SHOWN_MAX).map(|path| path.display().to_string()).collect();
    let more = match paths.len().saturating_sub(SHOWN_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!shown.is_empty()).then(|| shown.join(", ") + &more)
}
