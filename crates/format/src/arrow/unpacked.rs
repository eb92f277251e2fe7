//! The packed buffers of a record batch, unpacked one behind the other into memory of batches before.
//!
//! Spec: Apache Arrow columnar format, "Compression": before the bytes of a buffer stands how many they become, 8 bytes
//! with the lowest first, or -1 where they are as they were.

use arrow_buffer::Buffer;
use arrow_ipc::{CompressionType, RecordBatch, RecordBatchArgs};
use arrow_schema::ArrowError;
use flatbuffers::FlatBufferBuilder;
use tidemill_record::recycled::PartMemory;

use super::messages::within;
use super::needed::Needed;
use crate::unpack::{Packing, Unpacker};

/// Where the bytes of a buffer begin.
const ALIGNMENT: usize = 64;

/// Unpacks record batches.
#[derive(Default)]
pub(super) struct Bodies {
    unpacker: Unpacker,
    memory: PartMemory,
    /// What is said of a batch once it is unpacked; reused.
    head: FlatBufferBuilder<'static>,
}

/// Bytes of a buffer: how they are packed, the bytes, and how many they become.
type Packed<'a> = (Packing, &'a [u8], usize);

impl Bodies {
    /// The head and the body of the same batch with nothing packed; of buffers that are not needed there is nothing.
    ///
    /// # Errors
    /// A buffer is damaged, or becomes another number of bytes.
    pub(super) fn unpack(
        &mut self,
        batch: RecordBatch<'_>,
        body: &Buffer,
        needed: Option<&Needed>,
    ) -> Result<(RecordBatch<'_>, Buffer), ArrowError> {
        let packing = match batch.compression().map(|compression| compression.codec()) {
            Some(CompressionType::LZ4_FRAME) => Packing::Lz4Frame,
            Some(CompressionType::ZSTD) => Packing::Zstd,
            _ => Packing::None,
        };
        let is_needed = |at: usize| {
            needed.is_none_or(|needed| needed.buffers.iter().any(|places| places.contains(&at)))
        };
        let (mut parts, mut end) = (Vec::new(), 0_usize);
        for (at, buffer) in batch.buffers().into_iter().flatten().enumerate() {
            let part = match is_needed(at) {
                true => packed(body, buffer, packing)?,
                false => (Packing::None, &[][..], 0),
            };
            let start = end.next_multiple_of(ALIGNMENT);
            end = start.checked_add(part.2).ok_or_else(|| damaged("it is longer than memory"))?;
            parts.push((part, start));
        }
        let mut room = self.memory.take(end);
        let mut buffers = Vec::with_capacity(parts.len());
        for ((packing, bytes, byte_count), start) in parts {
            let to = &mut room[start..start + byte_count];
            let outcome = self.unpacker.unpack_to(packing, bytes, to);
            outcome.map_err(|source| damaged(&source.to_string()))?;
            buffers.push(arrow_ipc::Buffer::new(as_signed(start)?, as_signed(byte_count)?));
        }
        let body = self.memory.lend(room);
        let builder = &mut self.head;
        builder.reset();
        let nodes: Option<Vec<_>> = batch.nodes().map(|nodes| nodes.iter().copied().collect());
        let counts: Option<Vec<i64>> = batch.variadicBufferCounts().map(|all| all.iter().collect());
        let said = RecordBatchArgs {
            length: batch.length(),
            nodes: nodes.map(|nodes| builder.create_vector(&nodes)),
            buffers: Some(builder.create_vector(&buffers)),
            compression: None,
            variadicBufferCounts: counts.map(|counts| builder.create_vector(&counts)),
        };
        let said = RecordBatch::create(builder, &said);
        builder.finish(said, None);
        let head = flatbuffers::root::<RecordBatch<'_>>(builder.finished_data());
        Ok((head.map_err(|source| damaged(&source.to_string()))?, body))
    }
}

/// What a buffer takes of the body.
fn packed<'a>(
    body: &'a Buffer,
    buffer: &arrow_ipc::Buffer,
    packing: Packing,
) -> Result<Packed<'a>, ArrowError> {
    let bytes = within(body, buffer).ok_or_else(|| damaged("it lies outside of its message"))?;
    if bytes.is_empty() {
        return Ok((Packing::None, bytes, 0));
    }
    let (length, bytes) =
        bytes.split_first_chunk().ok_or_else(|| damaged("its length is not there"))?;
    Ok(match i64::from_le_bytes(*length) {
        0 => (Packing::None, &[], 0),
        -1 => (Packing::None, bytes, bytes.len()),
        length => {
            let byte_count =
                usize::try_from(length).map_err(|_| damaged("its length is negative"))?;
            (packing, bytes, byte_count)
        }
    })
}

fn as_signed(count: usize) -> Result<i64, ArrowError> {
    i64::try_from(count).map_err(|_| damaged("it is longer than memory"))
}

fn damaged(reason: &str) -> ArrowError {
    ArrowError::IpcError(format!("a packed buffer: {reason}"))
}
