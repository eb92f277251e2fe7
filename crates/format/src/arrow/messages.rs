//! The messages of an Arrow IPC stream, cut anywhere, to record batches.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_ipc::{CompressionType, Endianness, Message, MessageHeader, MetadataVersion};
use arrow_schema::{ArrowError, SchemaRef};

use super::framing::{Framing, Part};
use super::needed::Needed;
use super::texts::{as_bytes, with_texts};
use super::trailer::Trailer;
use super::unpacked::Bodies;
use crate::caught::caught;
use crate::{FormatError, WantedPart};

/// What a file begins with, padded to 8 bytes; a stream does not.
pub(super) const FILE_MAGIC: &[u8] = b"ARROW1\0\0";

/// What a file of the first version of Feather begins with, which is no Arrow IPC.
const FEATHER_MAGIC: &[u8] = b"FEA1";

/// Rows of a record batch at most: the limit that the format recommends to writers.
const BATCH_ROWS_MAX: i64 = i32::MAX as i64;

/// Bytes that are reserved at once for a body that comes in parts.
const BODY_STEP_BYTES: usize = 64 << 20;

/// So many times its compressed bytes a buffer may have: more than LZ4 and Zstandard reach.
const RATIO_MAX: usize = 1 << 17;

/// Where the decoder stands with what a file has before its stream.
#[derive(Clone, Copy, PartialEq, Eq)]
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
    /// Bytes that one message may take, compressed and not.
    message_bytes_max: usize,
    schema: Option<SchemaRef>,
    /// The columns that are wanted, once the schema is known; `None` wants all.
    projection: Option<Vec<usize>>,
    /// The schema of those alone.
    projected: Option<SchemaRef>,
    /// The schema with bytes for texts.
    bytes_schema: Option<SchemaRef>,
    /// What record batches are unpacked with.
    bodies: Bodies,
    /// The values of dictionaries met so far, by their number.
    dictionaries: HashMap<i64, ArrayRef>,
    dictionary_bytes: usize,
    /// Bytes of the record batch given out last, decompressed.
    batch_bytes: usize,
    /// Of the message at hand, what of its body is wanted; `None` of all.
    needed: Option<Needed>,
    /// It is a dictionary that no wanted column has.
    is_unneeded: bool,
    /// Messages are read by the footer of a file, which says where they are.
    is_by_footer: bool,
    framing: Framing,
    /// Where the message at hand starts.
    message_start: u64,
    /// The metadata of the message at hand, as far as it is known.
    metadata: Vec<u8>,
    /// Its body, likewise.
    body: Vec<u8>,
    head: Head,
    /// Of a file, what its footer has to list.
    trailer: Option<Trailer>,
    bytes: Buffer,
    /// Offset of the first of `bytes`.
    start: u64,
    is_last: bool,
    /// How much of `bytes` is consumed.
    position: usize,
}

impl Messages {
    /// The start of a stream whose messages take at most so many bytes each.
    pub(crate) fn new(message_bytes_max: usize) -> Self {
        Self {
            message_bytes_max,
            schema: None,
            projection: None,
            projected: None,
            bytes_schema: None,
            bodies: Bodies::default(),
            dictionaries: HashMap::new(),
            dictionary_bytes: 0,
            batch_bytes: 0,
            needed: None,
            is_unneeded: false,
            is_by_footer: false,
            framing: Framing::START,
            message_start: 0,
            metadata: Vec::new(),
            body: Vec::new(),
            head: Head::Unseen,
            trailer: None,
            bytes: Buffer::from_vec(Vec::<u8>::new()),
            start: 0,
            is_last: false,
            position: 0,
        }
    }

    /// The messages of a file whose schema its footer has given, without whatever stands before them.
    pub(crate) fn behind(schema: SchemaRef) -> Self {
        let is_by_footer = true;
        Self { schema: Some(schema), head: Head::Past, is_by_footer, ..Self::new(usize::MAX) }
    }

