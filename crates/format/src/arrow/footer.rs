//! The footer of an Arrow file, by which messages are read one by one.
//!
//! Spec: Apache Arrow columnar format, "IPC File Format". A file is a stream between a magic and a footer, but
//! its dictionaries may stand behind the record batches that use them, and polars writes its schema without the
//! frame of a message. Such a file is read as the stream that its footer describes: the schema, every
//! dictionary, every record batch. So is one whose footer lists all that stands between its schema and itself,
//! because then only the bytes of needed columns are read, and several partitions read ranges of its record batches;
//! what a footer leaves out is found by who reads from front to back.

use std::ops::Range;
use std::sync::Arc;

use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::{Block, Endianness, Message, MessageHeader};
use arrow_schema::SchemaRef;
use tidemill_record::Schema;

use super::members::flattened;
use super::messages::FILE_MAGIC;
use super::needed::Needed;
use super::trailer::TRAILER_MAGIC;
use super::{found_columns, left_out, sql_schema, untyped};
use crate::FormatError;
use crate::caught::caught;

/// Bytes behind the footer: its length and the magic.
const TAIL_BYTES: usize = 4 + TRAILER_MAGIC.len();

/// What the last bytes of a file gave.
#[derive(Clone, Debug)]
pub enum ParsedArrowFooter {
    /// The footer.
    Whole(ArrowFooter),
    /// So many bytes from the end of the file are needed.
    NeedsTail {
        /// At most the length of the file.
        byte_count: u64,
    },
}

/// What an Arrow file says of itself at its end.
#[derive(Clone, Debug)]
pub struct ArrowFooter {
    schema: SchemaRef,
    /// Where its messages stand, in the order of the footer.
    dictionaries: Vec<MessagePlace>,
    batches: Vec<MessagePlace>,
    /// Where itself begins.
    start: u64,
}

/// Where a message of an Arrow file stands, in bytes of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessagePlace {
    /// Its first byte.
    pub start: u64,
    /// Where its head, the metadata, ends and its body begins.
    pub head_end: u64,
    /// Behind its last byte.
    pub end: u64,
}

impl MessagePlace {
    /// Bytes that it takes.
    #[must_use]
    pub fn byte_count(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}

impl ArrowFooter {
    /// Reads the footer from the last bytes of a file of `file_bytes` bytes.
    ///
    /// # Errors
    /// [`FormatError::Corrupt`] with what is wrong.
    pub fn parse(tail: &[u8], file_bytes: u64) -> Result<ParsedArrowFooter, FormatError> {
        let corrupt = |reason: String| FormatError::Corrupt {
            what: "Arrow file".to_owned(),
            position: file_bytes.saturating_sub(TAIL_BYTES as u64),
            reason,
        };
        let front = tail.strip_suffix(TRAILER_MAGIC);
        let split = front.and_then(|front| front.split_last_chunk::<4>());
        let Some((front, length)) = split else {
            return Err(corrupt("it ends without its footer".to_owned()));
        };
        let too_long = || corrupt("its footer is said to be longer than the file".to_owned());
        let length = usize::try_from(i32::from_le_bytes(*length)).map_err(|_| too_long())?;
        let byte_count = (length + TAIL_BYTES) as u64;
        if byte_count > file_bytes {
            return Err(too_long());
        }
        let Some(start) = front.len().checked_sub(length) else {
            return Ok(ParsedArrowFooter::NeedsTail { byte_count });
        };
        let footer_start = file_bytes - byte_count;
        // The footer is a verified flatbuffer, but `arrow-ipc` trusts some of what is in it.
        caught(|| Self::read(&front[start..], footer_start))
            .unwrap_or_else(|| Err("its footer contradicts itself".to_owned()))
            .map(ParsedArrowFooter::Whole)
            .map_err(corrupt)
    }

