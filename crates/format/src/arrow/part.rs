//! Parts of one Arrow file or stream: the messages of each behind those of the one before, under one schema, and
//! for a file a footer that lists them all.

use std::ops::Range;

use arrow_ipc::convert::IpcSchemaEncoder;
use arrow_ipc::{Block, FooterBuilder, MetadataVersion};
use arrow_schema::SchemaRef;
use flatbuffers::FlatBufferBuilder;
use tidemill_record::{Image, ImageError};

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

    /// Where its record batches stand. The schema is known to who goes on.
    pub(crate) fn export(&self) -> Image {
        let mut image = Image::new();
        image.put("body", [self.body.start, self.body.end]);
        if let Some(Listed { batches, .. }) = &self.listed {
            image.put("offsets", batches.iter().map(Block::offset));
            image.put("heads", batches.iter().map(Block::metaDataLength));
            image.put("lengths", batches.iter().map(Block::bodyLength));
        }
        image
    }

    /// Of what [`Self::export`] gave; `listed` is the schema of a file.
    pub(crate) fn import(mut image: Image, listed: Option<SchemaRef>) -> Result<Self, ImageError> {
        let body: Vec<u64> = image.take_exactly("body", 2)?;
        let mut part = Self::behind(0, listed);
        part.body = body[0]..body[1];
        // So that no sum of them passes what there can be.
        let is_small = |&number: &i64| (0..1 << 62).contains(&number);
        if body[0] > body[1] || body[1] >> 62 != 0 {
            return Err(ImageError::new("body", "is no range of a file"));
        }
        if let Some(listed) = &mut part.listed {
            let offsets: Vec<i64> = image.take("offsets")?;
            let heads: Vec<i32> = image.take_exactly("heads", offsets.len())?;
            let lengths: Vec<i64> = image.take_exactly("lengths", offsets.len())?;
            if !offsets.iter().chain(&lengths).all(is_small) {
                return Err(ImageError::new("offsets", "is no range of a file"));
            }
            let blocks = offsets.into_iter().zip(heads).zip(lengths);
            let block = |((offset, head), length)| Block::new(offset, head, length);
            listed.batches = blocks.map(block).collect();
        }
        image.end()?;
        Ok(part)
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
