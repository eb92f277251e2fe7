//! What stands in a state directory, for people and scripts. Looks, takes no lock and changes nothing, so that it may be
//! asked while the job runs.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use tidemill_checkpoint::{Checkpoint, CheckpointError, Store, store};
use tidemill_record::image::Entry;
use tidemill_record::{Image, ImageError};

use tidemill_rt::fs::{self, Metadata};

use crate::Error;

/// A resident and its last checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resident {
    /// Its name: wave, query, fragment and first partition; `job` of the job's own record.
    pub name: String,
    /// Number of the checkpoint.
    pub epoch: u64,
    /// Bytes of its file.
    pub bytes: u64,
    /// How long ago it was written; 0 where the clock has been set back since.
    pub age: Duration,
    /// What it says, or what is wrong with it.
    pub found: Result<Progress, String>,
}

/// How far a resident had come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// It had read all of its input.
    pub is_done: bool,
    /// Records that it had read, bad ones included; of the job's record those of files that are gone.
    pub records_in: u64,
    /// Rows that it had written.
    pub rows_out: u64,
}

/// Looks at a state directory.
///
/// # Errors
/// A directory that cannot be listed. What is wrong with a checkpoint stands in [`Resident::found`].
pub fn inspect(path: &Path) -> Result<Vec<Resident>, CheckpointError> {
    let mut residents = Vec::new();
    for name in store::residents(path)? {
        let Some(&epoch) = store::epochs(path, &name)?.last() else { continue };
        let metadata = fs::metadata(store::path_of(path, &name, epoch));
        let found = store::look_at(path, &name, epoch).map_err(|error| error.to_string());
        if metadata.is_err() && found.is_err() {
            // A newer one has taken its place meanwhile, and the last two are kept: the next look finds it.
            continue;
        }
        let written = metadata.as_ref().ok().map(Metadata::modified);
        let age = written.and_then(|at| tidemill_rt::system_time().duration_since(at).ok());
        residents.push(Resident {
            epoch,
            bytes: metadata.map_or(0, |metadata| metadata.len()),
            age: age.unwrap_or_default(),
            found: found.and_then(|found| progress(found).map_err(|error| error.to_string())),
            name,
        });
    }
    Ok(residents)
}

/// Copies what a job has kept to another directory, from which it can be gone on with elsewhere, beside a copy of its output; the
/// number of checkpoints. The job must not run meanwhile: what its partitions and gathers have kept belongs together.
///
/// # Errors
/// A directory that is not there, that a job works with, or that is damaged; one to copy to that holds checkpoints.
pub fn copy(state: &Path, to: &Path) -> Result<usize, Error> {
    if store::residents(state).map_err(Error::from)?.is_empty() {
        let path = state.display();
        return Err(Error::usage(format!(
            "{path} holds no checkpoint; name the job's 'state.dir'"
        )));
    }
    Store::open(state).and_then(|store| store.copy_to(to)).map_err(Error::from)
}

fn progress(Checkpoint { image, .. }: Checkpoint) -> Result<Progress, ImageError> {
    let is_done = image.has("outcome");
    let name = if is_done { "outcome" } else { "pipeline" };
    let of_pipeline = within(&image, name).and_then(|image| within(image, "statistics"));
    // The record has what files have given that are gone.
    let Some(mut counts) = of_pipeline.or_else(|| within(&image, "gone")).cloned() else {
        return Ok(Progress::default());
    };
    let (records_in, rows_out) = (counts.take_one("records_in")?, counts.take_one("rows_out")?);
    Ok(Progress { is_done, records_in, rows_out })
}

fn within<'a>(image: &'a Image, name: &str) -> Option<&'a Image> {
    image.entries().find_map(|(of, entry)| match entry {
        Entry::Image(inner) if of == name => Some(inner),
        _ => None,
    })
}

impl fmt::Display for Resident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, epoch, bytes, age, found } = self;
        write!(
            f,
            "{name:<14} checkpoint {epoch}, {bytes} bytes, {:.1} s ago: ",
            age.as_secs_f64()
        )?;
        match found {
            Err(reason) => f.write_str(reason),
            Ok(Progress { records_in: 0, .. }) if name == "job" => f.write_str("whole"),
            Ok(Progress { records_in, rows_out, .. }) if name == "job" => {
                write!(
                    f,
                    "whole; of files that are gone {records_in} records in, {rows_out} rows out"
                )
            }
            Ok(Progress { is_done, records_in, rows_out }) => {
                let how = if *is_done { "done" } else { "whole" };
                write!(f, "{how}, {records_in} records in, {rows_out} rows out")
            }
        }
    }
}

impl Resident {
    /// The same as a JSON object in one line.
    #[must_use]
    pub fn json(&self) -> String {
        let Self { name, epoch, bytes, age, found } = self;
        let head = format!(
            "{{\"resident\":\"{name}\",\"epoch\":{epoch},\"bytes\":{bytes},\"age_s\":{:.3}",
            age.as_secs_f64()
        );
        match found {
            Ok(Progress { is_done, records_in, rows_out }) => format!(
                "{head},\"verdict\":\"whole\",\"is_done\":{is_done},\"records_in\":{records_in},\"rows_out\":{rows_out}}}"
            ),
            Err(reason) => {
                let reason: String = reason
                    .chars()
                    .map(|c| if c.is_control() || c == '"' || c == '\\' { ' ' } else { c })
                    .collect();
                format!("{head},\"verdict\":\"{reason}\"}}")
            }
        }
    }
}
