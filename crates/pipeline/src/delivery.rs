//! Files on their way from a pipeline to whoever reads them.

use std::sync::Arc;

use tidemill_sink::{Finished, OutputDirectory, SinkError, publish, publish_each};

/// Files that are complete but not yet visible, and the directory they go to.
pub struct Delivery {
    /// Where they become visible.
    pub directory: Arc<OutputDirectory>,
    /// The files.
    pub finished: Finished,
}

impl Delivery {
    /// Makes the files of a wave visible, all or none of them. Blocks for as long as the device takes.
    ///
    /// # Errors
    /// As [`publish`].
    pub fn publish(deliveries: Vec<Self>) -> Result<(), SinkError> {
        let (directories, files): (Vec<_>, Vec<_>) = by_directory(deliveries).into_iter().unzip();
        publish(directories.iter().map(AsRef::as_ref).zip(files).collect())?;
        Ok(())
    }

    /// Makes files visible that do not wait for others. Blocks for as long as the device takes.
    ///
    /// # Errors
    /// As [`publish_each`].
    pub fn publish_each(deliveries: Vec<Self>) -> Result<(), SinkError> {
        for (directory, files) in by_directory(deliveries) {
            publish_each(&directory, files)?;
        }
        Ok(())
    }
}

fn by_directory(deliveries: Vec<Delivery>) -> Vec<(Arc<OutputDirectory>, Vec<Finished>)> {
    let mut grouped: Vec<(Arc<OutputDirectory>, Vec<Finished>)> = Vec::new();
    for Delivery { directory, finished } in deliveries {
        match grouped.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &directory)) {
            Some((_, files)) => files.push(finished),
            None => grouped.push((directory, vec![finished])),
        }
    }
    grouped
}
