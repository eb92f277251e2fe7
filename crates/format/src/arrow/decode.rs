//! Arrow IPC to batches, through `arrow-ipc`'s `StreamDecoder`.
//!
//! Everything is consumed as it comes, at whatever byte frames are cut; offsets are row numbers.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_schema::SchemaRef;
use tidemill_record::{BadRecord, Batch, FrameBytes, Frames, Schema};

use super::convert::Conversion;
use super::framing::{Framing, Part};
use crate::{DecoderSpec, FormatError};

/// What a file begins with, padded to 8 bytes; a stream does not.
const FILE_MAGIC: &[u8] = b"ARROW1\0\0";

/// Decodes one partition of Arrow IPC.
pub(crate) struct ArrowDecoder {
    // Fixed at construction.
    schema: Schema,
    columns: Vec<usize>,
    batch_rows: usize,
    // Changes with the stream.
    messages: Messages,
    conversion: Option<Conversion>,
    row_count: u64,
    /// What is converted and not yet handed out.
    pending: VecDeque<Batch>,
}

impl ArrowDecoder {
    pub(crate) fn new(spec: &DecoderSpec<'_>) -> Self {
        Self {
            schema: spec.schema.clone(),
            columns: spec.columns.to_vec(),
            batch_rows: spec.batch_rows.max(1),
            messages: Messages::new(),
            conversion: None,
            row_count: 0,
            pending: VecDeque::new(),
        }
    }

    pub(crate) fn begin(&mut self, frames: Frames) -> Result<(), FormatError> {
        let FrameBytes::Sequential { bytes, start, is_last, .. } = frames.bytes else {
            return Err(FormatError::Frames {
                reason: "Arrow IPC is decoded from sequential frames, not from row groups"
                    .to_owned(),
            });
        };
        self.messages.begin(bytes, start.0, is_last);
        Ok(())
    }

    pub(crate) fn consumed(&self) -> u64 {
        self.messages.position as u64
    }

    pub(crate) fn decode(
        &mut self,
        bad: &mut Vec<BadRecord>,
    ) -> Result<Option<Batch>, FormatError> {
        loop {
            if let Some(batch) = self.pending.pop_front() {
                return Ok(Some(batch));
            }
            let next = self.messages.next_batch()?;
            if self.conversion.is_none()
                && let Some(schema) = self.messages.schema()
            {
                self.conversion = Some(Conversion::new(&schema, &self.schema, &self.columns)?);
            }
            let Some(rows) = next else { return Ok(None) };
            let Some(conversion) = &self.conversion else { return Ok(None) };
            let batch = conversion.apply(&rows, |at| at, self.row_count, bad)?;
            self.row_count += rows.num_rows() as u64;
            let mut start = 0;
            while start < batch.row_count() {
                let row_count = self.batch_rows.min(batch.row_count() - start);
                self.pending.push_back(batch.slice(start, row_count));
                start += row_count;
            }
        }
    }
}

/// Where the decoder stands with what a file has before its stream.
#[derive(Clone, Copy)]
enum Head {
    /// Nothing has been looked at.
    Unseen,
    /// Behind the magic.
    Padding,
    /// At or behind the first message.
    Past,
}

/// The messages of a stream, cut anywhere.
pub(crate) struct Messages {
    decoder: StreamDecoder,
    framing: Framing,
    /// The metadata of the message at hand, as far as it is known.
    metadata: Vec<u8>,
    head: Head,
    bytes: Buffer,
    /// Offset of the first of `bytes`.
    start: u64,
    is_last: bool,
    /// How much of `bytes` is consumed.
    position: usize,
    /// Batches not handed out yet.
    decoded: VecDeque<RecordBatch>,
}

impl Messages {
    pub(crate) fn new() -> Self {
        Self {
            decoder: StreamDecoder::new(),
            framing: Framing::START,
            metadata: Vec::new(),
            head: Head::Unseen,
            bytes: Buffer::from_vec(Vec::<u8>::new()),
            start: 0,
            is_last: false,
            position: 0,
            decoded: VecDeque::new(),
        }
    }

    pub(crate) fn begin(&mut self, bytes: Buffer, start: u64, is_last: bool) {
        (self.bytes, self.start, self.is_last, self.position) = (bytes, start, is_last, 0);
    }

    /// The stream's schema, once its message has come.
    pub(crate) fn schema(&self) -> Option<SchemaRef> {
        self.decoder.schema()
    }

