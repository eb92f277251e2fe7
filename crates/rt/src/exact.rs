//! A whole stretch of a file at once: the column chunks of a Parquet row group.

use std::collections::VecDeque;
use std::io;

use futures_lite::future::poll_once;

use crate::file::Immediate;
use crate::{File, READ_BYTES, READS_IN_FLIGHT_MAX};

impl File {
    /// Fills the whole buffer from a position, with several reads in flight for what is not cached.
    ///
    /// # Errors
    /// What read said; `UnexpectedEof` where the file ends before.
    pub async fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.try_read_at(&mut buffer[filled..], offset_of(offset, filled))? {
                Immediate::Read(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Immediate::Read(count) => filled += count,
                Immediate::WouldWait => break,
            }
        }
        self.read_missing(&mut buffer[filled..], offset_of(offset, filled)).await
    }

    async fn read_missing(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut in_flight = VecDeque::with_capacity(READS_IN_FLIGHT_MAX);
        let (mut queued, mut filled) = (0, 0);
        while filled < buffer.len() {
            while queued < buffer.len() && in_flight.len() < READS_IN_FLIGHT_MAX {
                let byte_count = READ_BYTES.min(buffer.len() - queued);
                let read = self.ring_read(offset_of(offset, queued), byte_count).await?;
                let Some(read) = read else {
                    break;
                };
                let mut read = Box::pin(read);
                // The first poll queues it.
                let finished = poll_once(&mut read).await;
                in_flight.push_back((read, finished));
                queued += byte_count;
            }
            let Some((read, finished)) = in_flight.pop_front() else {
                // The portable backend has no reads in flight: `try_read_at` has waited already.
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            let bytes = match finished {
                Some(result) => result?,
                None => read.await?,
            };
            if bytes.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let expected = READ_BYTES.min(buffer.len() - filled);
            buffer[filled..filled + bytes.len()].copy_from_slice(&bytes);
            filled += bytes.len();
            if bytes.len() < expected {
                // A short read: what was queued behind it starts at the wrong byte.
                in_flight.clear();
                queued = filled;
            }
        }
        Ok(())
    }
}

fn offset_of(offset: u64, filled: usize) -> u64 {
    offset + u64::try_from(filled).expect("a usize fits u64")
}