    fn read(footer: &[u8], footer_start: u64) -> Result<Self, String> {
        let footer = arrow_ipc::root_as_footer(footer)
            .map_err(|error| format!("its footer is damaged: {error}"))?;
        let schema = footer.schema().ok_or("its footer has no schema")?;
        if schema.endianness() != Endianness::Little {
            return Err("its numbers have their big end first, which is not read".to_owned());
        }
        let schema = try_fb_to_schema(schema).map_err(|error| format!("its footer: {error}"))?;
        let place = |block: &Block| {
            let start = u64::try_from(block.offset()).ok()?;
            let head_end = start.checked_add(u64::try_from(block.metaDataLength()).ok()?)?;
            let end = head_end.checked_add(u64::try_from(block.bodyLength()).ok()?)?;
            let is_within = start < head_end && end <= footer_start;
            is_within.then_some(MessagePlace { start, head_end, end })
        };
        let nowhere = "its footer lists messages where none can be";
        let dictionaries = footer.dictionaries().into_iter().flatten().map(place);
        let dictionaries = dictionaries.collect::<Option<_>>().ok_or(nowhere)?;
        let batches = footer.recordBatches().into_iter().flatten().map(place);
        let batches = batches.collect::<Option<_>>().ok_or(nowhere)?;
        Ok(Self { schema: Arc::new(schema), dictionaries, batches, start: footer_start })
    }

    /// Whether its messages are all that stands between the schema and itself, so that reading by it leaves nothing
    /// out. `head` is the head of the file; where it is shorter than the schema's message, that cannot be told.
    #[must_use]
    pub fn lists_all(&self, head: &[u8]) -> bool {
        let Some(mut end) = schema_end(head) else { return false };
        let mut places: Vec<MessagePlace> = self.messages().collect();
        places.sort_unstable_by_key(|place| place.start);
        for place in places {
            if place.start != end {
                return false;
            }
            end = place.end;
        }
        // What ends a stream, of either length, or nothing.
        matches!(self.start.checked_sub(end), Some(0 | 4 | 8))
    }

    /// How many record batches there are.
    #[must_use]
    pub fn batch_count(&self) -> usize {
        self.batches.len()
    }

    /// Where the record batches stand.
    #[must_use]
    pub fn batches(&self) -> &[MessagePlace] {
        &self.batches
    }

    /// The rows of a record batch, by the head of its message; `None` where that is none.
    #[must_use]
    pub fn row_count(head: &[u8]) -> Option<u64> {
        u64::try_from(message_in(head)?.header_as_record_batch()?.length()).ok()
    }

    /// What the columns of these names weigh in the record batch whose message has this head: the bytes that they
    /// take, or 8 a value if that is more. 0 where it is no such head.
    #[must_use]
    pub fn weight(&self, head: &[u8], names: &[&str]) -> u64 {
        self.weight_of(head, names).unwrap_or(0)
    }

    fn weight_of(&self, head: &[u8], names: &[&str]) -> Option<u64> {
        const VALUE_BYTES_MIN: u64 = 8;
        let message = message_in(head)?;
        let batch = message.header_as_record_batch()?;
        let (found, ways) = flattened(&self.schema);
        let is_needed = |at: &usize| names.contains(&found[*at].name.as_str());
        let needed: Vec<usize> = (0..found.len()).filter(is_needed).collect();
        let tops: Vec<usize> = needed.iter().filter_map(|&at| ways[at].first().copied()).collect();
        let body_bytes = u64::try_from(message.bodyLength()).ok()?;
        let taken = Needed::of(batch, &self.schema, message.version(), &tops, body_bytes);
        let taken = taken.map_or(0, |needed| needed.read_bytes());
        let value_count = u64::try_from(batch.length()).ok()?.saturating_mul(needed.len() as u64);
        Some(taken.max(value_count.saturating_mul(VALUE_BYTES_MIN)))
    }

    /// Whether the file with this head can be read from front to back: its schema is a message, and its
    /// dictionaries stand before its record batches.
    #[must_use]
    pub fn is_a_stream(&self, head: &[u8]) -> bool {
        let first_batch = self.batches.iter().map(|place| place.start).min();
        let last_dictionary = self.dictionaries.iter().map(|place| place.start).max();
        let is_in_order = self.batches.is_sorted_by_key(|place| place.start)
            && first_batch.zip(last_dictionary).is_none_or(|(batch, last)| last < batch);
        is_in_order && begins_with_message(head)
    }

    /// Where the messages stand in the order in which they are to be read: all dictionaries, then the record
    /// batches.
    pub fn messages(&self) -> impl Iterator<Item = MessagePlace> {
        self.dictionaries.iter().chain(&self.batches).copied()
    }

    /// Where the message of this place among all stands.
    pub(crate) fn message(&self, index: usize) -> Option<MessagePlace> {
        let of_batches = || self.batches.get(index - self.dictionaries.len());
        self.dictionaries.get(index).or_else(of_batches).copied()
    }