    /// Takes the head of a message of a file that is read by its footer, and says what of its body is wanted: of a
    /// record batch the needed columns. The message ends at byte `end` of the file.
    ///
    /// # Errors
    /// [`FormatError::Corrupt`] where that is no message of so many bytes, [`FormatError::TooLarge`].
    pub(crate) fn begin_message(
        &mut self,
        head: &Buffer,
        start: u64,
        end: u64,
    ) -> Result<WantedPart, FormatError> {
        (self.start, self.position, self.message_start) = (start, 0, start);
        let (prefix, rest) = head.split_first_chunk::<4>().unwrap_or((&[0; 4], &[]));
        let (length, rest) = match prefix {
            [0xff, 0xff, 0xff, 0xff] => rest.split_first_chunk::<4>().unwrap_or((&[0; 4], &[])),
            // Before version 5 of the format a message began with its length.
            length => (length, rest),
        };
        let metadata = usize::try_from(u32::from_le_bytes(*length)).ok();
        let metadata = metadata.filter(|&length| length > 0).and_then(|length| rest.get(..length));
        let Some(metadata) = metadata else {
            return Err(self.corrupt("its footer lists a message where none is".to_owned()));
        };
        self.metadata.clear();
        self.metadata.extend_from_slice(metadata);
        let outcome = caught(|| self.wanted_of(start + head.len() as u64, end));
        outcome.unwrap_or_else(|| Err(self.corrupt("a message contradicts itself".to_owned())))
    }

    /// What is wanted of the body that starts at this byte of the file.
    fn wanted_of(&mut self, start: u64, end: u64) -> Result<WantedPart, FormatError> {
        let message = self.message()?;
        let body_bytes = u64::try_from(message.bodyLength()).ok();
        let Some(body_bytes) = body_bytes.filter(|bytes| *bytes <= end.saturating_sub(start))
        else {
            return Err(self.corrupt("a message is longer than its footer says".to_owned()));
        };
        let dictionary = message.header_as_dictionary_batch().zip(self.projected.as_ref());
        let is_unneeded = dictionary.is_some_and(|(dictionary, schema)| {
            #[expect(deprecated, reason = "arrow-ipc itself finds dictionaries by it")]
            let fields = schema.fields_with_dict_id(dictionary.id());
            fields.is_empty()
        });
        if is_unneeded {
            self.is_unneeded = true;
            return Ok(WantedPart { byte_count: 0, ranges: Vec::new() });
        }
        let needed = match (message.header_as_record_batch(), &self.schema, &self.projection) {
            (Some(batch), Some(schema), Some(columns)) => {
                Needed::of(batch, schema, message.version(), columns, body_bytes)
            }
            _ => None,
        };
        let part = match &needed {
            Some(needed) => {
                let (places, byte_count) = needed.places();
                let moved = self.moved_buffers(message, needed, &places);
                let ranges = needed.ranges.iter().zip(&places);
                let ranges = ranges
                    .map(|(range, place)| (start + range.start..start + range.end, *place))
                    .collect();
                for (at, place) in moved {
                    self.metadata[at..at + 8].copy_from_slice(&place.to_le_bytes());
                }
                WantedPart { byte_count, ranges }
            }
            // Where buffers are not as they should be, the whole message is looked at, and says why.
            None => {
                let byte_count = usize::try_from(body_bytes)
                    .map_err(|_| self.corrupt("a message longer than memory".to_owned()))?;
                let whole = (start..start + body_bytes, 0);
                WantedPart { byte_count, ranges: Vec::from_iter((byte_count > 0).then_some(whole)) }
            }
        };
        self.needed = needed;
        self.refuse_large(usize::try_from(part.read_bytes()).unwrap_or(usize::MAX))?;
        Ok(part)
    }

    /// For each needed buffer of the record batch at hand where in its metadata the place of that buffer stands, and its
    /// place in what is lent of the body.
    fn moved_buffers(
        &self,
        message: Message<'_>,
        needed: &Needed,
        places: &[usize],
    ) -> Vec<(usize, u64)> {
        let all = message.header_as_record_batch().and_then(|batch| batch.buffers());
        let Some(all) = all else { return Vec::new() };
        let moved = needed.buffers.iter().cloned().flatten().map(|index| {
            let buffer = all.get(index);
            // A buffer's place is the first of the two numbers that it is.
            let at = std::ptr::from_ref(buffer).addr() - self.metadata.as_ptr().addr();
            let byte = u64::try_from(buffer.offset()).ok().filter(|_| buffer.length() > 0);
            let place = byte.and_then(|byte| needed.place(places, byte));
            (at, place.unwrap_or(0) as u64)
        });
        moved.collect()
    }