    /// The next record batch; `None` when more bytes are needed or the stream has ended.
    pub(crate) fn next_batch(&mut self) -> Result<Option<RecordBatch>, FormatError> {
        if !self.skip_head() {
            return Ok(None);
        }
        loop {
            if let Some(batch) = self.decoded.pop_front() {
                return Ok(Some(batch));
            }
            let rest = self.bytes.len() - self.position;
            if rest == 0 {
                self.check_end()?;
                return Ok(self.decoded.pop_front());
            }
            match self.framing.ahead() {
                Part::Length(missing) => {
                    let part = self.take(missing.min(rest));
                    self.framing.take_length(&part);
                    self.feed(part)?;
                }
                Part::Metadata(missing) => {
                    let part = self.take(missing.min(rest));
                    self.metadata.extend_from_slice(&part);
                    self.framing.take(part.len());
                    if missing <= rest {
                        self.end_metadata()?;
                    }
                }
                Part::Body(missing) => {
                    let part = self.take(missing.min(rest));
                    self.framing.take(part.len());
                    self.feed(part)?;
                }
                // A file's footer.
                Part::Nothing => self.position = self.bytes.len(),
            }
        }
    }

    /// Steps over a file's magic and the zeros behind it, which pad it to 8 bytes or, by some
    /// writers, to 64. `false` means that more bytes are needed to tell where they end.
    fn skip_head(&mut self) -> bool {
        loop {
            let rest = &self.bytes[self.position..];
            let is_short = rest.len() < FILE_MAGIC.len() && !self.is_last;
            match self.head {
                Head::Unseen | Head::Padding if is_short => return false,
                Head::Unseen if rest.starts_with(FILE_MAGIC) => {
                    self.head = Head::Padding;
                    self.position += FILE_MAGIC.len();
                }
                Head::Padding if rest.starts_with(&[0; FILE_MAGIC.len()]) => {
                    self.position += FILE_MAGIC.len();
                }
                _ => {
                    self.head = Head::Past;
                    return true;
                }
            }
        }
    }

    /// Steps over bytes and gives them.
    fn take(&mut self, count: usize) -> Buffer {
        let part = self.bytes.slice_with_length(self.position, count);
        self.position += count;
        part
    }

    /// Hands the whole metadata on.
    fn end_metadata(&mut self) -> Result<(), FormatError> {
        let metadata = Buffer::from(self.metadata.as_slice());
        self.metadata.clear();
        let message = arrow_ipc::root_as_message(&metadata)
            .map_err(|error| self.corrupt(format!("invalid message metadata: {error}")))?;
        let body_bytes = usize::try_from(message.bodyLength())
            .map_err(|_| self.corrupt("negative body length".to_owned()))?;
        self.framing.begin_body(body_bytes);
        self.feed(metadata)
    }

    /// Gives bytes to the decoder. It handles a message without a body only when bytes of the next
    /// one come, so that one call may yield a batch before it has taken all.
    fn feed(&mut self, mut part: Buffer) -> Result<(), FormatError> {
        let (decoder, decoded) = (&mut self.decoder, &mut self.decoded);
        // The metadata is a verified flatbuffer, but `arrow-ipc` takes the buffer offsets, lengths
        // and counts in it on trust in places and then panics (a slice behind the end of the body,
        // say). Input must not bring the process down, so the unwinding stops here; the decoder is
        // not used again, for the error ends this partition.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            while !part.is_empty() {
                decoded.extend(decoder.decode(&mut part)?);
            }
            Ok(())
        }));
        match outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(source)) => Err(FormatError::Arrow {
                what: "Arrow IPC stream".to_owned(),
                position: self.start + self.position as u64,
                source,
            }),
            Err(_) => Err(self.corrupt("a message contradicts itself".to_owned())),
        }
    }

    /// If nothing follows, has the decoder handle what it still holds.
    ///
    /// # Errors
    /// [`FormatError::Corrupt`] if nothing follows and the stream is not complete.
    fn check_end(&mut self) -> Result<(), FormatError> {
        const END_MARKER: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
        if !self.is_last {
            return Ok(());
        }
        if !self.framing.is_between_messages() {
            return Err(self.corrupt("the input ends inside a message".to_owned()));
        }
        if self.framing.ahead() != Part::Nothing {
            self.framing.take_length(&END_MARKER[..4]);
            self.framing.take_length(&END_MARKER[4..]);
            self.feed(Buffer::from(END_MARKER))?;
        }
        if self.schema().is_none() {
            return Err(self.corrupt("the input ends before a schema".to_owned()));
        }
        Ok(())
    }

    fn corrupt(&self, reason: String) -> FormatError {
        let position = self.start + self.position as u64;
        FormatError::Corrupt { what: "Arrow IPC stream".to_owned(), position, reason }
    }
}
