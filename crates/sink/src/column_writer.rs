//! Sinks that take columns, so that nothing is encoded.

use std::task::{Context, Poll};

use tidemill_record::{Batch, Image, ImageError};

use crate::{Discard, SinkError};

/// Takes the results of one partition as columns: the discard sink, and sinks of the embedding
/// program.
pub trait ColumnWriter {
    /// Whether it takes another batch now. Where it does not, the pipeline waits, and reads nothing, until the waker is
    /// called, from any thread.
    ///
    /// # Errors
    /// As [`Self::write`].
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SinkError>> {
        Poll::Ready(Ok(()))
    }

    /// Takes a batch, in order; how many of its rows count as written.
    ///
    /// # Errors
    /// Every error ends the pipeline.
    fn write(&mut self, batch: &Batch) -> Result<u64, SinkError>;

    /// Says that no more will come.
    ///
    /// # Errors
    /// As [`Self::write`].
    fn finish(&mut self) -> Result<(), SinkError>;

    /// An order-independent checksum of all rows, where one is kept; those of all partitions add up,
    /// modulo 2^64, to that of the job.
    fn checksum(&self) -> Option<u64>;

    /// Where it is, so that [`Self::resume`] of another may go on from there: rows that were taken after it are given again
    /// then. `None` where that cannot be, so that no job with state can write to it.
    fn cut(&self) -> Option<Image> {
        None
    }

    /// Goes on from where another was; nothing has been written to this one.
    ///
    /// # Errors
    /// What does not fit.
    fn resume(&mut self, image: Image) -> Result<(), ImageError> {
        image.end()
    }
}

impl ColumnWriter for Discard {
    fn write(&mut self, batch: &Batch) -> Result<u64, SinkError> {
        self.consume(batch);
        Ok(u64::try_from(batch.row_count()).expect("usize is at most 64 bits"))
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn checksum(&self) -> Option<u64> {
        self.has_checksum.then(|| Discard::checksum(self))
    }

    fn cut(&self) -> Option<Image> {
        let mut image = Image::new();
        image.put_option("checksum", ColumnWriter::checksum(self));
        Some(image)
    }

    fn resume(&mut self, mut image: Image) -> Result<(), ImageError> {
        let checksum = image.take_option("checksum")?;
        image.end()?;
        self.go_on_from(checksum)
    }
}