    /// Takes the body of that message, of which the wanted bytes are there; a record batch, if it is one.
    ///
    /// # Errors
    /// As [`Self::next_batch`].
    pub(crate) fn end_body(&mut self, body: Buffer) -> Result<Option<RecordBatch>, FormatError> {
        if std::mem::take(&mut self.is_unneeded) {
            return Ok(None);
        }
        match self.end_message(body)? {
            Step::Batch(rows) => Ok(Some(rows)),
            Step::Part => Ok(None),
        }
    }

    /// From now on a message may take so many bytes.
    pub(crate) fn limit(&mut self, message_bytes_max: usize) {
        self.message_bytes_max = message_bytes_max;
    }

    pub(crate) fn begin(&mut self, bytes: Buffer, start: u64, is_last: bool) {
        (self.bytes, self.start, self.is_last, self.position) = (bytes, start, is_last, 0);
    }

    /// How much of the current bytes is consumed.
    pub(crate) fn consumed(&self) -> usize {
        self.position
    }

    /// The stream's schema, once its message has come.
    pub(crate) fn schema(&self) -> Option<&SchemaRef> {
        self.schema.as_ref()
    }

    /// Wants only these columns of the record batches from now on, in this order.
    pub(crate) fn project(&mut self, columns: Vec<usize>) {
        let schema = self.schema.as_ref();
        self.projected = schema.and_then(|schema| schema.project(&columns).ok().map(Arc::new));
        self.projection = Some(columns);
    }

    /// Bytes of the record batch given out last, decompressed.
    pub(crate) fn batch_bytes(&self) -> usize {
        self.batch_bytes
    }

    /// Bytes held for messages that are not complete and for dictionaries.
    pub(crate) fn held_bytes(&self) -> usize {
        let trailer = self.trailer.as_ref().map_or(0, Trailer::held_bytes);
        self.metadata.capacity() + self.body.capacity() + self.dictionary_bytes + trailer
    }

    /// Goes on until the schema is known; `None` when more bytes are needed.
    pub(crate) fn next_schema(&mut self) -> Result<Option<SchemaRef>, FormatError> {
        while self.schema.is_none() && self.step()?.is_some() {}
        Ok(self.schema.clone())
    }

