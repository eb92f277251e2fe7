//! From a byte offset to a line number, once something has already gone wrong.

use futures_lite::future::block_on;
use tidemill_record::{FrameBytes, PartitionId, Polled};
use tidemill_rt::Backend;
use tidemill_source::{InputFile, TextReader, TextSpec};

/// The line, counted from 1, that byte `offset` (after decompression) of a text file stands in;
/// `None` where the file can no longer be read.
///
/// Reads the file up to there again: lines are counted only when somebody needs the number.
pub(crate) fn line_of(file: &InputFile, offset: u64, record_bytes_max: usize) -> Option<u64> {
    block_on(async {
        let mut reader = TextReader::open(TextSpec {
            backend: Backend::Std,
            file,
            format: None,
            range: None,
            partition: PartitionId(0),
            record_bytes_max,
            follow: None,
        })
        .await
        .ok()?;
        let mut line = 1;
        loop {
            let frames = match reader.next_frames().await.ok()? {
                Polled::Ready(frames) => frames,
                Polled::NotReady => continue,
                Polled::Ended => return None,
            };
            let FrameBytes::Sequential { bytes, start, .. } = frames.bytes else { return None };
            let wanted = usize::try_from(offset - start.0).ok()?;
            let counted = &bytes[..wanted.min(bytes.len())];
            line += counted.iter().filter(|&&byte| byte == b'\n').map(|_| 1).sum::<u64>();
            if wanted <= bytes.len() {
                return Some(line);
            }
            let byte_count = u64::try_from(bytes.len()).expect("usize is at most 64 bits");
            drop(bytes);
            reader.consume(byte_count);
        }
    })
}
