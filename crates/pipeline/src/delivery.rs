//! Files on their way from a pipeline to whoever reads them.

use std::num::NonZeroUsize;
use std::sync::Arc;

use tidemill_format::Part;
use tidemill_sink::{Finished, OutputDirectory, SinkError, publish, publish_each};

use crate::PipelineError;

/// Files that are complete but not yet visible, and the directory they go to.
pub struct Delivery {
    /// Where they become visible.
    pub directory: Arc<OutputDirectory>,
    /// The files.
    pub finished: Finished,
    /// Where all pipelines write one file, what there is to know of this one's part.
    pub part: Option<Part>,
}

impl Delivery {
    /// Makes the files of a wave visible, all or none of them; parts of one file are joined in the order of
    /// the list, by at most `workers` threads.
    /// Blocks for as long as the device takes.
    ///
    /// # Errors
    /// As [`publish`] and [`OutputDirectory::join`].
    pub fn publish(deliveries: Vec<Self>, workers: NonZeroUsize) -> Result<(), PipelineError> {
        let mut wave = Vec::new();
        for (directory, files) in by_directory(deliveries) {
            let files = if directory.is_one_file() {
                join(&directory, files, workers)?
            } else {
                files.into_iter().map(|(finished, _)| finished).collect()
            };
            wave.push((directory, files));
        }
        let (directories, files): (Vec<_>, Vec<_>) = wave.into_iter().unzip();
        publish(directories.iter().map(AsRef::as_ref).zip(files).collect())?;
        Ok(())
    }

    /// Makes files visible that do not wait for others. Blocks for as long as the device takes.
    ///
    /// # Errors
    /// As [`publish_each`].
    pub fn publish_each(deliveries: Vec<Self>) -> Result<(), SinkError> {
        for (directory, files) in by_directory(deliveries) {
            publish_each(&directory, files.into_iter().map(|(finished, _)| finished).collect())?;
        }
        Ok(())
    }
}

/// Makes one of the parts of a file.
pub(crate) fn join(
    directory: &OutputDirectory,
    files: Vec<(Finished, Option<Part>)>,
    workers: NonZeroUsize,
) -> Result<Vec<Finished>, PipelineError> {
    let (mut finished, mut parts) = (Vec::new(), Vec::new());
    for (file, part) in files {
        parts.push((
            part.expect("each pipeline of one file says what its part is"),
            file.byte_count(),
        ));
        finished.push(file);
    }
    let joint = Part::join(parts)?;
    let whole =
        directory.join(finished.into_iter().zip(joint.kept).collect(), &joint.tail, workers)?;
    Ok(vec![whole])
}

type Files = Vec<(Finished, Option<Part>)>;

fn by_directory(deliveries: Vec<Delivery>) -> Vec<(Arc<OutputDirectory>, Files)> {
    let mut grouped: Vec<(Arc<OutputDirectory>, Files)> = Vec::new();
    for Delivery { directory, finished, part } in deliveries {
        match grouped.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &directory)) {
            Some((_, files)) => files.push((finished, part)),
            None => grouped.push((directory, vec![(finished, part)])),
        }
    }
    grouped
}