    /// The next record batch; `None` when more bytes are needed or the stream has ended.
    pub(crate) fn next_batch(&mut self) -> Result<Option<RecordBatch>, FormatError> {
        while let Some(step) = self.step()? {
            if let Step::Batch(batch) = step {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    /// One part of a message; `None` when more bytes are needed or the stream has ended.
    fn step(&mut self) -> Result<Option<Step>, FormatError> {
        if !self.skip_head()? {
            return Ok(None);
        }
        let rest = self.bytes.len() - self.position;
        if rest == 0 {
            self.check_end()?;
            return Ok(None);
        }
        match self.framing.ahead() {
            Part::Length(missing) => {
                if self.framing.is_between_messages() {
                    self.message_start = self.offset();
                }
                let part = self.take(missing.min(rest));
                self.framing.take_length(&part);
            }
            Part::Metadata(missing) => {
                self.refuse_large(self.metadata.len().saturating_add(missing))?;
                let part = self.take(missing.min(rest));
                self.metadata.extend_from_slice(&part);
                self.framing.take(part.len());
                if missing <= rest && self.end_metadata()? == 0 {
                    return self.end_message(Buffer::from_vec(Vec::<u8>::new())).map(Some);
                }
            }
            Part::Body(missing) => {
                let part = self.take(missing.min(rest));
                self.framing.take(part.len());
                if missing > rest || !self.body.is_empty() {
                    if self.body.capacity() - self.body.len() < part.len() {
                        // As long as it is said to be, but by steps: the length may not be true.
                        self.body.reserve_exact(missing.min(BODY_STEP_BYTES).max(part.len()));
                    }
                    self.body.extend_from_slice(&part);
                }
                if missing <= rest {
                    let body = std::mem::take(&mut self.body);
                    let body = if body.is_empty() { part } else { Buffer::from_vec(body) };
                    return self.end_message(body).map(Some);
                }
            }
            Part::Nothing => {
                let part = self.take(rest);
                match &mut self.trailer {
                    Some(trailer) => {
                        trailer.extend(&part);
                        let held = trailer.held_bytes();
                        self.refuse_large(held)?;
                    }
                    None => {
                        return Err(self.corrupt(
                            "bytes follow the end of the stream; where streams were put behind \
                             each other, give each a file of its own"
                                .to_owned(),
                        ));
                    }
                }
            }
        }
        Ok(Some(Step::Part))
    }

    /// Steps over a file's magic and the zeros behind it, which pad it to 8 bytes or, by some
    /// writers, to 64. `false` means that more bytes are needed to tell where they end.
    fn skip_head(&mut self) -> Result<bool, FormatError> {
        while self.head != Head::Past {
            let rest = &self.bytes[self.position..];
            if rest.len() < FILE_MAGIC.len() && !self.is_last {
                return Ok(false);
            }
            match self.head {
                Head::Unseen if rest.starts_with(FILE_MAGIC) => {
                    self.head = Head::Padding;
                    self.trailer = Some(Trailer::default());
                    self.position += FILE_MAGIC.len();
                }
                Head::Padding if rest.starts_with(&[0; FILE_MAGIC.len()]) => {
                    self.position += FILE_MAGIC.len();
                }
                Head::Unseen if rest.starts_with(FEATHER_MAGIC) => {
                    let reason =
                        "it is Feather of version 1, which is not read; write it as version 2";
                    return Err(self.corrupt(reason.to_owned()));
                }
                _ => self.head = Head::Past,
            }
        }
        Ok(true)
    }

    /// Steps over bytes and gives them.
    fn take(&mut self, count: usize) -> Buffer {
        let part = self.bytes.slice_with_length(self.position, count);
        self.position += count;
        part
    }

    /// Has the whole metadata: the length of the body.
    fn end_metadata(&mut self) -> Result<usize, FormatError> {
        let message = self.message()?;
        let body_bytes = usize::try_from(message.bodyLength())
            .map_err(|_| self.corrupt("negative body length".to_owned()))?;
        self.refuse_large(body_bytes)?;
        self.framing.begin_body(body_bytes);
        Ok(body_bytes)
    }

    fn message(&self) -> Result<Message<'_>, FormatError> {
        arrow_ipc::root_as_message(&self.metadata).map_err(|error| {
            // As polars writes them: only the footer says where what is needed first stands.
            let needs_footer = self.trailer.is_some() && self.schema.is_none();
            self.corrupt(if needs_footer {
                "it does not begin with its schema, and only a file that is not compressed and no pipe can be \
                 read by its footer, where that names types of Arrow (integers of 128 bits, which polars writes, are none)"
                    .to_owned()
            } else {
                format!("invalid message metadata: {error}")
            })
        })
    }

    fn refuse_large(&self, byte_count: usize) -> Result<(), FormatError> {
        if byte_count <= self.message_bytes_max {
            return Ok(());
        }
        Err(FormatError::TooLarge {
            what: format!("Arrow message at {}", self.message_start),
            byte_count: byte_count as u64,
            bytes_max: self.message_bytes_max as u64,
            remedy: "write smaller record batches".to_owned(),
        })
    }

    /// Has the whole message.
    fn end_message(&mut self, body: Buffer) -> Result<Step, FormatError> {
        // The metadata is a verified flatbuffer, but `arrow-ipc` takes lengths and counts in it on
        // trust in places. The error ends this partition.
        let outcome = caught(|| self.handle_message(&body));
        self.metadata.clear();
        outcome.unwrap_or_else(|| Err(self.corrupt("a message contradicts itself".to_owned())))
    }

    fn handle_message(&mut self, body: &Buffer) -> Result<Step, FormatError> {
        let metadata = std::mem::take(&mut self.metadata);
        let message = arrow_ipc::root_as_message(&metadata)
            .map_err(|error| self.corrupt(format!("invalid message metadata: {error}")))?;
        let length = self.offset() - self.message_start;
        let version = message.version();
        if ![MetadataVersion::V4, MetadataVersion::V5].contains(&version) {
            let reason = format!("format version {} is not read, 4 and 5 are", version.0 + 1);
            return Err(self.corrupt(reason));
        }
        let no_header = || self.corrupt("a message without its header".to_owned());
        match message.header_type() {
            MessageHeader::Schema => {
                self.take_schema(message.header_as_schema().ok_or_else(no_header)?)?;
            }
            MessageHeader::DictionaryBatch => {
                let batch = message.header_as_dictionary_batch().ok_or_else(no_header)?;
                let schema = self.known_schema()?;
                let data = batch.data().ok_or_else(no_header)?;
                self.check_batch(data, body)?;
                let before = self.dictionaries.get(&batch.id()).cloned();
                let dictionaries = &mut self.dictionaries;
                let outcome = read_dictionary(body, batch, &schema, dictionaries, &version);
                outcome.map_err(|source| self.refused(source))?;
                // All dictionaries of a file are read before its record batches.
                let is_another = |before| Some(&before) != self.dictionaries.get(&batch.id());
                if self.is_by_footer && !batch.isDelta() && before.is_some_and(is_another) {
                    return Err(self.corrupt(
                        "a dictionary is replaced, which only a stream may do; write it as a stream"
                            .to_owned(),
                    ));
                }
                let sizes = self.dictionaries.values().map(|values| values.get_array_memory_size());
                self.dictionary_bytes = sizes.sum();
                if let Some(trailer) = &mut self.trailer {
                    trailer.add_dictionary(self.message_start, length);
                }
            }
            MessageHeader::RecordBatch => {
                let batch = message.header_as_record_batch().ok_or_else(no_header)?;
                let schema = self.known_schema()?;
                self.batch_bytes = self.check_batch(batch, body)?;
                let rows = self.rows_of(batch, body, schema, version);
                let rows = rows.map_err(|source| self.refused(source))?;
                if let Some(trailer) = &mut self.trailer {
                    trailer.add_batch(self.message_start, length);
                }
                return Ok(Step::Batch(rows));
            }
            MessageHeader::NONE => {}
            other => {
                let name = other.variant_name().unwrap_or("message of an unknown kind");
                return Err(self.corrupt(format!("it holds a {name}, which is not read")));
            }
        }
        Ok(Step::Part)
    }

    /// The rows of a record batch, of the wanted columns.
    fn rows_of(
        &mut self,
        batch: arrow_ipc::RecordBatch<'_>,
        body: &Buffer,
        schema: SchemaRef,
        version: MetadataVersion,
    ) -> Result<RecordBatch, ArrowError> {
        let with_bytes = Arc::clone(self.bytes_schema.get_or_insert_with(|| as_bytes(&schema)));
        let (dictionaries, projection) = (&self.dictionaries, self.projection.as_deref());
        let unpacked;
        let (batch, body) = match batch.compression() {
            None => (batch, body),
            Some(_) => {
                unpacked = self.bodies.unpack(batch, body, self.needed.as_ref())?;
                (unpacked.0, &unpacked.1)
            }
        };
        let rows = read_record_batch(body, batch, with_bytes, dictionaries, projection, &version)?;
        let of_rows = self.projected.as_ref().filter(|_| projection.is_some());
        with_texts(rows, of_rows.map_or(schema, Arc::clone))
    }

    fn take_schema(&mut self, schema: arrow_ipc::Schema<'_>) -> Result<(), FormatError> {
        if self.schema.is_some() {
            return Err(self.corrupt("a second schema follows".to_owned()));
        }
        if schema.endianness() != Endianness::Little {
            return Err(self.corrupt(
                "its numbers have their big end first, which is not read; write it on a host of \
                 the other order"
                    .to_owned(),
            ));
        }
        let schema = try_fb_to_schema(schema).map_err(|source| self.refused(source))?;
        self.schema = Some(Arc::new(schema));
        Ok(())
    }

    fn known_schema(&self) -> Result<SchemaRef, FormatError> {
        self.schema
            .clone()
            .ok_or_else(|| self.corrupt("a message comes before the schema".to_owned()))
    }

    /// Holds what a batch says about its size against the bytes it comes in, before anything is
    /// reserved for it: the bytes it is going to take.
    fn check_batch(
        &self,
        batch: arrow_ipc::RecordBatch<'_>,
        body: &Buffer,
    ) -> Result<usize, FormatError> {
        if !(0..=BATCH_ROWS_MAX).contains(&batch.length()) {
            let reason =
                format!("a record batch of {} rows; 2147483647 are the most", batch.length());
            return Err(self.corrupt(reason));
        }
        let compression = batch.compression().map(|compression| compression.codec());
        if compression.is_some_and(|codec| {
            ![CompressionType::LZ4_FRAME, CompressionType::ZSTD].contains(&codec)
        }) {
            return Err(self.corrupt("a compression that is not known".to_owned()));
        }
        let mut whole: usize = 0;
        let all = batch.buffers().into_iter().flatten().enumerate();
        let needed = self.needed.as_ref();
        // Of the others nothing is there.
        let is_needed = |at: &usize| {
            needed.is_none_or(|needed| needed.buffers.iter().any(|place| place.contains(at)))
        };
        for (_, buffer) in all.filter(|(at, _)| is_needed(at)) {
            let Some(bytes) = within(body, buffer) else {
                return Err(self.corrupt("a buffer lies outside of its message".to_owned()));
            };
            // Before compressed bytes stands how many they are to become; -1 is as they are.
            let split = bytes.split_first_chunk::<8>().filter(|_| compression.is_some());
            let Some((declared, compressed)) = split else { continue };
            let Ok(declared) = usize::try_from(i64::from_le_bytes(*declared)) else { continue };
            if declared / RATIO_MAX > compressed.len() {
                return Err(self.corrupt("a buffer is said to be longer than it can be".to_owned()));
            }
            whole = whole.saturating_add(declared);
        }
        self.refuse_large(whole)?;
        let read = needed.map_or(body.len() as u64, Needed::read_bytes);
        Ok(if compression.is_some() { whole } else { usize::try_from(read).unwrap_or(usize::MAX) })
    }

    /// If nothing follows, holds the end to what has to stand there.
    ///
    /// # Errors
    /// [`FormatError::Corrupt`] if nothing follows and the stream, or the file, is not complete.
    fn check_end(&self) -> Result<(), FormatError> {
        if !self.is_last {
            return Ok(());
        }
        if !self.framing.is_between_messages() {
            return Err(self.corrupt("the input ends inside a message".to_owned()));
        }
        let Some(schema) = self.schema() else {
            return Err(self.corrupt("the input ends before a schema".to_owned()));
        };
        match &self.trailer {
            Some(trailer) => trailer.check(schema).map_err(|reason| self.corrupt(reason)),
            None => Ok(()),
        }
    }

    fn offset(&self) -> u64 {
        self.start + self.position as u64
    }

    fn what(&self) -> String {
        if self.trailer.is_some() { "Arrow file" } else { "Arrow IPC stream" }.to_owned()
    }

    fn refused(&self, source: ArrowError) -> FormatError {
        FormatError::Arrow { what: self.what(), position: self.offset(), source }
    }

    fn corrupt(&self, reason: String) -> FormatError {
        FormatError::Corrupt { what: self.what(), position: self.offset(), reason }
    }
}

/// The bytes that a message says one of its buffers takes; `None` where it has no such bytes.
pub(super) fn within<'a>(body: &'a Buffer, buffer: &arrow_ipc::Buffer) -> Option<&'a [u8]> {
    let start = usize::try_from(buffer.offset()).ok()?;
    let end = start.checked_add(usize::try_from(buffer.length()).ok()?)?;
    // `arrow-ipc` slices the body also for no bytes.
    body.get(start..end)
}

/// What a step came upon.
enum Step {
    /// A part of a message, or a message without rows.
    Part,
    /// A record batch.
    Batch(RecordBatch),
}
