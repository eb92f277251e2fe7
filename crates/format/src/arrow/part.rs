//! Parts of one Arrow file or stream: the messages of each behind those of the one before, under one schema, and
//! for a file a footer that lists them all.

use std::ops::Range;

use arrow_ipc::convert::IpcSchemaEncoder;
use arrow_ipc::{Block, FooterBuilder, MetadataVersion};
use arrow_schema::SchemaRef;
use flatbuffers::FlatBufferBuilder;

use super::trailer::TRAILER_MAGIC;
use crate::part::{Joint, placed};

/// What ends the messages: a marker, and a length of zero.
const END: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// A part that has been written.
#[derive(Clone, Debug)]
pub(crate) struct ArrowPart {
    /// Bytes that its record batches take.
    pub(crate) body: Range<u64>,
    /// Of a file, what its footer lists.
    pub(crate) listed: Option<Listed>,
}

/// What a footer says.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Vec<Block>,
}

impl ArrowPart {
    /// Nothing behind a head of so many bytes; `listed` is the schema of a file.
    pub(super) fn behind(head_bytes: usize, listed: Option<SchemaRef>) -> Self {
        let head = head_bytes as u64;
        let listed = listed.map(|schema| Listed { schema, batches: Vec::new() });
        Self { body: head..head, listed }
    }

    /// Adds a message with a record batch.
    pub(super) fn add(&mut self, message: &[u8]) {
        let start = self.body.end;
        self.body.end += message.len() as u64;
        if let Some(listed) = &mut self.listed {
            // Behind the marker stands the length of the metadata, and behind that the body.
            let length = message.get(4..8).and_then(|length| length.try_into().ok());
            let metadata = length.map(i32::from_le_bytes).expect("a message has a length") + 8;
            let body = message.len() as i64 - i64::from(metadata);
            listed.batches.push(Block::new(start as i64, metadata, body));
        }
    }

    pub(crate) fn join(parts: Vec<Self>) -> Joint {
        let places = placed(parts.iter().map(|part| part.body.clone()));
        let mut tail = END.to_vec();
        if let Some(Listed { schema, .. }) = parts[0].listed.clone() {
            let batches: Vec<Block> = parts
                .iter()
                .zip(&places)
                .flat_map(|(part, (_, moved))| {
                    let of_part = part.listed.iter().flat_map(|listed| &listed.batches);
                    of_part.map(move |block| {
                        let start = block.offset() + moved;
                        Block::new(start, block.metaDataLength(), block.bodyLength())
                    })
                })
                .collect();
            append_footer(&schema, &batches, &mut tail);
        }
        Joint { kept: places.into_iter().map(|(kept, _)| kept).collect(), tail }
    }
}

/// Appends a footer, its length and the magic.
fn append_footer(schema: &SchemaRef, batches: &[Block], out: &mut Vec<u8>) {
    let mut builder = FlatBufferBuilder::new();
    let dictionaries = builder.create_vector::<Block>(&[]);
    let batches = builder.create_vector(batches);
    let schema = IpcSchemaEncoder::new().schema_to_fb_offset(&mut builder, schema);
    let mut footer = FooterBuilder::new(&mut builder);
    footer.add_version(MetadataVersion::V5);
    footer.add_schema(schema);
    footer.add_dictionaries(dictionaries);
    footer.add_recordBatches(batches);
    let root = footer.finish();
    builder.finish(root, None);
    let footer = builder.finished_data();
    let length = i32::try_from(footer.len()).expect("a flatbuffer has less than 2 GiB");
    out.extend_from_slice(footer);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(TRAILER_MAGIC);
}