    /// The messages that some of the record batches need, those included, each with its place among all.
    ///
    /// # Panics
    /// If there are not so many batches.
    pub fn messages_of(
        &self,
        batches: Range<usize>,
    ) -> impl Iterator<Item = (usize, MessagePlace)> {
        let first = self.dictionaries.len();
        assert!(batches.end <= self.batches.len(), "batches of this file");
        let wanted = first + batches.start..first + batches.end;
        self.messages().enumerate().filter(move |(at, _)| *at < first || wanted.contains(at))
    }

    /// The SQL schema of its columns; those that no SQL type holds are left out.
    ///
    /// # Errors
    /// [`FormatError::UnsupportedColumn`] if no column can be read.
    pub fn schema(&self) -> Result<Schema, FormatError> {
        sql_schema(&found_columns(&self.schema))
    }

    /// The columns without a value, which say no type; see [`Self::schema`] for what they are taken for.
    #[must_use]
    pub fn untyped(&self) -> Vec<String> {
        untyped(&found_columns(&self.schema))
    }

    /// The columns that no SQL type holds; see [`crate::left_out`].
    #[must_use]
    pub fn left_out(&self) -> Option<String> {
        left_out(&found_columns(&self.schema))
    }

    pub(crate) fn arrow_schema(&self) -> &SchemaRef {
        &self.schema
    }
}

/// The message with this head.
fn message_in(head: &[u8]) -> Option<Message<'_>> {
    let (prefix, rest) = head.split_first_chunk::<4>()?;
    let (length, rest) = match prefix {
        [0xff, 0xff, 0xff, 0xff] => rest.split_first_chunk::<4>()?,
        length => (length, rest),
    };
    let metadata = rest.get(..u32::from_le_bytes(*length) as usize)?;
    arrow_ipc::root_as_message(metadata).ok()
}

/// Where the message of the schema ends, by the head of a file.
fn schema_end(head: &[u8]) -> Option<u64> {
    let mut rest = head.strip_prefix(FILE_MAGIC)?;
    while let Some(behind) = rest.strip_prefix(&[0; FILE_MAGIC.len()]) {
        rest = behind;
    }
    let start = head.len() - rest.len();
    let (prefix, rest) = rest.split_first_chunk::<4>()?;
    let (length, prefix_bytes) = match prefix {
        [0xff, 0xff, 0xff, 0xff] => (rest.first_chunk::<4>()?, 8),
        length => (length, 4),
    };
    Some((start + prefix_bytes) as u64 + u64::from(u32::from_le_bytes(*length)))
}

/// Whether a message stands behind the magic and what pads it, as far as that can be told from so many bytes.
fn begins_with_message(head: &[u8]) -> bool {
    let Some(mut rest) = head.strip_prefix(FILE_MAGIC) else { return true };
    while let Some(behind) = rest.strip_prefix(&[0; FILE_MAGIC.len()]) {
        rest = behind;
    }
    match rest.split_first_chunk::<4>() {
        None | Some(([0xff, 0xff, 0xff, 0xff], _)) => true,
        // Before version 5 of the format a message began with its length.
        Some((length, rest)) => match rest.get(..u32::from_le_bytes(*length) as usize) {
            None => true,
            Some(message) => arrow_ipc::root_as_message(message)
                .is_ok_and(|message| message.header_type() == MessageHeader::Schema),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_begins_with_a_message_or_not() {
        let after_magic = |bytes: &[u8]| begins_with_message(&[FILE_MAGIC, bytes].concat());
        assert!(after_magic(&[0xff, 0xff, 0xff, 0xff, 8, 0, 0, 0]));
        assert!(after_magic(&[&[0; 56][..], &[0xff; 4]].concat()));
        assert!(after_magic(&[]), "nothing can be told");
        assert!(after_magic(&[0, 1, 0, 0, 1, 2, 3]), "256 bytes of which three are here");
        // What polars writes: the message itself, without its length.
        assert!(!after_magic(&[4, 0, 0, 0, 0xf2, 0xff, 0xff, 0xff, 20, 0, 0, 0, 4, 0, 1, 0]));
        // Twelve bytes that could be a message, but of nothing.
        assert!(!after_magic(&[12, 0, 0, 0, 8, 0, 0, 0, 4, 0, 4, 0, 4, 0, 0, 0]));
    }
}
