//! What a file in the Arrow file format has behind its stream: a footer that lists its messages, the
//! footer's length, and the magic once more.
//!
//! Spec: Apache Arrow columnar format, "IPC File Format". The stream inside the file is read as it
//! comes; that the footer is there and lists the same is the proof that the file is whole.

use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::{Block, Endianness};
use arrow_schema::{FieldRef, Schema};

use crate::caught::caught;

/// What ends a file, behind the four bytes of the footer's length.
pub(crate) const TRAILER_MAGIC: &[u8] = b"ARROW1";

/// Messages of a file as they were met, and the bytes behind its stream.
#[derive(Default)]
pub(super) struct Trailer {
    /// Starts and lengths of messages with record batches.
    batches: Vec<(u64, u64)>,
    /// The same of dictionaries.
    dictionaries: Vec<(u64, u64)>,
    /// What follows the stream's end marker.
    bytes: Vec<u8>,
}

impl Trailer {
    pub(super) fn add_batch(&mut self, start: u64, byte_count: u64) {
        self.batches.push((start, byte_count));
    }

    pub(super) fn add_dictionary(&mut self, start: u64, byte_count: u64) {
        self.dictionaries.push((start, byte_count));
    }

    /// Takes bytes behind the stream.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Bytes held.
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes.capacity()
            + (self.batches.capacity() + self.dictionaries.capacity()) * size_of::<(u64, u64)>()
    }

    /// Once all bytes are there: that they are a footer which lists what was read.
    ///
    /// # Errors
    /// What is wrong.
    pub(super) fn check(&self, schema: &Schema) -> Result<(), String> {
        let cut = "it ends without its footer, as where its writer did not come to the end; write it \
                   again, or read what is there as a stream without the first 8 bytes";
        let Some(front) = self.bytes.strip_suffix(TRAILER_MAGIC) else {
            return Err(cut.to_owned());
        };
        let Some((front, length)) = front.split_last_chunk::<4>() else {
            return Err(cut.to_owned());
        };
        let length = usize::try_from(i32::from_le_bytes(*length)).ok();
        let footer_start = length.and_then(|length| front.len().checked_sub(length));
        let Some(footer_start) = footer_start else {
            return Err("its footer is said to be longer than what follows its messages".to_owned());
        };
        let (padding, footer) = front.split_at(footer_start);
        if padding.iter().any(|byte| *byte != 0) {
            return Err("bytes that its footer does not list follow its messages".to_owned());
        }
        // The footer is a verified flatbuffer, but `arrow-ipc` trusts some of what is in it.
        caught(|| self.check_footer(footer, schema))
            .unwrap_or_else(|| Err("its footer contradicts itself".to_owned()))
    }

    fn check_footer(&self, footer: &[u8], schema: &Schema) -> Result<(), String> {
        let footer = arrow_ipc::root_as_footer(footer)
            .map_err(|error| format!("its footer is damaged: {error}"))?;
        let batches = listed(footer.recordBatches().into_iter().flatten());
        let mut dictionaries = listed(footer.dictionaries().into_iter().flatten());
        dictionaries.sort_unstable();
        for (what, met, listed) in [
            ("record batches", &self.batches, batches),
            ("dictionaries", &self.dictionaries, dictionaries),
        ] {
            if !met.iter().copied().map(Some).eq(listed.iter().copied()) {
                return Err(format!(
                    "its footer lists {} {what}, and {} stand in it, or they stand elsewhere or in \
                     another order",
                    listed.len(),
                    met.len()
                ));
            }
        }
        let declared = footer.schema().ok_or("its footer has no schema")?;
        if declared.endianness() != Endianness::Little {
            return Err("its footer says that numbers have their big end first".to_owned());
        }
        let declared =
            try_fb_to_schema(declared).map_err(|error| format!("its footer: {error}"))?;
        let is_same = |(a, b): (&FieldRef, &FieldRef)| {
            a.name() == b.name() && a.data_type().equals_datatype(b.data_type())
        };
        let (declared, met) = (declared.fields(), schema.fields());
        if declared.len() != met.len() || !declared.iter().zip(met).all(is_same) {
            return Err("its footer has another schema than its first message".to_owned());
        }
        Ok(())
    }
}

/// Where a footer says that messages start, and how long they are; `None` for what cannot be.
fn listed<'a>(blocks: impl Iterator<Item = &'a Block>) -> Vec<Option<(u64, u64)>> {
    let place = |block: &Block| {
        let length = i64::from(block.metaDataLength()).checked_add(block.bodyLength())?;
        Some((u64::try_from(block.offset()).ok()?, u64::try_from(length).ok()?))
    };
    blocks.map(place).collect()
}
